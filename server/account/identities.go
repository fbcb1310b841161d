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

// Identities is /account/identities, which lists all that a user signs in by or is known by, and removes one of them. The last way to
// sign in remains.
type Identities struct{ *Account }

const identitiesPath = endpoint.AccountPath + "/identities"

// Identity is an identity of a user.
type Identity struct {
	ID   string               `json:"id"`
	Type storage.IdentityType `json:"type"`
	// Name is the name of the mini-program, the app or the Open Platform account of a WeChat identity.
	Name string `json:"name,omitempty"`
	// Value is a username, an e-mail address or a phone number. OpenIDs and UnionIDs are not shown.
	Value     string    `json:"value,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// identityOrder is the order of the types in the list.
func identityOrder() []storage.IdentityType {
	return []storage.IdentityType{storage.IdentityUsername, storage.IdentityEmail, storage.IdentityPhone, storage.IdentityUnionID, storage.IdentityOpenID}
}

// IdentitiesOf returns the identities of a user.
func (a *Account) IdentitiesOf(r *endpoint.Request, user storage.User) ([]Identity, error) {
	links, err := a.Users.Identities(r.Context(), user)
	if err != nil {
		return nil, err
	}
	return a.viewIdentities(r, user, links)
}

func (a *Account) viewIdentities(r *endpoint.Request, user storage.User, links []*storage.Entry[storage.Identity]) ([]Identity, error) {
	shown := []Identity{}
	for _, entry := range links {
		link := entry.Record
		view := Identity{ID: identity.LinkID(link), Type: link.Type, CreatedAt: link.CreatedAt}
		switch link.Type {
		case storage.IdentityUsername:
			view.Value = user.Username
		case storage.IdentityEmail, storage.IdentityPhone:
			view.Value = link.Value
		case storage.IdentityUnionID:
			view.Name = link.Namespace
		case storage.IdentityOpenID:
			name, err := a.appName(r, link.Namespace)
			if err != nil {
				return nil, err
			}
			view.Name = name
		default:
			continue // The ID of another system is the operator's.
		}
		shown = append(shown, view)
	}
	slices.SortStableFunc(shown, func(a, b Identity) int {
		return cmp.Compare(slices.Index(identityOrder(), a.Type), slices.Index(identityOrder(), b.Type))
	})
	return shown, nil
}

// appName returns the name of the mini-program or the connection of an AppID. Without either it is the AppID.
func (a *Account) appName(r *endpoint.Request, appID string) (string, error) {
	directory := r.Issuer.Directory.ID
	claim, err := storage.Get[storage.AppIDClaim](r.Context(), a.Engine, storage.Key(directory, appID))
	if err == nil {
		client, err := a.Clients.Client(r.Context(), directory, claim.Record.Client)
		if err == nil && client.Record().Federation != nil && client.Record().Federation.AppID == appID {
			return endpoint.ClientName(client.Record()), nil
		}
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return "", err
		}
	} else if !errors.Is(err, storage.ErrNotFound) {
		return "", err
	}
	connection, err := a.Connections.Connection(r.Context(), r.Issuer, appID)
	if errors.Is(err, storage.ErrNotFound) {
		return appID, nil
	}
	return cmp.Or(connection.Name, appID), err
}

// RemoveIdentity removes an identity of a user and notifies the user, also at an address that was removed.
func (a *Account) RemoveIdentity(r *endpoint.Request, user storage.User, id string) error {
	if _, err := a.Users.RemoveIdentity(r.Context(), user, id, a.removal(r, user)); err != nil {
		return err
	}
	return a.Notifications.Notify(r.Context(), r, user, "mail.identity_removed")
}

// Mount implements endpoint.Endpoint.
func (e *Identities) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_identities", identitiesPath, e.serve, http.MethodGet, http.MethodPost)
}

// identitiesData is what the list shows.
type identitiesData struct {
	Alert      page.Message
	Identities []shownIdentity
	Add        []page.Link
	// WeChat means that a WeChat user can be added here.
	WeChat bool
}

// shownIdentity is an identity with the texts of the list.
type shownIdentity struct {
	Identity
	Label, Note page.Message
}

func (e *Identities) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if r.Method == http.MethodPost {
		return e.remove(w, r, current)
	}
	shown, err := e.list(r, current.User, page.Message{})
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, shown)
}

func (e *Identities) list(r *endpoint.Request, user storage.User, alert page.Message) (page.Page, error) {
	identities, err := e.IdentitiesOf(r, user)
	if err != nil {
		return page.Page{}, err
	}
	data := identitiesData{Alert: alert}
	for _, view := range identities {
		shown := shownIdentity{view, page.Text("identity." + string(view.Type)), page.Message{}}
		switch {
		case view.Type == storage.IdentityUnionID:
			shown.Note = page.Text("identity.unionid.note")
		case view.Type == storage.IdentityEmail && !user.EmailVerified:
			shown.Note = page.Text("identity.unconfirmed")
		}
		data.Identities = append(data.Identities, shown)
	}
	if data.WeChat, err = e.canAddWeChat(r); err != nil {
		return page.Page{}, err
	}
	if user.Username == "" {
		data.Add = append(data.Add, page.Link{Text: page.Text("account.set.username"), Path: usernamePath})
	}
	if user.Email == "" && e.Notifications.Queue.Enabled() {
		data.Add = append(data.Add, page.Link{Text: page.Text("account.set.email"), Path: endpoint.EmailPath})
	}
	return page.Page{Template: "identities", Title: page.Text("identities.title"), Zoneinfo: user.Profile.Zoneinfo, Data: data}, nil
}

func (e *Identities) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if !e.fresh(current) {
		return e.askToSignInAgain(w, r)
	}
	switch err := e.RemoveIdentity(r, current.User, form.Get("identity")); {
	case errors.Is(err, identity.ErrLastMethod):
		shown, failed := e.list(r, current.User, page.Text("method.last"))
		if failed != nil {
			return failed
		}
		e.Pages.RenderInvalid(w, r, shown, LastMethod(), err)
		return nil
	case errors.Is(err, identity.ErrUnknownMethod):
		return page.Redirect(w, r, identitiesPath)
	case err != nil:
		return err
	default:
		return e.RedirectDone(w, r, "identity")
	}
}
