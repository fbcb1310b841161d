package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

func newDirectory(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return group("directory",
		newDirectoryCreate(d), newDirectoryList(d), newDirectoryShow(d), newDirectoryUpdate(d),
		directoryState(d, "disable", operations.DisableDirectory),
		directoryState(d, "enable", operations.EnableDirectory),
		newDirectoryKey(d, "set-sms-key", admin.SMSKey), newDirectoryKey(d, "set-captcha-key", admin.CaptchaKey),
		newDirectoryDelete(d),
	)
}

// directoryView is a directory with its issuer.
type directoryView struct {
	storage.Directory
	Issuer string `json:"issuer"`
	// SMSKeySet and CaptchaKeySet say that the directory has these keys.
	SMSKeySet     bool `json:"sms_key_set,omitempty"`
	CaptchaKeySet bool `json:"captcha_key_set,omitempty"`
}

func viewDirectory(service operations, directory storage.Directory) directoryView {
	view := directoryView{directory, service.IssuerOf(directory), directory.SMSKey != "", directory.CaptchaKey != ""}
	view.SMSKey, view.CaptchaKey = "", ""
	return view
}

// newDirectoryFields adds a flag for each setting of a directory that can change.
func newDirectoryFields(command *cobra.Command) *fields[storage.Directory] {
	f := newFields[storage.Directory](command.Flags())
	f.add(setting.Directory())
	return f
}

func newDirectoryCreate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "create ID",
		Example: "  minifed directory create staff --name \"Our people\"\n  minifed directory create shop --issuer https://login.shop.example.com",
		Args:    exactly("argument.id"),
	}
	fields := newDirectoryFields(command)
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		requested := storage.Directory{ID: id, Name: id}
		if err := fields.load(); err != nil {
			return err
		}
		fields.apply(&requested)
		entry, err := service.CreateDirectory(ctx, requested)
		if err != nil {
			return err
		}
		return d.showDirectory(viewDirectory(service, entry.Record))
	})
	return command
}

func newDirectoryList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{
		Use:     "list",
		Example: "  minifed directory list\n  minifed directory list --output json",
		Args:    exactly(),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		directories, next, err := collect(*pages, func(page admin.Page) ([]storage.Directory, string, error) {
			return service.Directories(ctx, page)
		})
		if err != nil {
			return err
		}
		views, rows := []directoryView{}, [][]string{}
		for _, directory := range directories {
			view := viewDirectory(service, directory)
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
		Example: "  minifed directory show default\n  minifed directory show default --output json",
		Args:    exactly("argument.directory"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			entry, err := service.Directory(ctx, id)
			if err != nil {
				return err
			}
			return d.showDirectory(viewDirectory(service, entry.Record))
		}),
	}
}

func newDirectoryUpdate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "update ID",
		Example: "  minifed directory update default --name \"Our shop\" --accent-color '#07c160'\n  minifed directory update default --signing-alg RS256 --signing-alg EdDSA",
		Args:    exactly("argument.directory"),
	}
	fields := newDirectoryFields(command)
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		if err := fields.load(); err != nil {
			return err
		}
		entry, err := service.UpdateDirectory(ctx, id, "", fields.apply)
		if err != nil {
			return err
		}
		return d.showDirectory(viewDirectory(service, entry.Record))
	})
	return command
}

// directoryState returns the command that disables or enables a directory.
func directoryState(d *operatorEnv, name string, change func(operations, context.Context, string) (*storage.Entry[storage.Directory], error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID",
		Example: "  minifed directory " + name + " shop",
		Args:    exactly("argument.directory"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			entry, err := change(service, ctx, id)
			if err != nil {
				return err
			}
			view := viewDirectory(service, entry.Record)
			return d.done(view, "Directory %q is %sd.", id, name)
		}),
	}
}

func newDirectoryDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use:     "delete ID",
		Example: "  minifed directory disable shop && minifed directory delete shop",
		Args:    exactly("argument.directory"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
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

func fileNames(files []storage.VerificationFile) string {
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.Name
	}
	return spaced(names)
}

