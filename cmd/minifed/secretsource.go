package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
)

// secretSource says where a secret comes from: standard input, a file, or a prompt. It never is a flag's value, which other
// users of the machine and the shell's history would see.
type secretSource struct {
	// name is what the flags are called by, such as "app-secret".
	name  string
	stdin bool
	file  string
}

// add adds the flags; what says which secret it is.
func (s *secretSource) add(command *cobra.Command, what string) {
	flags := command.Flags()
	flags.BoolVar(&s.stdin, s.name+"-stdin", false, "read from standard input: "+what)
	flags.StringVar(&s.file, s.name+"-file", "", "read from a `file`: "+what)
}

// given reports whether a flag names a source.
func (s *secretSource) given() bool { return s.stdin || s.file != "" }

// read returns the secret from the source that a flag names, or asks for it.
func (s *secretSource) read(ctx context.Context, c *console.Console, prompt string) (string, error) {
	switch {
	case s.stdin && s.file != "":
		return "", usagef("--%s-stdin and --%s-file exclude each other", s.name, s.name)
	case s.stdin:
		return oneLine(input.ReadSecret(c.In))
	case s.file != "":
		return oneLine(input.ReadSecretFile(s.file))
	case c.Ask == nil:
		return "", usagef("nobody is at the terminal to type it: use --%s-stdin or --%s-file", s.name, s.name)
	default:
		answer, err := c.Ask(ctx, prompt)
		if err == nil && answer == "" {
			err = errors.New("nothing was typed")
		}
		return answer, err
	}
}

// oneLine rejects a secret of several lines: a file that ends with an empty line would give a password that cannot be typed.
func oneLine(text string, err error) (string, error) {
	if err == nil && strings.ContainsAny(text, "\r\n") {
		return "", errors.New("the secret has more than one line: keep only the secret, without empty lines")
	}
	return text, err
}
