package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// secretSource is where a secret is read from: standard input, a file or a prompt. It is never the value of a flag, which other users of
// the machine and the history of the shell would show.
type secretSource struct {
	// name is the beginning of the names of the flags, such as "app-secret".
	name  string
	stdin bool
	file  string
}

// add adds the flags; what names the secret.
func (s *secretSource) add(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVar(&s.stdin, s.name+"-stdin", false, "")
	flags.StringVar(&s.file, s.name+"-file", "", "")
}

// given reports whether a flag names a source.
func (s *secretSource) given() bool { return s.stdin || s.file != "" }

// read returns the secret from the source that a flag names, or from a prompt.
func (s *secretSource) read(ctx context.Context, c *console.Console, prompt string) (string, error) {
	switch {
	case s.stdin && s.file != "":
		return "", wrongUsage("usage.exclude", "--"+s.name+"-stdin", "--"+s.name+"-file")
	case s.stdin:
		return oneLine(input.ReadSecret(c.In))
	case s.file != "":
		return oneLine(input.ReadSecretFile(s.file))
	case c.Ask == nil:
		return "", wrongUsage("usage.no_terminal", "--"+s.name+"-stdin", "--"+s.name+"-file")
	default:
		answer, err := c.Ask(ctx, prompt)
		if err == nil && answer == "" {
			err = &locale.Problem{What: locale.Text("secret.not_typed")}
		}
		return answer, err
	}
}

// oneLine rejects a secret of several lines: a password with an empty line at its end cannot be typed.
func oneLine(text string, err error) (string, error) {
	if err == nil && strings.ContainsAny(text, "\r\n") {
		return "", &locale.Problem{What: locale.Text("secret.lines")}
	}
	return text, err
}
