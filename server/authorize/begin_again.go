package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/server/endpoint"
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
func (e *Endpoint) offerAgain(r *endpoint.Request, i *Interaction) {
	to, err := e.Reader.resolveClient(r.Context(), r.Issuer, i.Form)
	if err != nil {
		return
	}
	client := to.Client.Record()
	link := endpoint.ReturnLink{Client: endpoint.ClientName(client)}
	again := Interaction{Form: i.Form, Hint: i.Hint, Pushed: i.Pushed, Until: i.Until, Client: client.Incarnation}
	deleted := i.Pushed != "" && i.Client != client.Incarnation // Another client has the ID of the one that pushed it.
	if !deleted && !e.pushedIsOver(i) {
		link.URL = e.againURL(r, &again)
	}
	link.Text = endpoint.TextBeginAgain
	r.Returns = link
}

// pushedIsOver reports whether the request of i was pushed so long ago that it cannot begin again.
func (e *Endpoint) pushedIsOver(i *Interaction) bool {
	return i.Until != 0 && storage.IsOver(time.Unix(i.Until, 0), pushedAgainLife, e.Now())
}

// againURL returns the address that begins with a request again; empty when it cannot be made.
func (e *Endpoint) againURL(r *endpoint.Request, i *Interaction) string {
	text, err := i.encode()
	if err != nil {
		return ""
	}
	sealed, err := e.Sealer.Seal(r.Context(), r.Issuer, purposeAgain, text)
	if err != nil {
		return ""
	}
	return r.Issuer.URL + AuthorizePath + "?" + url.Values{againParameter: {sealed}}.Encode()
}

// beginAgain is the visit of an address that againURL returned.
func (e *Endpoint) beginAgain(w http.ResponseWriter, r *endpoint.Request, sealed string) error {
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeAgain, sealed)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
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
	return e.goOn(w, r, p.Request, nil)
}
