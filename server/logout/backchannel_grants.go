package logout

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

// endMiniProgramGrants schedules a logout token for each grant of a mini-program that ended with the epoch or state of its
// user. A mini-program has no browser session: its grant is a session of its own, with a "sid" in its ID tokens. So the notice is
// stored as an ended session of that ID.
func (b *Backchannel) endMiniProgramGrants(ctx context.Context, user storage.User) error {
	query := storage.Query{Order: storage.ByCreatedDescending, Owner: storage.Key(user.Directory, user.ID)}
	for {
		entries, next, err := storage.List[storage.Grant](ctx, b.engine, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := b.endMiniProgramGrant(ctx, user, entry.Record); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		query.After = next
	}
}

func (b *Backchannel) endMiniProgramGrant(ctx context.Context, user storage.User, grant storage.Grant) error {
	alive := user.Status == storage.UserActive && grant.UserEpoch == user.Epoch
	if alive || grant.State != storage.GrantActive || grant.SID == "" {
		return nil
	}
	wants, err := b.receivesLogoutTokens(ctx, grant)
	if err != nil || !wants {
		return err
	}
	now := storage.Instant(b.now())
	_, err = storage.Insert(ctx, b.engine, storage.Session{
		Directory: user.Directory, ID: grant.SID, User: user.ID, UserEpoch: grant.UserEpoch, AuthTime: grant.AuthTime,
		Clients: map[string]time.Time{grant.Client: grant.CreatedAt},
		EndedAt: now, DeliverAt: now, CreatedAt: now, ExpiresAt: now.Add(storage.DeliveryPeriod),
	})
	if errors.Is(err, storage.ErrExists) { // An attempt that crashed, or another instance, has stored it.
		return nil
	}
	return err
}

// receivesLogoutTokens reports whether a grant's client is a mini-program with a URI for logout tokens.
func (b *Backchannel) receivesLogoutTokens(ctx context.Context, grant storage.Grant) (bool, error) {
	client, err := b.catalog.Client(ctx, grant.Directory, grant.Client)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	record := client.Record()
	return record.Kind == storage.ClientMiniapp && record.BackchannelLogoutURI != "", nil
}
