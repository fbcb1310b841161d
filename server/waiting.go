package server

import (
	"net/http"
	"slices"

	"github.com/ory/fosite"
)

// waiting is an authorization request that waits for its user, as a page sees it. A page finds it by its URL, which is the same
// for the form that it shows: it says what is asked (step), by whom (request.client) and for what.
type waiting struct {
	*interaction
	request *authorization
}

// waiting returns the request that the URL of a page holds. It is read anew: what the client may ask for can have changed.
func (e *authorizeEndpoint) waiting(r *call) (*waiting, error) {
	i, err := e.interactions.open(r)
	if err != nil {
		if i != nil {
			e.offerAgain(r, i)
		}
		return nil, err
	}
	return e.reread(r, i)
}

// reread returns the request that an interaction holds.
func (e *authorizeEndpoint) reread(r *call, i *interaction) (*waiting, error) {
	r.form = i.Form
	to, err := e.reader.addressee(r.Context(), r.issuer, i.Form)
	if err != nil {
		return nil, err
	}
	if to.client.Record().Incarnation != i.Client { // The client was deleted, and another one has its ID.
		e.offerAgain(r, i)
		return nil, interactionOver()
	}
	request, err := e.reader.read(r.Context(), r.issuer, to, i.Form)
	if err != nil {
		return nil, err
	}
	request.pushed, request.until = i.Pushed, i.Until
	if i.Hint != "" {
		request.hint = i.Hint
	}
	return &waiting{i, request}, nil
}

// signedIn returns where a request goes on after the user signed in to that session.
func (e *authorizeEndpoint) signedIn(r *call, p *waiting, current *signedIn) (string, error) {
	p.SignedIn = current.Record.ID
	return e.interactions.at(r.Context(), r.issuer, authorizePath, p.interaction)
}

// denied returns where a request goes on after the user left a page into which secrets are typed.
func (e *authorizeEndpoint) denied(r *call, p *waiting) (string, error) {
	p.Denied = true
	return e.interactions.at(r.Context(), r.issuer, authorizePath, p.interaction)
}

// chosen goes on after the user chose to stay signed in with that session.
func (e *authorizeEndpoint) chosen(w http.ResponseWriter, r *call, p *waiting, current *signedIn) error {
	p.Chosen = current.Record.ID
	return e.goTo(w, r, authorizePath, p.interaction)
}

// asked returns the scopes that the user is asked to allow, and of these the ones that were allowed before.
func (e *authorizeEndpoint) asked(r *http.Request, p *waiting, current *signedIn) (scopes, before []string, err error) {
	client := p.request.client.Record()
	scopes = offered(p.request.consentScopes(), current.user, client)
	decided, _, err := e.consents.remembered(r.Context(), current.user, client)
	return scopes, decided.allowed, err
}

// allow goes on after the user of that session allowed scopes, which is remembered. Of a scope that was not asked for nothing
// is heard; openid, the sign-in itself, is always part of it.
func (e *authorizeEndpoint) allow(w http.ResponseWriter, r *call, p *waiting, current *signedIn, scopes []string) error {
	if p.Asked != current.Record.ID { // Somebody else has signed in since the page was made.
		return e.goTo(w, r, authorizePath, p.interaction)
	}
	client := p.request.client.Record()
	asked := offered(p.request.consentScopes(), current.user, client)
	allowed := slices.DeleteFunc(slices.Clone(asked), func(scope string) bool {
		return scope != scopeOpenID && !slices.Contains(scopes, scope)
	})
	if len(allowed) == 0 {
		return e.deny(w, r, p)
	}
	if err := e.consents.remember(r.Context(), current.user, client, decision{allowed, without(asked, allowed)}); err != nil {
		return err
	}
	p.Allowed = allowed
	return e.goTo(w, r, authorizePath, p.interaction)
}

// deny tells the client that the user will not sign in or not allow it (RFC 6749 §4.1.2.1).
func (e *authorizeEndpoint) deny(w http.ResponseWriter, r *call, p *waiting) error {
	refuse(w, r, p.request.fail, deniedByUser())
	return nil
}

func deniedByUser() error { return refusal(fosite.ErrAccessDenied, "The user denied the request.") }
