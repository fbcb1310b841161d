package account

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Deletion is /account/delete, where end-users request the deletion of their account.
type Deletion struct{ *Account }

const (
	// DeletionPath is the page where end-users delete their account.
	DeletionPath = endpoint.AccountPath + "/delete"
	// RestorePath is the page of a sign-in whose user waits for deletion.
	RestorePath = authorize.LoginPath + "/restore"
)

// Mount implements endpoint.Endpoint.
func (e *Deletion) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_delete", DeletionPath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *Deletion) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if r.Issuer.Directory.ID == storage.OperatorsDirectory {
		return endpoint.NotFound() // Another owner deletes an operator, so that one remains.
	}
	var requested storage.User
	return e.serveEdit(w, r, editPage{
		title: page.Text("deletion.title"),
		form: func(url.Values) page.Form {
			return page.Form{
				ID: "delete-account", Back: backToAccount(), Lead: page.Text("deletion.lead", deletionDays(r)), Submit: page.Text("deletion.submit"),
				Fields: currentPassword(current.User),
			}
		},
		change: func(values url.Values) (err error) {
			if err := e.mayDelete(r, current, values.Get("current_password")); err != nil {
				return err
			}
			requested, err = e.RequestDeletion(r, current.User)
			return err
		},
		changed: func(url.Values) error {
			return e.Pages.Render(w, r, page.Page{
				Template: "message", Title: page.Text("deletion.done.title"), Zoneinfo: requested.Profile.Zoneinfo,
				Data: MessageData{Text: page.Text("deletion.done.text", requested.DeletionDueAt)},
			})
		},
	})
}

// deletionDays is the grace period of the directory, in days, rounded up.
func deletionDays(r *endpoint.Request) int {
	const day = 24
	return (int(r.Issuer.Directory.Policy.DeletionGrace().Hours()) + day - 1) / day
}

// mayDelete returns an error unless the user has proven to be present: by the password, or by a recent sign-in. A session that the
// backend of a client could start counts only if the user has no other way to sign in.
func (a *Account) mayDelete(r *endpoint.Request, current *authorize.CurrentSession, password string) error {
	first, err := a.firstOfSession(r, current)
	if err != nil || first.Allowed {
		return err
	}
	return a.reauthenticate(r.Request, current, password)
}

// RequestDeletion requests the deletion of a user who has proven to be present, and notifies the user.
func (a *Account) RequestDeletion(r *endpoint.Request, user storage.User) (storage.User, error) {
	entry, err := a.Users.RequestDeletion(r.Context(), user.Directory, user.ID, identity.Self(user.ID))
	if err != nil {
		return storage.User{}, err
	}
	return entry.Record, a.Notifications.Notify(r.Context(), r, entry.Record, "mail.deletion_requested")
}

// Restore is /login/restore, where a user who waits for deletion, and has just signed in, can restore the account.
type Restore struct{ *Account }

// Mount implements endpoint.Endpoint.
func (e *Restore) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_restore", Path: RestorePath, Methods: []string{http.MethodGet, http.MethodPost},
		Serve: e.SignIns.WithUnfinished(RestorePath, e.serve), ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Restore) serve(w http.ResponseWriter, r *endpoint.Request, unfinished *Unfinished) error {
	user := unfinished.User
	if unfinished.How.BackendInitiated {
		return e.askToSignInAgain(w, r)
	}
	if r.Method != http.MethodPost {
		shown := page.Page{
			Template: "form", Title: page.Text("restore.title"), Zoneinfo: user.Profile.Zoneinfo,
			Data: page.Form{
				ID: "restore", Lead: page.Text("restore.lead", user.DeletionDueAt), Submit: page.Text("restore.submit"),
				Else: &page.Link{Text: page.Text("restore.leave"), Path: authorize.LoginPath},
			},
		}
		if unfinished.Pending != nil {
			shown = forRequest(unfinished.Pending, shown)
		}
		return e.Pages.Render(w, r, shown)
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	restored, err := e.Users.RestoreDeleted(r.Context(), user.Directory, user.ID, identity.Self(user.ID))
	if errors.Is(err, identity.ErrUnknownUser) || errors.Is(err, identity.ErrUserDisabled) {
		return page.Redirect(w, r, authorize.LoginPath)
	}
	if err != nil {
		return err
	}
	if err := e.Notifications.Notify(r.Context(), r, restored.Record, "mail.deletion_canceled"); err != nil {
		return err
	}
	unfinished.User = restored.Record
	return e.SignIns.complete(w, r, unfinished)
}

// SignedIn returns the user of a sign-in for SignIns.Complete. A user who waits for deletion has proven to be that user too, and can
// restore the account.
func SignedIn(user *storage.Entry[storage.User], err error) (storage.User, error) {
	if pending, ok := errors.AsType[*identity.DeletionPendingError](err); ok {
		return pending.User, nil
	}
	if err != nil {
		return storage.User{}, err
	}
	return user.Record, nil
}
