package authorize

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
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// PushedRequests stores authorization requests that clients pushed (RFC 9126).
type PushedRequests struct {
	Engine storage.Engine
	Now    func() time.Time
	Random io.Reader
}

const (
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLife is the lifetime of a request_uri until its first use. The interaction that it opens lives longer.
	pushedLife    = time.Minute
	pushedRefSize = 32
)

// store stores a request and returns its request_uri.
func (p PushedRequests) store(ctx context.Context, a *Request) (string, error) {
	reference, err := endpoint.RandomString(p.Random, pushedRefSize)
	if err != nil {
		return "", err
	}
	client, now := a.Client.Record(), storage.Instant(p.Now())
	_, err = storage.Insert(ctx, p.Engine, storage.PushedRequest{
		Directory: client.Directory, ID: storage.Digest("pushed request", reference), Client: client.ID, Incarnation: client.Incarnation, Form: a.FormWithoutHint().Encode(),
		Hint:      a.hint,
		CreatedAt: now, ExpiresAt: now.Add(pushedLife),
	})
	if err != nil {
		return "", fmt.Errorf("authorize: pushed request: %w", err)
	}
	return requestURIPrefix + reference, nil
}

// pushedReference is the data of a pushed request that is not among its parameters.
type pushedReference struct {
	// id is the request's ID; empty for a request that was not pushed.
	id string
	// hint is the subject of its id_token_hint.
	hint string
	// incarnation is that of the client that pushed the request.
	incarnation string
}

// of reports whether this client pushed the request, and not a deleted one with the same ID.
func (p pushedReference) of(client *oauth2.Client) bool {
	return p.id == "" || isClient(client.Record(), p.incarnation)
}

// resolve returns the pushed request that form refers to, or form itself. A request that is unknown, expired or of another
// client is an error for a page, because its redirect URI is not known.
func (p PushedRequests) resolve(ctx context.Context, issuer *oauth2.Issuer, form url.Values) (url.Values, pushedReference, error) {
	uris := form["request_uri"]
	if len(uris) != 1 || !strings.HasPrefix(uris[0], requestURIPrefix) {
		return form, pushedReference{}, nil
	}
	id := storage.Digest("pushed request", strings.TrimPrefix(uris[0], requestURIPrefix))
	entry, err := storage.Get[storage.PushedRequest](ctx, p.Engine, storage.Key(issuer.Directory.ID, id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, pushedReference{}, requestURIOver()
	}
	if err != nil {
		return nil, pushedReference{}, fmt.Errorf("authorize: pushed request: %w", err)
	}
	if storage.MadeAhead(entry.Record.CreatedAt, p.Now()) {
		return nil, pushedReference{}, requestURIOver()
	}
	if clients := form["client_id"]; len(clients) != 1 || clients[0] != entry.Record.Client {
		return nil, pushedReference{}, requestURIOver()
	}
	pushed, err := url.ParseQuery(entry.Record.Form)
	if err != nil {
		return nil, pushedReference{}, errors.New("authorize: pushed request is malformed")
	}
	return pushed, pushedReference{id, entry.Record.Hint, entry.Record.Incarnation}, nil
}

// requestURIOver is the error for a request_uri that is unknown or expired.
func requestURIOver() error {
	problem := PageError("request_uri_over", "The request_uri has expired, was used before, or belongs to another client. Begin again in the application.")
	problem.Protocol.ErrorField = fosite.ErrInvalidRequestURI.ErrorField
	return problem
}

// requestURIUsed is the error for a request_uri that was used (RFC 9126 §4: once).
func requestURIUsed() error {
	return endpoint.NewError(fosite.ErrInvalidRequestURI, "This request_uri was used before. Push the request again.")
}

// PAR is POST /oauth2/par (RFC 9126): an authenticated client sends an authorization request directly, without the browser,
// and gets a reference to it.
type PAR struct {
	Clients clientauth.Authenticator
	Reader  RequestReader
	Pushed  PushedRequests
}

const (
	routePAR = "par"
	parPath  = "/oauth2/par"
)

// Mount implements endpoint.Endpoint.
func (e *PAR) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{Name: routePAR, Path: parPath, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors, CORS: true})
	t.Advertise(func(p *discovery.Provider) { p.Endpoints.PushedAuthorization = parPath })
}

func (e *PAR) serve(w http.ResponseWriter, r *endpoint.Request) error {
	// 1. Authenticate the client.
	form, err := endpoint.ReadForm(r, repeatableTargets()...)
	if err != nil {
		return err
	}
	client, err := e.Clients.Client(r.Context(), r, form)
	if err != nil {
		return err
	}
	// 2. Check the request, which must be of that client.
	request, err := e.read(r, client, form)
	if err != nil {
		return err
	}
	// 3. Store it and return the reference.
	uri, err := e.Pushed.store(r.Context(), request)
	if err != nil {
		return err
	}
	return endpoint.WriteJSONStatus(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(pushedLife / time.Second)})
}

// read checks a pushed request as the authorization endpoint would.
func (e *PAR) read(r *endpoint.Request, client *oauth2.Client, form url.Values) (*Request, error) {
	if form.Has("request_uri") {
		return nil, endpoint.NewError(fosite.ErrInvalidRequest, "A pushed request must not refer to another one by request_uri.")
	}
	asked := authorizationForm(form)       // Without the credentials.
	asked.Set("client_id", client.GetID()) // Client authentication rejects a different client_id.
	to, err := e.Reader.resolveClient(r, asked)
	if err != nil {
		return nil, err
	}
	return e.Reader.read(r.Context(), r.Issuer, to, asked)
}
