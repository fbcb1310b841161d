package account

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Apps is /account/apps, the list of applications with what they may do. A POST request revokes the consent and the grants of one.
type Apps struct{ *Account }

const appsPath = endpoint.AccountPath + "/apps"

// Application is an application with a consent or a grant of the user.
type Application struct {
	ID       string             `json:"id"`
	ClientID string             `json:"client_id"`
	Name     string             `json:"name"`
	Scopes   []ApplicationScope `json:"scopes"`
	Since    time.Time          `json:"since,omitzero"`
}

// ApplicationScope is a scope of an application, with its text for the user.
type ApplicationScope struct {
	Scope string `json:"scope"`
	Text  string `json:"text"`
}

// Applications returns the applications of a user. The texts are in the language of the request.
func (a *Account) Applications(r *endpoint.Request, user storage.User) ([]Application, error) {
	apps, err := a.shownApps(r, user)
	if err != nil {
		return nil, err
	}
	locale := a.Pages.Locales.Choose(r.Request, nil)
	shown := make([]Application, 0, len(apps))
	for _, app := range apps {
		view := Application{ID: applicationID(app.Client), ClientID: app.Client, Name: app.Name, Scopes: []ApplicationScope{}, Since: app.Since}
		for _, group := range app.Groups {
			for _, scope := range group.Scopes {
				text, err := locale.Say(scope.Title)
				if err != nil {
					return nil, err
				}
				view.Scopes = append(view.Scopes, ApplicationScope{scope.Name, text})
			}
		}
		shown = append(shown, view)
	}
	return shown, nil
}

// applicationID is the name of an application in a URL, which the ID of a client may not fit in.
func applicationID(client string) string { return storage.Digest("application", client)[:22] }

// RemoveApplication revokes the consent and the grants of an application, and notifies the user. It returns storage.ErrNotFound for an
// application that has neither.
func (a *Account) RemoveApplication(r *endpoint.Request, user storage.User, id string) error {
	// An ID without a grant or consent would only lengthen the list of removed clients.
	apps, err := a.shownApps(r, user)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(apps, func(app shownApp) bool { return applicationID(app.Client) == id })
	if i < 0 {
		return storage.ErrNotFound
	}
	if err := a.Users.RemoveClient(r.Context(), user.Directory, user.ID, apps[i].Client, identity.Self(user.ID)); err != nil {
		return err
	}
	return a.Notifications.Notify(r.Context(), r, user, "mail.app_removed")
}

// shownApp is an application with a consent or a grant of the user.
type shownApp struct {
	Client string
	page.ClientView
	Groups []ScopeGroup
	Since  time.Time

	scopes, audience []string
}

// Mount implements endpoint.Endpoint.
func (e *Apps) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_apps", appsPath, e.serve, http.MethodGet, http.MethodPost)
}

// appsData is what the list shows.
type appsData struct{ Apps []shownApp }

func (e *Apps) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if r.Method == http.MethodPost {
		return e.remove(w, r, current)
	}
	apps, err := e.shownApps(r, current.User)
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "apps", Title: page.Text("account.apps"), Wide: true, Zoneinfo: current.User.Profile.Zoneinfo, Data: appsData{apps},
	})
}

func (e *Apps) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if err := e.RemoveApplication(r, current.User, applicationID(form.Get("client"))); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return e.RedirectDone(w, r, "app")
}

// shownApps returns the clients with an active grant or a consent of the user, by name.
func (a *Account) shownApps(r *endpoint.Request, user storage.User) ([]shownApp, error) {
	ctx := r.Context()
	found := map[string]*shownApp{}
	add := func(client storage.Client, scopes, audience []string, since time.Time) {
		app := found[client.Instance()]
		if app == nil {
			app = &shownApp{Client: client.ID, Since: since}
			found[client.Instance()] = app
		}
		app.scopes, app.audience = authorize.MergeValues(app.scopes, scopes), authorize.MergeValues(app.audience, audience)
		if since.Before(app.Since) {
			app.Since = since
		}
	}
	query := storage.Query{Order: storage.ByCreatedDescending, Owner: storage.Key(user.Directory, user.ID), Limit: maxShownGrants}
	grants, _, err := storage.List[storage.Grant](ctx, a.Engine, query)
	if err != nil {
		return nil, err
	}
	for _, entry := range grants {
		if g := entry.Record; g.State == storage.GrantActive && g.UserEpoch == user.Epoch && g.ClientEpoch == user.ClientEpoch(g.Client) {
			add(storage.Client{ID: g.Client, Incarnation: g.Incarnation}, g.Scopes, g.Audience, g.CreatedAt)
		}
	}
	consents, _, err := storage.List[storage.Consent](ctx, a.Engine, query)
	if err != nil {
		return nil, err
	}
	for _, entry := range consents {
		c := entry.Record
		if c.ClientEpoch != user.ClientEpoch(c.Client) {
			continue
		}
		client := storage.Client{ID: c.Client, Incarnation: c.Incarnation}
		add(client, c.Scopes, nil, c.CreatedAt)
		for _, resource := range c.Resources {
			add(client, resource.Scopes, []string{resource.Identifier}, c.CreatedAt)
		}
	}
	return a.named(r, user.Directory, found)
}

// named adds the names of clients and the descriptions of scopes.
func (a *Account) named(r *endpoint.Request, directory string, found map[string]*shownApp) ([]shownApp, error) {
	apps := make([]shownApp, 0, len(found))
	for instance, app := range found {
		client, err := a.Clients.Client(r.Context(), directory, app.Client)
		if errors.Is(err, storage.ErrNotFound) {
			continue // The client was deleted, and its grants ended.
		}
		if err != nil {
			return nil, err
		}
		if client.Record().Instance() != instance {
			continue // Another client has the ID now.
		}
		app.ClientView = page.ViewClient(r, client.Record())
		if app.Groups, err = a.ScopeGroups(r, app.audience, app.scopes); err != nil {
			return nil, err
		}
		apps = append(apps, *app)
	}
	slices.SortFunc(apps, func(a, b shownApp) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Client, b.Client)) })
	return apps, nil
}
