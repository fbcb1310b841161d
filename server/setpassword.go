package server

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// setPasswordEndpoint is POST /federation/wechat/miniapp/password: a user whom a mini-program signed in chooses the username and
// password to sign in with elsewhere. It is a protected resource (RFC 6750): the access token needs this issuer in "aud", the
// scope urn:minifed:link, and an auth_time within five minutes. Members, as JSON or form: username, password, current_password.
// A user who has a username may leave it out. The response is the user's claims, as those of UserInfo for the scopes of the token,
// with preferred_username.
//
// The token proves no more than that the client's backend says so. So it sets a first password only. A password that exists is
// replaced only with current_password, or with a token of a fresh sign-in by that password; a forgotten one is reset by mail.
type setPasswordEndpoint struct {
	proof     linkProof
	people    *identity.Service
	passwords *passwords
	letters   letters
	now       func() time.Time
}

const (
	setPasswordPath = "/federation/wechat/miniapp/password"
	// firstPasswordDelay is how long a first password does not work yet where the user can be told by mail, so that the user can
	// object.
	firstPasswordDelay = 24 * time.Hour
)

func (e *setPasswordEndpoint) mount(t *table) {
	t.handle(route{
		name: "set_password", path: setPasswordPath, methods: []string{http.MethodPost}, serve: e.serve, surface: bearerErrors,
	})
}

// passwordChoice is what a request asks for.
type passwordChoice struct {
	username, password, current string
}

func (e *setPasswordEndpoint) serve(w http.ResponseWriter, r *call) error {
	// 1. The token and its user.
	token, err := bearerHeader(r.Request)
	if err != nil {
		return err
	}
	if token == "" {
		return noToken()
	}
	holder, err := e.proof.accept(r.Context(), r.issuer, token)
	if err != nil {
		return err
	}
	r.client = holder.Client.GetID()
	// 2. What it asks for.
	form, err := readMembers(r, members{strings: []string{"username", "password", "current_password"}})
	if err != nil {
		return err
	}
	choice := passwordChoice{form.Get("username"), form.Get("password"), form.Get("current_password")}
	user := holder.User
	if choice.password == "" || choice.username == "" && user.Username == "" {
		return refusal(fosite.ErrInvalidRequest, "The members username and password are needed; who has a username may leave that out.")
	}
	// 3. The proof, before anything changes.
	if err := e.mayChange(r.Request, holder, choice); err != nil {
		return err
	}
	if err := e.people.CheckPassword(r.Context(), user, choice.username, choice.password); err != nil {
		return refusedCredential(err)
	}
	// 4. The name first: a password is worth nothing without it.
	if choice.username != "" {
		named, err := e.people.SetUsername(r.Context(), user.Directory, user.ID, choice.username, identity.Self(user.ID))
		if err != nil {
			return refusedCredential(err)
		}
		user = named.Record
	}
	// 5. The password.
	changed, err := e.set(r, user, choice.password)
	if err != nil {
		return refusedCredential(err)
	}
	return e.answer(w, holder, changed)
}

// mayChange requires the old way to sign in of a user who has one.
func (e *setPasswordEndpoint) mayChange(r *http.Request, holder presented, choice passwordChoice) error {
	user := holder.User
	switch {
	case user.Password == "":
		return keepsUsername(user, choice.username)
	case choice.current != "":
		return e.verify(r, holder, choice.current)
	case slices.Contains(holder.Grant.AMR, amrPassword): // The token is of a sign-in within five minutes: see linkProof.
		return nil
	default:
		problem := refusal(fosite.ErrInvalidRequest, "The user has a password. Send it in current_password, or have the user sign in by it; a forgotten one is reset by mail.")
		problem.Reason = reasonCurrentPassword
		return problem
	}
}

// keepsUsername refuses another username for a user who has one and no password to prove the change with.
func keepsUsername(user storage.User, asked string) error {
	if asked == "" || user.Username == "" || foldName(asked) == foldName(user.Username) {
		return nil
	}
	problem := refusalStatus(fosite.ErrInvalidRequest, http.StatusConflict, "The user has a username already. Leave username out.")
	problem.Reason = reasonUsernameSet
	return problem
}

