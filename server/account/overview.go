package account

import (
	"net/http"
	"slices"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// doneTexts are the changes that the account page can show.
func doneTexts() []string {
	return []string{"profile", "username", "password", "email", "session", "sessions", "identity", "app", "phone", "phone_removed", "email_removed", "password_removed", "passkey", "passkey_delayed", "first_password", "password_delayed", "passkey_removed", "totp_removed", "merged", "wechat"}
}

// Overview is /account, the page that links to all others.
type Overview struct{ *Account }

// accountData is what the account page shows.
type accountData struct {
	Done            page.Message
	Person          page.UserView
	Profile, SignIn []accountRow
	Sessions        []shownSession
	// Deletable means that the user can delete the account.
	Deletable bool
	// Others means that there are other sessions than this one.
	Others bool
	// More are the other pages of the account.
	More []accountRow
	// Terms are what the user accepted. Read links to the current version; it is nil without one.
	Terms []accountRow
	Read  *storage.TermsDocument
}

// shownSession is a session with the text of its method.
type shownSession struct {
	Session
	How page.Message
}

// accountRow is a label and a value of the account.
type accountRow struct {
	Label page.Message
	Value string
	Note  page.Message
	Edit  *rowLink
}

// rowLink links to the page that changes the value. Whole is the link text for screen readers.
type rowLink struct {
	page.Link
	Whole page.Message
}

// Mount implements endpoint.Endpoint.
func (e *Overview) Mount(t *endpoint.RouteTable) {
	e.page(t, "account", endpoint.AccountPath, e.serve, http.MethodGet)
	// The URL of the issuer redirects here, for users who type it.
	t.Handle(endpoint.Route{
		Name: "home", Path: "/", Methods: []string{http.MethodGet}, ErrorWriter: e.Pages.WriteError,
		Serve: func(w http.ResponseWriter, r *endpoint.Request) error {
			return page.Redirect(w, r, endpoint.AccountPath)
		},
	})
}

func (e *Overview) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	sessions, err := e.ActiveSessions(r, user, current.Record.ID)
	if err != nil {
		return err
	}
	links, err := e.Users.Identities(r.Context(), user)
	if err != nil {
		return err
	}
	signIn := e.signInRows(r, user, links)
	if r.Issuer.Directory.TwoFactor() != storage.TwoFactorOff {
		methods, err := e.Users.Methods(r.Context(), user)
		if err != nil {
			return err
		}
		signIn = slices.Insert(signIn, 2, methodRows(r, methods)...) // After the password.
	}
	data := accountData{
		Deletable: r.Issuer.Directory.ID != storage.OperatorsDirectory,
		Person:    page.ViewUser(user), Profile: profileRows(user.Profile), SignIn: signIn, Others: len(sessions) > 1,
		More: e.moreRows(r), Terms: termsRows(user),
	}
	if current := r.Issuer.Directory.CurrentTerms(e.Now()); len(current) > 0 {
		document := inLanguage(current, e.Pages.Locales.Choose(r.Request, nil).Tag)
		data.Read = &document
	}
	for _, session := range sessions {
		data.Sessions = append(data.Sessions, shownSession{session, methodText(session.Method)})
	}
	if what := r.URL.Query().Get(doneParameter); slices.Contains(doneTexts(), what) {
		data.Done = page.Text("done." + what)
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "account", Title: page.Text("account.title"), Wide: true, Zoneinfo: user.Profile.Zoneinfo, Data: data,
	})
}

// profileRows are the members of a profile that are not empty.
func profileRows(profile storage.Profile) []accountRow {
	var rows []accountRow
	for _, member := range profileFields() {
		if value := *member.of(&profile); value != "" {
			rows = append(rows, accountRow{Label: page.Text("field." + member.name), Value: value})
		}
	}
	return rows
}

func (e *Overview) signInRows(r *endpoint.Request, user storage.User, links []*storage.Entry[storage.Identity]) []accountRow {
	rows := []accountRow{
		{
			Label: page.Text("field.username"), Value: user.Username, Note: notSet(user.Username),
			Edit: changeLink(user.Username != "", usernamePath, "username"),
		},
		{
			Label: page.Text("field.password"), Note: e.passwordNote(user),
			Edit: changeLink(user.Password != "", passwordPath, "password"),
		},
	}
	if e.Notifications.Queue.Enabled() || user.Email != "" {
		row := accountRow{Label: page.Text("field.email"), Value: user.Email, Note: notSet(user.Email)}
		if e.Notifications.Queue.Enabled() {
			row.Edit = changeLink(user.Email != "", endpoint.EmailPath, "email")
		}
		rows = append(rows, row)
	}
	if sends := r.Issuer.Directory.SMS.Provider != ""; sends || user.Phone != "" {
		row := accountRow{Label: page.Text("field.phone"), Value: user.Phone, Note: notSet(user.Phone)}
		if sends {
			row.Edit = changeLink(user.Phone != "", PhonePath, "phone")
		}
		rows = append(rows, row)
	}
	apps := slices.DeleteFunc(slices.Clone(links), func(link *storage.Entry[storage.Identity]) bool {
		return link.Record.Type != storage.IdentityOpenID
	})
	if len(apps) > 0 {
		rows = append(rows, accountRow{Label: page.Text("field.wechat"), Note: page.Text("account.wechat", len(apps))})
	}
	if len(links) > 0 {
		rows = append(rows, accountRow{
			Label: page.Text("identities.title"), Note: page.Text("account.identities", len(links)),
			Edit: &rowLink{page.Link{Text: page.Text("account.show"), Path: identitiesPath}, page.Text("account.show.identities")},
		})
	}
	return rows
}

// moreRows link to the pages that have a list of their own.
func (*Overview) moreRows(r *endpoint.Request) []accountRow {
	row := func(what, path string) accountRow {
		return accountRow{
			Label: page.Text("account.more." + what), Note: page.Text("account.more." + what + ".note"),
			Edit: &rowLink{page.Link{Text: page.Text("account.show"), Path: path}, page.Text("account.show." + what)},
		}
	}
	rows := []accountRow{row("sign_ins", signInsPath), row("apps", appsPath), row("export", exportPath)}
	if r.Issuer.Directory.ID != storage.OperatorsDirectory {
		rows = append(rows, row("merge", MergePath))
	}
	return rows
}

// notSet returns a value to show, or the text for an empty one.
func notSet(value string) page.Message {
	if value != "" {
		return page.Message{}
	}
	return page.Text("account.none")
}

func (e *Overview) passwordNote(user storage.User) page.Message {
	switch {
	case user.Password == "":
		return page.Text("account.none")
	case e.Now().Before(user.PasswordFrom):
		return page.Text("account.password.from", user.PasswordFrom)
	}
	return page.Text("account.password.since", user.PasswordChangedAt)
}

// changeLink links to the page that changes a value, or sets it for the first time.
func changeLink(has bool, path, what string) *rowLink {
	if has {
		return &rowLink{page.Link{Text: page.Text("account.change"), Path: path}, page.Text("account.change." + what)}
	}
	return &rowLink{page.Link{Text: page.Text("account.set"), Path: path}, page.Text("account.set." + what)}
}
