package oauth2

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// MaxProofs is the number of wrong proofs that revokes a bind ticket.
const MaxProofs = 5

// IssueTicket stores g as a pending grant of client and returns its bind ticket. g is as for NewGrant, with Pending and Asked and
// without User. For a pending grant from Repeat it returns the existing ticket, and writes nothing.
func (s *Store) IssueTicket(ctx context.Context, client *Client, g storage.Grant) (string, error) {
	u, err := s.storePending(ctx, client, g)
	if err != nil {
		return "", err
	}
	stored := u.grant()
	return s.seal(ctx, kindTicket, handle{generation: stored.SecretGeneration, grant: stored.ID})
}

func (s *Store) storePending(ctx context.Context, client *Client, g storage.Grant) (*unit, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	if u := r.unit(g.ID); u != nil && u.stored != nil && u.stored.Record.State == storage.GrantPending {
		return u, nil
	}
	if err := s.NewGrant(ctx, g); err != nil {
		return nil, err
	}
	u, now := r.unit(g.ID), s.now()
	u.next.State = storage.GrantPending
	u.next.Client, u.next.Incarnation = client.GetID(), client.record.Incarnation
	u.next.RepeatUntil = now.Add(RepeatWindow)
	u.next.ExpiresAt = now.Add(TicketLifetime)
	return u, s.flush(ctx, u)
}

// Ticket returns the pending grant, without user, of a bind ticket; NewGrant turns it into an active one. If an identical request
// (asked, as AskedBind) used the ticket within the RepeatWindow, it returns the resulting grant. Otherwise it returns
// ErrRepeatDiffers, or ErrNoGrant, joined with ErrUserDisabled or ErrDeletionPending if that is the cause.
func (s *Store) Ticket(ctx context.Context, client *Client, ticket, asked string) (*ActiveGrant, error) {
	h, err := s.open(ctx, kindTicket, ticket)
	if err != nil {
		return nil, err
	}
	u, err := s.load(ctx, h.grant)
	if err != nil {
		return nil, err
	}
	g := u.grant()
	if g.State == storage.GrantPending && storage.MadeAhead(g.CreatedAt, s.now()) {
		return nil, ended("ticket expired")
	}
	if g.State == storage.GrantPending && belongsTo(g, client, s.now()) {
		return &ActiveGrant{Grant: *g, Client: client}, nil
	}
	return s.repeat(ctx, client, u, g.Asked, asked)
}

// ProofFailed counts a wrong proof of a pending grant and returns how many are left; at zero the grant is revoked. It returns
// ErrNoGrant if the grant is no longer pending.
func (s *Store) ProofFailed(ctx context.Context, grantID string) (left int, err error) {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return 0, err
	}
	err = s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		if next.State != storage.GrantPending || next.Pending == nil {
			return false, ended("grant is not pending")
		}
		next.Pending.FailedProofs++
		left = max(MaxProofs-next.Pending.FailedProofs, 0)
		if left == 0 {
			s.revoke(next, "proofs")
		}
		return true, nil
	})
	return left, err
}
