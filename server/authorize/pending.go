package authorize

import (
	"net/http"
	"slices"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Pending is an authorization request that waits for its user, for the pages. A page and its form have the same URL, which
// contains the interaction: the current step, the client and the request.
type Pending struct {
	*Interaction
	Request *Request
}

// Pending returns the request in the URL of a page. It is checked again, because the client's registration may have changed.
func (e *Endpoint) Pending(r *endpoint.Request) (*Pending, error) {
	i, err := e.Interactions.open(r)
	if err != nil {
		if i != nil {
			e.offerAgain(r, i)
		}
		return nil, err
	}
	return e.reread(r, i)
}

// reread returns the request of an interaction.
func (e *Endpoint) reread(r *endpoint.Request, i *Interaction) (*Pending, error) {
	r.Parameters = i.Form
	to, err := e.Reader.resolveClient(r, i.Form)
	if err != nil {
		return nil, err
	}
	if !isClient(to.Client.Record(), i.Client) { // The client was deleted and its ID reused.
		e.offerAgain(r, i)
		return nil, interactionOver()
	}
	request, err := e.Reader.read(r.Context(), r.Issuer, to, i.Form)
	if err != nil {
		return nil, err
	}
	request.pushed, request.until = i.Pushed, i.Until
	if i.Hint != "" {
		request.hint = i.Hint
	}
	return &Pending{i, request}, nil
}

// isClient reports whether an incarnation is that of a client. A client with a metadata document has none until a user consents.
func isClient(client storage.Client, incarnation string) bool {
	return client.Incarnation == incarnation || incarnation == "" && client.Origin == storage.OriginDocument
}

// AfterSignIn continues a request after the user signed in to that session.
func (e *Endpoint) AfterSignIn(r *endpoint.Request, p *Pending, current *CurrentSession) (string, error) {
	p.SignedIn = current.Record.ID
	return e.Interactions.at(r.Context(), r.Issuer, AuthorizePath, p.Interaction)
}

// Denied continues a request after the user cancelled on a page with secrets.
func (e *Endpoint) Denied(r *endpoint.Request, p *Pending) (string, error) {
	p.Denied = true
	return e.Interactions.at(r.Context(), r.Issuer, AuthorizePath, p.Interaction)
}

// AfterAccountChoice continues a request after the user chose to stay signed in with that session.
func (e *Endpoint) AfterAccountChoice(w http.ResponseWriter, r *endpoint.Request, p *Pending, current *CurrentSession) error {
	p.Chosen = current.Record.ID
	return e.GoTo(w, r, AuthorizePath, p.Interaction)
}

// ConsentOffer is what the consent page shows.
type ConsentOffer struct {
	// Scopes are the requested ones, and Before those that were allowed before, for the account and for the requested APIs.
	Scopes, Before []string
	// Known means that the user has decided about this client before.
	Known bool
	// Resources are the APIs that the client requests access to.
	Resources []*storage.Resource
}

// ConsentOffer returns what the consent page shows.
func (e *Endpoint) ConsentOffer(r *http.Request, p *Pending, current *CurrentSession) (ConsentOffer, error) {
	client := p.Request.Client.Record()
	scopes := OfferedScopes(p.Request.consentScopes(), current.User, client)
	before, _, err := e.Consents.stored(r.Context(), current.User, client)
	return ConsentOffer{
		Scopes: scopes, Before: p.Request.names(before.allowed), Known: len(before.allowed) > 0, Resources: p.Request.target.Resources(),
	}, err
}

// Allow continues a request after the user of that session allowed scopes, and stores the decision. Scopes that were not
// requested are ignored; openid, the sign-in itself, is always included.
func (e *Endpoint) Allow(w http.ResponseWriter, r *endpoint.Request, p *Pending, current *CurrentSession, scopes []string) error {
	if p.Asked != current.Record.ID { // Another user has signed in since the page was rendered.
		return e.GoTo(w, r, AuthorizePath, p.Interaction)
	}
	client := p.Request.Client.Record()
	asked := OfferedScopes(p.Request.consentScopes(), current.User, client)
	allowed := slices.DeleteFunc(slices.Clone(asked), func(scope string) bool {
		return scope != endpoint.ScopeOpenID && !slices.Contains(scopes, scope)
	})
	if len(allowed) == 0 && len(asked) > 0 {
		return e.Deny(w, r, p)
	}
	client, err := e.Adopt(r.Context(), client)
	if err != nil {
		return err
	}
	p.Client = client.Incarnation
	values := p.Request.values(allowed)
	decided := decision{allowed: values, declined: without(p.Request.values(asked), values), asked: p.Request.asked}
	if err := e.Consents.store(r.Context(), current.User, client, decided); err != nil {
		return err
	}
	p.Allowed, p.Consented = allowed, true
	return e.GoTo(w, r, AuthorizePath, p.Interaction)
}

// Deny returns access_denied to the client: the user cancelled the sign-in or the consent (RFC 6749 §4.1.2.1).
func (e *Endpoint) Deny(w http.ResponseWriter, r *endpoint.Request, p *Pending) error {
	endpoint.WriteError(w, r, p.Request.fail, deniedByUser())
	return nil
}

func deniedByUser() error {
	return endpoint.NewError(fosite.ErrAccessDenied, "The user denied the request.")
}
