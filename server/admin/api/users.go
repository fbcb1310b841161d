package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// User is a user as the API shows it, with masked phone number.
type User struct {
	storage.User
	HasPassword bool               `json:"has_password"`
	Identities  []storage.Identity `json:"identities,omitempty"`
	SignIns     []storage.SignIn   `json:"sign_ins,omitempty"`
}

// NewUser is the body of the creation of a user.
type NewUser struct {
	Username   string              `json:"username"`
	Password   string              `json:"password,omitempty"`
	Email      string              `json:"email,omitempty"`
	Phone      string              `json:"phone,omitempty"`
	Profile    storage.Profile     `json:"profile,omitzero"`
	Groups     []string            `json:"groups,omitempty"`
	Attributes map[string][]string `json:"attributes,omitempty"`
	// GuardianConsent is the reference of a guardian's consent.
	GuardianConsent string `json:"guardian_consent,omitempty"`
}

// UserSearch is the body of a search.
type UserSearch struct {
	Name       string `json:"name,omitempty"`
	ID         string `json:"id,omitempty"`
	Username   string `json:"username,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	OpenID     string `json:"open_id,omitempty"`
	UnionID    string `json:"union_id,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
	Text       string `json:"q,omitempty"`
}

// NewPassword is the body of the reset of a password.
type NewPassword struct {
	Password string `json:"password,omitempty"`
}

// Password is a generated password, which is shown only once.
type Password struct {
	Password string `json:"password,omitempty"`
}

func viewUser(user storage.User) User { return User{User: user, HasPassword: user.Password != ""} }

func viewPerson(person admin.Person) User {
	view := viewUser(person.User)
	view.Identities, view.SignIns = person.Identities, person.SignIns
	return view
}

