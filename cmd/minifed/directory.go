package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func newDirectory(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return group("directory", "Create and change directories: issuers with their own users, clients and keys", directoryHelp,
		newDirectoryCreate(d), newDirectoryList(d), newDirectoryShow(d), newDirectoryUpdate(d),
		directoryState(d, "disable", "Disable a directory: all its endpoints reject requests", (*admin.Service).DisableDirectory),
		directoryState(d, "enable", "Enable a disabled directory", (*admin.Service).EnableDirectory),
		newDirectoryDelete(d),
	)
}

const directoryHelp = `A directory is an issuer with its own users, clients, signing keys and policy. The issuer of the default directory is the public URL.
Every other directory is at {public_url}/d/{id}, or at its own https origin. Tokens and accounts of one directory are not valid in
another.

A running server applies a change within five seconds.`

// directoryView is a directory with its issuer.
type directoryView struct {
	storage.Directory
	Issuer string `json:"issuer"`
}

func (d *operatorEnv) viewDirectory(directory storage.Directory) (directoryView, error) {
	config, err := d.load(d.Console)
	if err != nil {
		return directoryView{}, err
	}
	return directoryView{directory, config.IssuerOf(directory)}, nil
}

// newDirectoryFields adds a flag for each setting of a directory that can change.
func newDirectoryFields(command *cobra.Command) *fields[storage.Directory] {
	f := newFields[storage.Directory](command.Flags())
	f.text("name", "the `name` that users see", func(r *storage.Directory) *string { return &r.Name })
	f.text("issuer", "its own https `origin`, instead of {public_url}/d/{id}", func(r *storage.Directory) *string { return &r.Issuer })
	f.picture("logo", "PNG, JPEG or GIF `file` that its pages show; a wide one replaces the name", func(r *storage.Directory) *[]byte { return &r.Branding.Logo })
	f.text("accent-color", "`colour` of its pages, such as #07c160", func(r *storage.Directory) *string { return &r.Branding.AccentColor })
	f.text("policy-url", "`URL` of its privacy policy", func(r *storage.Directory) *string { return &r.Branding.PolicyURL })
	f.text("terms-url", "`URL` of its terms of service", func(r *storage.Directory) *string { return &r.Branding.TermsURL })
	f.text("support-url", "`URL` where users find help", func(r *storage.Directory) *string { return &r.Branding.SupportURL })
	f.list("signing-alg", "`algorithm` that it signs with: RS256, PS256, ES256, ES384 or EdDSA", func(r *storage.Directory) *[]string { return &r.Policy.SigningAlgorithms })
	f.toggle("self-registration", "offer a page where anyone may create an account", func(r *storage.Directory) *bool { return &r.Policy.SelfRegistration })
	f.toggle("attach-by-phone", "let bindUser attach a WeChat user to the account with the same verified phone number; this trusts the backend of every mini-program in the directory to send the right number", func(r *storage.Directory) *bool { return &r.Policy.AttachByPhone })
	f.seconds("phone-fresh", "how long after its verification that number is accepted, such as 180d", func(r *storage.Directory) *int64 { return &r.Policy.PhoneFresh })
	claimMappingFields(f)
	f.lifetimes(func(r *storage.Directory) *storage.Lifetimes { return &r.Lifetimes })
	f.sessionLifetimes(func(r *storage.Directory) *storage.Lifetimes { return &r.Lifetimes })
	return f
}

func newDirectoryCreate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "create ID",
		Short:   "Create a directory",
		Long:    "Creates a directory with its signing keys. The ID has 1 to 32 of the characters a-z, 0-9 and -, is part of the issuer, and never changes.",
		Example: "  minifed directory create staff --name \"Our people\"\n  minifed directory create shop --issuer https://login.shop.example.com",
		Args:    exactly("an ID"),
	}
	fields := newDirectoryFields(command)
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) error {
		requested := storage.Directory{ID: id, Name: id}
		if err := fields.load(); err != nil {
			return err
		}
		fields.apply(&requested)
		entry, err := service.CreateDirectory(ctx, requested)
		if err != nil {
			return err
		}
		return d.showDirectory(entry.Record)
	})
	return command
}

