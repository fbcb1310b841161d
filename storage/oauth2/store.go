package oauth2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
	fositestorage "github.com/ory/fosite/storage"

	"github.com/minifed/minifed/storage"
)

// Store is fosite's storage over an engine. All fields but Subject, TokenNow and ClockTrusted are required, and none may change after the first
// use. It is safe for concurrent use.
type Store struct {
	Engine  storage.Engine
	Clients Clients
	Secrets Secrets
	// Now is the clock for the times of grants, the same on all instances.
	Now func() time.Time
	// ClockTrusted reports whether Now may be compared with the times of other instances; nil is always. While it is false, no
	// record in the future is set back: see ErrClockApart.
	ClockTrusted func() bool
	// TokenNow is the clock for access tokens, which other systems read; nil is Now.
	TokenNow func() time.Time
	Rand     io.Reader
	// Subject returns the "sub" of a user for a client; nil is the user's ID for every client.
	Subject func(ctx context.Context, client *Client, user string) (string, error)

	unknownOutcomes unknownOutcomes
}

var (
	_ fosite.Storage                      = (*Store)(nil)
	_ fositeoauth2.CoreStorage            = (*Store)(nil)
	_ fositeoauth2.TokenRevocationStorage = (*Store)(nil)
	_ openid.OpenIDConnectRequestStorage  = (*Store)(nil)
	_ pkce.PKCERequestStorage             = (*Store)(nil)
	_ fositestorage.Transactional         = (*Store)(nil)
)

// GetClient implements fosite.ClientManager. A disabled client is not found.
func (s *Store) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	client, err := s.client(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", fosite.ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	return client, nil
}

// client returns an enabled client of the request's directory, or storage.ErrNotFound.
func (s *Store) client(ctx context.Context, id string) (*Client, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	client, err := s.Clients.Client(ctx, r.directory(), id)
	return r.enabled(client, err)
}

// clientOfGrant returns the client of a grant. A grant of another incarnation may be newer than the cached client, so the store
// is read.
func (s *Store) clientOfGrant(ctx context.Context, g *storage.Grant) (*Client, error) {
	client, err := s.client(ctx, g.Client)
	if err == nil && g.Incarnation == client.record.Incarnation {
		return client, nil
	}
	r, requestErr := requestFrom(ctx)
	if requestErr != nil || err != nil || g.Incarnation == "" {
		return client, errors.Join(err, requestErr)
	}
	client, err = s.Clients.FreshClient(ctx, r.directory(), g.Client)
	return r.enabled(client, err)
}

// enabled returns a client that was read, unless it is disabled or of another directory.
func (r *request) enabled(client *Client, err error) (*Client, error) {
	if err != nil {
		return nil, fmt.Errorf("oauth2: client: %w", err)
	}
	if client.record.Disabled || client.record.Directory != r.directory() {
		return nil, fmt.Errorf("oauth2: client is disabled: %w", storage.ErrNotFound)
	}
	return client, nil
}

// TokenTime returns the time of the clock for access tokens.
func (s *Store) TokenTime() time.Time {
	if s.TokenNow == nil {
		return s.now()
	}
	return storage.Instant(s.TokenNow())
}

func (s *Store) now() time.Time { return storage.Instant(s.Now()) }

// subject returns the "sub" of a user for a client.
func (s *Store) subject(ctx context.Context, client *Client, user string) (string, error) {
	if user == "" {
		return client.GetID(), nil // RFC 9068 §2.2: a token for the client itself.
	}
	if s.Subject == nil {
		return user, nil
	}
	subject, err := s.Subject(ctx, client, user)
	if err != nil {
		return "", fmt.Errorf("oauth2: subject: %w", err)
	}
	return subject, nil
}

