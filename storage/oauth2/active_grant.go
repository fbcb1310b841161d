package oauth2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// ActiveGrant is an active grant with its client, user and session. The records are shared with the rest of the request: their slices
// and maps must not be changed.
type ActiveGrant struct {
	Grant  storage.Grant
	Client *Client
	// User is zero when the grant is pending or the client's own (client_credentials).
	User storage.User
	// Session is nil unless the grant ends with a browser session.
	Session *storage.Session
	// Subject is the "sub" of the user for the client; of a client_credentials grant it is the client's ID.
	Subject string
	// FormerSub is the value of ClaimFormerSub; nil if there is none.
	FormerSub any
}

// ActiveGrant reads a grant with its client, user and session. It returns the grant if it may issue tokens and its access tokens are
// valid now: the grant is active, its client enabled, its user active with the grant's epochs, its session not ended. Otherwise
// it returns ErrNoGrant, joined with ErrUserDisabled or ErrDeletionPending if that is the cause.
func (s *Store) ActiveGrant(ctx context.Context, grantID string) (*ActiveGrant, error) {
	if _, ok := decodeGrantID(grantID); !ok {
		return nil, ended("not the ID of a grant")
	}
	u, err := s.load(ctx, grantID)
	if err != nil {
		return nil, err
	}
	g := u.grant()
	if g.State != storage.GrantActive {
		return nil, ended("grant is " + string(g.State))
	}
	return s.checkActive(ctx, g)
}

// checkActive checks everything but the state of the grant itself.
func (s *Store) checkActive(ctx context.Context, g *storage.Grant) (*ActiveGrant, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	if g.Issuer != "" && g.Issuer != r.issuer.URL {
		return nil, fmt.Errorf("%w: %w", ErrNoGrant, ErrOtherIssuer)
	}
	// 1. The client, from memory.
	client, err := s.clientOfGrant(ctx, g)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ended("client is gone or disabled")
	}
	if err != nil {
		return nil, err
	}
	if !belongsTo(g, client, s.now()) {
		return nil, ended("client was deleted, and another one has its ID")
	}
	live := &ActiveGrant{Grant: *g, Client: client}
	// 2. The user.
	if g.User != "" {
		user, err := s.user(ctx, g)
		if err != nil {
			return nil, err
		}
		live.User = *user
	}
	// 3. The browser session.
	if g.Session != "" {
		if live.Session, err = s.session(ctx, client, g); err != nil {
			return nil, err
		}
	}
	if live.Subject, err = s.subject(ctx, client, g.User); err != nil {
		return nil, err
	}
	live.FormerSub, err = s.FormerSub(ctx, client, live.User)
	return live, err
}

// clockSkew is how far the clocks of two instances may be apart.
const clockSkew = 10 * time.Second

// belongsTo reports whether a grant belongs to this client, and not to a deleted one with the same ID. If neither has an incarnation, it
// compares their times of creation.
func belongsTo(g *storage.Grant, client *Client, now time.Time) bool {
	record := client.record
	if g.Client != record.ID || g.Incarnation != record.Incarnation {
		return false
	}
	if record.Incarnation != "" || record.CreatedAt.IsZero() || storage.MadeAhead(record.CreatedAt, now) {
		return true // The time proves nothing if the clock that created the client was ahead.
	}
	return !g.CreatedAt.Add(clockSkew).Before(record.CreatedAt)
}

// user returns the grant's user if it is active and has the grant's epochs. An alias is not active: merging a user into
// another one ends its grants.
func (s *Store) user(ctx context.Context, g *storage.Grant) (*storage.User, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	user, ok := r.users[g.User]
	if !ok {
		entry, err := storage.Get[storage.User](ctx, s.Engine, storage.Key(g.Directory, g.User))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, ended("user is absent")
		}
		if err != nil {
			return nil, fmt.Errorf("oauth2: user: %w", err)
		}
		user = &entry.Record
		if r.users == nil {
			r.users = make(map[string]*storage.User, 1)
		}
		r.users[g.User] = user
	}
	switch {
	case user.Status == storage.UserDisabled:
		return nil, fmt.Errorf("%w: %w", ErrNoGrant, ErrUserDisabled)
	case user.Status == storage.UserDeletionPending:
		return nil, fmt.Errorf("%w: %w", ErrNoGrant, ErrDeletionPending)
	case user.Status != storage.UserActive:
		return nil, ended("user is " + string(user.Status))
	case user.Epoch != g.UserEpoch, user.ClientEpoch(g.Client) != g.ClientEpoch:
		return nil, ended("the user ended it")
	default:
		return user, nil
	}
}

// session returns the session of the grant if it is active: it has not ended, is younger than its absolute lifetime, and was used
// recently enough by its browser or by a refresh of the grant.
func (s *Store) session(ctx context.Context, client *Client, g *storage.Grant) (*storage.Session, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	session, ok := r.sessions[g.Session]
	if !ok {
		entry, err := storage.Get[storage.Session](ctx, s.Engine, storage.Key(g.Directory, g.Session))
		if err == nil {
			entry, err = BoundSession(ctx, s.Engine, entry, s.now(), s.ClockTrusted)
		}
		if errors.Is(err, storage.ErrNotFound) {
			return nil, sessionOver("it is absent")
		}
		if err != nil {
			return nil, fmt.Errorf("oauth2: session: %w", err)
		}
		session = &entry.Record
		if r.sessions == nil {
			r.sessions = make(map[string]*storage.Session, 1)
		}
		r.sessions[g.Session] = session
	}
	if !session.EndedAt.IsZero() || session.User != g.User {
		return nil, sessionOver("it was ended")
	}
	idle := client.Lifetimes().SessionIdle
	if used := later(session.SeenAt, lastUse(g)); !s.now().Before(used.Add(idle)) {
		return nil, sessionOver("it was idle")
	}
	return session, nil
}

func sessionOver(why string) error { return fmt.Errorf("%w: %w: %s", ErrNoGrant, ErrSessionOver, why) }
