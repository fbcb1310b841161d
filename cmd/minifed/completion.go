package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/storage"
)

// choices are the values that a flag may have, by its name, where there are few.
func choices() map[string][]string {
	return map[string][]string{
		"output": {"text", "json"},
		"kind": {
			string(storage.ClientMiniapp), string(storage.ClientSPA), string(storage.ClientNative), string(storage.ClientWeb),
			string(storage.ClientService),
		},
		"auth-method":  {"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"provisioning": {string(storage.ProvisionAuto), string(storage.ProvisionBind)},
		"subject-type": {subjectPublic, subjectPairwise},
	}
}

// completeValues lets a shell propose what flags may be, and files for those flags and arguments alone that are some.
func completeValues(command *cobra.Command) {
	offered := choices()
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		name, _ := pflag.UnquoteUsage(flag)
		if name == "file" || flag.Value.Type() == "bool" || flag.Name == "logo" {
			return
		}
		// An error says that somebody completes the flag already.
		_ = command.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(offered[flag.Name], cobra.ShellCompDirectiveNoFileComp))
	})
	if !strings.Contains(command.Use, "FILE") && command.ValidArgsFunction == nil {
		command.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, child := range command.Commands() {
		completeValues(child)
	}
}
