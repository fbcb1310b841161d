package accountapi

import (
	"errors"
	"net/http"
	"path"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
)

// API is every endpoint below Path.
type API struct {
	*account.Account
	Proof token.AccountProof
}

// Path is the prefix of the endpoints.
const Path = endpoint.AccountPath + "/api/v1"

// call is a request with its user and token.
type call struct {
	*endpoint.Request
	token.PresentedToken
}

// user is the user of the token.
func (c *call) user() storage.User { return c.User }

// session is the ID of the browser session of the token; the claim "sid" where it has none.
func (c *call) session() string {
	if c.Grant.Session != "" {
		return c.Grant.Session
	}
	return c.Grant.SID
}

// serveFunc serves a method of an endpoint.
type serveFunc func(w http.ResponseWriter, c *call) error

// act is a method of an endpoint. fresh requires a sign-in within five minutes.
type act struct {
	fresh bool
	serve serveFunc
}

// Mount implements endpoint.Endpoint.
func (a *API) Mount(t *endpoint.RouteTable) {
	a.route(t, "profile", "/profile", map[string]act{http.MethodGet: {serve: a.profile}, http.MethodPatch: {serve: a.updateProfile}})
	a.route(t, "identities", "/identities", map[string]act{http.MethodGet: {serve: a.identities}, http.MethodPost: {true, a.addIdentity}})
	a.route(t, "identity", "/identities/{id}", map[string]act{http.MethodDelete: {true, a.removeIdentity}})
	a.route(t, "methods", "/methods", map[string]act{http.MethodGet: {serve: a.methods}})
	a.route(t, "method", "/methods/{id}", map[string]act{http.MethodDelete: {true, a.removeMethod}})
	a.route(t, "sessions", "/sessions", map[string]act{http.MethodGet: {serve: a.sessions}, http.MethodDelete: {serve: a.endOtherSessions}})
	a.route(t, "session", "/sessions/{id}", map[string]act{http.MethodDelete: {serve: a.endSession}})
	a.route(t, "terms", "/terms", map[string]act{http.MethodGet: {serve: a.terms}})
	a.route(t, "sign_ins", "/sign-ins", map[string]act{http.MethodGet: {serve: a.signIns}})
	a.route(t, "sign_in", "/sign-ins/{id}", map[string]act{http.MethodDelete: {serve: a.reportSignIn}})
	a.route(t, "applications", "/applications", map[string]act{http.MethodGet: {serve: a.applications}})
	a.route(t, "application", "/applications/{id}", map[string]act{http.MethodDelete: {serve: a.removeApplication}})
	a.route(t, "export", "/export", map[string]act{http.MethodGet: {true, a.export}})
	a.route(t, "deletion", "/deletion", map[string]act{http.MethodPost: {true, a.requestDeletion}})
}

// route adds an endpoint.
func (a *API) route(t *endpoint.RouteTable, name, below string, acts map[string]act) {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if _, ok := acts[method]; ok {
			methods = append(methods, method)
		}
	}
	t.Handle(endpoint.Route{
		Name: "account_api_" + name, Path: Path + below, Methods: methods, ErrorWriter: endpoint.BearerErrors, CORS: true,
		Serve: func(w http.ResponseWriter, r *endpoint.Request) error {
			w.Header().Set("Cache-Control", "no-store")
			if r.Method == http.MethodHead {
				return a.serve(w, r, acts[http.MethodGet])
			}
			return a.serve(w, r, acts[r.Method])
		},
	})
}

// serve accepts the token and serves an act.
func (a *API) serve(w http.ResponseWriter, r *endpoint.Request, do act) error {
	shown, err := token.BearerToken(r.Request)
	if err != nil {
		return err
	}
	if shown == "" {
		return token.MissingToken()
	}
	found, err := a.Proof.Accept(r.Context(), r.Issuer, shown)
	if found.ActiveGrant != nil {
		r.ClientID = found.Client.GetID() // Its origins may read the error too.
	}
	if err == nil && do.fresh {
		err = a.Proof.CheckFresh(found)
	}
	if err != nil {
		return err
	}
	return do.serve(w, &call{r, found})
}

// id is the last segment of the path.
func (c *call) id() string { return path.Base(c.URL.Path) }

// done writes 204 No Content.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// problem maps an error of package identity to that of the API.
func problem(err error) error {
	_, invalid := errors.AsType[*identity.InvalidError](err)
	switch {
	case errors.Is(err, identity.ErrUnknownMethod), errors.Is(err, storage.ErrNotFound):
		return endpoint.NotFound()
	case errors.Is(err, identity.ErrLastMethod):
		return account.LastMethod()
	case errors.Is(err, identity.ErrTaken):
		taken := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "Another user has this name.")
		taken.Reason = reasonTaken
		return taken
	case invalid:
		return endpoint.NewError(fosite.ErrInvalidRequest, err.Error()+".")
	default:
		return err
	}
}

// reasonTaken is the reason for a username of another user.
const reasonTaken = "username_taken"