// reload reads a grant again after a lost write, and drops the new state.
func (s *Store) reload(ctx context.Context, u *unit) error {
	g := u.grant()
	entry, err := read(ctx, s.Engine, storage.Key(g.Directory, g.ID))
	if err != nil {
		return err
	}
	s.reconcile(u, entry)
	u.next, u.complete = nil, false
	return nil
}

// write stores u.next: an insert, or a compare-and-set on what was read. Its errors are the engine's.
func (s *Store) write(ctx context.Context, u *unit) error {
	var entry *storage.Entry[storage.Grant]
	var err error
	if u.stored == nil {
		entry, err = storage.Insert(ctx, s.Engine, *u.next)
	} else {
		entry, err = s.replace(ctx, u)
	}
	if err != nil {
		return fmt.Errorf("oauth2: grant: %w", err)
	}
	u.stored, u.next, u.complete, u.unanswered = entry, nil, false, false
	return nil
}

// replace replaces the stored grant by u.next, and tracks the write if its outcome is unknown.
func (s *Store) replace(ctx context.Context, u *unit) (entry *storage.Entry[storage.Grant], err error) {
	if u.next.Attempt, err = s.newAttempt(); err != nil {
		return nil, err
	}
	id := u.next.Document().ID
	before := s.unknownOutcomes.attempts(id, s.now())
	entry, err = u.stored.Replace(ctx, s.Engine, *u.next)
	switch {
	case err == nil: // Earlier attempts are replaced, or cannot be executed any more.
		s.unknownOutcomes.forget(id, before)
	case errors.Is(err, storage.ErrUnavailable):
		s.recordUnknownOutcome(u)
	}
	return entry, err
}

// attempts is the maximum number of attempts of a compare-and-set. Every lost attempt means that a concurrent one succeeded.
const attempts = 8

// change changes a stored grant by one compare-and-set, and decides again after a concurrent write. decide returns false to leave
// the grant unchanged, or an error to stop.
func (s *Store) change(ctx context.Context, u *unit, decide func(next *storage.Grant) (bool, error)) error {
	for range attempts {
		if u.stored == nil {
			return ended("grant is not stored")
		}
		next := copyGrant(&u.stored.Record)
		changed, err := decide(next)
		if err != nil || !changed {
			return err
		}
		u.next = next
		err = s.write(ctx, u)
		if !errors.Is(err, storage.ErrConflict) {
			if err != nil {
				u.next = nil
			}
			return err
		}
		if err := s.reload(ctx, u); err != nil {
			return err
		}
	}
	return fmt.Errorf("oauth2: grant: %w: too many writers", storage.ErrUnavailable)
}

// copyGrant copies the fields that this package changes in place.
func copyGrant(g *storage.Grant) *storage.Grant {
	next := *g
	if g.Pending != nil {
		pending := *g.Pending
		next.Pending = &pending
	}
	if g.Device != nil {
		device := *g.Device
		next.Device = &device
	}
	if g.Code != nil {
		code := *g.Code
		next.Code = &code
	}
	if g.Refresh != nil {
		refresh := *g.Refresh
		refresh.Rotated = slices.Clone(refresh.Rotated)
		next.Refresh = &refresh
	}
	return &next
}

// BeginTX implements fosite's storage.Transactional: from now on completed grants are written by Commit.
func (s *Store) BeginTX(ctx context.Context) (context.Context, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	if r.open {
		return nil, errors.New("oauth2: a unit of work is open already")
	}
	r.open = true
	return ctx, nil
}

// Commit writes the grant that was completed since BeginTX, by one insert or one compare-and-set.
func (s *Store) Commit(ctx context.Context) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	r.open = false
	for _, u := range r.grants {
		if !u.complete {
			continue
		}
		if err := s.flush(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// Rollback drops the drafts and completed grants of this request. They were not written.
func (s *Store) Rollback(ctx context.Context) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	r.open = false
	for id, u := range r.grants {
		if u.stored == nil {
			delete(r.grants, id)
		}
		u.next, u.complete = nil, false
	}
	return nil
}
