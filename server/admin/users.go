package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// Person is a user with what is known about how they sign in.
type Person struct {
	User       storage.User
	Identities []storage.Identity
	// SignIns are the last sign-ins, newest first.
	SignIns []storage.SignIn
	// Revision is that of the user's record.
	Revision string
}

// CreateUser creates a user with a username. Failures are *Invalid, ErrNotFound for the directory, and ErrExists.
func (s *Service) CreateUser(ctx context.Context, directory string, account identity.Account) (storage.User, error) {
	if err := s.Allowed(directory, ActUserCreate); err != nil {
		return storage.User{}, err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return storage.User{}, err
	}
	entry, err := s.config.Identity.Create(s.traced(ctx), directory, account, s.config.Actor.Name)
	if err != nil {
		return storage.User{}, userError(account.Username, err)
	}
	return entry.Record, s.checkUserStillThere(ctx, entry.Record)
}

// AddUser creates a user with an e-mail address, a phone number, groups and attributes. An unacceptable value creates no user.
func (s *Service) AddUser(ctx context.Context, directory string, account identity.Account, with UserUpdate) (storage.User, error) {
	if err := s.CheckUserUpdate(ctx, directory, with); err != nil {
		return storage.User{}, err
	}
	user, err := s.CreateUser(ctx, directory, account)
	if err != nil {
		return storage.User{}, err
	}
	return s.UpdateUser(ctx, directory, user.ID, with)
}

// UserID returns the ID of the user that text names: by ID, username, verified e-mail address, or phone number, in this order.
func (s *Service) UserID(ctx context.Context, directory, text string) (string, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return "", err
	}
	entry, err := s.config.Identity.Named(ctx, directory, text)
	if errors.Is(err, identity.ErrUnknownUser) {
		return "", fmt.Errorf("user %q %w: name a user by ID, username, verified e-mail address or phone number; `minifed user list` has the IDs", text, ErrNotFound)
	}
	return recordOf(entry).ID, err
}

// CheckUserUpdate returns an error if a new user cannot have the e-mail address, the phone number or the groups and attributes
// of an update: a value is malformed, or a user of the directory has it.
func (s *Service) CheckUserUpdate(ctx context.Context, directory string, change UserUpdate) error {
	if err := errors.Join(s.Allowed(directory, ActUserCreate), s.mayUpdate(directory, change)); err != nil {
		return err
	}
	var names []string
	if change.Email != nil {
		address, err := identity.ParseEmail(*change.Email)
		if err != nil {
			return userError("", err)
		}
		names = append(names, address)
	}
	if change.Phone != nil {
		number, err := identity.ParsePhone(*change.Phone)
		if err != nil {
			return userError("", err)
		}
		names = append(names, number)
	}
	for _, name := range names {
		_, err := s.config.Identity.Named(ctx, directory, name)
		if err == nil {
			err = identity.ErrTaken
		}
		if !errors.Is(err, identity.ErrUnknownUser) {
			return userError(name, err)
		}
	}
	if change.Membership == nil {
		return nil
	}
	var membership identity.Membership
	change.Membership(&membership)
	_, err := membership.Canonical()
	return userError("", err)
}

// User returns a user with its links. The ID may be an alias of the user. Phone numbers, OpenIDs and UnionIDs are masked but for
// the command line; RevealUser returns them.
func (s *Service) User(ctx context.Context, directory, id string) (Person, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return Person{}, err
	}
	person, err := s.person(ctx, directory, id)
	return s.shownPerson(person), err
}

// person returns a user with its links.
func (s *Service) person(ctx context.Context, directory, id string) (Person, error) {
	entry, err := s.config.Identity.User(ctx, directory, id)
	if err != nil {
		return Person{}, userError(id, err)
	}
	links, err := s.config.Identity.Identities(ctx, entry.Record)
	if err != nil {
		return Person{}, err
	}
	person := Person{User: entry.Record, Revision: entry.Revision()}
	if person.SignIns, err = storage.LastSignIns(ctx, s.config.Engine, entry.Record); err != nil {
		return Person{}, err
	}
	for _, link := range links {
		person.Identities = append(person.Identities, link.Record)
	}
	return person, nil
}

