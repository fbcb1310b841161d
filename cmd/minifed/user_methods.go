package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
)

func newUserMethods(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "methods USER",
		Example: "  minifed user methods alice\n  minifed user methods alice --directory _admin --output json",
		Args:    exactly("argument.user"),
		RunE: d.userOperation(func(ctx context.Context, service operations, id string) error {
			methods, err := service.UserMethods(ctx, d.directory, id)
			if err != nil {
				return err
			}
			return d.say(methods, func() { d.PrintFields(methodFields(methods)...) })
		}),
	}
}

// methodFields are the sign-in methods of a user. Those that are not set up have no field.
func methodFields(methods admin.UserMethods) []console.Field {
	fields := []console.Field{{Name: "password", Value: suffix("set, changed "+stamp(methods.PasswordChangedAt), methods.Password)}}
	for _, passkey := range methods.Passkeys {
		text := passkey.ID + " (" + passkey.Name + "), for " + passkey.Host + ", since " + stamp(passkey.CreatedAt)
		text += suffix(", used "+stamp(passkey.UsedAt), !passkey.UsedAt.IsZero()) + suffix(", synced", passkey.BackedUp)
		fields = append(fields, console.Field{Name: "passkey", Value: text + suffix(", may have been copied", !passkey.SuspectAt.IsZero()) + suffix(", works from "+stamp(passkey.ValidFrom), !passkey.ValidFrom.IsZero())})
	}
	if totp := methods.TOTP; totp != nil {
		text := "since " + stamp(totp.CreatedAt) + suffix(", used "+stamp(totp.UsedAt), !totp.UsedAt.IsZero())
		text += suffix(", reported lost and not asked for from "+stamp(totp.RemoveAt)+" on", !totp.RemoveAt.IsZero())
		fields = append(fields, console.Field{Name: "totp", Value: text}, console.Field{Name: "recovery_codes", Value: strconv.Itoa(totp.RecoveryCodes)})
	}
	return fields
}

// removedMethods is the JSON output of the removal of sign-in methods.
type removedMethods struct {
	UserID   string   `json:"user_id"`
	Passkeys []string `json:"passkeys"`
	TOTP     bool     `json:"totp"`
}

// methodChoice says which methods to remove; nothing chosen is all.
type methodChoice struct {
	totp     bool
	passkeys []string
}

func newUserResetMethods(d *operatorEnv) *cobra.Command {
	sure, chosen := new(confirmation), new(methodChoice)
	command := &cobra.Command{
		Use: "reset-methods USER",
		Example: "  minifed user reset-methods alice\n  minifed user reset-methods alice --totp\n" +
			"  minifed user reset-methods alice --directory _admin --yes",
		Args: exactly("argument.user"),
	}
	command.RunE = d.userOperation(func(ctx context.Context, service operations, id string) error {
		if err := sure.ask(ctx, d.Console, "sign-in methods of user "+id, id); err != nil {
			return err
		}
		removed, err := d.removeMethods(ctx, service, id, *chosen)
		if err != nil {
			return err
		}
		app := 0
		if removed.TOTP {
			app = 1
		}
		return d.done(removed, "Removed from user %s: %d passkeys, %d authenticator apps.", id, len(removed.Passkeys), app)
	})
	sure.add(command)
	command.Flags().BoolVar(&chosen.totp, "totp", false, "")
	command.Flags().StringArrayVar(&chosen.passkeys, "passkey", nil, "")
	return command
}

// removeMethods removes the chosen methods of a user.
func (d *operatorEnv) removeMethods(ctx context.Context, service operations, id string, chosen methodChoice) (removedMethods, error) {
	removed := removedMethods{UserID: id, Passkeys: []string{}}
	if !chosen.totp && len(chosen.passkeys) == 0 {
		methods, err := service.UserMethods(ctx, d.directory, id)
		if err != nil {
			return removed, err
		}
		chosen.totp = methods.TOTP != nil
		for _, passkey := range methods.Passkeys {
			chosen.passkeys = append(chosen.passkeys, passkey.ID)
		}
	}
	for _, passkey := range chosen.passkeys {
		if err := service.RemoveUserPasskey(ctx, d.directory, id, passkey); err != nil {
			return removed, err
		}
		removed.Passkeys = append(removed.Passkeys, passkey)
	}
	if chosen.totp {
		if err := service.RemoveUserTOTP(ctx, d.directory, id); err != nil {
			return removed, err
		}
		removed.TOTP = true
	}
	return removed, nil
}
