package oauth2

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// MaxProofs is how many wrong proofs kill a bind ticket.
const MaxProofs = 5

// IssueTicket stores g as a pending grant of client and returns its bind ticket. g is as for Draft, with Pending and Asked and
// without User. For the pending grant that Repeat returned it returns the ticket which that grant has, and writes nothing.
func (s *Store) IssueTicket(ctx context.Context, client *Client, g storage.Grant) (string, error) {
	u, err := s.pend(ctx, client, g)
	if err != nil {
		return "", err
	}
	stored := u.grant()
	return s.seal(ctx, kindTicket, handle{generation: stored.SecretGeneration, grant: stored.ID})
}

func (s *Store) pend(ctx context.Context, client *Client, g storage.Grant) (*unit, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	if u := r.unit(g.ID); u != nil && u.stored != nil && u.stored.Record.State == storage.GrantPending {
		return u, nil
	}
	if err := s.Draft(ctx, g); err != nil {
		return nil, err
	}
	u, now := r.unit(g.ID), s.now()
	u.next.State = storage.GrantPending
	u.next.Client, u.next.Incarnation = client.GetID(), client.record.Incarnation
	u.next.RepeatUntil = now.Add(RepeatWindow)
	u.next.ExpiresAt = now.Add(TicketLifetime)
	return u, s.flush(ctx, u)
}

// Ticket returns what stands behind a bind ticket: the pending grant, without user, which Draft turns into an active one;
// or, for a ticket that was used by a request that asked the same (asked, as AskedBind) within the RepeatWindow, the grant
// that came of it. Otherwise it answers ErrRepeatDiffers, or ErrNoGrant, with ErrUserDisabled when that is why.
func (s *Store) Ticket(ctx context.Context, client *Client, ticket, asked string) (*Live, error) {
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
	if g.State == storage.GrantPending && of(g, client, s.now()) {
		return &Live{Grant: *g, Client: client}, nil
	}
	return s.repeat(ctx, client, u, g.Asked, asked)
}

// ProofFailed counts a wrong proof against a pending grant and reports how many more it survives; at none it is revoked.
// A grant that is not pending any more answers ErrNoGrant.
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