// verify checks the current password. Failures are counted by client and user, so that a backend that guesses does not lock the
// user out of other ways.
func (e *setPasswordEndpoint) verify(r *http.Request, holder presented, password string) error {
	user := holder.User
	mine := throttled{user.Directory, linkRule(), holder.Client.GetID() + " " + user.ID}
	proven, err := e.passwords.verify(r.Context(), cmp.Or(user.Username, user.Email), password, attempt{told: []throttled{mine}})
	if errors.Is(err, identity.ErrWrongPassword) && !down(err) || err == nil && proven.Record.ID != user.ID {
		return &grants.Error{
			Protocol: as(fosite.ErrInvalidGrant, "current_password is wrong.", err),
			Reason:   reasonWrongPassword,
		}
	}
	return err
}

// set stores the first password, or replaces the one there is, and informs the user by mail.
func (e *setPasswordEndpoint) set(r *call, user storage.User, password string) (storage.User, error) {
	self := identity.Self(user.ID)
	if user.Password != "" {
		changed, err := e.people.ReplacePassword(r.Context(), user, password, self)
		if err != nil {
			return storage.User{}, err
		}
		return changed.Record, e.letters.tell(r.Context(), r.issuer, changed.Record, "mail.password")
	}
	var from time.Time
	if e.letters.reach(user) {
		from = storage.Instant(e.now().Add(firstPasswordDelay))
	}
	changed, err := e.people.SetFirstPassword(r.Context(), user, password, from, self)
	if err != nil {
		return storage.User{}, err
	}
	return changed.Record, e.letters.tellAt(r.Context(), r.issuer, changed.Record, "mail.first_password", forgotPath)
}

// delayedPassword is the response when the password does not work yet.
type delayedPassword struct {
	Subject  string `json:"sub"`
	Username string `json:"preferred_username"`
	// From is when the password begins to work, in seconds.
	From int64 `json:"password_from"`
}

func (e *setPasswordEndpoint) answer(w http.ResponseWriter, holder presented, changed storage.User) error {
	if !e.now().Before(changed.PasswordFrom) {
		claims := standardClaims(holder.Subject, withPlaceholder(changed, holder.Client.Record(), holder.Subject), holder.scopes)
		claims["preferred_username"] = changed.Username
		return writeJSON(w, claims)
	}
	return writeJSONStatus(w, http.StatusAccepted, delayedPassword{holder.Subject, changed.Username, changed.PasswordFrom.Unix()})
}

// The reasons why a username or password cannot be set.
const (
	reasonUsernameTaken   = "username_taken"
	reasonUsernameSet     = "username_set"
	reasonUsername        = "username_unacceptable"
	reasonPassword        = "password_unacceptable"
	reasonCurrentPassword = "current_password_needed"
)

// refusedCredential says what a mini-program is told whose user chose a name or password that cannot be.
func refusedCredential(err error) error {
	refused, ok := errors.AsType[*identity.InvalidError](err)
	switch {
	case ok:
		problem := refusal(fosite.ErrInvalidRequest, "The "+refused.Member+" "+refused.Reason+".")
		problem.Reason = reasonUsername
		if refused.Member == "password" {
			problem.Reason = reasonPassword
		}
		return problem
	case errors.Is(err, identity.ErrTaken):
		problem := refusalStatus(fosite.ErrInvalidRequest, http.StatusConflict, "Somebody else has this username.")
		problem.Reason = reasonUsernameTaken
		return problem
	case errors.Is(err, identity.ErrChanged):
		return refusalStatus(fosite.ErrInvalidRequest, http.StatusConflict, "The account changed in the meantime. Sign in again.")
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled()
	case errors.Is(err, identity.ErrBusy):
		return unavailable(err)
	default:
		return err
	}
}
