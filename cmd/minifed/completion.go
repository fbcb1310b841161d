package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

// choices are the values that a flag may have, by its name, where there are few.
func choices() map[string][]string {
	offered := map[string][]string{
		"output": {"text", "json"},
		"for":    partyNames(),
		"kind": {
			string(storage.ClientMiniapp), string(storage.ClientSPA), string(storage.ClientNative), string(storage.ClientWeb),
			string(storage.ClientService),
			string(storage.ConnectionWebsite), string(storage.ConnectionOfficialAccount), string(storage.ConnectionNativeApp),
		},
	}
	for _, s := range setting.Client() {
		offered[s.Option] = s.Choices
	}
	for _, s := range setting.Resource() {
		offered[s.Option] = append(offered[s.Option], s.Choices...)
	}
	for _, s := range setting.Directory() {
		offered[s.Option] = append(offered[s.Option], s.Choices...)
	}
	return offered
}

// namesFile reports whether the value of a flag is the path of a file.
func namesFile(flag *pflag.Flag) bool {
	return flag.Name == "config" || flag.Name == "logo" || flag.Name == "file" || strings.HasSuffix(flag.Name, "-file")
}

// completeValues lets a shell complete the values of flags to those that are offered. Only flags and arguments that are files are completed to files.
func completeValues(command *cobra.Command, offered map[string][]string) {
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if namesFile(flag) || flag.Value.Type() == "bool" {
			return
		}
		// An error says that the flag is completed already.
		_ = command.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(offered[flag.Name], cobra.ShellCompDirectiveNoFileComp))
	})
	if !strings.Contains(command.Use, "FILE") && command.ValidArgsFunction == nil {
		command.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, child := range command.Commands() {
		completeValues(child, offered)
	}
}

// newCompletion returns the command that prints the completion script of a shell. Cobra's own has only English texts.
func newCompletion() *cobra.Command {
	command := group("completion",
		shellCompletion("bash", func(root *cobra.Command, out io.Writer) error { return root.GenBashCompletionV2(out, true) }),
		shellCompletion("zsh", (*cobra.Command).GenZshCompletion),
		shellCompletion("fish", func(root *cobra.Command, out io.Writer) error { return root.GenFishCompletion(out, true) }),
		shellCompletion("powershell", (*cobra.Command).GenPowerShellCompletionWithDesc),
	)
	return command
}

func shellCompletion(shell string, script func(root *cobra.Command, out io.Writer) error) *cobra.Command {
	return &cobra.Command{
		Use:     shell,
		Example: "  minifed completion " + shell,
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			return script(command.Root(), command.OutOrStdout())
		},
	}
}

// newHelp returns the command that prints the help of a command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		Example:           "  minifed help\n  minifed help client create",
		Args:              cobra.ArbitraryArgs,
		RunE:              helpOf,
		ValidArgsFunction: completeCommands,
	}
}

// helpOf prints the help of the command that the arguments name.
func helpOf(command *cobra.Command, args []string) error {
	named, rest, err := command.Root().Find(args)
	switch {
	case err != nil:
		return err
	case len(rest) == 0:
		return named.Help()
	case named.HasSubCommands():
		return helpOrUnknown(named, rest)
	default:
		return wrongUsage("usage.argument.none", named.CommandPath(), rest[0])
	}
}

// completeCommands completes the name of a command below the one that the arguments name.
func completeCommands(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	names := []cobra.Completion{}
	if named, rest, err := command.Root().Find(args); err == nil && len(rest) == 0 {
		for _, child := range named.Commands() {
			names = append(names, cobra.CompletionWithDesc(child.Name(), child.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
