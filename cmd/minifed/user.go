package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

func newUser(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := group("user",
		newUserCreate(d), newUserList(d), newUserShow(d), newUserUpdate(d), newUserSetPassword(d),
		userState(d, "disable", "disabled", operations.DisableUser),
		userState(d, "enable", "enabled", operations.EnableUser),
		userState(d, "restore", "restored", operations.RestoreUser),
		userState(d, "signout", "signed out everywhere", operations.SignOutUser),
		newUserMethods(d), newUserResetMethods(d), newUserResetPassword(d), newUserSessions(d), newUserGrants(d),
		newUserDelete(d), newUserMerge(d), newUserImport(d), newUserExport(d),
	)
	d.atDirectory(command)
	return command
}

// userView is a user as an operator sees it, without the password hash.
type userView struct {
	storage.User
	Password    string         `json:"password,omitempty"`
	HasPassword bool           `json:"has_password,omitempty"`
	Identities  []identityView `json:"identities,omitempty"`
	// SignIns are the last sign-ins; only the command for one user shows them.
	SignIns []storage.SignIn `json:"sign_ins,omitempty"`
}

// identityView is a link to a user. It has no identifier of WeChat, which terminals and logs must not show.
type identityView struct {
	Type      storage.IdentityType `json:"type"`
	Namespace string               `json:"namespace,omitempty"`
	Since     string               `json:"since,omitempty"`
}

func viewUser(user storage.User) userView {
	return userView{User: user, HasPassword: user.Password != ""}
}

func viewPerson(person admin.Person) userView {
	view := viewUser(person.User)
	view.SignIns = person.SignIns
	for _, link := range person.Identities {
		view.Identities = append(view.Identities, identityView{link.Type, link.Namespace, stamp(link.CreatedAt)})
	}
	return view
}

func newUserCreate(d *operatorEnv) *cobra.Command {
	source, prompt := &secretSource{name: "password"}, false
	command := &cobra.Command{
		Use: "create USERNAME",
		Example: "  minifed user create alice --name \"Alice Example\" --email alice@example.com --ask-password\n" +
			"  minifed user create bob --phone-number +8613800138000 --group staff\n  minifed user create carol --password-file ./password --output json",
		Args: exactly("argument.username"),
	}
	profile, contacts, membership := newProfileFields(command), newContactFields(command), newMembershipFields(command)
	source.add(command)
	command.Flags().BoolVar(&prompt, "ask-password", false, "")
	command.RunE = d.operation(func(ctx context.Context, service operations, username string) (err error) {
		account := identity.Account{Username: username}
		profile.apply(&account.Profile)
		if err := membership.load(); err != nil {
			return err
		}
		change := admin.UserUpdate{Membership: membership.apply}
		contacts.apply(&change)
		if prompt || source.given() {
			if account.Password, err = source.read(ctx, d.Console, "Password of "+username+": "); err != nil {
				return err
			}
		}
		user, err := service.AddUser(ctx, d.directory, account, change)
		if err != nil {
			return err
		}
		return d.showUser(admin.Person{User: user})
	})
	return command
}

// newContactFields adds the flags of what the operator has verified.
func newContactFields(command *cobra.Command) *fields[admin.UserUpdate] {
	f := newFields[admin.UserUpdate](command.Flags())
	f.optional("email", func(u *admin.UserUpdate) **string { return &u.Email })
	f.optional("phone-number", func(u *admin.UserUpdate) **string { return &u.Phone })
	return f
}

// newProfileFields adds the flags of the profile of a user.
func newProfileFields(command *cobra.Command) *fields[storage.Profile] {
	f := newFields[storage.Profile](command.Flags())
	f.add(setting.Profile())
	return f
}

// oneLineAddress returns an address on one line.
func oneLineAddress(address *storage.Address) string {
	if address == nil {
		return ""
	}
	parts := []string{address.Formatted, address.StreetAddress, address.Locality, address.Region, address.PostalCode, address.Country}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return strings.ReplaceAll(strings.Join(parts, ", "), "\n", ", ")
}

