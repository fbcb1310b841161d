package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// attribute is a value that one user of a directory has at a time: a link reserves it, and the user's record carries it.
type attribute struct {
	link   storage.Identity
	action string
	// may refuses the value for a user; nil allows it.
	may func(storage.User) error
	// held returns the canonical value that a user's record carries; empty when it carries none.
	held func(storage.User) string
	// set puts the value on a user's record.
	set func(*storage.User, time.Time)
}

// heldError says who has a value already.
type heldError struct{ holder *storage.Entry[storage.User] }

func (*heldError) Error() string { return "identity: held by another user" }

// hold gives a value to a user: its link first, then the record, and the link of the value it had before goes last. The
// link is written even when it names the user already, so that a release of the same value that is still under way loses.
// It answers *heldError, and then has changed nothing.
func (s *Service) hold(ctx context.Context, directory, id, actor string, value attribute) (*storage.Entry[storage.User], error) {
	audited := false
	return retry(ctx, func(ctx context.Context) (*storage.Entry[storage.User], error) {
		user, err := s.editable(ctx, directory, id, actor)
		if err != nil {
			return nil, err
		}
		if value.may != nil {
			if err := value.may(user.Record); err != nil {
				return nil, err
			}
		}
		at, err := s.attributeSeat(ctx, value.link)
		if err != nil {
			return nil, err
		}
		if at.user != nil && at.id != user.Record.ID {
			return nil, &heldError{at.user}
		}
		old, err := s.previousLink(ctx, user.Record, value)
		if err != nil {
			return nil, err
		}
		if !audited && value.held(user.Record) != value.link.Value {
			if err := s.record(ctx, actor, value.action, user.Record, nil); err != nil {
				return nil, err
			}
			audited = true
		}
		return s.take(ctx, user, value, at, old)
	})
}

func (s *Service) take(
	ctx context.Context, user *storage.Entry[storage.User], value attribute, at seat, old *storage.Entry[storage.Identity],
) (*storage.Entry[storage.User], error) {
	if !at.free() && at.user == nil {
		if err := s.absorb(ctx, at, user); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("identity: link moved: %w", storage.ErrConflict)
	}
	when := s.now()
	if !when.After(user.Record.PhoneVerifiedAt) {
		// Whatever the clocks of two instances say, a later proof is the later one: see attributeSeat.
		when = user.Record.PhoneVerifiedAt.Add(time.Millisecond)
	}
	next := value.link
	next.User, next.CreatedAt = user.Record.ID, when
	if !at.free() {
		next = moved(at.link.Record, at.via, user.Record.ID)
	}
	next.VerifiedAt = when
	if err := s.putLink(ctx, at.link, next); err != nil {
		return nil, err
	}
	changed := user.Record
	value.set(&changed, when)
	changed.UpdatedAt = s.now()
	entry, err := user.Replace(ctx, s.engine, changed)
	if err != nil {
		return nil, wrap("replace user", err)
	}
	if old == nil {
		return entry, nil
	}
	return entry, s.letGo(ctx, old)
}

// letGo releases the link of a value that its user no longer has, or gives it back to whom a merge took it from.
func (s *Service) letGo(ctx context.Context, link *storage.Entry[storage.Identity]) error {
	if len(link.Record.MergedFrom) > 0 {
		return s.moveBack(ctx, link)
	}
	return s.release(ctx, link)
}

// previousLink reads, before the user's record changes, the link of the value that is about to be replaced; nil when there
// is none, or when it is not the user's.
func (s *Service) previousLink(ctx context.Context, user storage.User, value attribute) (*storage.Entry[storage.Identity], error) {
	previous := value.link
	previous.Value = value.held(user)
	if previous.Value == "" || previous.Value == value.link.Value {
		return nil, nil
	}
	link, err := s.link(ctx, previous)
	if err != nil || link == nil || link.Record.User != user.ID {
		return nil, err
	}
	return link, nil
}

// attributeSeat is seat for a value that users carry. A phone link that a later proof of another number has superseded, and
// that a crash kept from being released, is free: whoever proves the number now has it.
func (s *Service) attributeSeat(ctx context.Context, identity storage.Identity) (seat, error) {
	at, err := s.seat(ctx, identity)
	if err != nil || at.user == nil || identity.Type != storage.IdentityPhone {
		return at, err
	}
	if holder := at.user.Record; holder.Phone != identity.Value && holder.PhoneVerifiedAt.After(at.link.Record.VerifiedAt) {
		at.id, at.user = "", nil
	}
	return at, nil
}

// holder returns who has a value, if err says so.
func holder(err error) *storage.Entry[storage.User] {
	var held *heldError
	if errors.As(err, &held) {
		return held.holder
	}
	return nil
}
