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

// Apps is POST /account/apps: it revokes the consent and the grants of an application.
type Apps struct{ *Account }

// shownApp is an application with a consent or a grant of the user.
type shownApp struct {
	Client string
	page.ClientView
	Scopes []shownScope
	Since  time.Time

	scopes []string
}

// Mount implements endpoint.Endpoint.
func (e *Apps) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_app_remove", endpoint.AccountPath+"/apps", e.remove, http.MethodPost)
}

func (e *Apps) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	client := form.Get("client")
	if client == "" || len(client) > endpoint.MaxClientID {
		return page.Redirect(w, r, endpoint.AccountPath)
	}
	// An ID without a grant or consent would only lengthen the list of removed clients.
	apps, err := e.shownApps(r, current.User)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(apps, func(app shownApp) bool { return app.Client == client }) {
		user := current.User
		if err := e.Users.RemoveClient(r.Context(), user.Directory, user.ID, client, identity.Self(user.ID)); err != nil {
			return err
		}
	}
	return e.RedirectDone(w, r, "app")
}

// shownApps returns the clients with an active grant or a consent of the user, by name.
func (a *Account) shownApps(r *endpoint.Request, user storage.User) ([]shownApp, error) {
	ctx := r.Context()
	found := map[string]*shownApp{}
	add := func(client storage.Client, scopes []string, since time.Time) {
		app := found[client.Instance()]
		if app == nil {
			app = &shownApp{Client: client.ID, Since: since}
			found[client.Instance()] = app
		}
		app.scopes = authorize.MergeValues(app.scopes, scopes)
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
			add(storage.Client{ID: g.Client, Incarnation: g.Incarnation}, g.Scopes, g.CreatedAt)
		}
	}
	consents, _, err := storage.List[storage.Consent](ctx, a.Engine, query)
	if err != nil {
		return nil, err
	}
	for _, entry := range consents {
		if c := entry.Record; c.ClientEpoch == user.ClientEpoch(c.Client) {
			add(storage.Client{ID: c.Client, Incarnation: c.Incarnation}, c.Scopes, c.CreatedAt)
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
		app.Scopes = scopesView(r.Issuer.Directory, app.scopes)
		apps = append(apps, *app)
	}
	slices.SortFunc(apps, func(a, b shownApp) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Client, b.Client)) })
	return apps, nil
}
