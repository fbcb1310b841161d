package handoff

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Issue is POST /federation/wechat/miniapp/hand-off: a mini-program's backend requests the URL that signs its user in to a
// web-view. It proves the user by an access token, or by a fresh code of wx.login.
type Issue struct {
	Clients clientauth.Authenticator
	Bearer  *token.Bearer
	Login   federation.Handler
	Store   *oauth2.Store
	Catalog *endpoint.Catalog
	Now     func() time.Time
}

const (
	// Path is the page that the URL opens, relative to the issuer.
	Path = "/hand-off"
	// ticketParameter is the query parameter with the ticket.
	ticketParameter = "ticket"
	// maxState bounds the parameter state, in bytes.
	maxState = 512
)

// The reasons for a target client that has no hand-off, and for a directory without the method.
const (
	reasonTarget = "hand_off_target"
	reasonOff    = "hand_off_off"
)

// Mount implements endpoint.Endpoint.
func (e *Issue) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "hand_off_issue", Path: "/federation/wechat/miniapp/hand-off", Methods: []string{http.MethodPost},
		Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

// Parameters are the parameters of the request.
func Parameters() endpoint.JSONParameters {
	return endpoint.JSONParameters{Strings: append([]string{
		"client_id", "client_secret", "client_assertion", "client_assertion_type", "access_token", "code", "target_client_id", "state",
	}, federation.ForeignMembers()...)}
}

// issued is the response.
type issued struct {
	URL       string `json:"url"`
	ExpiresIn int    `json:"expires_in"`
}

func (e *Issue) serve(w http.ResponseWriter, r *endpoint.Request) error {
	form, err := endpoint.ReadParameters(r, Parameters())
	if err != nil {
		return err
	}
	prove := e.byToken
	if form.Get("code") != "" {
		prove = e.byCode
	}
	client, grant, err := prove(r, form)
	if err != nil {
		return err
	}
	ticket, err := e.Store.IssueHandOff(r.Context(), client, grant)
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, issued{r.Issuer.URL + Path + "?" + ticketParameter + "=" + ticket, int(oauth2.HandOffLifetime / time.Second)})
}

// byToken returns the grant of a hand-off for the user of an access token.
func (e *Issue) byToken(r *endpoint.Request, form url.Values) (*oauth2.Client, storage.Grant, error) {
	client, err := e.Clients.Client(r.Context(), r, form)
	if err != nil {
		return nil, storage.Grant{}, err
	}
	target, err := e.check(r, client.Record(), form)
	if err != nil {
		return nil, storage.Grant{}, err
	}
	shown, err := e.Bearer.AcceptOf(r.Context(), r.Issuer, form.Get("access_token"), client.GetID())
	if err != nil {
		return nil, storage.Grant{}, err
	}
	return client, newGrant(client, target, shown.User, shown.Grant.AuthTime, form), nil
}

// byCode returns the grant of a hand-off for the user of a login code. The tokens of the login are dropped.
func (e *Issue) byCode(r *endpoint.Request, form url.Values) (*oauth2.Client, storage.Grant, error) {
	asked := &confirmation{issue: e, request: r, form: form}
	login, err := e.Login.Confirm(r, form, asked)
	if err != nil {
		return nil, storage.Grant{}, err
	}
	client, err := e.Catalog.Client(r.Context(), r.Issuer.Directory.ID, asked.client)
	if err != nil {
		return nil, storage.Grant{}, err
	}
	return client, newGrant(client, asked.target, login.User, storage.Instant(e.Now()), form), nil
}

func newGrant(client *oauth2.Client, target storage.Client, user storage.User, at time.Time, form url.Values) storage.Grant {
	return storage.Grant{
		User: user.ID, UserEpoch: user.Epoch, ClientEpoch: user.ClientEpoch(client.GetID()), AuthTime: at, AMR: []string{authorize.AMRHandOff},
		HandOff: &storage.HandOff{Client: target.Instance(), State: form.Get("state")},
	}
}

// confirmation is a hand-off that a login code proves.
type confirmation struct {
	issue   *Issue
	request *endpoint.Request
	form    url.Values

	// client is the ID of the mini-program's client, and target the client of the web-view, after the check.
	client string
	target storage.Client
}

// Digest implements federation.Confirmation.
func (c *confirmation) Digest() string {
	return storage.Digest("hand-off", c.form.Get("target_client_id"), c.form.Get("state"))
}

// Check implements federation.Confirmation. It runs before the code is spent.
func (c *confirmation) Check(_ context.Context, client storage.Client, _ []string) (err error) {
	c.client = client.ID
	c.target, err = c.issue.check(c.request, client, c.form)
	return err
}

// check returns the client that the web-view is signed in to, if the client of the mini-program may do that.
func (e *Issue) check(r *endpoint.Request, client storage.Client, form url.Values) (storage.Client, error) {
	if err := account.CheckStartsSessions(client); err != nil {
		return storage.Client{}, err
	}
	if !r.Issuer.Directory.HasSignInMethod(storage.SignInHandOff) {
		problem := endpoint.NewError(fosite.ErrUnauthorizedClient, "The directory does not list the sign-in method hand-off. Its operator has to add it to sign_in_methods.")
		problem.Reason = reasonOff
		return storage.Client{}, problem
	}
	if (form.Get("access_token") == "") == (form.Get("code") == "") || form.Get("target_client_id") == "" {
		return storage.Client{}, endpoint.NewError(fosite.ErrInvalidRequest, "target_client_id and one of access_token and code are needed.")
	}
	if len(form.Get("state")) > maxState {
		return storage.Client{}, endpoint.NewError(fosite.ErrInvalidRequest, "state is too long.")
	}
	return e.target(r.Context(), r.Issuer, form.Get("target_client_id"))
}

// target returns the client that the web-view is signed in to.
func (e *Issue) target(ctx context.Context, issuer *oauth2.Issuer, id string) (storage.Client, error) {
	client, err := e.Catalog.Client(ctx, issuer.Directory.ID, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return storage.Client{}, err
	}
	if err != nil || client.Record().Disabled || client.Record().InitiateLoginURI == "" {
		problem := endpoint.NewError(fosite.ErrInvalidRequest, "target_client_id must be an enabled client of this directory with an initiate_login_uri.")
		problem.Reason = reasonTarget
		return storage.Client{}, problem
	}
	return client.Record(), nil
}
