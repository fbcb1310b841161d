package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// pushedRequests keeps authorization requests that clients pushed (RFC 9126).
type pushedRequests struct {
	engine storage.Engine
	now    func() time.Time
	random io.Reader
}

const (
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLife is until when the user's browser has to bring the request_uri. What it opens lives longer.
	pushedLife    = time.Minute
	pushedRefSize = 32
)

// store keeps a request and returns its request_uri.
func (p pushedRequests) store(ctx context.Context, a *authorization) (string, error) {
	reference, err := randomText(p.random, pushedRefSize)
	if err != nil {
		return "", err
	}
	client, now := a.client.Record(), storage.Instant(p.now())
	_, err = storage.Insert(ctx, p.engine, storage.PushedRequest{
		Directory: client.Directory, ID: storage.Digest("pushed request", reference), Client: client.ID, Incarnation: client.Incarnation, Form: a.formWithoutHint().Encode(),
		Hint:      a.hint,
		CreatedAt: now, ExpiresAt: now.Add(pushedLife),
	})
	if err != nil {
		return "", fmt.Errorf("server: pushed request: %w", err)
	}
	return requestURIPrefix + reference, nil
}

// pushedReference is what a request that was pushed brings along.
type pushedReference struct {
	// id names it; empty for a request that was not pushed.
	id string
	// hint is the subject of its id_token_hint.
	hint string
	// incarnation is that of the client that pushed it.
	incarnation string
}

// of reports whether this client pushed the request, and not a deleted one that had the same ID.
func (p pushedReference) of(client *oauth2.Client) bool {
	return p.id == "" || p.incarnation == client.Record().Incarnation
}

// resolve returns the pushed request that form refers to; form itself when it refers to none. One that is unknown, expired or
// of another client is an error for a page: nothing says which address to return to.
func (p pushedRequests) resolve(ctx context.Context, issuer *oauth2.Issuer, form url.Values) (url.Values, pushedReference, error) {

	uris := form["request_uri"]
	if len(uris) != 1 || !strings.HasPrefix(uris[0], requestURIPrefix) {
		return form, pushedReference{}, nil
	}
	id := storage.Digest("pushed request", strings.TrimPrefix(uris[0], requestURIPrefix))
	entry, err := storage.Get[storage.PushedRequest](ctx, p.engine, storage.Key(issuer.Directory.ID, id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, pushedReference{}, requestURIOver()
	}
	if err != nil {
		return nil, pushedReference{}, fmt.Errorf("server: pushed request: %w", err)
	}
	if storage.MadeAhead(entry.Record.CreatedAt, p.now()) {
		return nil, pushedReference{}, requestURIOver()
	}
	if clients := form["client_id"]; len(clients) != 1 || clients[0] != entry.Record.Client {
		return nil, pushedReference{}, requestURIOver()
	}
	pushed, err := url.ParseQuery(entry.Record.Form)
	if err != nil {
		return nil, pushedReference{}, errors.New("server: pushed request is malformed")
	}
	return pushed, pushedReference{id, entry.Record.Hint, entry.Record.Incarnation}, nil
}

// requestURIOver says that a request_uri opens nothing.
func requestURIOver() error {
	problem := pageRefusal("request_uri_over", "The link that led here is over, or it is of another application. Go back to the application and begin again.")
	problem.Protocol.ErrorField = fosite.ErrInvalidRequestURI.ErrorField
	return problem
}

// requestURIUsed says that a request_uri was used (RFC 9126 §4: once).
func requestURIUsed() error {
	return refusal(fosite.ErrInvalidRequestURI, "This request_uri was used before. Push the request again.")
}

// parEndpoint is POST /oauth2/par (RFC 9126): a client deposits an authorization request, authenticated and unseen by the
// browser, and gets a reference to it.
type parEndpoint struct {
	auth   fosite.ClientAuthenticationStrategy
	reader authorizationReader
	pushed pushedRequests
}

const (
	routePAR = "par"
	parPath  = "/oauth2/par"
)

func (e *parEndpoint) mount(t *table) {
	t.handle(route{name: routePAR, path: parPath, methods: []string{http.MethodPost}, serve: e.serve, surface: oauthErrors, browsers: true})
	t.advertise(func(p *discovery.Provider) { p.Endpoints.PushedAuthorization = parPath })
}

func (e *parEndpoint) serve(w http.ResponseWriter, r *call) error {
	// 1. Who asks.
	form, err := readForm(r, repeatableTargets()...)
	if err != nil {
		return err
	}
	client, err := e.auth(r.Context(), r.Request, form)
	if err != nil {
		return err
	}
	// 2. What is asked, by that client and nobody else.
	request, err := e.read(r.Context(), r.issuer, client, form)
	if err != nil {
		return err
	}
	// 3. The reference to it.
	uri, err := e.pushed.store(r.Context(), request)
	if err != nil {
		return err
	}
	return writeJSONStatus(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(pushedLife / time.Second)})
}

// read checks a pushed request as the authorization endpoint would.
func (e *parEndpoint) read(ctx context.Context, issuer *oauth2.Issuer, client fosite.Client, form url.Values) (*authorization, error) {
	if form.Has("request_uri") {
		return nil, refusal(fosite.ErrInvalidRequest, "A pushed request must not refer to another one by request_uri.")
	}
	asked := authorizationForm(form)       // Without the credentials.
	asked.Set("client_id", client.GetID()) // Authentication refuses a request that names another client.
	to, err := e.reader.addressee(ctx, issuer, asked)
	if err != nil {
		return nil, err
	}
	return e.reader.read(ctx, issuer, to, asked)
}
