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
	// maxHops is the maximum number of aliases to follow. Each merge of a survivor into an older user adds one.
	maxHops = 33
	// maxMergedFrom is the maximum number of merges that a link stores.
	maxMergedFrom = 8
	// releaseAfter is the time that a released link still exists with its user: long enough that the engine can read back the
	// write that released it.
	releaseAfter = time.Minute
)

// linkedUser is a link as it was read, with the user that it leads to.
type linkedUser struct {
	// identity is the key of the look-up, without a user.
	identity storage.Identity
	// link is nil when there is none.
	link *storage.Entry[storage.Identity]
	// via are the aliases between the link and its user, from the link on.
	via []string
	// id is the ID at the end of the aliases; empty when the link is free.
	id string
	// user is the user of that ID; nil when not yet stored.
	user *storage.Entry[storage.User]
}

// free reports whether the link may be assigned to any user: it does not exist, was released, or its user was deleted.
func (s linkedUser) free() bool { return s.id == "" }

// linkedUser reads a link and its user: one read if there is no link, two if there is.
func (s *Service) linkedUser(ctx context.Context, identity storage.Identity) (linkedUser, error) {
	found := linkedUser{identity: identity}
	link, err := s.link(ctx, identity)
	if err != nil || link == nil {
		return found, err
	}
	found.link = link
	path, user, err := s.follow(ctx, identity.Directory, link.Record.User)
	if err != nil {
		return linkedUser{}, err
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

// follow reads the user of an ID and follows its aliases. It returns the IDs on the way and the last user, which is nil when
// missing. A user of a deleted directory with the same ID is returned as deleted.
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
		if user, err = s.ofDirectory(ctx, user); err != nil {
			return nil, nil, err
		}
		if user.Record.Status != storage.UserAlias {
			return path, user, nil
		}
		id = user.Record.AliasOf
		path = append(path, id)
	}
	return nil, nil, fmt.Errorf("identity: a chain of more than %d aliases", maxHops)
}

// ofDirectory returns a user that was read, as deleted if its directory was deleted.
func (s *Service) ofDirectory(ctx context.Context, user *storage.Entry[storage.User]) (*storage.Entry[storage.User], error) {
	if user.Record.Status == storage.UserDeleted {
		return user, nil
	}
	belongs, err := s.belongs(ctx, user.Record)
	if err != nil || belongs {
		return user, err
	}
	deleted := *user
	deleted.Record.Status = storage.UserDeleted
	return &deleted, nil
}

// claim assigns a free link to a user. It loses to a concurrent write.
func (s *Service) claim(ctx context.Context, at linkedUser, user, unionDigest string) error {
	next := at.identity
	next.User, next.UnionDigest = user, unionDigest
	next.CreatedAt = s.now()
	next.VerifiedAt = next.CreatedAt
	return s.putLink(ctx, at.link, next)
}

// putLink inserts a link, or replaces the one that was read.
func (s *Service) putLink(ctx context.Context, old *storage.Entry[storage.Identity], next storage.Identity) error {
	if old == nil {
		_, err := storage.Insert(ctx, s.engine, next)
		return wrap("insert link", err)
	}
	_, err := old.Replace(ctx, s.engine, next)
	return wrap("move link", err)
}

// moved returns a link that names user directly and stores the aliases through which it led there: Unmerge uses them to restore
// the links.
func moved(link storage.Identity, via []string, user string) storage.Identity {
	link.MergedFrom = append(slices.Clone(link.MergedFrom), via...)
	if extra := len(link.MergedFrom) - maxMergedFrom; extra > 0 {
		link.MergedFrom = link.MergedFrom[extra:]
	}
	link.User = user
	return link
}

// aliasUser stores the missing user that a link leads to as an alias of user, and changes the link to name user directly. It
// loses if the missing user was stored in the meantime.
func (s *Service) aliasUser(ctx context.Context, at linkedUser, user *storage.Entry[storage.User]) error {
	now := s.now()
	alias := storage.User{
		Directory: user.Record.Directory, DirectoryIncarnation: user.Record.DirectoryIncarnation,
		ID: at.id, Status: storage.UserAlias, AliasOf: user.Record.ID,
		CreatedAt: now, UpdatedAt: now,
	}
	if _, err := storage.Insert(ctx, s.engine, alias); err != nil {
		return wrap("insert alias", err)
	}
	return s.putLink(ctx, at.link, moved(at.link.Record, append(slices.Clone(at.via), at.id), user.Record.ID))
}

// release releases a link if it has not changed since it was read. A concurrent change is no error.
func (s *Service) release(ctx context.Context, link *storage.Entry[storage.Identity]) error {
	next := link.Record
	next.ExpiresAt = s.now().Add(releaseAfter)
	if _, err := link.Replace(ctx, s.engine, next); err != nil && !lost(err) {
		return wrap("release link", err)
	}
	return nil
}

// released reports whether a link was released and exists only until it expires.
func released(link storage.Identity) bool { return !link.ExpiresAt.IsZero() }

// wrap adds the failed operation to an error. A nil error stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("identity: %s: %w", what, err)
}
