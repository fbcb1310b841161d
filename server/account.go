package server

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// account is what the pages under /account share, where people look after their account themselves.
type account struct {
	pages     *pages
	sessions  *sessions
	people    *identity.Service
	passwords *passwords
	letters   letters
	sealer    sealer
	engine    storage.Engine
	clients   oauth2.Clients
	now       func() time.Time
}

const (
	doneParameter  = "done"
	maxShownGrants = 500
)

// accountRoute is a page of the account: it is for people who are signed in.
type accountRoute func(w http.ResponseWriter, r *call, current *signedIn) error

// signedIn sends whoever is not signed in to the login page, with what a mail brought them here with.
func (a *account) signedIn(serve accountRoute) func(http.ResponseWriter, *call) error {
	return func(w http.ResponseWriter, r *call) error {
		current, err := a.sessions.browserSession(r)
		if err != nil {
			return err
		}
		if current == nil {
			return seeOther(w, r, loginPath, proofOf(r.Request)...)
		}
		return serve(w, r, current)
	}
}

// page adds a route for people who are signed in.
func (a *account) page(t *table, name, path string, serve accountRoute, methods ...string) {
	t.handle(route{name: name, path: path, methods: methods, serve: a.signedIn(serve), surface: a.pages.failure})
}

// done goes back to the account page, which says what was done.
func (*account) done(w http.ResponseWriter, r *call, what string) error {
	return seeOther(w, r, accountPath, doneParameter, what)
}

// doneTexts are what the account page can say was done.
func doneTexts() []string {
	return []string{"profile", "username", "password", "email", "session", "app"}
}

// accountEndpoint is /account, where everything begins.
type accountEndpoint struct{ *account }

// accountData is what the account page shows.
type accountData struct {
	Done            message
	Person          shownPerson
	Profile, SignIn []accountRow
	Sessions        []shownSession
	Apps            []shownApp
}

// accountRow is one thing that is known about the user.
type accountRow struct {
	Label message
	Value string
	Note  message
	Edit  *rowLink
}

// rowLink leads to the page that changes it. Whole says to whom does not see the row what is changed.
type rowLink struct {
	pageLink
	Whole message
}

func (e *accountEndpoint) mount(t *table) {
	e.page(t, "account", accountPath, e.serve, http.MethodGet)
	// Who types the address of the issuer into a browser means this page.
	t.handle(route{
		name: "home", path: "/", methods: []string{http.MethodGet}, surface: e.pages.failure,
		serve: func(w http.ResponseWriter, r *call) error { return seeOther(w, r, accountPath) },
	})
}

func (e *accountEndpoint) serve(w http.ResponseWriter, r *call, current *signedIn) error {
	user := current.user
	sessions, err := e.shownSessions(r.Context(), current)
	if err != nil {
		return err
	}
	apps, err := e.shownApps(r, user)
	if err != nil {
		return err
	}
	links, err := e.people.Identities(r.Context(), user)
	if err != nil {
		return err
	}
	data := accountData{
		Person: personView(user), Profile: profileRows(user.Profile), SignIn: e.signInRows(user, links), Sessions: sessions, Apps: apps,
	}
	if what := r.URL.Query().Get(doneParameter); slices.Contains(doneTexts(), what) {
		data.Done = say("done." + what)
	}
	return e.pages.render(w, r, page{
		template: "account", title: say("account.title"), wide: true, zoneinfo: user.Profile.Zoneinfo, data: data,
	})
}

// profileRows are the members of a profile that say something.
func profileRows(profile storage.Profile) []accountRow {
	var rows []accountRow
	for _, member := range profileFields() {
		if value := *member.of(&profile); value != "" {
			rows = append(rows, accountRow{Label: say("field." + member.name), Value: value})
		}
	}
	return rows
}

