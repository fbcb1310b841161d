package logout

import (
	"html/template"
	"net/http"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// logoutData is what the confirmation page shows.
type logoutData struct {
	// Client is the requesting application; empty for none.
	Client string
	// Person is the signed-in user.
	Person page.UserView
}

// confirmLogout renders the confirmation page (RP-Initiated Logout 1.0 §2). Its form posts decision, which is logout or stay, and
// everywhere for the end of all sessions. client is the requesting client; nil without one.
func confirmLogout(
	p *page.Renderer, w http.ResponseWriter, r *endpoint.Request, client *storage.Client, user storage.User, uiLocales []string,
) error {
	data := logoutData{Person: page.ViewUser(user)}
	if client != nil {
		data.Client = endpoint.ClientName(*client)
	}
	return p.Render(w, r, page.Page{Template: "logout", Title: page.Text("logout.title"), UILocales: uiLocales, Leaves: true, Data: data})
}

// loggedOutData is what the page after a sign-out shows.
type loggedOutData struct {
	// Ended reports whether a session ended. Otherwise there was none.
	Ended bool
	// Client is the application that started the sign-out and Target its registered address; both are empty if there is none.
	Client string
	Target template.URL
}

// parameters are those of the page after a sign-out.
func (o outcome) parameters() []string {
	if !o.ended {
		return nil
	}
	return []string{endpoint.EndedParameter, "1"}
}

// loggedOut renders the page after a sign-out, with a link to the client if there is one.
func loggedOut(
	p *page.Renderer, w http.ResponseWriter, r *endpoint.Request, ended bool, client *storage.Client, target string, uiLocales []string,
) error {
	data := loggedOutData{Ended: ended}
	if client != nil {
		// The template would reject the private schemes of registered addresses.
		data.Client, data.Target = endpoint.ClientName(*client), template.URL(target) //nolint:gosec // Only an operator registers addresses, and none is script.
	}
	title := page.Text("logged_out.title")
	if !ended {
		title = page.Text("logged_out.none.title")
	}
	return p.Render(w, r, page.Page{Template: "logged_out", Title: title, UILocales: uiLocales, Data: data})
}

// LoggedOut is /logged-out, the page after a sign-out. A browser that is signed in is redirected to the account page.
type LoggedOut struct {
	Pages    *page.Renderer
	Sessions *authorize.Sessions
}

// Mount implements endpoint.Endpoint.
func (e *LoggedOut) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{Name: "logged_out", Path: endpoint.LoggedOutPath, Methods: []string{http.MethodGet}, Serve: e.serve, ErrorWriter: e.Pages.WriteError})
}

func (e *LoggedOut) serve(w http.ResponseWriter, r *endpoint.Request) error {
	current, err := e.Sessions.Current(r)
	if err != nil {
		return err
	}
	if current != nil {
		return page.Redirect(w, r, endpoint.AccountPath)
	}
	return loggedOut(e.Pages, w, r, r.URL.Query().Has(endpoint.EndedParameter), nil, "", nil)
}
