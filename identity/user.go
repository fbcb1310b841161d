package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/minifed/minifed/storage"
)

// User returns the user of an ID and follows aliases; disabled users too. A missing or deleted user is ErrUnknownUser.
func (s *Service) User(ctx context.Context, directory, id string) (*storage.Entry[storage.User], error) {
	_, user, err := s.follow(ctx, directory, id)
	if err != nil {
		return nil, err
	}
	if user == nil || user.Record.Status == storage.UserDeleted {
		return nil, ErrUnknownUser
	}
	return user, nil
}

// Named returns the user of an ID, of a username, of a verified e-mail address, or of a phone number in E.164, in this order.
func (s *Service) Named(ctx context.Context, directory, text string) (*storage.Entry[storage.User], error) {
	user, err := s.User(ctx, directory, text)
	if !errors.Is(err, ErrUnknownUser) {
		return user, err
	}
	if number, invalid := ParsePhone(text); invalid == nil {
		return s.numbered(ctx, directory, number)
	}
	user, err = s.named(ctx, directory, text)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, ErrUnknownUser
	}
	return s.User(ctx, directory, user.Record.ID)
}

// numbered returns the user of a phone number.
func (s *Service) numbered(ctx context.Context, directory, number string) (*storage.Entry[storage.User], error) {
	at, err := s.attributeLink(ctx, phoneIdentity(directory, number))
	if err != nil {
		return nil, err
	}
	if at.user == nil || at.user.Record.Phone != number {
		return nil, ErrUnknownUser
	}
	return at.user, nil
}

// editable is User for changes that operators may do to all users, and users to themselves unless they are disabled.
func (s *Service) editable(ctx context.Context, directory, id, actor string) (*storage.Entry[storage.User], error) {
	user, err := s.User(ctx, directory, id)
	if err != nil {
		return nil, err
	}
	return user, mayEdit(user.Record, actor)
}

func mayEdit(user storage.User, actor string) error {
	if actor != Self(user.ID) {
		return nil
	}
	return checkStatus(user)
}

// active is User for operations that disabled users may not do.
func (s *Service) active(ctx context.Context, directory, id string) (*storage.Entry[storage.User], error) {
	user, err := s.User(ctx, directory, id)
	if err != nil {
		return nil, err
	}
	if err := checkStatus(user.Record); err != nil {
		return nil, err
	}
	return user, nil
}

// Account is the input of an operator or a registration page for a new user who does not come from WeChat.
type Account struct {
	Username string
	// Password may be empty: then there is no login by password.
	Password string
	Profile  storage.Profile
}

// Create creates a user with a username. It returns ErrTaken if the username is in use, and *InvalidError.
//
// The link is written first, as in a login. After a crash between the two writes the username is still available: the next
// creation gets it.
func (s *Service) Create(ctx context.Context, directory string, account Account, actor string) (*storage.Entry[storage.User], error) {
	user := storage.User{Directory: directory, Status: storage.UserActive, Profile: account.Profile}
	var err error
	if user.DirectoryIncarnation, err = s.incarnation(ctx, directory); err != nil {
		return nil, err
	}
	if user.Profile, err = CanonicalProfile(account.Profile); err != nil {
		return nil, err
	}
	name, err := ParseUsername(account.Username)
	if err != nil {
		return nil, err
	}
	user.Username = name.Display
	if user.ID, err = s.newID(); err != nil {
		return nil, err
	}
	if account.Password != "" {
		if err := s.givePassword(ctx, &user, account.Password); err != nil {
			return nil, err
		}
	}
	recorded := s.recording(actor, ActionCreate)
	if err := recorded.write(ctx, storage.User{Directory: directory, ID: user.ID}, &user, nil); err != nil {
		return nil, err
	}
	entry, err := retry(ctx, func(ctx context.Context) (*storage.Entry[storage.User], error) { return s.create(ctx, user, name) })
	return entry, recorded.end(ctx, err)
}

