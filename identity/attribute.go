package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// attribute is a value that at most one user of a directory has. A link reserves it, and the user's record contains it.
type attribute struct {
	link   storage.Identity
	action string
	// check returns an error if the user must not have the value; nil allows it.
	check func(storage.User) error
	// valueOf returns the canonical value in a user's record; empty when there is none.
	valueOf func(storage.User) string
	// set stores the value in a user's record.
	set func(*storage.User, time.Time)
}

// takenError reports the user who already has a value.
type takenError struct{ holder *storage.Entry[storage.User] }

func (*takenError) Error() string { return "identity: held by another user" }

// assign assigns a value to a user: it writes the link, then the record, and then releases the link of the previous value. The link
// is written even when it already names the user. A concurrent release of the same value then fails. It returns *takenError,
// without any change, if another user has the value.
func (s *Service) assign(ctx context.Context, directory, id, actor string, value attribute) (*storage.Entry[storage.User], error) {
	recorded, claimed := s.recording(actor, value.action), false
	entry, err := retry(ctx, func(ctx context.Context) (*storage.Entry[storage.User], error) {
		user, err := s.editable(ctx, directory, id, actor)
		if err != nil {
			return nil, err
		}
		if err := checkRevision(ctx, user); err != nil {
			if claimed {
				err = errors.Join(err, s.unclaim(ctx, user.Record, value))
			}
			return nil, err
		}
		if value.check != nil {
			if err := value.check(user.Record); err != nil {
				return nil, err
			}
		}
		at, err := s.attributeLink(ctx, value.link)
		if err != nil {
			return nil, err
		}
		if at.user != nil && at.id != user.Record.ID {
			return nil, &takenError{at.user}
		}
		old, err := s.previousLink(ctx, user.Record, value)
		if err != nil {
			return nil, err
		}
		if value.valueOf(user.Record) != value.link.Value {
			next := user.Record
			value.set(&next, s.now())
			if err := recorded.write(ctx, user.Record, &next, nil); err != nil {
				return nil, err
			}
		}
		claimed = at.free()
		return s.assignOnce(ctx, user, value, at, old)
	})
	return entry, recorded.end(ctx, err)
}

func (s *Service) assignOnce(
	ctx context.Context, user *storage.Entry[storage.User], value attribute, at linkedUser, old *storage.Entry[storage.Identity],
) (*storage.Entry[storage.User], error) {
	if !at.free() && at.user == nil {
		if err := s.aliasUser(ctx, at, user); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("identity: link moved: %w", storage.ErrConflict)
	}
	when := s.now()
	if !when.After(user.Record.PhoneVerifiedAt) {
		// A later proof must have a later time, even if the clocks of two instances differ: see attributeLink.
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
	return entry, s.releaseValue(ctx, old)
}

// releaseValue releases the link of a value that its user no longer has, or returns it to the user it had before a merge.
func (s *Service) releaseValue(ctx context.Context, link *storage.Entry[storage.Identity]) error {
	if len(link.Record.MergedFrom) > 0 {
		return s.moveBack(ctx, link)
	}
	return s.release(ctx, link)
}

// previousLink reads the link of the value that is about to be replaced, before the user's record changes. It returns nil if
// there is none, or if the link names another user.
func (s *Service) previousLink(ctx context.Context, user storage.User, value attribute) (*storage.Entry[storage.Identity], error) {
	previous := value.link
	previous.Value = value.valueOf(user)
	if previous.Value == "" || previous.Value == value.link.Value {
		return nil, nil
	}
	link, err := s.link(ctx, previous)
	if err != nil || link == nil || link.Record.User != user.ID {
		return nil, err
	}
	return link, nil
}

// attributeLink is linkedUser for a value that users carry. A phone link is free if its user has since proven another number and
// a crash prevented its release: the user who proves the number now gets it.
func (s *Service) attributeLink(ctx context.Context, identity storage.Identity) (linkedUser, error) {
	at, err := s.linkedUser(ctx, identity)
	if err != nil || at.user == nil || identity.Type != storage.IdentityPhone {
		return at, err
	}
	if holder := at.user.Record; holder.Phone != identity.Value && holder.PhoneVerifiedAt.After(at.link.Record.VerifiedAt) {
		at.id, at.user = "", nil
	}
	return at, nil
}

// holder returns the user who has a value, if err is a takenError.
func holder(err error) *storage.Entry[storage.User] {
	var held *takenError
	if errors.As(err, &held) {
		return held.holder
	}
	return nil
}