func newUserList(d *operatorEnv) *cobra.Command {
	pages, prefix, search := new(paging), "", ""
	command := &cobra.Command{
		Use:     "list",
		Example: "  minifed user list\n  minifed user list --name ali\n  minifed user list --all --output json",
		Args:    exactly(),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		users, next, err := collect(*pages, func(page admin.Page) ([]storage.User, string, error) {
			return service.FindUsers(ctx, d.directory, admin.UserSearch{Name: prefix, Text: search}, page)
		})
		if err != nil {
			return err
		}
		views, rows := []userView{}, [][]string{}
		for _, user := range users {
			views = append(views, viewUser(user))
			rows = append(rows, []string{user.ID, string(user.Status), yes(user.Shadow), nameOf(user), stamp(user.CreatedAt)})
		}
		return d.printList(views, next, []string{"USER_ID", "STATUS", "SHADOW", "NAME", "CREATED"}, rows)
	})
	pages.add(command)
	command.Flags().StringVar(&prefix, "name", "", "")
	command.Flags().StringVar(&search, "find", "", "")
	command.MarkFlagsMutuallyExclusive("name", "find")
	return command
}

// nameOf returns the name that a list shows.
func nameOf(user storage.User) string {
	for _, name := range []string{user.Username, user.Profile.Name, user.Profile.Nickname} {
		if name != "" {
			return name
		}
	}
	return ""
}

func newUserShow(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "show USER",
		Example: "  minifed user show alice\n  minifed user show 4ofe6wmzs2ks6bzxyrhwmhsxqa --output json",
		Args:    exactly("argument.user"),
		RunE: d.userOperation(func(ctx context.Context, service operations, id string) error {
			person, err := service.User(ctx, d.directory, id)
			if err != nil {
				return err
			}
			return d.showUser(person)
		}),
	}
}

func newUserUpdate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "update USER",
		Example: "  minifed user update 4ofe6wmzs2ks6bzxyrhwmhsxqa --nickname Ali --locale zh-CN\n  minifed user update 4ofe6wmzs2ks6bzxyrhwmhsxqa --username alice",
		Args:    exactly("argument.user"),
	}
	f := newContactFields(command)
	f.optional("username", func(u *admin.UserUpdate) **string { return &u.Username })
	profile, membership := newProfileFields(command), newMembershipFields(command)
	command.RunE = d.userOperation(func(ctx context.Context, service operations, id string) error {
		if err := membership.load(); err != nil {
			return err
		}
		change := admin.UserUpdate{Profile: profile.apply, Membership: membership.apply}
		f.apply(&change)
		user, err := service.UpdateUser(ctx, d.directory, id, change)
		if err != nil {
			return err
		}
		return d.showUser(admin.Person{User: user})
	})
	return command
}

func newUserSetPassword(d *operatorEnv) *cobra.Command {
	source := &secretSource{name: "password"}
	command := &cobra.Command{
		Use:     "set-password USER",
		Example: "  minifed user set-password 4ofe6wmzs2ks6bzxyrhwmhsxqa\n  minifed user set-password 4ofe6wmzs2ks6bzxyrhwmhsxqa --password-stdin < ./password",
		Args:    exactly("argument.user"),
	}
	source.add(command)
	command.RunE = d.userOperation(func(ctx context.Context, service operations, id string) error {
		password, err := source.read(ctx, d.Console, "New password: ")
		if err != nil {
			return err
		}
		if err := service.SetUserPassword(ctx, d.directory, id, password); err != nil {
			return err
		}
		return d.done(changedUser{id, "password set"}, "User %s has a new password and is signed out everywhere.", id)
	})
	return command
}

// changedUser is the JSON output of a change of a user's state.
type changedUser struct {
	UserID string `json:"user_id"`
	Done   string `json:"done"`
}

// userState returns a command that changes the state of a user.
func userState(d *operatorEnv, name, done string, change func(operations, context.Context, string, string) error) *cobra.Command {
	return &cobra.Command{
		Use:     name + " USER",
		Example: "  minifed user " + name + " 4ofe6wmzs2ks6bzxyrhwmhsxqa",
		Args:    exactly("argument.user"),
		RunE: d.userOperation(func(ctx context.Context, service operations, id string) error {
			if err := change(service, ctx, d.directory, id); err != nil {
				return err
			}
			return d.done(changedUser{id, done}, "User %s is %s.", id, done)
		}),
	}
}

