package account

import (
	"errors"
	"net/http"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// EndSessions are the POST requests under /account that end sessions: another one, this one, or all with every grant.
type EndSessions struct{ *Account }

// shownSession is a browser that the user is signed in with.
type shownSession struct {
	ID      string
	Browser string
	SeenAt  time.Time
	Current bool
}

// maxShownSessions bounds the list.
const maxShownSessions = 50

// Mount implements endpoint.Endpoint.
func (e *EndSessions) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_session_end", endpoint.AccountPath+"/sessions", e.end, http.MethodPost)
	e.page(t, "account_sign_out", endpoint.AccountPath+"/sign-out", e.signOut, http.MethodPost)
	e.page(t, "account_sign_out_everywhere", endpoint.AccountPath+"/sign-out-everywhere", e.signOutEverywhere, http.MethodPost)
}

// shownSessions returns the active sessions of the user, that of this browser first.
func (a *Account) shownSessions(r *endpoint.Request, current *authorize.CurrentSession) ([]shownSession, error) {
	entries, _, err := storage.List[storage.Session](r.Context(), a.Engine, storage.Query{
		Order: storage.ByCreatedDescending, Owner: storage.Key(current.User.Directory, current.User.ID), Limit: maxShownSessions,
	})
	if err != nil {
		return nil, err
	}
	shown := []shownSession{{current.Record.ID, current.Record.Browser, current.Record.SeenAt, true}}
	for _, entry := range entries {
		session := entry.Record
		if session.ID == current.Record.ID || !session.EndedAt.IsZero() || session.UserEpoch != current.User.Epoch || a.Sessions.IsIdle(session, r.Issuer) {
			continue
		}
		shown = append(shown, shownSession{session.ID, session.Browser, session.SeenAt, false})
	}
	return shown, nil
}

// end ends one of the user's other sessions. It ignores a session that has ended or is not the user's.
func (e *EndSessions) end(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	id := form.Get("session")
	if !endpoint.IsRandomString(id, authorize.SessionIDSize) {
		return e.RedirectDone(w, r, "session")
	}
	entry, err := storage.Get[storage.Session](r.Context(), e.Engine, storage.Key(current.User.Directory, id))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if entry != nil && entry.Record.User == current.User.ID {
		if err := e.Sessions.End(r.Context(), entry); err != nil {
			return err
		}
	}
	return e.RedirectDone(w, r, "session")
}

func (e *EndSessions) signOut(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	if err := e.Sessions.End(r.Context(), current.Entry); err != nil {
		return err
	}
	return e.redirectSignedOut(w, r)
}

func (e *EndSessions) signOutEverywhere(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	user := current.User
	if err := e.Users.SignOutEverywhere(r.Context(), user.Directory, user.ID, identity.Self(user.ID)); err != nil {
		return err
	}
	return e.redirectSignedOut(w, r)
}

// redirectSignedOut deletes the cookie and redirects to the page of the sign-out.
func (*EndSessions) redirectSignedOut(w http.ResponseWriter, r *endpoint.Request) error {
	if issuer := r.Issuer; issuer != nil {
		authorize.SessionCookie(issuer).Clear(w, issuer)
	}
	return page.Redirect(w, r, endpoint.LoggedOutPath, endpoint.EndedParameter, "1")
}
