package server

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// againParameter is the parameter of the authorization endpoint that holds a request to begin again with.
	againParameter = "again"
	purposeAgain   = "begin again"
	// pushedAgainLife is how long after its first visit a pushed request can begin again. Its code is given once, and that has
	// to be remembered for as long.
	pushedAgainLife = 24 * time.Hour
)

// offerAgain lets the page of a failure offer to begin with the request of i again: with a new interaction of this browser, as if
// the application had led here once more. Nothing that was said in i counts.
func (e *authorizeEndpoint) offerAgain(r *call, i *interaction) {
	to, err := e.reader.addressee(r.Context(), r.issuer, i.Form)
	if err != nil {
		return
	}
	client := to.client.Record()
	link := returnLink{client: clientName(client)}
	again := interaction{Form: i.Form, Hint: i.Hint, Pushed: i.Pushed, Until: i.Until, Client: client.Incarnation}
	deleted := i.Pushed != "" && i.Client != client.Incarnation // Another client has the ID of the one that pushed it.
	if !deleted && !e.pushedIsOver(i) {
		link.url = e.againURL(r, &again)
	}
	link.text = textBeginAgain
	r.returns = link
}

// pushedIsOver reports whether the request of i was pushed so long ago that it cannot begin again.
func (e *authorizeEndpoint) pushedIsOver(i *interaction) bool {
	return i.Until != 0 && storage.IsOver(time.Unix(i.Until, 0), pushedAgainLife, e.now())
}

// againURL returns the address that begins with a request again; empty when it cannot be made.
func (e *authorizeEndpoint) againURL(r *call, i *interaction) string {
	text, err := i.encode()
	if err != nil {
		return ""
	}
	sealed, err := e.sealer.seal(r.Context(), r.issuer, purposeAgain, text)
	if err != nil {
		return ""
	}
	return r.issuer.URL + authorizePath + "?" + url.Values{againParameter: {sealed}}.Encode()
}

// beginAgain is the visit of an address that againURL returned.
func (e *authorizeEndpoint) beginAgain(w http.ResponseWriter, r *call, sealed string) error {
	text, err := e.sealer.open(r.Context(), r.issuer, purposeAgain, sealed)
	if errors.Is(err, errSealed) {
		return interactionOver()
	}
	if err != nil {
		return err
	}
	i, err := decodeInteraction(text)
	if err != nil {
		return interactionOver()
	}
	if e.pushedIsOver(i) {
		e.offerAgain(r, i)
		return interactionOver()
	}
	p, err := e.reread(r, i)
	if err != nil {
		return err
	}
	return e.goOn(w, r, p.request, nil)
}