// smsText describes how a directory sends codes and notices to phones.
func smsText(directory directoryView) string {
	sms := directory.SMS
	if sms.Provider == "" {
		return ""
	}
	key := ", no key"
	switch {
	case directory.SMSKeySet:
		key = ", key set"
	case sms.Provider == storage.SMSLog: // It needs none.
		key = ""
	}
	notices := ""
	if sms.SendsNotices() {
		notices = ", notices"
	}
	return fmt.Sprintf("%s, %s%s%s, at most %d a day", sms.Provider, spaced(sms.AllowedCountryCodes()), key, notices, sms.MessagesADay())
}

// showDirectory prints all settings of a directory that are not empty.
func (d *operatorEnv) showDirectory(view directoryView) error {
	return d.say(view, func() {
		fields := []console.Field{
			{Name: "id", Value: view.ID},
			{Name: "name", Value: view.Name},
			{Name: "issuer", Value: view.Issuer},
			{Name: "state", Value: suffix("disabled", view.Disabled)},
			{Name: "signing_algs", Value: spaced(admin.SigningAlgorithms(view.Directory))},
			{Name: "sign_in_methods", Value: spaced(view.SignInMethods)},
			{Name: "scan", Value: scanText(view.Scan, view.ScanLinkRule)},
			{Name: "sms", Value: smsText(view)},
			{Name: "captcha_url", Value: view.CaptchaURL},
			{Name: "self_registration", Value: yes(view.Policy.SelfRegistration)},
			{Name: "two_factor", Value: string(view.TwoFactor())},
			{Name: "passkey_for_new_browser", Value: yes(view.Policy.PasskeyForNewBrowser)},
			{Name: "attach_by_phone", Value: yes(view.Policy.AttachByPhone)},
			{Name: "phone_fresh", Value: setting.SecondsText(view.Policy.PhoneFresh)},
			{Name: "terms", Value: termsText(view.Terms)},
			{Name: "require_terms", Value: yes(view.Policy.RequireTerms)},
			{Name: "guardian_consent_under", Value: numberText(view.Policy.GuardianConsentUnder)},
			{Name: "deletion_delay", Value: setting.SecondsText(view.Policy.DeletionDelay)},
			{Name: "merge_by_unionid", Value: yes(view.Policy.MergeByUnionID)},
			{Name: "device_grant", Value: yes(view.Policy.DeviceGrant)},
			{Name: "documents", Value: string(view.Policy.Documents)},
			{Name: "document_hosts", Value: spaced(view.Policy.DocumentHosts)},
			{Name: "registration", Value: string(view.Policy.Registration)},
			{Name: "unknown_client_scopes", Value: spaced(view.Policy.UnknownClientScopes)},
			{Name: "unknown_clients_daily", Value: numberText(view.Policy.UnknownClientsDaily)},
			{Name: "claims", Value: claimsText(view.Claims)},
			{Name: "logo", Value: pictureSize(view.Branding.Logo)},
			{Name: "accent_color", Value: view.Branding.AccentColor},
			{Name: "policy_url", Value: view.Branding.PolicyURL},
			{Name: "terms_url", Value: view.Branding.TermsURL},
			{Name: "support_url", Value: view.Branding.SupportURL},
			{Name: "icp_number", Value: view.Branding.ICPNumber},
			{Name: "police_number", Value: view.Branding.PoliceNumber},
			{Name: "verification_files", Value: fileNames(view.VerificationFiles)},
		}
		fields = append(fields, lifetimeFields(view.Lifetimes)...)
		d.PrintFields(append(fields, console.Field{Name: "created", Value: stamp(view.CreatedAt)}, console.Field{Name: "updated", Value: stamp(view.UpdatedAt)})...)
	})
}

// numberText writes a number; 0, the default, is empty.
func numberText(number int64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatInt(number, 10)
}
