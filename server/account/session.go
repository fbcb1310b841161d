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

// EndSessions are the POST requests under /account that end sessions: another one, this one, or all with every grant.
type EndSessions struct{ *Account }

// Session is a browser that the user is signed in with.
type Session struct {
	ID      string `json:"id"`
	Browser string `json:"browser,omitempty"`
	// Country is an ISO 3166-1 code, and Address the client address, both at the last sign-in.
	Country string `json:"country,omitempty"`
	Address string `json:"address,omitempty"`
	Method  string `json:"method,omitempty"`
	// BackendInitiated means that the backend of a mini-program started the session.
	BackendInitiated bool      `json:"backend_initiated,omitempty"`
	AuthTime         time.Time `json:"auth_time,omitzero"`
	SeenAt           time.Time `json:"seen_at,omitzero"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	Current          bool      `json:"current"`
}

func viewSession(session storage.Session, current bool) Session {
	return Session{
		ID: session.ID, Browser: session.Browser, Country: session.Country, Address: session.From, Method: authorize.MethodOf(session.AMR),
		BackendInitiated: session.BackendInitiated, AuthTime: session.AuthTime, SeenAt: session.SeenAt, ExpiresAt: session.ExpiresAt, Current: current,
	}
}

// maxShownSessions bounds the list.
const maxShownSessions = 100

// Mount implements endpoint.Endpoint.
func (e *EndSessions) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_session_end", endpoint.AccountPath+"/sessions", e.end, http.MethodPost)
	e.page(t, "account_sign_out", endpoint.AccountPath+"/sign-out", e.signOut, http.MethodPost)
	e.page(t, "account_sign_out_everywhere", endpoint.AccountPath+"/sign-out-everywhere", e.signOutEverywhere, http.MethodPost)
}

// ActiveSessions returns the active sessions of a user, newest first, the one with the ID current before all others.
func (a *Account) ActiveSessions(r *endpoint.Request, user storage.User, current string) ([]Session, error) {
	entries, err := a.otherSessions(r, user, "")
	if err != nil {
		return nil, err
	}
	shown := make([]Session, 0, len(entries))
	for _, entry := range entries {
		shown = append(shown, viewSession(entry.Record, entry.Record.ID == current))
	}
	slices.SortStableFunc(shown, func(a, b Session) int { return cmp.Compare(rank(a), rank(b)) })
	return shown, nil
}

// rank orders the current session before the others.
func rank(session Session) int {
	if session.Current {
		return 0
	}
	return 1
}

// otherSessions returns the active sessions of a user without one.
func (a *Account) otherSessions(r *endpoint.Request, user storage.User, without string) ([]*storage.Entry[storage.Session], error) {
	entries, _, err := storage.List[storage.Session](r.Context(), a.Engine, storage.Query{
		Order: storage.ByCreatedDescending, Owner: storage.Key(user.Directory, user.ID), Limit: maxShownSessions,
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(entries, func(entry *storage.Entry[storage.Session]) bool {
		session := entry.Record
		return session.ID == without || !session.EndedAt.IsZero() || session.UserEpoch != user.Epoch || a.Sessions.IsIdle(session, r.Issuer)
	}), nil
}

// EndSession ends a session of a user. It ignores a session that has ended or is of another user.
func (a *Account) EndSession(r *endpoint.Request, user storage.User, id string) error {
	if !endpoint.IsRandomString(id, authorize.SessionIDSize) {
		return nil
	}
	entry, err := storage.Get[storage.Session](r.Context(), a.Engine, storage.Key(user.Directory, id))
	if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Record.User != user.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return a.Sessions.End(r.Context(), entry)
}

// EndOtherSessions ends every session of a user but one.
func (a *Account) EndOtherSessions(r *endpoint.Request, user storage.User, current string) error {
	for {
		entries, err := a.otherSessions(r, user, current)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			if err := a.Sessions.End(r.Context(), entry); err != nil {
				return err
			}
		}
		if len(entries) < maxShownSessions-1 {
			return nil
		}
	}
}

// end ends one of the user's other sessions, or all of them.
func (e *EndSessions) end(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if form.Get("session") == allOthers {
		if err := e.EndOtherSessions(r, current.User, current.Record.ID); err != nil {
			return err
		}
		return e.RedirectDone(w, r, "sessions")
	}
	if err := e.EndSession(r, current.User, form.Get("session")); err != nil {
		return err
	}
	return e.RedirectDone(w, r, "session")
}

// allOthers is the value of the form that ends all other sessions.
const allOthers = "others"

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
