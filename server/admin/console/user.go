package console

import (
	"errors"
	"net/http"
	"slices"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// shownRecords is how many sessions and grants the page of a user lists.
const shownRecords = 20

// userData is what the page of a user shows.
type userData struct {
	formData
	User       storage.User
	Identities []storage.Identity
	// Name is the display name.
	Name     string
	Sessions []admin.UserSession
	Grants   []admin.UserGrant
	// Methods are the passkeys and the authenticator app, and SignIns the last sign-ins, newest first.
	Methods admin.UserMethods
	SignIns []storage.SignIn
	// MoreSessions and MoreGrants say that the lists are longer.
	MoreSessions, MoreGrants bool
	// Revealed says that nothing is masked.
	Revealed bool
	// These say what the operator may do.
	MayReveal, MaySave, MayDisable, MaySignOut, MayEndGrants, MayReset, MayMerge, MayUndo, MayDelete bool
	MayRemovePasskeys, MayRemoveTOTP, MayRequestDeletion, MayRestore                                 bool
}

// userOf returns the directory and the user of the page.
func (c *Console) userOf(r *request) (*storage.Entry[storage.Directory], admin.Person, error) {
	entry, err := c.directoryOf(r)
	if err != nil {
		return nil, admin.Person{}, err
	}
	person, err := r.service.User(r.Context(), entry.Record.ID, r.vars["user"])
	return entry, person, err
}

// user shows everything about a person on one page.
func (c *Console) user(w http.ResponseWriter, r *request) error {
	entry, person, err := c.userOf(r)
	if err != nil {
		return err
	}
	return c.userPage(w, r, &entry.Record, person, userPage{input: inputOf(person.User), profile: person.User.Profile})
}

// revealUser shows the person with phone numbers and OpenIDs. The service records that.
func (c *Console) revealUser(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	person, err := r.service.RevealUser(r.Context(), entry.Record.ID, r.vars["user"])
	if err != nil {
		return err
	}
	return c.userPage(w, r, &entry.Record, person, userPage{input: inputOf(person.User), profile: person.User.Profile, revealed: true})
}

// userPage is the page of a user after a request.
type userPage struct {
	input    userInput
	profile  storage.Profile
	problems []admin.Problem
	changed  bool
	revealed bool
}

func (c *Console) userPage(w http.ResponseWriter, r *request, directory *storage.Directory, person admin.Person, asked userPage) error {
	id, user := directory.ID, person.User
	data := userData{User: user, Identities: person.Identities, Name: nameOf(user), Revealed: asked.revealed, SignIns: person.SignIns}
	var err error
	if data.Methods, err = r.service.UserMethods(r.Context(), id, user.ID); err != nil {
		return err
	}
	sessions, moreSessions, err := r.service.UserSessions(r.Context(), id, user.ID, admin.Page{Limit: shownRecords})
	if err != nil {
		return err
	}
	grants, moreGrants, err := r.service.UserGrants(r.Context(), id, user.ID, admin.Page{Limit: shownRecords})
	if err != nil {
		return err
	}
	data.Sessions, data.Grants, data.MoreSessions, data.MoreGrants = sessions, grants, moreSessions != "", moreGrants != ""
	data.Before = asked.input.fields(asked.problems)
	data.Sections = profileForm().sections(plainRequest(r, asked.revealed), &asked.profile, nil, asked.problems)
	if r.allows(id, admin.ActUserGroups) {
		data.Sections = append(data.Sections, asked.input.membershipSection(asked.problems, len(user.Groups)+len(user.Attributes)+len(user.GuardianConsent) > 0))
	}
	data.Unplaced = unplaced(append(data.Sections, section{Fields: data.Before}), asked.problems)
	data.Revision, data.Submit = person.Revision, text("form.save")
	data.permit(r, id)
	title := text("user.unnamed")
	if data.Name != "" {
		title = text("verbatim", data.Name)
	}
	shown := page{
		Template: "user", Title: title, Directory: directory, Tab: "nav.users", Notice: done(r), Data: data,
		Back: &link{Path: directoryPath(id, "users"), Text: text("nav.users")},
	}
	shown = withProblems(shown, asked.problems, false)
	if asked.changed {
		shown.Status, shown.Alert = http.StatusConflict, text("alert.user_changed")
	}
	return c.render(w, r, shown)
}

// plainRequest returns the request for a form that was not sent: the form that reveals a person has no profile.
func plainRequest(r *request, revealed bool) *request {
	if !revealed {
		return r
	}
	plain, read := *r, *r.Request
	read.Method = http.MethodGet
	plain.Request = &read
	return &plain
}

// permit sets what the operator may do with an active or disabled user.
func (d *userData) permit(r *request, directory string) {
	can := func(act admin.Act) bool { return r.allows(directory, act) }
	d.MayReveal, d.MaySave = !d.Revealed && can(admin.ActUserReveal), can(admin.ActUserProfile)
	d.MayDisable, d.MaySignOut, d.MayEndGrants = can(admin.ActUserDisable), can(admin.ActUserSignOut), can(admin.ActUserRemoveClient)
	d.MayReset, d.MayDelete = d.User.Username != "" && can(admin.ActUserPassword), can(admin.ActUserDelete)
	d.MayRequestDeletion, d.MayRestore = can(admin.ActUserRequestDeletion), can(admin.ActUserRestore)
	d.MayRemovePasskeys, d.MayRemoveTOTP = can(admin.ActUserPasskey), can(admin.ActUserTOTP)
	d.MayMerge, d.MayUndo = d.User.Status == storage.UserActive && can(admin.ActUserMerge), can(admin.ActUserUnmerge)
}

// saveUser changes profile, names, groups and attributes of a user.
func (c *Console) saveUser(w http.ResponseWriter, r *request) error {
	entry, person, err := c.userOf(r)
	if err != nil {
		return err
	}
	directory := entry.Record.ID
	form, in, profile := profileForm(), r.userInput(), person.User.Profile
	profile = copiedProfile(profile)
	problems := form.apply(r, &profile)
	change, wrong := in.change(inputOf(person.User), r.allows(directory, admin.ActUserGroups))
	change.Revision = r.form.Get("revision")
	change.Profile = func(p *storage.Profile) { *p = copiedProfile(*p); form.apply(r, p) }
	shown := userPage{input: in, profile: profile, problems: append(problems, wrong...)}
	if len(shown.problems) > 0 {
		return c.userPage(w, r, &entry.Record, person, shown)
	}
	_, err = r.service.UpdateUser(r.Context(), directory, person.User.ID, change)
	if shown.problems = userProblems(err); shown.problems != nil {
		return c.userPage(w, r, &entry.Record, person, shown)
	}
	if shown.changed = errors.Is(err, admin.ErrChanged); shown.changed {
		return c.userPage(w, r, &entry.Record, person, shown)
	}
	if err != nil {
		return err
	}
	return redirect(w, userPath(directory, person.User.ID, "")+"?done=user_saved")
}

// copiedProfile returns a profile that shares no address with another one.
func copiedProfile(profile storage.Profile) storage.Profile {
	if profile.Address != nil {
		address := *profile.Address
		profile.Address = &address
	}
	return profile
}

// AliasesNewestFirst returns the users that were merged into a user, the last one first.
func (d userData) AliasesNewestFirst() []string {
	aliases := slices.Clone(d.User.Aliases)
	slices.Reverse(aliases)
	return aliases
}
