package oauth2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// Repeat looks up the grant of an earlier identical request. ids are those of GrantIDs; asked is the digest of the requested
// values. It returns
//   - the grant, active with its user or pending without, if it was created in the last RepeatWindow, has not changed since
//     and is active: a fosite request with its ID gets the same tokens, and nothing is written;
//   - storage.ErrNotFound when there is no grant;
//   - a *RejectionError when the request was rejected with Reject in the last RepeatWindow;
//   - ErrRepeatDiffers when the earlier request asked for something else;
//   - ErrNoGrant when the grant is over, joined with ErrUserDisabled or ErrDeletionPending if that is the cause.
func (s *Store) Repeat(ctx context.Context, client *Client, ids []GrantID, asked string) (*ActiveGrant, error) {
	for _, id := range ids {
		u, err := s.findGrant(ctx, s.Engine, id.ID)
		if errors.Is(err, ErrNoGrant) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s.repeat(ctx, client, u, asked, "")
	}
	return nil, storage.ErrNotFound
}

// Reject stores, for the RepeatWindow, that this request of client was rejected with an error code. It uses ID and Asked of g, as
// NewGrant does. The result of an earlier request remains unchanged.
func (s *Store) Reject(ctx context.Context, client *Client, g storage.Grant, code string) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	_, err = storage.Insert(ctx, s.Engine, storage.Grant{
		Directory: r.directory(), ID: g.ID, Client: client.GetID(), Incarnation: client.record.Incarnation, SecretGeneration: g.SecretGeneration,
		State: storage.GrantRevoked, RevokedAt: now, RevokedBecause: "refused", Rejection: code,
		Asked: g.Asked, RepeatUntil: now.Add(RepeatWindow), CreatedAt: now, ExpiresAt: now.Add(RepeatWindow),
	})
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("oauth2: rejection: %w", err)
	}
	return nil
}

// unseer is an engine of a single process. Unseen reports whether no document with an ID was inserted within a time, as far as the
// engine knows without a read.
type unseer interface {
	Unseen(kind storage.Kind, id string, within time.Duration) bool
}

// Unseen reports whether no earlier request within RepeatWindow has stored a grant with one of the IDs, so that Repeat would find none.
// False means that only Repeat knows.
func (s *Store) Unseen(directory string, ids []GrantID) bool {
	engine, ok := s.Engine.(unseer)
	return ok && !slices.ContainsFunc(ids, func(id GrantID) bool {
		return !engine.Unseen(storage.KindGrant, storage.Key(directory, id.ID), RepeatWindow)
	})
}

func (s *Store) repeat(ctx context.Context, client *Client, u *unit, asked, askedBind string) (*ActiveGrant, error) {
	g := u.grant()
	if !belongsTo(g, client, s.now()) {
		return nil, ended("grant of another client")
	}
	if err := s.repeats(g, asked, askedBind); err != nil {
		return nil, err
	}
	if g.State == storage.GrantPending {
		return &ActiveGrant{Grant: *g, Client: client}, nil
	}
	return s.checkActive(ctx, g)
}

// repeats returns nil if an identical request gets g again, or the reason why not: ErrNoGrant, ErrRepeatDiffers or a
// *RejectionError. It compares the requested values first, regardless of the state of g. A used ticket is valid only for repeats of
// its use.
func (s *Store) repeats(g *storage.Grant, asked, askedBind string) error {
	switch {
	case g.Asked == "" || storage.IsOver(g.RepeatUntil, RepeatWindow, s.now()):
		return ended("too late for a repeat")
	case askedBind == "" && g.Asked != asked, askedBind != "" && g.AskedBind != "" && g.AskedBind != askedBind:
		return ErrRepeatDiffers
	case g.Rejection != "":
		return &RejectionError{g.Rejection}
	case g.State != storage.GrantActive && g.State != storage.GrantPending:
		return ended("grant is " + string(g.State))
	case g.Refresh != nil && g.Refresh.Generation > 1:
		return ended("grant was refreshed")
	case g.AskedBind != askedBind:
		return ended("ticket was used")
	default:
		return nil
	}
}
