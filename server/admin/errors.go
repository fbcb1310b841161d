package admin

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotFound says that what was named does not exist; the wrapping text says what.
	ErrNotFound = errors.New("does not exist")
	// ErrExists says that the chosen identifier is taken.
	ErrExists = errors.New("exists already")
	// ErrChanged reports that the record was changed since it was read: read it again and decide again.
	ErrChanged = errors.New("was changed meanwhile")
	// ErrRefused says that the record's state does not allow this; the wrapping text says why and what to do first.
	ErrRefused = errors.New("refused")
)

// Invalid is everything that is wrong with a record, at once.
type Invalid struct {
	Problems []Problem
}

// Problem is one field and what is wrong with it.
type Problem struct {
	// Field is the member's name in JSON, such as "redirect_uris".
	Field string
	// Text says what is wrong and what would be right.
	Text string
}

// Error lists all problems, one a line when there are several.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		lines[i] = problem.Field + ": " + problem.Text
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong with one record.
type problems []Problem

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{field, fmt.Sprintf(format, args...)})
}

// check adds err, if there is one.
func (p *problems) check(field string, err error) {
	if err != nil {
		p.add(field, "%v", err)
	}
}

// each adds the errors that check finds in values, and rejects duplicates and more values than limit.
func (p *problems) each(field string, values []string, limit int, check func(string) error) {
	if len(values) > limit {
		p.add(field, "has %d values; at most %d are allowed", len(values), limit)
		return
	}
	seen := map[string]bool{}
	for _, value := range values {
		if seen[value] {
			p.add(field, "%q stands there twice", value)
		}
		seen[value] = true
		if err := check(value); err != nil {
			p.add(field, "%q %v", value, err)
		}
	}
}

// err is nil when nothing is wrong.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &Invalid{p}
}
