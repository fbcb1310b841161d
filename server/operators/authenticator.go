package operators

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Authenticator returns the actors of requests that Server.Operators passes on.
type Authenticator struct {
	Sessions *authorize.Sessions
	Bearer   *token.Bearer
	Clients  oauth2.Clients
}

// errNoRequest means that a request does not come from Server.Operators.
var errNoRequest = errors.New("operators: the request was not passed on by the server")

// Session returns the operator of a session of the console. Without a session that has two factors, the error is
// admin.ErrUnauthenticated.
func (a *Authenticator) Session(r *http.Request) (admin.Actor, error) {
	c, err := requestOf(r)
	if err != nil {
		return admin.Actor{}, err
	}
	current, err := a.Sessions.Current(c)
	if err != nil {
		return admin.Actor{}, err
	}
	if current == nil || current.Record.ACR != authorize.ACRTwoFactors {
		return admin.Actor{}, fmt.Errorf("the console %w", admin.ErrUnauthenticated)
	}
	if err := a.Sessions.Used(c.Context(), c.Issuer, current); err != nil {
		return admin.Actor{}, err
	}
	actor := newActor(c, admin.OperatorName(current.User.ID), current.User.Assignments)
	actor.AuthTime = current.Record.AuthTime
	return actor, nil
}

// Token returns the actor of an access token of the admin API: an operator with two factors, or a service client. Errors of the
// token are those of RFC 6750 §3.1, joined with admin.ErrUnauthenticated.
func (a *Authenticator) Token(r *http.Request) (admin.Actor, error) {
	c, err := requestOf(r)
	if err != nil {
		return admin.Actor{}, err
	}
	text, err := token.BearerToken(r)
	if err == nil && text == "" {
		err = token.MissingToken()
	}
	if err != nil {
		return admin.Actor{}, errors.Join(admin.ErrUnauthenticated, err)
	}
	presented, err := a.Bearer.ForResource(c.Context(), c.Issuer, text, c.Issuer.URL+endpoint.APIPath)
	if endpoint.IsUnavailable(err) {
		return admin.Actor{}, err
	}
	if err != nil {
		return admin.Actor{}, errors.Join(admin.ErrUnauthenticated, err)
	}
	c.ClientID = presented.Client
	if presented.User == nil {
		return a.service(c, presented)
	}
	if presented.ACR != authorize.ACRTwoFactors {
		return admin.Actor{}, errors.Join(admin.ErrUnauthenticated, token.Rejected("the sign-in of the token has one factor"))
	}
	actor := newActor(c, admin.OperatorName(presented.User.ID), presented.User.Assignments)
	actor.AuthTime = presented.AuthTime
	return actor, nil
}

// service returns the actor of a service client, by the client's record as it is now.
func (a *Authenticator) service(c *endpoint.Request, presented token.ResourceToken) (admin.Actor, error) {
	client, err := a.Clients.FreshClient(c.Context(), storage.OperatorsDirectory, presented.Client)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return admin.Actor{}, err
	}
	if err != nil || client.Record().Disabled || client.Record().Incarnation != presented.Incarnation {
		return admin.Actor{}, errors.Join(admin.ErrUnauthenticated, token.Rejected("the client is deleted, disabled or expired"))
	}
	return newActor(c, admin.ServiceName(presented.Client), client.Record().Assignments), nil
}

func newActor(c *endpoint.Request, name string, assignments []storage.Assignment) admin.Actor {
	return admin.Actor{Name: name, Assignments: admin.AssignmentsOf(assignments), From: c.ClientIP.String(), RequestID: c.ID}
}

// requestOf returns the request that Server.Operators passed on, for the directory of operators.
func requestOf(r *http.Request) (*endpoint.Request, error) {
	c := endpoint.FromContext(r.Context())
	if c == nil || c.Issuer == nil || c.Issuer.Directory.ID != storage.OperatorsDirectory {
		return nil, errNoRequest
	}
	return c, nil
}

// MayReadMetrics returns an error for an actor who may not read the metrics.
func MayReadMetrics(service *admin.Service) error {
	err := service.Allowed(storage.Everywhere, admin.ActMetricsRead)
	if errors.Is(err, admin.ErrForbidden) {
		return endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusForbidden, "The actor of the access token has no role for the whole installation.")
	}
	return err
}
