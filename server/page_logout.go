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
	p *pages, w http.ResponseWriter, r *call, client *storage.Client, user storage.User, uiLocales []string,
) error {
	data := logoutData{Person: personView(user)}
	if client != nil {
		data.Client = clientName(*client)
	}
	return p.render(w, r, page{template: "logout", title: say("logout.title"), uiLocales: uiLocales, leaves: true, data: data})
}

// loggedOutData is what the page shows to people who are signed out.
type loggedOutData struct {
	// Ended reports whether a session ended. Otherwise there was none.
	Ended bool
	// Client is the application that led here and Target its registered address; both are empty where nobody asks back.
	Client string
	Target template.URL
}

// parameters are those of the page that says what a logout request did.
func (o outcome) parameters() []string {
	if !o.ended {
		return nil
	}
	return []string{endedParameter, "1"}
}

// loggedOut says that the browser is not signed in, and whether a session ended just now. The user may follow a link to client,
// if there is one.
func loggedOut(
	p *pages, w http.ResponseWriter, r *call, ended bool, client *storage.Client, target string, uiLocales []string,
) error {
	data := loggedOutData{Ended: ended}
	if client != nil {
		// Registered addresses have schemes of their own, which the template would not believe.
		data.Client, data.Target = clientName(*client), template.URL(target) //nolint:gosec // Only an operator registers addresses, and none is script.
	}
	title := say("logged_out.title")
	if !ended {
		title = say("logged_out.none.title")
	}
	return p.render(w, r, page{template: "logged_out", title: title, uiLocales: uiLocales, data: data})
}

// loggedOutEndpoint is /logged-out, where people arrive who have signed out. A browser that is signed in gets the account page,
// which says so.
type loggedOutEndpoint struct {
	pages    *pages
	sessions *sessions
}

func (e *loggedOutEndpoint) mount(t *table) {
	t.handle(route{name: "logged_out", path: loggedOutPath, methods: []string{http.MethodGet}, serve: e.serve, surface: e.pages.failure})
}

func (e *loggedOutEndpoint) serve(w http.ResponseWriter, r *call) error {
	current, err := e.sessions.browserSession(r)
	if err != nil {
		return err
	}
	if current != nil {
		return seeOther(w, r, accountPath)
	}
	return loggedOut(e.pages, w, r, r.URL.Query().Has(endedParameter), nil, "", nil)
}
