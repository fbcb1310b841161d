package server

import "net/http"

// onwardData is what the page shows that leads on after a form with a secret.
type onwardData struct{ URL string }

// onward leads the browser on after a form with a secret was posted for an authorization request. The request may end at the
// client, and browsers hold every redirection that follows a form against the form-action of its page, which keeps secrets from
// being sent elsewhere. A page that refreshes itself is no such redirection; its link is for browsers that do not refresh.
func (p *pages) onward(w http.ResponseWriter, r *call, uiLocales []string, location string) error {
	shown := page{template: "onward", title: say("onward.title"), uiLocales: uiLocales, data: onwardData{location}}
	shown.refresh = location
	return p.render(w, r, shown)
}