// userRoutes are the operations on users.
func userRoutes() []route {
	const tag, list, item = "Users", "/directories/{directory}/users", "/directories/{directory}/users/{user}"
	act := func(id, path, summary, text string, act admin.Act, do func(*admin.Service, context.Context, string, string) error) route {
		return route{
			id: id, method: http.MethodPost, path: item + path, tag: tag, status: http.StatusOK, summary: summary, text: text,
			act: act, reply: typeOf[User](), tagged: true,
			serve: func(c *call) (reply, error) {
				if err := do(c.service, c.Context(), c.directory(), c.param("user")); err != nil {
					return reply{}, err
				}
				return getUser(c)
			},
		}
	}
	return []route{
		{
			id: "listUsers", method: http.MethodGet, path: list, tag: tag, status: http.StatusOK,
			summary: "List the users", text: "The oldest users come first. Merged and deleted users are in the list; their status says so. Phone numbers are masked.",
			act: admin.ActUserRead, query: pageParameters(), reply: typeOf[listOf[User]](),
			serve: func(c *call) (reply, error) { return findUsers(c, admin.UserSearch{}) },
		},
		{
			id: "searchUsers", method: http.MethodPost, path: list + "/search", tag: tag, status: http.StatusOK,
			summary: "Search users", text: "The body has exactly one member. The value is not in the URL, because URLs are logged. A name is compared by its beginning, all others exactly.",
			act: admin.ActUserRead, query: pageParameters(), body: typeOf[UserSearch](), reply: typeOf[listOf[User]](), serve: searchUsers,
		},
		{
			id: "createUser", method: http.MethodPost, path: list, tag: tag, status: http.StatusCreated,
			summary: "Create a user", text: "E-mail address and phone number count as verified, on the operator's authority.",
			act: admin.ActUserCreate, body: typeOf[NewUser](), reply: typeOf[User](), tagged: true, replay: replayUser, serve: createUser,
		},
		{
			id: "getUser", method: http.MethodGet, path: item, tag: tag, status: http.StatusOK,
			summary: "Read a user", text: "Phone numbers, OpenIDs and UnionIDs are masked. The ID of a user who was merged into another one returns that one.",
			act: admin.ActUserRead, reply: typeOf[User](), tagged: true, serve: getUser,
		},
		{
			id: "changeUser", method: http.MethodPatch, path: item, tag: tag, status: http.StatusOK,
			summary: "Change a user", text: "Username, e-mail address, phone number, profile, groups and attributes can be changed, each by a write of its own; another change between two of them stops the rest, with status 412. E-mail address and phone number count as verified, and can be replaced, not removed.",
			act: admin.ActUserRead, body: typeOf[User](), patch: true, reply: typeOf[User](), tagged: true, serve: changeUser,
		},
		{
			id: "revealUser", method: http.MethodPost, path: item + "/reveal", tag: tag, status: http.StatusOK,
			summary: "Reveal a user's phone number and WeChat identities", text: "Returns the user without masks. The audit trail has an entry of each call.",
			act: admin.ActUserReveal, reply: typeOf[User](), tagged: true, serve: revealUser,
		},
		act("disableUser", "/disable", "Disable a user", "The user is signed out everywhere and cannot sign in until enabled again. Clients get logout tokens.", admin.ActUserDisable, (*admin.Service).DisableUser),
		act("enableUser", "/enable", "Enable a user", "The user can sign in again. Sessions and grants that ended stay ended.", admin.ActUserEnable, (*admin.Service).EnableUser),
		act("requestUserDeletion", "/request-deletion", "Request the deletion of a user", "The user is signed out everywhere and cannot sign in. After the time of deletion_delay the user is deleted with all personal data. Until then the user, or restoreUser, can restore the account.", admin.ActUserRequestDeletion, (*admin.Service).RequestUserDeletion),
		act("restoreUser", "/restore", "Cancel the deletion of a user", "The user can sign in again. Sessions and grants that ended stay ended.", admin.ActUserRestore, (*admin.Service).RestoreUser),
		act("signOutUser", "/sign-out", "Sign a user out", "Every session and grant of the user ends. Clients get logout tokens.", admin.ActUserSignOut, (*admin.Service).SignOutUser),
		{
			id: "resetUserPassword", method: http.MethodPost, path: item + "/reset-password", tag: tag, status: http.StatusOK,
			summary: "Reset a user's password", text: "Sets the password of the body, or generates one, which only this response has. The user is signed out everywhere.",
			act: admin.ActUserPassword, body: typeOf[NewPassword](), optional: true, reply: typeOf[Password](), serve: resetPassword,
		},
		{
			id: "listUserSessions", method: http.MethodGet, path: item + "/sessions", tag: tag, status: http.StatusOK,
			summary: "List a user's sessions", text: "The newest browser sessions come first. A session that ended is in the list until it expires.",
			act: admin.ActUserRead, query: pageParameters(), reply: typeOf[listOf[admin.UserSession]](),
			serve: func(c *call) (reply, error) {
				return listReply(c.service.UserSessions(c.Context(), c.directory(), c.param("user"), c.page()))
			},
		},
		{
			id: "endUserSession", method: http.MethodDelete, path: item + "/sessions/{session}", tag: tag, status: http.StatusNoContent,
			summary: "End a session", text: "The grants that end with the session end too. Clients get logout tokens.", act: admin.ActUserSignOut,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.EndUserSession(c.Context(), c.directory(), c.param("user"), c.param("session"))
			},
		},
		{
			id: "listUserGrants", method: http.MethodGet, path: item + "/grants", tag: tag, status: http.StatusOK,
			summary: "List a user's grants", text: "A grant is what a client was granted by one sign-in of the user. The newest grants come first. A grant that ended is in the list until it expires.",
			act: admin.ActUserRead, query: pageParameters(), reply: typeOf[listOf[admin.UserGrant]](),
			serve: func(c *call) (reply, error) {
				return listReply(c.service.UserGrants(c.Context(), c.directory(), c.param("user"), c.page()))
			},
		},
		{
			id: "endUserGrant", method: http.MethodDelete, path: item + "/grants/{grant}", tag: tag, status: http.StatusNoContent,
			summary: "End a grant", text: "Its tokens are not valid any more.", act: admin.ActUserRemoveClient,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.EndUserGrant(c.Context(), c.directory(), c.param("user"), c.param("grant"))
			},
		},
		{
			id: "removeUserClient", method: http.MethodDelete, path: item + "/clients/{client}", tag: tag, status: http.StatusNoContent,
			summary: "Remove a client from a user", text: "All grants and consents that the client has from the user end.", act: admin.ActUserRemoveClient,
			serve: func(c *call) (reply, error) {
				return reply{}, c.service.RemoveUserClient(c.Context(), c.directory(), c.param("user"), c.param("client"))
			},
		},
		{
			id: "deleteUser", method: http.MethodDelete, path: item, tag: tag, status: http.StatusNoContent,
			summary: "Delete a user", text: "All personal data is removed at once. Clients get logout tokens. The same person, signing in later, is a new user.",
			act: admin.ActUserDelete, serve: deleteUser,
		},
	}
}

func findUsers(c *call, search admin.UserSearch) (reply, error) {
	users, next, err := c.service.FindUsers(c.Context(), c.directory(), search, c.page())
	views := make([]User, len(users))
	for i, user := range users {
		views[i] = viewUser(user)
	}
	return listReply(views, next, err)
}

