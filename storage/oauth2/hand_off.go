package oauth2

import (
	"context"
	"time"

	"github.com/minifed/minifed/storage"
)

// HandOffLifetime is the lifetime of the ticket of a hand-off.
const HandOffLifetime = time.Minute

// IssueHandOff stores a pending grant of client, and returns its ticket. g has User with UserEpoch and ClientEpoch, HandOff, and
// how the user authenticated.
func (s *Store) IssueHandOff(ctx context.Context, client *Client, g storage.Grant) (string, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return "", err
	}
	id, err := s.NewGrantID(ctx)
	if err != nil {
		return "", err
	}
	g.ID, g.SecretGeneration = id.ID, id.SecretGeneration
	if err := s.NewGrant(ctx, g); err != nil {
		return "", err
	}
	u := r.unit(g.ID)
	u.next.State, u.next.Client, u.next.Incarnation = storage.GrantPending, client.GetID(), client.record.Incarnation
	u.next.ExpiresAt = s.now().Add(HandOffLifetime)
	if err := s.flush(ctx, u); err != nil {
		return "", err
	}
	return s.seal(ctx, kindHandOff, handle{generation: g.SecretGeneration, grant: g.ID})
}

// HandOff returns the grant of a ticket with its client and user. It returns ErrNoGrant for a ticket that is unknown, used,
// expired or of another directory, or whose user or client has ended it.
func (s *Store) HandOff(ctx context.Context, ticket string) (*ActiveGrant, error) {
	h, err := s.open(ctx, kindHandOff, ticket)
	if err != nil {
		return nil, err
	}
	u, err := s.load(ctx, h.grant)
	if err != nil {
		return nil, err
	}
	g := u.grant()
	if g.State != storage.GrantPending || g.HandOff == nil || storage.MadeAhead(g.CreatedAt, s.now()) {
		return nil, ended("hand-off is " + string(g.State))
	}
	return s.checkActive(ctx, g)
}

// UseHandOff uses a ticket up. Of several calls, at any instances, one succeeds. The others return ErrNoGrant.
func (s *Store) UseHandOff(ctx context.Context, grantID string) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	return s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		if next.State != storage.GrantPending || next.HandOff == nil {
			return false, ended("hand-off is " + string(next.State))
		}
		s.revoke(next, "used")
		return true, nil
	})
}
