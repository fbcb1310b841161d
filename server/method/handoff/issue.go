package handoff

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Issue is POST /federation/wechat/miniapp/hand-off: a mini-program's backend requests the URL that signs its user in to a
// web-view.
type Issue struct {
	Clients clientauth.Authenticator
	Bearer  *token.Bearer
	Store   *oauth2.Store
	Catalog *endpoint.Catalog
}

const (
	// Path is the page that the URL opens, relative to the issuer.
	Path = "/hand-off"
	// ticketParameter is the query parameter with the ticket.
	ticketParameter = "ticket"
	// maxState bounds the parameter state, in bytes.
	maxState = 512
)

// reasonTarget is the reason for a target client that has no hand-off.
const reasonTarget = "hand_off_target"

// Mount implements endpoint.Endpoint.
func (e *Issue) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "hand_off_issue", Path: "/federation/wechat/miniapp/hand-off", Methods: []string{http.MethodPost},
		Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

// Parameters are the parameters of the request.
func Parameters() endpoint.JSONParameters {
	return endpoint.JSONParameters{Strings: []string{
		"client_id", "client_secret", "client_assertion", "client_assertion_type", "access_token", "target_client_id", "state",
	}}
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
	client, err := e.Clients.Client(r.Context(), r, form)
	if err != nil {
		return err
	}
	if err := account.CheckStartsSessions(client.Record()); err != nil {
		return err
	}
	if form.Get("access_token") == "" || form.Get("target_client_id") == "" {
		return endpoint.NewError(fosite.ErrInvalidRequest, "access_token and target_client_id are needed.")
	}
	if len(form.Get("state")) > maxState {
		return endpoint.NewError(fosite.ErrInvalidRequest, "state is too long.")
	}
	target, err := e.target(r.Context(), r.Issuer, form.Get("target_client_id"))
	if err != nil {
		return err
	}
	shown, err := e.Bearer.AcceptOf(r.Context(), r.Issuer, form.Get("access_token"), client.GetID())
	if err != nil {
		return err
	}
	ticket, err := e.Store.IssueHandOff(r.Context(), client, storage.Grant{
		User: shown.User.ID, UserEpoch: shown.User.Epoch, ClientEpoch: shown.User.ClientEpoch(client.GetID()),
		AuthTime: shown.Grant.AuthTime, AMR: []string{authorize.AMRHandOff},
		HandOff: &storage.HandOff{Client: target.Instance(), State: form.Get("state")},
	})
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, issued{r.Issuer.URL + Path + "?" + ticketParameter + "=" + ticket, int(oauth2.HandOffLifetime / time.Second)})
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
