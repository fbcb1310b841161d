package oauth2

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// Repeat looks for the grant that the same request made before. ids are those of GrantIDs, asked is the digest of what is
// asked for. It returns
//   - the grant, active with its user or pending without, if it was made in the last RepeatWindow, is as new as it was then
//     and is alive: the tokens of a fosite request with its ID are the ones it already gave, and nothing is written;
//   - storage.ErrNotFound when no grant was made;
//   - a *RefusalError when the request was refused with Refuse in the last RepeatWindow;
//   - ErrRepeatDiffers when one was made for something else;
//   - ErrNoGrant when one was made and its time is over, with ErrUserDisabled when that is why.
func (s *Store) Repeat(ctx context.Context, client *Client, ids []GrantID, asked string) (*Live, error) {
	for _, id := range ids {
		u, err := s.look(ctx, s.Engine, id.ID)
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

// Refuse remembers for the RepeatWindow that the request of client which asked that is refused with an error code. Of g, ID and
// Asked count, as for Draft. One that was answered already stays as it is.
func (s *Store) Refuse(ctx context.Context, client *Client, g storage.Grant, code string) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	_, err = storage.Insert(ctx, s.Engine, storage.Grant{
		Directory: r.directory(), ID: g.ID, Client: client.GetID(), Incarnation: client.record.Incarnation, SecretGeneration: g.SecretGeneration,
		State: storage.GrantRevoked, RevokedAt: now, RevokedBecause: "refused", Refusal: code,
		Asked: g.Asked, RepeatUntil: now.Add(RepeatWindow), CreatedAt: now, ExpiresAt: now.Add(RepeatWindow),
	})
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("oauth2: refusal: %w", err)
	}
	return nil
}

func (s *Store) repeat(ctx context.Context, client *Client, u *unit, asked, askedBind string) (*Live, error) {
	g := u.grant()
	if !of(g, client, s.now()) {
		return nil, ended("grant of another client")
	}
	if err := s.repeats(g, asked, askedBind); err != nil {
		return nil, err
	}
	if g.State == storage.GrantPending {
		return &Live{Grant: *g, Client: client}, nil
	}
	return s.alive(ctx, g)
}

// repeats says whether g is what a request that asks the same gets again: nil, or why not, ErrNoGrant, ErrRepeatDiffers or a
// *RefusalError. What was asked counts first, whatever became of g since. A ticket that was used answers the repeats of its
// use alone.
func (s *Store) repeats(g *storage.Grant, asked, askedBind string) error {
	switch {
	case g.Asked == "" || storage.IsOver(g.RepeatUntil, RepeatWindow, s.now()):
		return ended("too late for a repeat")
	case askedBind == "" && g.Asked != asked, askedBind != "" && g.AskedBind != "" && g.AskedBind != askedBind:
		return ErrRepeatDiffers
	case g.Refusal != "":
		return &RefusalError{g.Refusal}
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
