package console

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

	"golang.org/x/term"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// Console is the terminal and the environment of a command.
type Console struct {
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Environ []string
	Now     func() time.Time
	Random  io.Reader
	// Ask shows a prompt and reads a line without echo, Confirm with echo. They are nil without a terminal.
	Ask     func(ctx context.Context, prompt string) (string, error)
	Confirm func(ctx context.Context, prompt string) (string, error)
	// Terminal reports whether the output is a terminal, which no log or file stores.
	Terminal bool
	// color reports whether the output is a terminal with colours.
	color bool
	// Unread is why the last write to out failed.
	Unread error
	// Path is the file that this program was started from.
	Path string
	// Catalog returns the texts of a language.
	Catalog func(language string) *locale.Catalog
	// Texts are in the language of the environment. The root command sets them.
	Texts *locale.Catalog
}

// ProcessConsole returns the Console of this process.
func ProcessConsole() *Console {
	c := &Console{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ(), Now: time.Now, Random: rand.Reader, Path: os.Args[0], Catalog: locale.In,
	}
	c.Terminal = term.IsTerminal(int(os.Stdout.Fd()))
	c.color = c.Terminal && c.Variable("NO_COLOR") == "" && c.Variable("TERM") != "dumb"
	if term.IsTerminal(int(os.Stdin.Fd())) {
		c.Ask, c.Confirm = askTerminal, confirmTerminal
	}
	return c
}

// askTerminal reads a line without echo. If ctx ends first, by Ctrl-C, it restores the echo.
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

// await prompts and reads until ctx ends. The read itself may continue until the process ends.
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

// Variable returns an environment variable; empty if it is not set.
func (c *Console) Variable(name string) string {
	for _, entry := range c.Environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// Write implements io.Writer. It writes to the output, and records a failure in Unread, which is checked at the end of the command.
func (c *Console) Write(text []byte) (int, error) {
	n, err := c.Out.Write(text)
	if err != nil {
		c.Unread = err
	}
	return n, err
}

// Printf writes to the output.
func (c *Console) Printf(format string, args ...any) { _, _ = fmt.Fprintf(c, format, args...) }

// Lost returns why the output of a command was not written. A reader that went away, such as head, is no failure.
func (c *Console) Lost() error {
	if c.Unread == nil || errors.Is(c.Unread, syscall.EPIPE) {
		return nil
	}
	return &locale.Problem{What: locale.Text("output.lost"), Cause: c.Unread}
}

// Notef writes a message for the operator to standard error. It is not part of the result of a command.
func (c *Console) Notef(format string, args ...any) { _, _ = fmt.Fprintf(c.Err, format, args...) }

// Operator returns the name of the operator for audit entries.
func (c *Console) Operator() string {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if user := c.Variable(name); user != "" {
			return user
		}
	}
	return "cli"
}

// Program returns the command that runs this program.
func (c *Console) Program() string {
	switch {
	case strings.Contains(c.Path, string(filepath.Separator)+"go-build"):
		return "go run ./cmd/minifed" // the binary of `go run` is deleted at its end
	case c.Path == "" || filepath.Base(c.Path) == c.Path:
		return "minifed"
	default:
		return c.Path
	}
}
