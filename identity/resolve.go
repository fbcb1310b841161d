package identity

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// Resolution is the user of a login.
type Resolution struct {
	// User is an active user, and never an alias.
	User *storage.Entry[storage.User]
	// Created means that this login created the user.
	Created bool
	// Candidate is the ID of the merge candidate that this login recorded; empty when it recorded none.
	Candidate string
}

// unknownUserPolicy says whether and how an unknown user is created.
type unknownUserPolicy struct {
	provision bool
	// profile returns the profile of a new user, in canonical form. It is called before a user is created, and may be called again.
	profile func(ctx context.Context) (ProfileUpdate, error)
	// appID is the mini-program that asserts the profile.
	appID string
}

// Resolve returns the user of a login by the linking rules of the package, and writes the required links. If the user is unknown,
// it creates a shadow user if provision is set; otherwise it returns ErrUnknownUser without any write. A disabled user is
// ErrUserDisabled, and one who waits for deletion is a *DeletionPendingError.
//
// A known user costs two reads and no write. A new one with new OpenID and UnionID costs two reads and three writes.
func (s *Service) Resolve(ctx context.Context, login Login, provision bool) (*Resolution, error) {
	return s.resolve(ctx, login, unknownUserPolicy{provision: provision})
}

// Register is Resolve for a user who requested registration: a new user is created with the self-asserted profile. A known user
// is resolved as usual without a change of the profile, so that a repeated request is no error.
func (s *Service) Register(ctx context.Context, login Login, profile ProfileUpdate) (*Resolution, error) {
	profile, err := profile.Canonical()
	if err != nil {
		return nil, err
	}
	return s.RegisterBy(ctx, login, func(context.Context) (ProfileUpdate, error) { return profile, nil })
}

// RegisterBy is Register with a profile that is read only if the user is new. The function returns it in canonical form, and may be
// called again. Its error ends the login before any write.
func (s *Service) RegisterBy(ctx context.Context, login Login, profile func(context.Context) (ProfileUpdate, error)) (*Resolution, error) {
	return s.resolve(ctx, login, unknownUserPolicy{provision: true, profile: profile, appID: login.AppID})
}

func (s *Service) resolve(ctx context.Context, login Login, policy unknownUserPolicy) (*Resolution, error) {
	if err := login.validate(); err != nil {
		return nil, err
	}
	resolution, err := retry(ctx, func(ctx context.Context) (*Resolution, error) { return s.resolveOnce(ctx, login, policy) })
	if err != nil {
		return nil, err
	}
	if err := checkStatus(resolution.User.Record); err != nil {
		return nil, err
	}
	return resolution, nil
}

// resolveOnce reads the links of a login and completes them in the order that is safe after a crash: the UnionID link, the OpenID
// link, the user, and last the digest of the processed UnionID. It loses to a concurrent write.
func (s *Service) resolveOnce(ctx context.Context, login Login, policy unknownUserPolicy) (*Resolution, error) {
	open, err := s.linkedUser(ctx, login.openIdentity())
	if err != nil {
		return nil, err
	}
	if !open.free() && !open.link.Record.DeregisteredAt.IsZero() {
		if open, err = s.returned(ctx, open); err != nil {
			return nil, err
		}
	}
	if !open.free() && !login.changesUnion(open.link.Record) {
		return s.findOrCreate(ctx, open, policy)
	}
	union := linkedUser{}
	if login.hasUnion() {
		if union, err = s.linkedUser(ctx, login.unionIdentity()); err != nil {
			return nil, err
		}
	}
	switch {
	case !open.free():
		return s.reconcileUnionID(ctx, login, open, union, policy)
	case !union.free():
		return s.linkToUnionIDUser(ctx, login, open, union, policy)
	default:
		return s.createUser(ctx, login, open, union, policy)
	}
}

