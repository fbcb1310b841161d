package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/internal/suggest"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	// exitPending is the code of `minifed apply --dry-run` that found changes.
	exitPending = 3
)

// usageError says that a command was called wrongly, and how it is called rightly.
type usageError struct{ what locale.Message }

// Error implements error.
func (e *usageError) Error() string { return e.Localize(locale.In(locale.English)) }

// Localize implements locale.Error.
func (e *usageError) Localize(texts *locale.Catalog) string { return texts.Render(e.what) }

// wrongUsage returns a usageError.
func wrongUsage(key locale.Key, arguments ...any) error {
	return &usageError{locale.Text(key, arguments...)}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, c *console.Console) int {
	root := newRoot(c)
	root.SetArgs(withDashedIDs(root, args))
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = c.Lost()
	}
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errPending) {
		return exitPending
	}
	c.Notef("minifed: %s\n", explain.In(c.Texts, err))
	if _, usage := errors.AsType[*usageError](err); usage {
		c.Notef("%s\n", c.Texts.Render(locale.Text("usage.see_help", command.CommandPath())))
		return exitUsage
	}
	return exitFailed
}

// settings are the flags that every command has.
type settings struct {
	configPath string
	// server is the origin of the server whose admin API the commands of operators call; empty for the store.
	server string
	output string
}

// newRoot builds the whole tree of commands, with its texts in the language of the environment.
func newRoot(c *console.Console) *cobra.Command {
	c.Texts = c.Catalog(locale.Of(c.Variable))
	flags := new(settings)
	root := &cobra.Command{
		Use:           "minifed",
		Example:       "  minifed demo\n  minifed serve --config /etc/minifed/config.yaml\n  minifed client list --output json",
		Args:          cobra.ArbitraryArgs,
		RunE:          helpOrUnknown,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(c.In)
	root.SetOut(c)
	root.SetErr(c.Err)
	root.SetFlagErrorFunc(wrongFlag)
	root.PersistentFlags().StringVar(&flags.configPath, "config", "", "")
	root.PersistentFlags().StringVar(&flags.server, "server", "", "")
	root.PersistentFlags().StringVarP(&flags.output, "output", "o", "text", "")
	root.PersistentPreRunE = func(command *cobra.Command, _ []string) error {
		return errors.Join(flags.check(), flags.checkServer(c, command))
	}
	root.AddGroup(&cobra.Group{ID: groupStart}, &cobra.Group{ID: groupOperate})
	addTo(root, groupStart, newDemo(c, flags), newServe(c, flags))
	addTo(root, groupOperate, newClient(c, flags), newConnection(c, flags), newResource(c, flags), newDirectory(c, flags), newUser(c, flags), newOperators(c, flags), newConsole(c, flags), newKeys(c, flags), newAudit(c, flags), newStatistics(c, flags), newHealth(c, flags), newApply(c, flags), newBackup(c, flags), newDoctor(c, flags), newExport(c, flags), newImport(c, flags), newHealthcheck(c, flags))
	root.AddCommand(newLogin(c, flags), newLogout(c, flags), newVersion(c, flags), newCompletion())
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	help := helpTexts{c.Texts}
	help.addTo(root)
	root.SetHelpFunc(func(command *cobra.Command, _ []string) { c.Printf("%s", help.of(command)) })
	completeValues(root, choices())
	return root
}

// The groups that the help lists commands in.
const (
	groupStart   = "start"
	groupOperate = "operate"
)

func addTo(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, command := range commands {
		command.GroupID = group
		root.AddCommand(command)
	}
}

// wrongFlag returns the usageError for an error of the flags of a command.
func wrongFlag(command *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(command, unknown)
	}
	if incomplete, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return wrongUsage("usage.flag.value", "--"+incomplete.GetFlag().Name)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return wrongValue(invalid)
	}
	if malformed, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return wrongUsage("usage.flag.syntax", malformed.GetSpecifiedFlag())
	}
	return err
}

// unknownFlag names the flag that an unknown one is most likely a slip of.
func unknownFlag(command *cobra.Command, unknown *pflag.NotExistError) error {
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		return wrongUsage("usage.flag.letter", command.CommandPath(), "-"+unknown.GetSpecifiedName())
	}
	names := []string{}
	command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	name := unknown.GetSpecifiedName()
	return wrongUsage("usage.flag.unknown", command.CommandPath(), "--"+name, "--"+suggest.Nearest(name, names))
}

// wrongValue says what the value of a flag must be.
func wrongValue(invalid *pflag.InvalidValueError) error {
	flag := invalid.GetFlag()
	reason := any(locale.Text("usage.value.truth"))
	if flag.Value.Type() != "bool" {
		reason = invalid.Unwrap()
	}
	return wrongUsage("usage.flag.invalid", "--"+flag.Name, invalid.GetValue(), reason)
}

// load reads the configuration that the flags and the environment name.
func (s *settings) load(c *console.Console) (config.Config, error) {
	return config.Load(cmp.Or(s.configPath, c.Variable(config.PathVariable)), c.Environ)
}

func (s *settings) check() error {
	if s.output != "text" && s.output != "json" {
		return wrongUsage("usage.flag.invalid", "--output", s.output, locale.Text("must.be_one_of", locale.List{"text", "json"}))
	}
	return nil
}

// group returns a command that only holds others.
func group(use string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: use, Args: cobra.ArbitraryArgs, RunE: helpOrUnknown}
	command.AddCommand(commands...)
	return command
}

// helpOrUnknown prints the help of a command that only holds others, and rejects the name of one that it does not have.
func helpOrUnknown(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return command.Help()
	}
	names := []string{}
	for _, child := range command.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name())
		}
	}
	return wrongUsage("usage.command.unknown", command.CommandPath(), args[0], suggest.Nearest(args[0], names))
}

// exactly requires as many arguments as there are names.
func exactly(names ...locale.Key) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		switch len(names) {
		case 0:
			return wrongUsage("usage.argument.none", command.CommandPath(), args[0])
		case 1:
			return wrongUsage("usage.argument.one", command.CommandPath(), locale.Text(names[0]))
		default:
			return wrongUsage("usage.argument.two", command.CommandPath(), locale.Text(names[0]), locale.Text(names[1]))
		}
	}
}
