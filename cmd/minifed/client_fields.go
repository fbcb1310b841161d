package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// newClientFields adds a flag for each setting of a client that can change.
func newClientFields(command *cobra.Command) *fields[storage.Client] {
	f := newFields[storage.Client](command.Flags())
	f.add(slices.DeleteFunc(setting.Client(), func(s setting.Setting[storage.Client]) bool {
		return s.Option == setting.OptionScope || s.Option == setting.OptionAccountLinking
	}))
	addScopes(f)
	return f
}

// addScopes adds the flags of the scopes that the client may request. A list with urn:minifed:link confirms account linking as
// --account-linking does. A list without it removes account linking.
func addScopes(f *fields[storage.Client]) {
	linking := f.flags.Bool(setting.OptionAccountLinking, false, "")
	scopes := f.flags.StringArray(setting.OptionScope, nil, "")
	f.sets[setting.OptionScope] = func(client *storage.Client) {
		client.Scopes = words(*scopes)
		client.AccountLinking = slices.Contains(client.Scopes, admin.ScopeLink)
		if f.flags.Changed(setting.OptionAccountLinking) {
			f.sets[setting.OptionAccountLinking](client)
		}
	}
	f.sets[setting.OptionAccountLinking] = func(client *storage.Client) {
		client.AccountLinking = *linking
		others := slices.DeleteFunc(slices.Clone(client.Scopes), func(scope string) bool { return scope == admin.ScopeLink })
		if client.Scopes = others; *linking && others != nil { // Without a list, the defaults of the kind come first.
			client.Scopes = append(others, admin.ScopeLink)
		}
	}
}
