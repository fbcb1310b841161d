package identity

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// Resolution is whom a login belongs to.
type Resolution struct {
	// User is an active user, and never an alias.
	User *storage.Entry[storage.User]
	// Created says that this login wrote the user.
	Created bool
	// Candidate is the ID of the merge candidate that this login recorded; empty when it recorded none.
	Candidate string
}

// newcomer says what becomes of a person whom nobody knows.
type newcomer struct {
	provision bool
	profile   storage.Profile
}

// Resolve returns the user of a login by the linking rules of the package, and writes the links that the rules ask for. A
// person whom nobody knows becomes a shadow user if provision is set, and is ErrUnknownUser, without any write, otherwise. A
// disabled user is ErrUserDisabled.
//
// A known user costs two reads and no write; a new one whose OpenID and UnionID are both new costs two reads and three writes.
func (s *Service) Resolve(ctx context.Context, login Login, provision bool) (*Resolution, error) {
	return s.resolve(ctx, login, newcomer{provision: provision})
}

// Register is Resolve for a person who asked to be registered: a new user gets the self-asserted profile with the insert
// that makes the user. A known person is resolved as ever and keeps the profile, so that a repeated request is no error.
func (s *Service) Register(ctx context.Context, login Login, profile ProfileUpdate) (*Resolution, error) {
	profile, err := profile.Canonical()
	if err != nil {
		return nil, err
	}
	return s.resolve(ctx, login, newcomer{provision: true, profile: profile.apply(storage.Profile{})})
}

func (s *Service) resolve(ctx context.Context, login Login, who newcomer) (*Resolution, error) {
	if err := login.validate(); err != nil {
		return nil, err
	}
	resolution, err := retry(ctx, func(ctx context.Context) (*Resolution, error) { return s.settle(ctx, login, who) })
	if err != nil {
		return nil, err
	}
	if resolution.User.Record.Status == storage.UserDisabled {
		return nil, ErrUserDisabled
	}
	return resolution, nil
}

// settle reads the links of a login and does what is left to do, in the order that heals: the UnionID link, the OpenID
// link, the user, and last the digest that says that this UnionID was dealt with. It loses when somebody was faster.
func (s *Service) settle(ctx context.Context, login Login, who newcomer) (*Resolution, error) {
	open, err := s.seat(ctx, login.openIdentity())
	if err != nil {
		return nil, err
	}
	if !open.free() && !login.changesUnion(open.link.Record) {
		return s.admit(ctx, open, who)
	}
	union := seat{}
	if login.hasUnion() {
		if union, err = s.seat(ctx, login.unionIdentity()); err != nil {
			return nil, err
		}
	}
	switch {
	case !open.free():
		return s.meetUnion(ctx, login, open, union, who)
	case !union.free():
		return s.joinUnion(ctx, login, open, union, who)
	default:
		return s.welcome(ctx, login, open, union, who)
	}
}

// welcome makes a new user: the links first, carrying the new ID, and then the user.
func (s *Service) welcome(ctx context.Context, login Login, open, union seat, who newcomer) (*Resolution, error) {
	if !who.provision {
		return nil, ErrUnknownUser
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	if login.hasUnion() {
		if err := s.claim(ctx, union, id, ""); err != nil {
			return nil, err
		}
	}
	open.id = id
	if err := s.claim(ctx, open, id, login.unionDigest()); err != nil {
		return nil, err
	}
	return s.admit(ctx, open, who)
}

// joinUnion gives the UnionID's user to a new OpenID.
func (s *Service) joinUnion(ctx context.Context, login Login, open, union seat, who newcomer) (*Resolution, error) {
	if err := s.claim(ctx, open, union.id, login.unionDigest()); err != nil {
		return nil, err
	}
	return s.admit(ctx, union, who)
}

// meetUnion deals with a UnionID that the OpenID's link does not remember. The OpenID's user signs in whatever it leads to.
func (s *Service) meetUnion(ctx context.Context, login Login, open, union seat, who newcomer) (*Resolution, error) {
	resolution, err := s.admit(ctx, open, who)
	if err != nil {
		return nil, err
	}
	user := resolution.User
	switch {
	case union.free():
		err = s.claim(ctx, union, user.Record.ID, "")
	case union.id == user.Record.ID:
		err = s.straighten(ctx, union)
	case union.user == nil:
		err = s.absorb(ctx, union, user)
	default:
		resolution.Candidate, err = s.suggestUsers(ctx, user.Record, union.user.Record, ReasonUnionID)
	}
	if err != nil {
		return nil, err
	}
	// The digest says that this UnionID was dealt with: the next login does not read its link.
	next := moved(open.link.Record, open.via, open.id)
	next.UnionDigest = login.unionDigest()
	return resolution, s.putLink(ctx, open.link, next)
}

// straighten makes a link that leads to its user through aliases name the user itself, which saves every login a read.
func (s *Service) straighten(ctx context.Context, at seat) error {
	if len(at.via) == 0 {
		return nil
	}
	return s.putLink(ctx, at.link, moved(at.link.Record, at.via, at.id))
}

// admit returns the user that a link leads to, and writes the user who is not there yet.
func (s *Service) admit(ctx context.Context, at seat, who newcomer) (*Resolution, error) {
	if at.user != nil {
		return &Resolution{User: at.user}, nil
	}
	now := s.now()
	user, err := storage.Insert(ctx, s.engine, storage.User{
		Directory: at.identity.Directory, ID: at.id, Status: storage.UserActive, Shadow: true,
		Profile: who.profile, CreatedAt: now, UpdatedAt: now,
	})
	if err != nil {
		return nil, wrap("insert user", err)
	}
	return &Resolution{User: user, Created: true}, nil
}