func searchUsers(c *call) (reply, error) {
	asked, err := decode[UserSearch](c)
	if err != nil {
		return reply{}, err
	}
	if len(c.input) != 1 {
		return reply{}, newProblem(problemInvalid, "the body must have exactly one member")
	}
	return findUsers(c, admin.UserSearch(asked))
}

func getUser(c *call) (reply, error) {
	return personReply(c.service.User(c.Context(), c.directory(), c.param("user")))
}

func personReply(person admin.Person, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{body: viewPerson(person), revision: person.Revision}, nil
}

func revealUser(c *call) (reply, error) {
	return personReply(c.service.RevealUser(c.Context(), c.directory(), c.param("user")))
}

func createUser(c *call) (reply, error) {
	asked, err := decode[NewUser](c)
	if err != nil {
		return reply{}, err
	}
	change := admin.UserUpdate{}
	if asked.Email != "" {
		change.Email = &asked.Email
	}
	if asked.Phone != "" {
		change.Phone = &asked.Phone
	}
	if len(asked.Groups)+len(asked.Attributes) > 0 || asked.GuardianConsent != "" {
		change.Membership = func(m *identity.Membership) {
			*m = identity.Membership{Groups: asked.Groups, Attributes: asked.Attributes, GuardianConsent: asked.GuardianConsent}
		}
	}
	// Before the user exists, so that an unacceptable value creates no user.
	if err := c.service.CheckUserUpdate(c.Context(), c.directory(), change); err != nil {
		return reply{}, err
	}
	account := identity.Account{Username: asked.Username, Password: asked.Password, Profile: asked.Profile}
	user, err := c.service.CreateUser(c.Context(), c.directory(), account)
	if err != nil {
		return reply{}, err
	}
	if _, err := c.service.UpdateUser(c.Context(), c.directory(), user.ID, change); err != nil {
		return reply{}, err
	}
	done, err := personReply(c.service.User(c.Context(), c.directory(), user.ID))
	done.resource, done.location = user.ID, userPath(c.directory(), user.ID)
	return done, err
}

func userPath(directory, id string) string {
	return "/directories/" + directory + "/users/" + url.PathEscape(id)
}

func changeUser(c *call) (reply, error) {
	person, err := c.service.User(c.Context(), c.directory(), c.param("user"))
	if err != nil {
		return reply{}, err
	}
	if err := c.requireMatch(person.Revision); err != nil {
		return reply{}, err
	}
	current := viewPerson(person)
	next, err := changed(c, current)
	if err != nil {
		return reply{}, err
	}
	change := userUpdate(current.User, next.User)
	change.Revision = person.Revision
	if _, err := c.service.UpdateUser(c.Context(), c.directory(), person.User.ID, change); err != nil {
		return reply{}, err
	}
	return personReply(c.service.User(c.Context(), c.directory(), person.User.ID))
}

// userUpdate returns the update that turns one user into another.
func userUpdate(current, next storage.User) admin.UserUpdate {
	change := admin.UserUpdate{}
	for from, to := range map[*string]struct {
		value *string
		set   **string
	}{
		&current.Username: {&next.Username, &change.Username}, &current.Email: {&next.Email, &change.Email}, &current.Phone: {&next.Phone, &change.Phone},
	} {
		if *from != *to.value {
			*to.set = to.value
		}
	}
	if !same(current.Profile, next.Profile) {
		change.Profile = func(p *storage.Profile) { *p = next.Profile }
	}
	if !identity.MembershipOf(current).Equal(identity.MembershipOf(next)) {
		change.Membership = func(m *identity.Membership) { *m = identity.MembershipOf(next) }
	}
	return change
}

func resetPassword(c *call) (reply, error) {
	asked, err := decode[NewPassword](c)
	if err != nil {
		return reply{}, err
	}
	if asked.Password != "" {
		return reply{body: Password{}}, c.service.SetUserPassword(c.Context(), c.directory(), c.param("user"), asked.Password)
	}
	password, err := c.service.ResetUserPassword(c.Context(), c.directory(), c.param("user"))
	return reply{body: Password{password}}, err
}

func deleteUser(c *call) (reply, error) {
	person, err := c.service.User(c.Context(), c.directory(), c.param("user"))
	if err != nil {
		return reply{}, err
	}
	if err := c.allowMatch(person.Revision); err != nil {
		return reply{}, err
	}
	return reply{}, c.service.DeleteUser(c.Context(), c.directory(), person.User.ID)
}
