package page

import (
	"net/http"

	"github.com/minifed/minifed/server/endpoint"
)

// onwardData is what the page shows that leads on after a form with a secret.
type onwardData struct{ URL string }

// Onward leads the browser on after a form with a secret was posted for an authorization request. The request may end at the
// client, and browsers check every redirect after a form against the form-action of its page, which prevents secrets from being
// sent elsewhere. A page that refreshes itself is no such redirect; its link is for browsers that do not refresh.
func (p *Renderer) Onward(w http.ResponseWriter, r *endpoint.Request, uiLocales []string, location string) error {
	shown := Page{Template: "onward", Title: Text("onward.title"), UILocales: uiLocales, Data: onwardData{location}}
	shown.refresh = location
	return p.Render(w, r, shown)
}
