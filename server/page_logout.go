package server

import (
	"net/http"

	"github.com/minifed/minifed/storage"
)

// logoutData is what the page shows that asks whether to sign out.
type logoutData struct {
	// Client is the application that asks; empty for none.
	Client string
	// Person is who is signed in; nil for nobody.
	Person *shownPerson
	// Hidden are further values that the form brings back.
	Hidden map[string]string
}

// confirmLogout asks whether to sign out (RP-Initiated Logout 1.0 §2). Its form posts to the address of the page: decision is
// logout or stay, and pages.forgery reads it. client is the one that asks, nil for none; user the one who is signed in, nil for
// nobody; targets are where the answer may lead, as sources of a Content-Security-Policy.
func (p *pages) confirmLogout(
	w http.ResponseWriter, r *http.Request, client *storage.Client, user *storage.User, hidden map[string]string, uiLocales, targets []string,
) error {
	data := logoutData{Hidden: hidden}
	if client != nil {
		data.Client = clientName(*client)
	}
	if user != nil {
		person := personView(*user)
		data.Person = &person
	}
	return p.render(w, r, page{template: "logout", title: say("logout.title"), uiLocales: uiLocales, targets: targets, data: data})
}

// loggedOutEndpoint is /logged-out, where people arrive who have signed out.
type loggedOutEndpoint struct{ pages *pages }

func (e *loggedOutEndpoint) mount(t *table) {
	t.handle(route{name: "logged_out", path: loggedOutPath, methods: []string{http.MethodGet}, serve: e.serve, surface: e.pages.failure})
}

func (e *loggedOutEndpoint) serve(w http.ResponseWriter, r *http.Request) error {
	return e.pages.render(w, r, page{
		template: "message", title: say("logged_out.title"),
		data: messageData{Text: say("logged_out.text"), Link: &pageLink{Text: say("logged_out.again"), Path: loginPath}},
	})
}
