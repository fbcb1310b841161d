package handoff

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Open is /hand-off: the URL of a hand-off. In the web-view of a mini-program it signs in at once. Any other browser, and one in
// which another user is signed in, asks first: an attacker may have sent the URL, to sign a victim in to the account of the attacker.
type Open struct {
	Pages    *page.Renderer
	Sessions *authorize.Sessions
	SignIns  *account.SignIns
	Store    *oauth2.Store
	Catalog  *endpoint.Catalog
}

// Mount implements endpoint.Endpoint.
func (e *Open) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "hand_off", Path: Path, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Open) serve(w http.ResponseWriter, r *endpoint.Request) error {
	if !r.Issuer.Directory.HasSignInMethod(storage.SignInHandOff) {
		return endpoint.NotFound()
	}
	ticket := r.URL.Query().Get(ticketParameter)
	found, err := e.Store.HandOff(r.Context(), ticket)
	if errors.Is(err, oauth2.ErrNoGrant) {
		return over(err)
	}
	if err != nil {
		return err
	}
	target, err := e.target(r, found.Grant)
	if err != nil {
		return err
	}
	current, err := e.current(r)
	if err != nil {
		return err
	}
	other := current != nil && current.User.ID != found.User.ID
	switch {
	case r.Method == http.MethodPost:
		if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
			return err
		}
	case other || r.Method != http.MethodGet || !isWebView(r.Request):
		return e.ask(w, r, target, found.User, other)
	}
	return e.open(w, r, found, target, current)
}

// current returns the live session of the browser, for all clients or for one.
func (e *Open) current(r *endpoint.Request) (*authorize.CurrentSession, error) {
	entry, err := e.Sessions.Stored(r.Request, r.Issuer)
	if err != nil || entry == nil || e.Sessions.IsIdle(entry.Record, r.Issuer) {
		return nil, err
	}
	return e.Sessions.Alive(r.Context(), entry)
}

// target returns the client that the ticket is for, if it still is one.
func (e *Open) target(r *endpoint.Request, grant storage.Grant) (storage.Client, error) {
	id, _, _ := strings.Cut(grant.HandOff.Client, "#")
	client, err := e.Catalog.Client(r.Context(), r.Issuer.Directory.ID, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return storage.Client{}, err
	}
	if err != nil || client.Record().Disabled || client.Record().InitiateLoginURI == "" || client.Record().Instance() != grant.HandOff.Client {
		return storage.Client{}, over(errors.New("handoff: the target client is gone"))
	}
	return client.Record(), nil
}

// open uses the ticket up, signs the browser in, and redirects to the application.
func (e *Open) open(w http.ResponseWriter, r *endpoint.Request, found *oauth2.ActiveGrant, target storage.Client, current *authorize.CurrentSession) error {
	err := e.Store.UseHandOff(r.Context(), found.Grant.ID)
	if errors.Is(err, oauth2.ErrNoGrant) {
		return over(err)
	}
	if err != nil {
		return err
	}
	full := current != nil && current.User.ID == found.User.ID && current.Record.Client == ""
	if !full { // A session for all clients signs in to this one too.
		signed, err := e.Sessions.SignIn(w, r, found.User, authorize.Authentication{
			Time: found.Grant.AuthTime, AMR: found.Grant.AMR, BackendInitiated: true, Client: target.Instance(),
		})
		if err != nil {
			return err
		}
		if err := e.SignIns.NotifyHandOff(w, r, found.User, target, signed.Record); err != nil {
			return err
		}
	}
	location, err := url.Parse(target.InitiateLoginURI)
	if err != nil {
		return err
	}
	query := location.Query()
	query.Set("iss", r.Issuer.URL)
	if state := found.Grant.HandOff.State; state != "" {
		query.Set("state", state)
	}
	location.RawQuery = query.Encode()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", location.String())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// ask shows the user that the URL signs in, and asks to continue.
func (e *Open) ask(w http.ResponseWriter, r *endpoint.Request, target storage.Client, user storage.User, other bool) error {
	var name any = page.ViewUser(user).Name
	if name == "" {
		name = page.Text("person.unnamed")
	}
	lead := page.Text("hand_off.lead", name, endpoint.ClientName(target))
	if other {
		lead = page.Text("hand_off.other", name, endpoint.ClientName(target))
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "form", Leaves: true, Title: page.Text("hand_off.title"), Data: page.Form{ID: "hand-off", Lead: lead, Submit: page.Text("hand_off.submit")},
	})
}

// isWebView reports whether the request is the first of a mini-program's web-view, and no link of another page.
func isWebView(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return strings.Contains(r.UserAgent(), "miniProgram") && (site == "" || site == "none")
}

// over is the error of a ticket that is not valid any more.
func over(cause error) error {
	problem := endpoint.NewError(fosite.ErrInvalidRequest, "This link was used already, or it has expired.")
	problem.Reason = "hand_off_over"
	return endpoint.CausedBy(problem, cause)
}