func (e *accountEndpoint) signInRows(user storage.User, links []*storage.Entry[storage.Identity]) []accountRow {
	rows := []accountRow{
		{
			Label: say("field.username"), Value: user.Username, Note: noneYet(user.Username),
			Edit: changeLink(user.Username != "", usernamePath, "username"),
		},
		{
			Label: say("field.password"), Note: passwordNote(user),
			Edit: changeLink(user.Password != "", passwordPath, "password"),
		},
	}
	if e.letters.post.offered() || user.Email != "" {
		row := accountRow{Label: say("field.email"), Value: user.Email, Note: noneYet(user.Email)}
		if e.letters.post.offered() {
			row.Edit = changeLink(user.Email != "", emailPath, "email")
		}
		rows = append(rows, row)
	}
	if user.Phone != "" {
		rows = append(rows, accountRow{Label: say("field.phone"), Value: user.Phone})
	}
	apps := slices.DeleteFunc(links, func(link *storage.Entry[storage.Identity]) bool {
		return link.Record.Type != storage.IdentityOpenID
	})
	if len(apps) > 0 {
		rows = append(rows, accountRow{Label: say("field.wechat"), Note: say("account.wechat", len(apps))})
	}
	return rows
}

// noneYet says that there is nothing where there is nothing.
func noneYet(value string) message {
	if value != "" {
		return message{}
	}
	return say("account.none")
}

func passwordNote(user storage.User) message {
	if user.Password == "" {
		return say("account.none")
	}
	return say("account.password.since", user.PasswordChangedAt)
}

// changeLink leads to the page that changes something, or sets it for the first time.
func changeLink(has bool, path, what string) *rowLink {
	if has {
		return &rowLink{pageLink{Text: say("account.change"), Path: path}, say("account.change." + what)}
	}
	return &rowLink{pageLink{Text: say("account.set"), Path: path}, say("account.set." + what)}
}

// freshness is how long ago one may have signed in to change what one signs in with, where no password proves it again.
const freshness = 5 * time.Minute

// fresh reports whether the user has just signed in.
func (a *account) fresh(current *signedIn) bool {
	return a.now().Sub(current.Record.AuthTime) <= freshness
}

// reauthenticate proves that the one at the browser is the user: by the password, or where there is none by a sign-in that has
// just been. A failure is for the field current_password.
func (a *account) reauthenticate(r *http.Request, current *signedIn, password string) error {
	user := current.user
	if user.Password == "" {
		if a.fresh(current) {
			return nil
		}
		return errNotFresh
	}
	mine := throttled{user.Directory, ownRule(), user.ID}
	proven, err := a.passwords.verify(r.Context(), cmp.Or(user.Username, user.Email), password, attempt{told: []throttled{mine}})
	if err == nil && proven.Record.ID != user.ID {
		return identity.ErrWrongPassword
	}
	return err
}

// errNotFresh says that the user has to sign in again first.
var errNotFresh = errors.New("server: signed in too long ago")

// currentPassword is the field by which users prove themselves again; none for those without a password.
func currentPassword(user storage.User) []field {
	if user.Password == "" {
		return nil
	}
	return []field{passwordField("current_password", say("field.current_password"), "current-password")}
}

// backToAccount leads back from a page of the account.
func backToAccount() *pageLink { return &pageLink{Text: say("account.back"), Path: accountPath} }

// again shows a form of the account once more, with what was wrong; what is no fault of the user's is returned.
func (a *account) again(w http.ResponseWriter, r *call, shown page, form formData, err error) error {
	if down(err) {
		return err
	}
	problem, what := loginProblem(err)
	member, reason, invalid := unacceptable(err)
	switch {
	case invalid:
		problem, form = unacceptableForm(), form.wrong(fieldOf(form, member), reason)
	case errors.Is(err, identity.ErrTaken):
		problem, form = unacceptableForm(), form.wrong("username", say("invalid.taken"))
	case errors.Is(err, errNotFresh):
		problem, form = unacceptableForm(), form.wrong("", say("account.stale"))
	case errors.Is(err, identity.ErrWrongPassword):
		form = form.wrong("current_password", say("invalid.current_password"))
	case problem != nil:
		form = form.wrong("", what)
	default:
		return err
	}
	shown.data = form
	a.pages.refuse(w, r, shown, problem, err)
	return nil
}

// unacceptableForm is the error of a form that cannot be taken as it is.
func unacceptableForm() *grants.Error {
	problem := refusal(fosite.ErrInvalidRequest, "The form holds something that cannot be accepted.")
	problem.Reason = "form"
	return problem
}

// fieldOf is the field of a form that holds a member of package identity: a new password has a name of its own.
func fieldOf(form formData, member string) string {
	for _, f := range form.Fields {
		if f.Name == "new_"+member {
			return f.Name
		}
	}
	return strings.TrimSpace(member)
}