func newDirectoryList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the directories",
		Long:    "Lists the directories by ID.",
		Example: "  minifed directory list\n  minifed directory list --output json",
		Args:    exactly(),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, _ string) error {
		directories, next, err := collect(*pages, func(page admin.Page) ([]storage.Directory, string, error) {
			return service.Directories(ctx, page)
		})
		if err != nil {
			return err
		}
		views, rows := []directoryView{}, [][]string{}
		for _, directory := range directories {
			view, err := d.viewDirectory(directory)
			if err != nil {
				return err
			}
			views = append(views, view)
			rows = append(rows, []string{view.ID, view.Name, view.Issuer, suffix("disabled", view.Disabled)})
		}
		return d.printList(views, next, []string{"ID", "NAME", "ISSUER", "STATE"}, rows)
	})
	pages.add(command)
	return command
}

func newDirectoryShow(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a directory",
		Long:    "Shows all settings of a directory.",
		Example: "  minifed directory show default\n  minifed directory show default --output json",
		Args:    exactly("the directory's ID"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
			entry, err := service.Directory(ctx, id)
			if err != nil {
				return err
			}
			return d.showDirectory(entry.Record)
		}),
	}
}

func newDirectoryUpdate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "update ID",
		Short:   "Change a directory",
		Long:    "Changes only the settings whose options are present. An option that may be repeated replaces the whole list; \"\" empties the list.",
		Example: "  minifed directory update default --name \"Our shop\" --accent-color '#07c160'\n  minifed directory update default --signing-alg RS256 --signing-alg EdDSA",
		Args:    exactly("the directory's ID"),
	}
	fields := newDirectoryFields(command)
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) error {
		if err := fields.load(); err != nil {
			return err
		}
		entry, err := service.UpdateDirectory(ctx, id, "", fields.apply)
		if err != nil {
			return err
		}
		return d.showDirectory(entry.Record)
	})
	return command
}

// directoryState returns the command that disables or enables a directory.
func directoryState(d *operatorEnv, name, short string, change func(*admin.Service, context.Context, string) (*storage.Entry[storage.Directory], error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Long:    short + ". A running server applies this within five seconds.",
		Example: "  minifed directory " + name + " shop",
		Args:    exactly("the directory's ID"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
			entry, err := change(service, ctx, id)
			if err != nil {
				return err
			}
			view, err := d.viewDirectory(entry.Record)
			if err != nil {
				return err
			}
			return d.done(view, "Directory %q is %sd.", id, name)
		}),
	}
}

func newDirectoryDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete an empty directory",
		Long:    "Deletes a directory, and its signing keys. The directory must be disabled and have no clients and no users.",
		Example: "  minifed directory disable shop && minifed directory delete shop",
		Args:    exactly("the directory's ID"),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) error {
		if err := sure.ask(ctx, d.Console, "directory "+id, id); err != nil {
			return err
		}
		if err := service.DeleteDirectory(ctx, id); err != nil {
			return err
		}
		return d.done(deleted{id}, "Directory %q is deleted.", id)
	})
	sure.add(command)
	return command
}

// showDirectory prints all settings of a directory that are not empty.
func (d *operatorEnv) showDirectory(directory storage.Directory) error {
	view, err := d.viewDirectory(directory)
	if err != nil {
		return err
	}
	return d.say(view, func() {
		fields := []console.Field{
			{Name: "id", Value: view.ID},
			{Name: "name", Value: view.Name},
			{Name: "issuer", Value: view.Issuer},
			{Name: "state", Value: suffix("disabled", view.Disabled)},
			{Name: "signing_algs", Value: spaced(admin.SigningAlgorithms(directory))},
			{Name: "self_registration", Value: yes(view.Policy.SelfRegistration)},
			{Name: "attach_by_phone", Value: yes(view.Policy.AttachByPhone)},
			{Name: "phone_fresh", Value: lifetime(view.Policy.PhoneFresh)},
			{Name: "claims", Value: claimsText(view.Claims)},
			{Name: "logo", Value: pictureSize(view.Branding.Logo)},
			{Name: "accent_color", Value: view.Branding.AccentColor},
			{Name: "policy_url", Value: view.Branding.PolicyURL},
			{Name: "terms_url", Value: view.Branding.TermsURL},
			{Name: "support_url", Value: view.Branding.SupportURL},
		}
		fields = append(fields, lifetimeFields(view.Lifetimes)...)
		d.PrintFields(append(fields, console.Field{Name: "created", Value: stamp(view.CreatedAt)}, console.Field{Name: "updated", Value: stamp(view.UpdatedAt)})...)
	})
}
