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
	// againParameter is the query parameter of the authorization endpoint that holds a request to restart.
	againParameter = "again"
	purposeAgain   = "begin again"
	// pushedAgainLife is how long after its first use a pushed request can restart. The grant that prevents a second code is
	// stored for as long.
	pushedAgainLife = 24 * time.Hour
)

// offerAgain adds a link to the error page that restarts the request of i with a new interaction of this browser. Nothing that
// the user did in i counts.
func (e *Endpoint) offerAgain(r *endpoint.Request, i *Interaction) {
	to, err := e.Reader.resolveClient(r, i.Form)
	if err != nil {
		return
	}
	client := to.Client.Record()
	link := endpoint.ReturnLink{Client: endpoint.ClientName(client)}
	again := Interaction{Form: i.Form, Hint: i.Hint, Pushed: i.Pushed, Until: i.Until, Client: client.Incarnation}
	deleted := i.Pushed != "" && !isClient(client, i.Client) // The client that pushed it was deleted, and another one has its ID.
	if !deleted && !e.pushedIsOver(i) {
		link.URL = e.againURL(r, &again)
	}
	link.Text = endpoint.TextBeginAgain
	r.ReturnLink = link
}

// pushedIsOver reports whether the request of i was pushed too long ago to restart.
func (e *Endpoint) pushedIsOver(i *Interaction) bool {
	return i.Until != 0 && storage.IsOver(time.Unix(i.Until, 0), pushedAgainLife, e.Now())
}

// againURL returns the URL that restarts a request, or an empty string if that is impossible.
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

// beginAgain serves a URL that againURL returned.
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
	return e.resume(w, r, p.Request, nil)
}
