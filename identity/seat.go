package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// maxHops bounds how many aliases are followed. Each merge of a survivor into an older user adds one.
	maxHops = 33
	// maxMergedFrom bounds the merges that a link remembers.
	maxMergedFrom = 8
	// releaseAfter is how long a link that was let go still exists, naming its user: long enough that the engine can read
	// back the write that let it go.
	releaseAfter = time.Minute
)

// seat is a link as it was read, with the user that it leads to.
type seat struct {
	// identity is what was looked for; it names no user.
	identity storage.Identity
	// link is nil when there is none.
	link *storage.Entry[storage.Identity]
	// via are the aliases between the link and its user, from the link on.
	via []string
	// id is the ID at the end of the aliases; empty when the link is free.
	id string
	// user is the user of that ID; nil when not yet written.
	user *storage.Entry[storage.User]
}

// free reports whether the link may be given to anybody: there is none, it was let go, or its user was deleted.
func (s seat) free() bool { return s.id == "" }

// seat reads a link and whom it leads to: one read when there is none, two when there is.
func (s *Service) seat(ctx context.Context, identity storage.Identity) (seat, error) {
	found := seat{identity: identity}
	link, err := s.link(ctx, identity)
	if err != nil || link == nil {
		return found, err
	}
	found.link = link
	path, user, err := s.follow(ctx, identity.Directory, link.Record.User)
	if err != nil {
		return seat{}, err
	}
	if !released(link.Record) && (user == nil || user.Record.Status != storage.UserDeleted) {
		found.via, found.id, found.user = path[:len(path)-1], path[len(path)-1], user
	}
	return found, nil
}

// link reads a link; nil when there is none.
func (s *Service) link(ctx context.Context, identity storage.Identity) (*storage.Entry[storage.Identity], error) {
	id := storage.IdentityKey(identity.Directory, identity.Type, identity.Namespace, identity.Value)
	link, err := storage.Get[storage.Identity](ctx, s.engine, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("identity: read link: %w", err)
	}
	return link, nil
}

// follow reads the user of an ID, and of whom that is an alias, and returns the IDs that it came by and the user of the last
// one: nil when missing.
func (s *Service) follow(ctx context.Context, directory, id string) ([]string, *storage.Entry[storage.User], error) {
	path := []string{id}
	for range maxHops {
		user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, id))
		if errors.Is(err, storage.ErrNotFound) {
			return path, nil, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("identity: read user: %w", err)
		}
		if user.Record.Status != storage.UserAlias {
			return path, user, nil
		}
		id = user.Record.AliasOf
		path = append(path, id)
	}
	return nil, nil, fmt.Errorf("identity: a chain of more than %d aliases", maxHops)
}

// claim gives a free link to a user. It loses when somebody was faster.
func (s *Service) claim(ctx context.Context, at seat, user, unionDigest string) error {
	next := at.identity
	next.User, next.UnionDigest = user, unionDigest
	next.CreatedAt = s.now()
	next.VerifiedAt = next.CreatedAt
	return s.putLink(ctx, at.link, next)
}

// putLink inserts a link, or puts it in the place of the one that was read.
func (s *Service) putLink(ctx context.Context, old *storage.Entry[storage.Identity], next storage.Identity) error {
	if old == nil {
		_, err := storage.Insert(ctx, s.engine, next)
		return wrap("insert link", err)
	}
	_, err := old.Replace(ctx, s.engine, next)
	return wrap("move link", err)
}

// moved is a link that names user itself and remembers the aliases through which it led there, so that undoing a merge
// finds what was whose.
func moved(link storage.Identity, via []string, user string) storage.Identity {
	link.MergedFrom = append(slices.Clone(link.MergedFrom), via...)
	if extra := len(link.MergedFrom) - maxMergedFrom; extra > 0 {
		link.MergedFrom = link.MergedFrom[extra:]
	}
	link.User = user
	return link
}

// absorb makes the unwritten user that a link leads to an alias of user, and the link name user itself. It loses when that
// user was written meanwhile.
func (s *Service) absorb(ctx context.Context, at seat, user *storage.Entry[storage.User]) error {
	now := s.now()
	alias := storage.User{
		Directory: user.Record.Directory, ID: at.id, Status: storage.UserAlias, AliasOf: user.Record.ID,
		CreatedAt: now, UpdatedAt: now,
	}
	if _, err := storage.Insert(ctx, s.engine, alias); err != nil {
		return wrap("insert alias", err)
	}
	return s.putLink(ctx, at.link, moved(at.link.Record, append(slices.Clone(at.via), at.id), user.Record.ID))
}

// release lets a link go if nobody has changed it since it was read. It is no loss if somebody has.
func (s *Service) release(ctx context.Context, link *storage.Entry[storage.Identity]) error {
	next := link.Record
	next.ExpiresAt = s.now().Add(releaseAfter)
	if _, err := link.Replace(ctx, s.engine, next); err != nil && !lost(err) {
		return wrap("release link", err)
	}
	return nil
}

// released reports whether a link was let go and exists only until its time is over.
func released(link storage.Identity) bool { return !link.ExpiresAt.IsZero() }

// wrap says what was tried. A nil error stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("identity: %s: %w", what, err)
}
