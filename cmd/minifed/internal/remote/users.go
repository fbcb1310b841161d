package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
)

// personOf returns the user of a response. The API shows no password hash; its place says that there is one.
func personOf(read api.User) admin.Person {
	person := admin.Person{User: read.User, Identities: read.Identities}
	if read.HasPassword {
		person.User.Password = "*"
	}
	return person
}

// AddUser does what admin.Service.AddUser does.
func (c *Client) AddUser(ctx context.Context, directory string, account identity.Account, with admin.UserUpdate) (storage.User, error) {
	body := api.NewUser{Username: account.Username, Password: account.Password, Profile: account.Profile}
	if with.Email != nil {
		body.Email = *with.Email
	}
	if with.Phone != nil {
		body.Phone = *with.Phone
	}
	if with.Membership != nil {
		var membership identity.Membership
		with.Membership(&membership)
		body.Groups, body.Attributes, body.GuardianConsent = membership.Groups, membership.Attributes, membership.GuardianConsent
	}
	var created api.User
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "users"), body: body}, &created)
	return personOf(created).User, err
}

// UserID does what admin.Service.UserID does.
func (c *Client) UserID(ctx context.Context, directory, text string) (string, error) {
	person, err := c.User(ctx, directory, text)
	if !errors.Is(err, admin.ErrNotFound) {
		return person.User.ID, err
	}
	for _, search := range []api.UserSearch{{Username: text}, {Email: text}, {Phone: text}} {
		sent := request{method: http.MethodPost, path: path("directories", directory, "users", "search"), body: search}
		found, err := listBy[api.User](ctx, c, admin.Page{Limit: 2}, sent)
		if _, unacceptable := errors.AsType[*admin.Invalid](err); err != nil && !unacceptable {
			return "", err
		}
		if len(found.Items) == 1 {
			return found.Items[0].ID, nil
		}
	}
	return "", fmt.Errorf("user %q %w: name a user by ID, username, verified e-mail address or phone number", text, admin.ErrNotFound)
}

// User does what admin.Service.User does.
func (c *Client) User(ctx context.Context, directory, id string) (admin.Person, error) {
	var found api.User
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("directories", directory, "users", id)}, &found)
	return personOf(found), err
}

// FindUsers does what admin.Service.FindUsers does.
func (c *Client) FindUsers(ctx context.Context, directory string, search admin.UserSearch, asked admin.Page) (users []storage.User, next string, err error) {
	sent := request{method: http.MethodGet, path: path("directories", directory, "users")}
	if search != (admin.UserSearch{}) {
		sent = request{method: http.MethodPost, path: path("directories", directory, "users", "search"), body: api.UserSearch(search)}
	}
	found, err := listBy[api.User](ctx, c, asked, sent)
	for _, one := range found.Items {
		users = append(users, personOf(one).User)
	}
	return users, found.Next, err
}

// UpdateUser does what admin.Service.UpdateUser does.
func (c *Client) UpdateUser(ctx context.Context, directory, id string, with admin.UserUpdate) (storage.User, error) {
	after, err := change(ctx, c, path("directories", directory, "users", id), func(read *api.User) { edit(&read.User, with) })
	return personOf(after).User, err
}

// edit does the changes of an update.
func edit(user *storage.User, with admin.UserUpdate) {
	for member, value := range map[*string]*string{&user.Username: with.Username, &user.Email: with.Email, &user.Phone: with.Phone} {
		if value != nil {
			*member = *value
		}
	}
	if with.Profile != nil {
		with.Profile(&user.Profile)
	}
	if with.Membership != nil {
		membership := identity.MembershipOf(*user)
		with.Membership(&membership)
		user.Groups, user.Attributes, user.GuardianConsent = membership.Groups, membership.Attributes, membership.GuardianConsent
	}
}

// SetUserPassword does what admin.Service.SetUserPassword does.
func (c *Client) SetUserPassword(ctx context.Context, directory, id, password string) error {
	return c.act(ctx, directory, id, "reset-password", api.NewPassword{Password: password})
}

// DisableUser does what admin.Service.DisableUser does.
func (c *Client) DisableUser(ctx context.Context, directory, id string) error {
	return c.act(ctx, directory, id, "disable", nil)
}

// EnableUser does what admin.Service.EnableUser does.
func (c *Client) EnableUser(ctx context.Context, directory, id string) error {
	return c.act(ctx, directory, id, "enable", nil)
}

// SignOutUser does what admin.Service.SignOutUser does.
func (c *Client) SignOutUser(ctx context.Context, directory, id string) error {
	return c.act(ctx, directory, id, "sign-out", nil)
}

func (c *Client) act(ctx context.Context, directory, id, act string, body any) error {
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "users", id, act), body: body}, nil)
	return err
}

// RequestUserDeletion does what admin.Service.RequestUserDeletion does.
func (c *Client) RequestUserDeletion(ctx context.Context, directory, id string) error {
	return c.act(ctx, directory, id, "request-deletion", nil)
}

// RestoreUser does what admin.Service.RestoreUser does.
func (c *Client) RestoreUser(ctx context.Context, directory, id string) error {
	return c.act(ctx, directory, id, "restore", nil)
}

// DeleteUser does what admin.Service.DeleteUser does.
func (c *Client) DeleteUser(ctx context.Context, directory, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path("directories", directory, "users", id)}, nil)
	return err
}

// MergeCandidates does what admin.Service.MergeCandidates does.
func (c *Client) MergeCandidates(ctx context.Context, directory string, asked admin.Page) ([]storage.MergeCandidate, string, error) {
	return list[storage.MergeCandidate](ctx, c, asked, path("directories", directory, "merge-candidates"))
}

// AcceptMerge does what admin.Service.AcceptMerge does.
func (c *Client) AcceptMerge(ctx context.Context, directory, candidate string) (identity.Merged, error) {
	var outcome api.BatchOutcome
	sent := request{method: http.MethodPost, path: path("directories", directory, "merge-candidates", "accept"), body: api.Candidates{Candidates: []string{candidate}}}
	if _, err := c.call(ctx, sent, &outcome); err != nil {
		return identity.Merged{}, err
	}
	if len(outcome.Items) != 1 || outcome.Items[0].Merge == nil {
		return identity.Merged{}, &failed{refusal(outcome), admin.ErrRefused}
	}
	return mergedOf(*outcome.Items[0].Merge), nil
}

func refusal(outcome api.BatchOutcome) string {
	if len(outcome.Items) == 1 {
		return outcome.Items[0].Problem
	}
	return admin.ErrRefused.Error()
}

func mergedOf(merge api.Merge) identity.Merged {
	return identity.Merged{Survivor: merge.Survivor, Alias: merge.Alias, Audit: merge.ID}
}

// DismissMerge does what admin.Service.DismissMerge does.
func (c *Client) DismissMerge(ctx context.Context, directory, candidate string) error {
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "merge-candidates", candidate, "dismiss")}, nil)
	return err
}

// MergeUsers does what admin.Service.MergeUsers does.
func (c *Client) MergeUsers(ctx context.Context, directory, one, other string) (identity.Merged, error) {
	var merge api.Merge
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "merges"), body: api.UserPair{Users: []string{one, other}}}, &merge)
	return mergedOf(merge), err
}

// UndoMerge does what admin.Service.UndoMerge does.
func (c *Client) UndoMerge(ctx context.Context, directory, id string) error {
	_, err := c.call(ctx, request{method: http.MethodPost, path: path("directories", directory, "merges", id, "undo")}, nil)
	return err
}
