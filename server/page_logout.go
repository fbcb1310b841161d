package server

import (
	"html/template"
	"net/http"

	"github.com/minifed/minifed/storage"
)

// logoutData is what the page shows that asks whether to sign out.
type logoutData struct {
	// Client is the application that asks; empty for none.
	Client string
	// Person is who is signed in.
	Person shownPerson
}

// confirmLogout asks whether to sign out (RP-Initiated Logout 1.0 §2). Its form posts to the address of the page: decision is
// logout or stay, everywhere is there when the user wants to be signed out of everything. client is the one that asks, nil for
// none.
func confirmLogout(
	p *pages, w http.ResponseWriter, r *http.Request, client *storage.Client, user storage.User, uiLocales []string,
) error {
	data := logoutData{Person: personView(user)}
	if client != nil {
		data.Client = clientName(*client)
	}
	return p.render(w, r, page{template: "logout", title: say("logout.title"), uiLocales: uiLocales, leaves: true, data: data})
}

// loggedOutData is what the page shows to people who are signed out.
type loggedOutData struct {
	// Client is the application that led here and Target its registered address; both are empty where nobody asks back.
	Client string
	Target template.URL
}

// loggedOut says that nobody is signed in any more. The way back to client, if there is one, is the user's to take.
func loggedOut(p *pages, w http.ResponseWriter, r *http.Request, client *storage.Client, target string, uiLocales []string) error {
	var data loggedOutData
	if client != nil {
		// Registered addresses have schemes of their own, which the template would not believe.
		data = loggedOutData{clientName(*client), template.URL(target)} //nolint:gosec // Only an operator registers addresses, and none is script.
	}
	return p.render(w, r, page{template: "logged_out", title: say("logged_out.title"), uiLocales: uiLocales, data: data})
}

// loggedOutEndpoint is /logged-out, where people arrive who have signed out.
type loggedOutEndpoint struct{ pages *pages }

func (e *loggedOutEndpoint) mount(t *table) {
	t.handle(route{name: "logged_out", path: loggedOutPath, methods: []string{http.MethodGet}, serve: e.serve, surface: e.pages.failure})
}

func (e *loggedOutEndpoint) serve(w http.ResponseWriter, r *http.Request) error {
	return loggedOut(e.pages, w, r, nil, "", nil)
}
