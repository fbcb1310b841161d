package locale

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// Error is an error that has a text in each language. Its method Error returns the English text, for logs.
type Error interface {
	error
	// Localize returns the text in the language of a catalog.
	Localize(*Catalog) string
}

// Problem is an error that the operator can correct: what is wrong, why, and what to do.
type Problem struct {
	What Message
	// Cause is the error of a library or of the system; nil if What says everything.
	Cause error
	// Remedy is what to do; zero if What says it.
	Remedy Message
}

// Error implements error.
func (p *Problem) Error() string { return p.Localize(In(English)) }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Localize implements Error. The remedy stands on a line of its own.
func (p *Problem) Localize(c *Catalog) string {
	text := p.Describe(c)
	if p.Remedy.IsZero() {
		return text
	}
	return text + "\n  " + c.Render(p.Remedy)
}

// Describe returns what is wrong and why, without the remedy.
func (p *Problem) Describe(c *Catalog) string {
	text := c.Render(p.What)
	if p.Cause == nil {
		return text
	}
	return c.Render(Text("problem.cause", text, p.Cause))
}

// Error returns the text of an error. An error of several errors has a line for each. The text of an error that is not an Error is its own,
// unless it is a common one of the system.
func (c *Catalog) Error(err error) string {
	if localized, ok := err.(Error); ok { //nolint:errorlint // The wrapped ones follow.
		return localized.Localize(c)
	}
	if _, holds := errors.AsType[Error](err); !holds {
		return c.system(err)
	}
	switch wrapping := err.(type) { //nolint:errorlint // This is the way down.
	case interface{ Unwrap() []error }:
		texts := []string{}
		for _, part := range wrapping.Unwrap() {
			texts = append(texts, c.Error(part))
		}
		return strings.Join(texts, "\n")
	default:
		return c.Error(errors.Unwrap(err))
	}
}

// system returns the text of an error of the operating system, without the name of the system call.
func (c *Catalog) system(err error) string {
	path := (*fs.PathError)(nil)
	if errors.As(err, &path) {
		return path.Path + ": " + c.system(path.Err)
	}
	if errors.Unwrap(err) != nil { // The text around the system's says more.
		return err.Error()
	}
	for _, known := range systemErrors() {
		if errors.Is(err, known.err) {
			return c.Render(known.text)
		}
	}
	return err.Error()
}

type systemError struct {
	err  error
	text Message
}

// systemErrors are the errors of the operating system that files and ports commonly have.
func systemErrors() []systemError {
	return []systemError{
		{syscall.EADDRINUSE, Text("system.address_in_use")},
		{syscall.EADDRNOTAVAIL, Text("system.address_not_available")},
		{syscall.EISDIR, Text("system.is_folder")},
		{syscall.ENOTDIR, Text("system.is_no_folder")},
		{syscall.ENOSPC, Text("system.no_space")},
		{syscall.EROFS, Text("system.read_only")},
		{fs.ErrNotExist, Text("system.not_exist")},
		{fs.ErrExist, Text("system.exists")},
		{fs.ErrPermission, Text("system.permission")},
	}
}