// Users returns one page of a directory's users, and where the next page begins: oldest first, or by name if a prefix of the
// name is given. Aliases and tombstones are among them; their status says so. Users of a deleted directory with the same ID are not.
func (s *Service) Users(ctx context.Context, directory, prefix string, page Page) ([]storage.User, string, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return nil, "", err
	}
	current, err := s.directory(ctx, directory)
	if err != nil {
		return nil, "", err
	}
	query := page.query(directory, storage.ByCreated)
	if prefix != "" {
		query.Order, query.Prefix = storage.ByName, strings.ToLower(prefix)
	}
	users, next, err := list[storage.User](ctx, s, query)
	users = slices.DeleteFunc(users, func(user storage.User) bool { return !user.BelongsTo(current.Record) })
	for i, user := range users {
		users[i] = s.shown(user)
	}
	return users, next, err
}

// UserUpdate is what an operator changes about a user; nil members stay as they are.
type UserUpdate struct {
	// Revision, if not empty, must be the user's when the change begins, and no other change may come between its writes.
	Revision string
	Username *string
	// Email and Phone (E.164) are set as verified, on the operator's authority.
	Email, Phone *string
	// Profile edits what the profile is when it is written, and may be called more than once.
	Profile func(*storage.Profile)
	// Membership edits groups and attributes in the same way.
	Membership func(*identity.Membership)
}

// mayUpdate returns an error if the actor may not change one of the members of an update.
func (s *Service) mayUpdate(directory string, change UserUpdate) error {
	acts := []Act{ActUserRead}
	for act, changed := range map[Act]bool{
		ActUserProfile: change.Profile != nil, ActUserGroups: change.Membership != nil, ActUserUsername: change.Username != nil,
		ActUserEmail: change.Email != nil, ActUserPhone: change.Phone != nil,
	} {
		if changed {
			acts = append(acts, act)
		}
	}
	for _, act := range acts {
		if err := s.Allowed(directory, act); err != nil {
			return err
		}
	}
	return nil
}

// UpdateUser changes a user, each member by a write of its own, and returns what is stored then.
func (s *Service) UpdateUser(ctx context.Context, directory, id string, change UserUpdate) (storage.User, error) {
	if err := s.mayUpdate(directory, change); err != nil {
		return storage.User{}, err
	}
	people, actor := s.config.Identity, s.config.Actor.Name
	ctx = s.traced(ctx)
	entry, err := people.User(ctx, directory, id)
	if err == nil && change.Revision != "" && change.Revision != entry.Revision() {
		return storage.User{}, fmt.Errorf("user %q %w", id, ErrChanged)
	}
	for _, write := range change.writes(people, directory, id, actor) {
		if err != nil {
			break
		}
		at := ctx
		if change.Revision != "" { // Each write requires the revision that the one before left.
			at = identity.WithRevision(ctx, entry.Revision())
		}
		entry, err = write(at)
	}
	return s.shown(recordOf(entry)), userError(id, err)
}

// writes returns the writes of an update, one for each kind of value.
func (u UserUpdate) writes(people *identity.Service, directory, id, actor string) []func(context.Context) (*storage.Entry[storage.User], error) {
	type result = *storage.Entry[storage.User]
	var writes []func(context.Context) (result, error)
	add := func(write func(context.Context) (result, error)) { writes = append(writes, write) }
	if u.Profile != nil {
		add(func(ctx context.Context) (result, error) {
			return people.EditProfile(ctx, directory, id, u.Profile, actor)
		})
	}
	if u.Membership != nil {
		add(func(ctx context.Context) (result, error) {
			return people.EditMembership(ctx, directory, id, u.Membership, actor)
		})
	}
	if u.Username != nil {
		add(func(ctx context.Context) (result, error) {
			return people.SetUsername(ctx, directory, id, *u.Username, actor)
		})
	}
	if u.Email != nil {
		add(func(ctx context.Context) (result, error) { return people.SetEmail(ctx, directory, id, *u.Email, actor) })
	}
	if u.Phone != nil {
		add(func(ctx context.Context) (result, error) { return people.SetPhone(ctx, directory, id, *u.Phone, actor) })
	}
	return writes
}

// SetUserPassword gives a user another password and ends every grant and session of the user.
func (s *Service) SetUserPassword(ctx context.Context, directory, id, password string) error {
	if err := s.Allowed(directory, ActUserPassword); err != nil {
		return err
	}
	if _, err := s.config.Identity.SetPassword(s.traced(ctx), directory, id, password, s.config.Actor.Name); err != nil {
		return userError(id, err)
	}
	return s.SignOutUser(ctx, directory, id)
}