// createUser creates a new user: first the links, which contain the new ID, and then the user.
func (s *Service) createUser(ctx context.Context, login Login, open, union linkedUser, policy unknownUserPolicy) (*Resolution, error) {
	if !policy.provision {
		return nil, ErrUnknownUser
	}
	if policy.profile != nil { // It may fail, which must be known before a link is written.
		profile, err := policy.profile(ctx)
		if err != nil {
			return nil, err
		}
		policy.profile = func(context.Context) (ProfileUpdate, error) { return profile, nil }
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	if login.hasUnion() {
		if err := s.linkAtLogin(ctx, union, id, ""); err != nil {
			return nil, err
		}
	}
	open.id = id
	if err := s.linkAtLogin(ctx, open, id, login.unionDigest()); err != nil {
		return nil, err
	}
	return s.findOrCreate(ctx, open, policy)
}

// linkAtLogin assigns a free link to a user, and records it. The entry follows within a second, because a login must not wait for
// another write.
func (s *Service) linkAtLogin(ctx context.Context, at linkedUser, user, unionDigest string) error {
	if err := s.claim(ctx, at, user, unionDigest); err != nil {
		return err
	}
	s.audit.RecordLink(ctx, at.identity.Directory, user, string(at.identity.Type))
	return nil
}

// linkToUnionIDUser assigns a new OpenID to the UnionID's user.
func (s *Service) linkToUnionIDUser(ctx context.Context, login Login, open, union linkedUser, policy unknownUserPolicy) (*Resolution, error) {
	if err := s.linkAtLogin(ctx, open, union.id, login.unionDigest()); err != nil {
		return nil, err
	}
	return s.findOrCreate(ctx, union, policy)
}

// reconcileUnionID processes a UnionID that differs from that of the OpenID link. The OpenID's user signs in, or the survivor if the
// login merges it with the UnionID's user.
func (s *Service) reconcileUnionID(ctx context.Context, login Login, open, union linkedUser, policy unknownUserPolicy) (*Resolution, error) {
	resolution, err := s.findOrCreate(ctx, open, policy)
	if err != nil {
		return nil, err
	}
	user := resolution.User
	switch {
	case union.free():
		err = s.linkAtLogin(ctx, union, user.Record.ID, "")
	case union.id == user.Record.ID:
		if err = s.finishMerge(ctx, user.Record, open, union); err == nil {
			err = s.repointLink(ctx, union)
		}
	case union.user == nil:
		err = s.aliasUser(ctx, union, user)
	default:
		resolution.Candidate, resolution.User, err = s.meetByUnionID(ctx, user, union.user)
	}
	if err != nil {
		return nil, err
	}
	// The digest marks this UnionID as processed: the next login does not read its link.
	next := moved(open.link.Record, open.via, open.id)
	next.UnionDigest = login.unionDigest()
	return resolution, s.putLink(ctx, open.link, next)
}

// repointLink changes a link that leads to its user through aliases to name the user directly, which saves a read per login.
func (s *Service) repointLink(ctx context.Context, at linkedUser) error {
	if len(at.via) == 0 {
		return nil
	}
	return s.putLink(ctx, at.link, moved(at.link.Record, at.via, at.id))
}

// findOrCreate returns the user that a link leads to, and creates the user if it is missing.
func (s *Service) findOrCreate(ctx context.Context, at linkedUser, policy unknownUserPolicy) (*Resolution, error) {
	if at.user != nil {
		return &Resolution{User: at.user}, nil
	}
	incarnation, err := s.incarnation(ctx, at.identity.Directory)
	if err != nil {
		return nil, err
	}
	var profile storage.Profile
	if policy.profile != nil {
		update, err := policy.profile(ctx)
		if err != nil {
			return nil, err
		}
		profile = update.apply(profile)
	}
	now := s.now()
	created := storage.User{
		Directory: at.identity.Directory, DirectoryIncarnation: incarnation, ID: at.id, Status: storage.UserActive, Shadow: true,
		Profile: profile, CreatedAt: now, UpdatedAt: now,
	}
	setSources(storage.User{}, &created, policy.appID, now)
	user, err := storage.Insert(ctx, s.engine, created)
	if err != nil {
		return nil, wrap("insert user", err)
	}
	return &Resolution{User: user, Created: true}, nil
}
