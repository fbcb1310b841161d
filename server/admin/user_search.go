package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// maxSearch bounds a value of a search, in bytes.
const maxSearch = 512

// UserSearch finds users by one value. The zero value finds all users.
type UserSearch struct {
	// Name is the beginning of a name, of a nickname if the user has no name, or of a username if it has neither; case does not matter.
	Name string
	// The following are exact. Email, Phone and Username are compared in their canonical form.
	ID, Username, Email, Phone, OpenID, UnionID, ExternalID string
	// Text is any of these: exact values first, then the beginning of a name.
	Text string
}

// values returns the members that are set, by their names.
func (u UserSearch) values() map[string]string {
	all := map[string]string{
		"name": u.Name, "id": u.ID, "username": u.Username, "email": u.Email, "phone": u.Phone, "open_id": u.OpenID,
		"union_id": u.UnionID, "external_id": u.ExternalID, "q": u.Text,
	}
	for member, value := range all {
		if value == "" {
			delete(all, member)
		}
	}
	return all
}

func (u UserSearch) check() error {
	var p problems
	values := u.values()
	for member, value := range values {
		if len(value) > maxSearch || !utf8.ValidString(value) {
			p.add(member, "must be UTF-8 of at most %d bytes", maxSearch)
		}
		if len(values) > 1 {
			p.add(member, "must be the only value of the search")
		}
	}
	return p.err()
}

// FindUsers returns one page of the users that a search finds, and where the next page begins. Merged and deleted users are
// among all users and not found by a value; a merged user's ID finds the user that it belongs to.
func (s *Service) FindUsers(ctx context.Context, directory string, search UserSearch, page Page) ([]storage.User, string, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return nil, "", err
	}
	if err := search.check(); err != nil {
		return nil, "", err
	}
	prefix := search.Name
	if search.Name == "" && len(search.values()) > 0 {
		found, err := s.findUser(ctx, directory, search)
		if err != nil || len(found) > 0 || search.Text == "" {
			return found, "", err
		}
		prefix = search.Text
	}
	return s.Users(ctx, directory, prefix, page)
}

// findUser returns the user that has the exact value of a search, if there is one.
func (s *Service) findUser(ctx context.Context, directory string, search UserSearch) ([]storage.User, error) {
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, err
	}
	for _, find := range []struct {
		value string
		by    func(ctx context.Context, directory, value string) (*storage.Entry[storage.User], error)
	}{
		{search.ID, s.config.Identity.User},
		{search.Username, s.byUsername},
		{search.Email, s.byEmail},
		{search.Phone, s.byPhone},
		{search.OpenID, s.byOpenID},
		{search.UnionID, s.byUnionID},
		{search.ExternalID, s.byExternalID},
		{search.Text, s.byAny},
	} {
		if find.value == "" {
			continue
		}
		entry, err := find.by(ctx, directory, find.value)
		if invalid := (*identity.InvalidError)(nil); errors.Is(err, identity.ErrUnknownUser) || errors.As(err, &invalid) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return []storage.User{s.shown(entry.Record)}, nil
	}
	return nil, nil
}

func (s *Service) byUsername(ctx context.Context, directory, name string) (*storage.Entry[storage.User], error) {
	parsed, err := identity.ParseUsername(name)
	if err != nil {
		return nil, err
	}
	return s.linked(ctx, directory, storage.IdentityUsername, "", parsed.Folded)
}

func (s *Service) byEmail(ctx context.Context, directory, address string) (*storage.Entry[storage.User], error) {
	parsed, err := identity.ParseEmail(address)
	if err != nil {
		return nil, err
	}
	return s.linked(ctx, directory, storage.IdentityEmail, "", parsed)
}

func (s *Service) byPhone(ctx context.Context, directory, number string) (*storage.Entry[storage.User], error) {
	parsed, err := identity.ParsePhone(number)
	if err != nil {
		return nil, err
	}
	return s.linked(ctx, directory, storage.IdentityPhone, "", parsed)
}

func (s *Service) byExternalID(ctx context.Context, directory, id string) (*storage.Entry[storage.User], error) {
	return s.linked(ctx, directory, storage.IdentityExternal, "", id)
}

// app is an app of WeChat that users of a directory sign in by.
type app struct{ id, openPlatform string }

// byOpenID looks an OpenID up under every AppID of the directory's mini-programs and connections. OpenIDs of other AppIDs are not
// found.
func (s *Service) byOpenID(ctx context.Context, directory, openID string) (*storage.Entry[storage.User], error) {
	return s.inNamespaces(ctx, directory, storage.IdentityOpenID, openID, func(a app) string { return a.id })
}

// byUnionID looks a UnionID up under every Open Platform account of the directory's mini-programs and connections.
func (s *Service) byUnionID(ctx context.Context, directory, unionID string) (*storage.Entry[storage.User], error) {
	return s.inNamespaces(ctx, directory, storage.IdentityUnionID, unionID, func(a app) string { return a.openPlatform })
}

func (s *Service) inNamespaces(
	ctx context.Context, directory string, typ storage.IdentityType, value string, namespaceOf func(app) string,
) (*storage.Entry[storage.User], error) {
	tried := []string{""} // Without a namespace there is no identity.
	find := func(a app) (*storage.Entry[storage.User], error) {
		namespace := namespaceOf(a)
		if slices.Contains(tried, namespace) {
			return nil, identity.ErrUnknownUser
		}
		tried = append(tried, namespace)
		return s.linked(ctx, directory, typ, namespace, value)
	}
	found, err := findByApps(ctx, s, directory, find, func(client storage.Client) app {
		if client.Federation == nil {
			return app{}
		}
		return app{client.Federation.AppID, client.Federation.OpenPlatform}
	})
	if !errors.Is(err, identity.ErrUnknownUser) {
		return found, err
	}
	return findByApps(ctx, s, directory, find, func(connection storage.Connection) app {
		return app{connection.AppID, connection.OpenPlatform}
	})
}

// findByApps calls find for the app of each record of a directory until it finds a user.
func findByApps[R storage.Record](
	ctx context.Context, s *Service, directory string, find func(app) (*storage.Entry[storage.User], error), appOf func(R) app,
) (*storage.Entry[storage.User], error) {
	for page := (Page{Limit: storage.MaxPage}); ; {
		records, next, err := list[R](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			if user, err := find(appOf(record)); !errors.Is(err, identity.ErrUnknownUser) {
				return user, err
			}
		}
		if page.After = next; next == "" {
			return nil, identity.ErrUnknownUser
		}
	}
}

// byAny looks a text up as every kind of exact value.
func (s *Service) byAny(ctx context.Context, directory, text string) (*storage.Entry[storage.User], error) {
	text = strings.TrimSpace(text)
	for _, by := range []func(ctx context.Context, directory, value string) (*storage.Entry[storage.User], error){
		s.config.Identity.Named, s.byExternalID, s.byOpenID, s.byUnionID,
	} {
		entry, err := by(ctx, directory, text)
		if invalid := (*identity.InvalidError)(nil); !errors.Is(err, identity.ErrUnknownUser) && !errors.As(err, &invalid) {
			return entry, err
		}
	}
	return nil, identity.ErrUnknownUser
}

func (s *Service) linked(ctx context.Context, directory string, typ storage.IdentityType, namespace, value string) (*storage.Entry[storage.User], error) {
	return s.config.Identity.LinkedUser(ctx, storage.Identity{Directory: directory, Type: typ, Namespace: namespace, Value: value})
}
