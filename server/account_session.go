package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// accountSessions are the posts under /account that end sessions: another one, this one, all of them with every grant.
type accountSessions struct{ *account }

// shownSession is a browser that the user is signed in with.
type shownSession struct {
	ID      string
	Browser string
	SeenAt  time.Time
	Current bool
}

// maxShownSessions bounds the list.
const maxShownSessions = 50

func (e *accountSessions) mount(t *table) {
	e.page(t, "account_session_end", accountPath+"/sessions", e.end, http.MethodPost)
	e.page(t, "account_sign_out", accountPath+"/sign-out", e.signOut, http.MethodPost)
	e.page(t, "account_sign_out_everywhere", accountPath+"/sign-out-everywhere", e.signOutEverywhere, http.MethodPost)
}

// shownSessions are those that live, this browser's first.
func (a *account) shownSessions(ctx context.Context, current *signedIn) ([]shownSession, error) {
	entries, _, err := storage.List[storage.Session](ctx, a.engine, storage.Query{
		Order: storage.ByCreatedDescending, Owner: storage.Key(current.user.Directory, current.user.ID), Limit: maxShownSessions,
	})
	if err != nil {
		return nil, err
	}
	issuer := callOf(ctx).issuer
	shown := []shownSession{{current.Record.ID, current.Record.Browser, current.Record.SeenAt, true}}
	for _, entry := range entries {
		session := entry.Record
		if session.ID == current.Record.ID || !session.EndedAt.IsZero() || session.UserEpoch != current.user.Epoch || a.sessions.isIdle(session, issuer) {
			continue
		}
		shown = append(shown, shownSession{session.ID, session.Browser, session.SeenAt, false})
	}
	return shown, nil
}

// end ends one of the user's other sessions. One that is over already, or never was the user's, changes nothing.
func (e *accountSessions) end(w http.ResponseWriter, r *call, current *signedIn) error {
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	id := form.Get("session")
	if !isRandomText(id, sessionIDSize) {
		return e.done(w, r, "session")
	}
	entry, err := storage.Get[storage.Session](r.Context(), e.engine, storage.Key(current.user.Directory, id))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if entry != nil && entry.Record.User == current.user.ID {
		if err := e.sessions.end(r.Context(), entry); err != nil {
			return err
		}
	}
	return e.done(w, r, "session")
}

func (e *accountSessions) signOut(w http.ResponseWriter, r *call, current *signedIn) error {
	if _, err := e.pages.forgery.form(r); err != nil {
		return err
	}
	if err := e.sessions.end(r.Context(), current.Entry); err != nil {
		return err
	}
	return e.out(w, r)
}

func (e *accountSessions) signOutEverywhere(w http.ResponseWriter, r *call, current *signedIn) error {
	if _, err := e.pages.forgery.form(r); err != nil {
		return err
	}
	user := current.user
	if err := e.people.SignOutEverywhere(r.Context(), user.Directory, user.ID, identity.Self(user.ID)); err != nil {
		return err
	}
	return e.out(w, r)
}

// out takes the cookie back, and says so.
func (*accountSessions) out(w http.ResponseWriter, r *call) error {
	if issuer := r.issuer; issuer != nil {
		sessionCookie(issuer).clear(w, issuer)
	}
	return seeOther(w, r, loggedOutPath, endedParameter, "1")
}
