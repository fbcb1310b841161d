package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// userPath returns the path of a page of a user.
func userPath(directory, user, page string) string {
	return strings.TrimSuffix(directoryPath(directory, "users/"+url.PathEscape(user)+"/"+page), "/")
}

// nameOf returns the name of a user in lists; empty if there is none.
func nameOf(user storage.User) string {
	for _, name := range []string{user.Profile.Name, user.Profile.Nickname, user.Username} {
		if name != "" {
			return name
		}
	}
	return ""
}

// usersPage is how many users a page of the list has.
const usersPage = 50

// users lists the users of a directory, or those that a search finds.
func (c *Console) users(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	found, next, err := r.service.FindUsers(r.Context(), entry.Record.ID, admin.UserSearch{Text: query}, admin.Page{After: r.URL.Query().Get("after"), Limit: usersPage})
	if err != nil {
		return err
	}
	return c.render(w, r, page{
		Template: "users", Title: text("nav.users"), Directory: &entry.Record, Tab: "nav.users", Notice: done(r),
		Data: struct {
			Query  string
			Users  []storage.User
			Next   string
			MayAdd bool
			// MayImport and MayExport concern files of users.
			MayImport, MayExport bool
		}{
			query, found, nextPage(r, next), r.allows(entry.Record.ID, admin.ActUserCreate),
			r.allows(entry.Record.ID, admin.ActUsersImport), r.allows(entry.Record.ID, admin.ActUsersExport),
		},
	})
}

// profileForm is the form of a user's profile.
func profileForm() form[storage.Profile] {
	return form[storage.Profile]{"user", setting.Profile(), nil}
}

// userInput is what a form says about a user in addition to the profile.
type userInput struct {
	username, email, phone string
	groups, attributes     string
	guardianConsent        string
}

func (r *request) userInput() userInput {
	sent := func(name string) string { return strings.TrimSpace(r.form.Get(name)) }
	return userInput{sent("username"), sent("email"), sent("phone_number"), sent("groups"), sent("attributes"), sent("guardian_consent")}
}

// membership returns the groups and attributes of the input, or a problem.
func (in userInput) membership() (identity.Membership, []admin.Problem) {
	membership := identity.Membership{Attributes: map[string][]string{}, GuardianConsent: in.guardianConsent}
	for line := range strings.Lines(in.groups) {
		if group := strings.TrimSpace(line); group != "" {
			membership.Groups = append(membership.Groups, group)
		}
	}
	for line := range strings.Lines(in.attributes) {
		line = strings.TrimSpace(line)
		name, value, found := strings.Cut(line, "=")
		switch {
		case line == "":
		case !found || name == "" || value == "":
			return membership, []admin.Problem{{Field: "attributes", Text: errAttribute.Error()}}
		default:
			membership.Attributes[name] = append(membership.Attributes[name], value)
		}
	}
	return membership, nil
}

// inputOf returns the input that a stored user has. The phone number is masked, so the input is empty and changes nothing.
func inputOf(user storage.User) userInput {
	var attributes []string
	for _, name := range slices.Sorted(maps.Keys(user.Attributes)) {
		for _, value := range user.Attributes[name] {
			attributes = append(attributes, name+"="+value)
		}
	}
	return userInput{user.Username, user.Email, "", strings.Join(user.Groups, "\n"), strings.Join(attributes, "\n"), user.GuardianConsent}
}

// fields are the inputs of how a user signs in.
func (in userInput) fields(problems []admin.Problem) []field {
	fields := []field{
		{Name: "username", Type: "text", Value: in.username},
		{Name: "email", Type: "text", Value: in.email, Hint: text("user.field.email.hint")},
		{Name: "phone_number", Type: "text", Value: in.phone, Hint: text("user.field.phone_number.hint"), Suggest: "+8613800138000"},
	}
	return labelled(fields, problems)
}

// membershipSection has the inputs of groups, attributes and the guardian's consent.
func (in userInput) membershipSection(problems []admin.Problem, open bool) section {
	fields := labelled([]field{
		{Name: "groups", Type: "lines", Value: in.groups, Hint: text("user.field.groups.hint")},
		{Name: "attributes", Type: "lines", Value: in.attributes, Hint: text("user.field.attributes.hint")},
		{Name: "guardian_consent", Type: "text", Value: in.guardianConsent, Hint: text("user.field.guardian_consent.hint"), Suggest: "2026-12-01/case-1234"},
	}, problems)
	open = open || len(fields[0].Wrong)+len(fields[1].Wrong)+len(fields[2].Wrong) > 0
	return section{Name: "groups", Title: text("user.section.groups"), Lead: text("user.section.groups.lead"), Fields: fields, Open: open}
}

