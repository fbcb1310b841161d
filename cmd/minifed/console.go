package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// console is the world as a command sees it.
type console struct {
	in      io.Reader
	out     io.Writer
	err     io.Writer
	environ []string
	now     func() time.Time
	random  io.Reader
	// ask shows a prompt and reads an answer without echo; nil when nobody sits at a terminal. confirm echoes.
	ask     func(ctx context.Context, prompt string) (string, error)
	confirm func(ctx context.Context, prompt string) (string, error)
	// color says that the output is a terminal which shows colours.
	color bool
	// unread is why the last write to out failed.
	unread error
	// path is the file that this program was started from.
	path string
	// texts are in the language of the environment. newRoot sets them.
	texts *locale.Catalog
}

// processConsole is the world of this process.
func processConsole() *console {
	c := &console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), now: time.Now, random: rand.Reader, path: os.Args[0],
	}
	c.color = term.IsTerminal(int(os.Stdout.Fd())) && c.variable("NO_COLOR") == "" && c.variable("TERM") != "dumb"
	if term.IsTerminal(int(os.Stdin.Fd())) {
		c.ask, c.confirm = askTerminal, confirmTerminal
	}
	return c
}

// askTerminal reads a line without echo. When ctx ends first, by Ctrl-C, the terminal echoes again.
func askTerminal(ctx context.Context, prompt string) (string, error) {
	input := int(os.Stdin.Fd())
	echoing, err := term.GetState(input)
	if err != nil {
		return "", err
	}
	answer, err := await(ctx, prompt, func() (string, error) {
		typed, err := term.ReadPassword(input)
		return string(typed), err
	})
	_, _ = fmt.Fprintln(os.Stderr)
	return answer, errors.Join(err, term.Restore(input, echoing))
}

// confirmTerminal reads a line with echo.
func confirmTerminal(ctx context.Context, prompt string) (string, error) {
	return await(ctx, prompt, func() (string, error) {
		answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return strings.TrimSpace(answer), err
	})
}

// await prompts and reads until ctx ends. A read that nobody waits for any more ends with the process.
func await(ctx context.Context, prompt string, read func() (string, error)) (string, error) {
	type line struct {
		text string
		err  error
	}
	_, _ = fmt.Fprint(os.Stderr, prompt)
	typed := make(chan line, 1)
	go func() {
		text, err := read()
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// variable is an environment variable; empty when it is not set.
func (c *console) variable(name string) string {
	for _, entry := range c.environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// Write implements io.Writer: it writes to the output, and remembers a failure in unread. Those who print need not look at it:
// run does, when the command is done.
func (c *console) Write(text []byte) (int, error) {
	n, err := c.out.Write(text)
	if err != nil {
		c.unread = err
	}
	return n, err
}

// printf writes to the output.
func (c *console) printf(format string, args ...any) { _, _ = fmt.Fprintf(c, format, args...) }

// lost returns why the output of a command was not written. A reader that went away, such as head, is no failure.
func (c *console) lost() error {
	if c.unread == nil || errors.Is(c.unread, syscall.EPIPE) {
		return nil
	}
	return &locale.Problem{What: locale.Text("output.lost"), Cause: c.unread}
}

// notef writes to standard error what is for the person at the console, and not part of a command's result.
func (c *console) notef(format string, args ...any) { _, _ = fmt.Fprintf(c.err, format, args...) }

// operator is who acts, for audit entries.
func (c *console) operator() string {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if user := c.variable(name); user != "" {
			return user
		}
	}
	return "cli"
}

// program is how the person at the console calls this program.
func (c *console) program() string {
	switch {
	case strings.Contains(c.path, string(filepath.Separator)+"go-build"):
		return "go run ./cmd/minifed" // what `go run` builds goes with it
	case c.path == "" || filepath.Base(c.path) == c.path:
		return "minifed"
	default:
		return c.path
	}
}

// maxSecretInput bounds what is read as one secret.
const maxSecretInput = 4 << 10

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
func (s *secretSource) read(ctx context.Context, c *console, prompt string) (string, error) {
	switch {
	case s.stdin && s.file != "":
		return "", usagef("--%s-stdin and --%s-file exclude each other", s.name, s.name)
	case s.stdin:
		return oneLine(readSecret(c.in))
	case s.file != "":
		return oneLine(readSecretFile(s.file))
	case c.ask == nil:
		return "", usagef("nobody is at the terminal to type it: use --%s-stdin or --%s-file", s.name, s.name)
	default:
		answer, err := c.ask(ctx, prompt)
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

func readSecretFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	text, err := readSecret(file)
	return text, errors.Join(err, file.Close())
}

// readSecret reads everything without the line end that editors and echo append. It rejects a byte order mark, which some editors
// add without showing it.
func readSecret(from io.Reader) (string, error) {
	content, err := io.ReadAll(io.LimitReader(from, maxSecretInput+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxSecretInput {
		return "", fmt.Errorf("a secret of more than %d bytes is not one", maxSecretInput)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case text == "":
		return "", errors.New("the secret is empty")
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", errors.New("the secret begins with a byte order mark (BOM): save it as UTF-8 text without one")
	}
	return text, nil
}
