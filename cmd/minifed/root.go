package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError says that a command was called wrongly.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, c *console) int {
	root := newRoot(c)
	root.SetArgs(withDashedIDs(root, args))
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = c.lost()
	}
	if err == nil {
		return exitDone
	}
	c.notef("minifed: %s\n", explain(err))
	usage := (*usageError)(nil)
	if errors.As(err, &usage) {
		c.notef("`%s --help` shows how it is used.\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// settings are the flags that every command has.
type settings struct {
	configPath string
	output     string
}

// newRoot builds the whole tree of commands.
func newRoot(c *console) *cobra.Command {
	flags := new(settings)
	root := &cobra.Command{
		Use:   "minifed",
		Short: "OpenID Provider for WeChat mini-programs",
		Long: `minifed turns the login of a WeChat mini-program (wx.login) into standard OAuth 2.0 and OpenID Connect tokens, and lets the
same user sign in to web, native and any other OpenID Connect application.

From the demonstration to your own mini-program:

  1. minifed demo                       see the whole exchange, on a simulated WeChat
  2. minifed serve                      start the server; it makes what it needs in ./data
  3. minifed client create --kind wechat_miniapp --app-id wx0123456789abcdef
                                        in another terminal: make your mini-program known, with the AppID and AppSecret that
                                        WeChat's console shows under 开发管理 (Development), 开发设置 (Settings)
  4. curl -sS --noproxy '*' -u CLIENT_ID:CLIENT_SECRET \
       http://localhost:8080/federation/wechat/miniapp/profile -d code=CODE_OF_WX_LOGIN
                                        sign a user in, as your mini-program's backend will
  5. minifed user list                  see who signed in

The exit code is 0 when everything is done, 1 when something failed, and 2 when the command line is wrong.`,
		Example:       "  minifed demo\n  minifed serve --config /etc/minifed/config.yaml\n  minifed client list --output json",
		Args:          cobra.ArbitraryArgs,
		RunE:          helpOrUnknown,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return &usageError{err.Error() + nearestFlag(command, err)}
	})
	root.PersistentFlags().StringVar(&flags.configPath, "config", "",
		"configuration `file`; without it that of $"+configVariable+", else config.yaml of this folder, if there is one")
	root.PersistentFlags().StringVarP(&flags.output, "output", "o", "text", "what to print: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return flags.check() }
	root.AddGroup(&cobra.Group{ID: groupStart, Title: "Start here:"}, &cobra.Group{ID: groupOperate, Title: "Look after it, beside a running server:"})
	addTo(root, groupStart, newDemo(c, flags), newServe(c, flags))
	addTo(root, groupOperate, newClient(c, flags), newDirectory(c, flags), newUser(c, flags), newKeys(c, flags), newBackup(c, flags), newDoctor(c, flags), newExport(c, flags), newImport(c, flags), newHealthcheck(c, flags))
	root.AddCommand(newVersion(c, flags))
	completeValues(root)
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

// nearestFlag names the flag that an unknown one is most likely a slip of.
func nearestFlag(command *cobra.Command, err error) string {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return ""
	}
	names := []string{}
	command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return fmt.Sprintf("; the nearest one is --%s", nearest(name, names))
}

// load reads the configuration that the flags and the environment name.
func (s *settings) load(c *console) (Config, error) {
	return loadConfig(cmp.Or(s.configPath, c.variable(configVariable)), c.environ)
}

func (s *settings) check() error {
	if s.output != "text" && s.output != "json" {
		return usagef("--output %s: must be text or json", s.output)
	}
	return nil
}

// group makes a command that only holds others.
func group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.ArbitraryArgs, RunE: helpOrUnknown}
	command.AddCommand(commands...)
	return command
}

// helpOrUnknown is what a command does that only holds others.
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
	return usagef("%s has no command %q; the nearest one is %q", command.CommandPath(), args[0], nearest(args[0], names))
}

// exactly wants as many arguments as there are names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usagef("%s takes no argument, and %q is one", command.CommandPath(), args[0])
		}
		return usagef("%s needs %s", command.CommandPath(), strings.Join(names, " and "))
	}
}