func (s *Service) create(ctx context.Context, user storage.User, name Username) (*storage.Entry[storage.User], error) {
	at, err := s.linkedUser(ctx, name.identity(user.Directory))
	if err != nil {
		return nil, err
	}
	if at.user != nil {
		return nil, ErrTaken
	}
	if at.free() {
		if err := s.claim(ctx, at, user.ID, ""); err != nil {
			return nil, err
		}
	} else {
		user.ID = at.id
	}
	user.CreatedAt = s.now()
	user.UpdatedAt = user.CreatedAt
	entry, err := storage.Insert(ctx, s.engine, user)
	return entry, wrap("insert user", err)
}

// Identities returns the links of a user, oldest first, and then those of all users merged into it. It reads lists, so it is for
// pages and operators only.
func (s *Service) Identities(ctx context.Context, user storage.User) ([]*storage.Entry[storage.Identity], error) {
	ids, err := s.mergedIDs(ctx, user)
	if err != nil {
		return nil, err
	}
	var links []*storage.Entry[storage.Identity]
	for _, id := range ids {
		own, err := s.linksOf(ctx, user.Directory, id)
		if err != nil {
			return nil, err
		}
		links = append(links, own...)
	}
	return links, nil
}

// mergedIDs returns the ID of a user, and those of all users merged into it, directly or indirectly.
func (s *Service) mergedIDs(ctx context.Context, user storage.User) ([]string, error) {
	ids := []string{user.ID}
	for queue := user.Aliases; len(queue) > 0; queue = queue[1:] {
		alias, err := storage.Get[storage.User](ctx, s.engine, storage.Key(user.Directory, queue[0]))
		if err != nil {
			return nil, wrap("read user", err)
		}
		ids = append(ids, queue[0])
		queue = append(slices.Clone(queue), alias.Record.Aliases...)
	}
	return ids, nil
}

// linksOf returns the links that name exactly this ID, without the released ones.
func (s *Service) linksOf(ctx context.Context, directory, id string) ([]*storage.Entry[storage.Identity], error) {
	query := storage.Query{Order: storage.ByCreated, Owner: storage.Key(directory, id)}
	var links []*storage.Entry[storage.Identity]
	for {
		page, next, err := storage.List[storage.Identity](ctx, s.engine, query)
		if err != nil {
			return nil, wrap("list links", err)
		}
		links = append(links, slices.DeleteFunc(page, func(link *storage.Entry[storage.Identity]) bool {
			return released(link.Record)
		})...)
		if next == "" {
			return links, nil
		}
		query.After = next
	}
}

// change replaces a user by the result of edit, and calls edit again after a concurrent write. If edit returns false, nothing is
// written or recorded. The audit entry is written first.
func (s *Service) change(
	ctx context.Context, directory, id, actor, action string, edit func(*storage.User) (bool, error),
) (*storage.Entry[storage.User], error) {
	return s.changeFrom(ctx, s.recording(actor, action), "", directory, id, edit)
}

// changeFrom is change for values of claims that come from the mini-program appID.
func (s *Service) changeFrom(
	ctx context.Context, recorded *recording, appID, directory, id string, edit func(*storage.User) (bool, error),
) (*storage.Entry[storage.User], error) {
	entry, err := retry(ctx, func(ctx context.Context) (*storage.Entry[storage.User], error) {
		user, err := s.User(ctx, directory, id)
		if err != nil {
			return nil, err
		}
		if err := checkRevision(ctx, user); err != nil {
			return nil, err
		}
		next := user.Record
		changed, err := edit(&next)
		if err != nil || !changed {
			return user, err
		}
		setSources(user.Record, &next, appID, s.now())
		if err := recorded.write(ctx, user.Record, &next, nil); err != nil {
			return nil, err
		}
		next.UpdatedAt = s.now()
		replaced, err := user.Replace(ctx, s.engine, next)
		return replaced, wrap("replace user", err)
	})
	return entry, recorded.end(ctx, err)
}