func newUserDelete(d *operatorEnv) *cobra.Command {
	sure, grace := new(confirmation), false
	command := &cobra.Command{
		Use:     "delete USER",
		Example: "  minifed user delete 4ofe6wmzs2ks6bzxyrhwmhsxqa\n  minifed user delete 4ofe6wmzs2ks6bzxyrhwmhsxqa --yes",
		Args:    exactly("argument.user"),
	}
	command.RunE = d.userOperation(func(ctx context.Context, service operations, id string) error {
		if err := sure.ask(ctx, d.Console, "user "+id, id); err != nil {
			return err
		}
		if grace {
			if err := service.RequestUserDeletion(ctx, d.directory, id); err != nil {
				return err
			}
			return d.done(changedUser{id, "deletion requested"}, "User %s is signed out, and will be deleted after the grace period.", id)
		}
		if err := service.DeleteUser(ctx, d.directory, id); err != nil {
			return err
		}
		return d.done(deleted{id}, "User %s is deleted.", id)
	})
	sure.add(command)
	command.Flags().BoolVar(&grace, "after-grace", false, "")
	return command
}

// acceptedText writes the versions of the terms that a user accepted, with the time and the way.
func acceptedText(accepted []storage.TermsAcceptance) string {
	var parts []string
	for _, each := range accepted {
		parts = append(parts, each.Version+" ("+stamp(each.At)+", "+each.Method+suffix(" "+each.Client, each.Client != "")+")")
	}
	return strings.Join(parts, ", ")
}

// showUser prints all data of a user that are not empty.
func (d *operatorEnv) showUser(person admin.Person) error {
	user, view := person.User, viewPerson(person)
	return d.say(view, func() {
		fields := []console.Field{
			{Name: "user_id", Value: user.ID},
			{Name: "directory", Value: user.Directory},
			{Name: "status", Value: string(user.Status)},
			{Name: "terms_accepted", Value: acceptedText(user.TermsAccepted)},
			{Name: "guardian_consent", Value: user.GuardianConsent + suffix(" ("+stamp(user.GuardianConsentAt)+")", user.GuardianConsent != "")},
			{Name: "deletion", Value: stamp(user.DeletionDueAt)},
			{Name: "shadow", Value: yes(user.Shadow)},
			{Name: "username", Value: user.Username},
			{Name: "password", Value: suffix("set", view.HasPassword)},
			{Name: "email", Value: user.Email},
			{Name: "phone", Value: user.Phone},
			{Name: "name", Value: user.Profile.Name},
			{Name: "given_name", Value: user.Profile.GivenName},
			{Name: "family_name", Value: user.Profile.FamilyName},
			{Name: "middle_name", Value: user.Profile.MiddleName},
			{Name: "nickname", Value: user.Profile.Nickname},
			{Name: "picture", Value: user.Profile.Picture},
			{Name: "profile", Value: user.Profile.Profile},
			{Name: "website", Value: user.Profile.Website},
			{Name: "gender", Value: user.Profile.Gender},
			{Name: "birthdate", Value: user.Profile.Birthdate},
			{Name: "locale", Value: user.Profile.Locale},
			{Name: "zoneinfo", Value: user.Profile.Zoneinfo},
			{Name: "address", Value: oneLineAddress(user.Profile.Address)},
			{Name: "groups", Value: strings.Join(user.Groups, ", ")},
			{Name: "attributes", Value: attributesText(user.Attributes)},
			{Name: "external_id", Value: user.ExternalID},
			{Name: "merged", Value: spaced(user.Aliases)},
		}
		for _, link := range view.Identities {
			fields = append(fields, console.Field{Name: "signs in by", Value: string(link.Type) + suffix(" "+link.Namespace, link.Namespace != "") + ", since " + link.Since})
		}
		d.PrintFields(append(fields, console.Field{Name: "created", Value: stamp(user.CreatedAt)}, console.Field{Name: "updated", Value: stamp(user.UpdatedAt)})...)
	})
}