// labelled adds labels and problems to fields of a user.
func labelled(fields []field, problems []admin.Problem) []field {
	focused := false
	for i := range fields {
		fields[i].Label = text("user.field." + fields[i].Name)
		fields[i].Wrong = problemsOf(fields[i].Name, problems)
		fields[i].Focus = len(fields[i].Wrong) > 0 && !focused
		focused = focused || fields[i].Focus
	}
	return fields
}

// newUser shows the form of a new user.
func (c *Console) newUser(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	if err := r.service.Allowed(entry.Record.ID, admin.ActUserCreate); err != nil {
		return err
	}
	return c.newUserForm(w, r, &entry.Record, storage.Profile{}, nil)
}

func (c *Console) newUserForm(w http.ResponseWriter, r *request, directory *storage.Directory, profile storage.Profile, problems []admin.Problem) error {
	in := r.userInput()
	before := in.fields(problems)
	before[0].Required = true
	before = append(before, labelled([]field{{Name: "password", Type: "secret", Hint: text("user.field.password.hint")}}, problems)...)
	data := formData{Before: before, Submit: text("user.create"), Cancel: directoryPath(directory.ID, "users")}
	data.Sections = profileForm().sections(r, &profile, nil, problems)
	if r.allows(directory.ID, admin.ActUserGroups) {
		data.Sections = append(data.Sections, in.membershipSection(problems, false))
	}
	data.Unplaced = unplaced(append(data.Sections, section{Fields: before}), problems)
	shown := page{
		Template: "form", Title: text("user.new"), Directory: directory, Tab: "nav.users", Data: data,
		Back: &link{Path: directoryPath(directory.ID, "users"), Text: text("nav.users")},
	}
	return c.render(w, r, withProblems(shown, problems, false))
}

// createUser creates a user. It checks everything first, so that an unacceptable value creates no user.
func (c *Console) createUser(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	directory, in := entry.Record.ID, r.userInput()
	account := identity.Account{Username: in.username, Password: r.form.Get("password")}
	problems := profileForm().apply(r, &account.Profile)
	change, wrong := in.change(userInput{username: in.username}, r.allows(directory, admin.ActUserGroups))
	if problems = append(problems, wrong...); len(problems) > 0 {
		return c.newUserForm(w, r, &entry.Record, account.Profile, problems)
	}
	err = r.service.CheckUserUpdate(r.Context(), directory, change)
	var user storage.User
	if err == nil {
		user, err = r.service.CreateUser(r.Context(), directory, account)
	}
	if err == nil {
		_, err = r.service.UpdateUser(r.Context(), directory, user.ID, change)
	}
	if problems := userProblems(err); problems != nil {
		return c.newUserForm(w, r, &entry.Record, account.Profile, problems)
	}
	if err != nil {
		return err
	}
	return redirect(w, userPath(directory, user.ID, "")+"?done=created")
}

// change returns what differs from the stored input. Members that are empty remain as they are.
func (in userInput) change(stored userInput, withMembership bool) (admin.UserUpdate, []admin.Problem) {
	var change admin.UserUpdate
	set := func(member **string, sent, stored string) {
		if sent != "" && sent != stored {
			*member = &sent
		}
	}
	set(&change.Username, in.username, stored.username)
	set(&change.Email, in.email, stored.email)
	set(&change.Phone, in.phone, stored.phone)
	if !withMembership || in.groups == stored.groups && in.attributes == stored.attributes && in.guardianConsent == stored.guardianConsent {
		return change, nil
	}
	membership, problems := in.membership()
	change.Membership = func(m *identity.Membership) { *m = membership }
	return change, problems
}

// userProblems returns the problems of fields that an error consists of, or nil.
func userProblems(err error) []admin.Problem {
	if invalid := (*admin.Invalid)(nil); errors.As(err, &invalid) {
		return invalid.Problems
	}
	if errors.Is(err, admin.ErrExists) {
		return []admin.Problem{{Field: "user", Text: err.Error()}}
	}
	return nil
}