// DisableUser blocks a user until EnableUser, and ends every grant and session.
func (s *Service) DisableUser(ctx context.Context, directory, id string) error {
	if directory == storage.OperatorsDirectory {
		return s.DisableOperator(ctx, id)
	}
	if err := s.Allowed(directory, ActUserDisable); err != nil {
		return err
	}
	return userError(id, s.config.Identity.Disable(s.traced(ctx), directory, id, s.config.Actor.Name))
}

// EnableUser lets a disabled user in again.
func (s *Service) EnableUser(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActUserEnable); err != nil {
		return err
	}
	return userError(id, s.config.Identity.Enable(s.traced(ctx), directory, id, s.config.Actor.Name))
}

// SignOutUser ends every grant and session of a user.
func (s *Service) SignOutUser(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActUserSignOut); err != nil {
		return err
	}
	return userError(id, s.config.Identity.SignOutEverywhere(s.traced(ctx), directory, id, s.config.Actor.Name))
}

// DeleteUser removes a person and all personal data. The same person, signing in later, is a new user.
func (s *Service) DeleteUser(ctx context.Context, directory, id string) error {
	if directory == storage.OperatorsDirectory {
		return s.DeleteOperator(ctx, id)
	}
	if err := s.Allowed(directory, ActUserDelete); err != nil {
		return err
	}
	return userError(id, s.config.Identity.Delete(s.traced(ctx), directory, id, s.config.Actor.Name))
}

// RequestUserDeletion deletes a user after the grace period of the directory. An operator cannot wait for deletion: DeleteUser deletes one
// at once.
func (s *Service) RequestUserDeletion(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActUserRequestDeletion); err != nil {
		return err
	}
	if directory == storage.OperatorsDirectory {
		var p problems
		p.add("directory", "is that of the operators: an operator is deleted at once")
		return p.err()
	}
	_, err := s.config.Identity.RequestDeletion(s.traced(ctx), directory, id, s.config.Actor.Name)
	return userError(id, err)
}

// RestoreUser cancels the deletion of a user that was requested.
func (s *Service) RestoreUser(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActUserRestore); err != nil {
		return err
	}
	_, err := s.config.Identity.RestoreDeleted(s.traced(ctx), directory, id, s.config.Actor.Name)
	return userError(id, err)
}

// userFor returns a user for an act of the actor. The ID may be an alias of the user.
func (s *Service) userFor(ctx context.Context, directory, id string, act Act) (*storage.Entry[storage.User], error) {
	if err := s.Allowed(directory, act); err != nil {
		return nil, err
	}
	user, err := s.config.Identity.User(ctx, directory, id)
	if err != nil {
		return nil, userError(id, err)
	}
	return user, nil
}

// listOfUser reads one page of the records that belong to a user, newest first.
func listOfUser[R storage.Record](ctx context.Context, s *Service, directory, id string, page Page) (user storage.User, records []R, next string, err error) {
	entry, err := s.userFor(ctx, directory, id, ActUserRead)
	if err != nil {
		return storage.User{}, nil, "", err
	}
	records, next, err = list[R](ctx, s, page.query(storage.Key(directory, entry.Record.ID), storage.ByCreatedDescending))
	return entry.Record, records, next, err
}

// userError says what an error of package identity means to an operator.
func userError(id string, err error) error {
	invalid := (*identity.InvalidError)(nil)
	switch {
	case errors.As(err, &invalid):
		return &Invalid{[]Problem{{invalid.Member, invalid.Reason.String()}}}
	case errors.Is(err, identity.ErrUnknownUser):
		return fmt.Errorf("user %q %w; the user_id is needed, not the username", id, ErrNotFound)
	case errors.Is(err, identity.ErrChanged):
		return fmt.Errorf("user %q %w", id, ErrChanged)
	case errors.Is(err, identity.ErrTaken):
		return fmt.Errorf("a user of this name, e-mail address or phone number %w", ErrExists)
	default:
		return err
	}
}

// recordOf is the record of an entry that may be missing because of an error.
func recordOf(entry *storage.Entry[storage.User]) storage.User {
	if entry == nil {
		return storage.User{}
	}
	return entry.Record
}
