package page

import (
	"net/http"

	"github.com/minifed/minifed/server/endpoint"
)

// onwardData is what the page of Onward shows.
type onwardData struct{ URL string }

// Onward continues an authorization request after a form with a secret, by a page that refreshes itself. The request may end at the
// client, and browsers check every redirect after a form against the form-action of its page, which prevents secrets from being
// sent elsewhere. A refresh is no such redirect. The link on the page is for browsers that do not refresh.
func (p *Renderer) Onward(w http.ResponseWriter, r *endpoint.Request, uiLocales []string, location string) error {
	shown := Page{Template: "onward", Title: Text("onward.title"), UILocales: uiLocales, Data: onwardData{location}}
	shown.refresh = location
	return p.Render(w, r, shown)
}
