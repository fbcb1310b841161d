package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// fields are flags that set the members of a record of type R, each only when it is given.
type fields[R any] struct {
	flags *pflag.FlagSet
	sets  map[string]func(*R)
	// files read what flags name.
	files []func() error
}

func newFields[R any](flags *pflag.FlagSet) *fields[R] {
	return &fields[R]{flags: flags, sets: map[string]func(*R){}}
}

// apply sets the members whose flags were given.
func (f *fields[R]) apply(record *R) {
	f.flags.Visit(func(flag *pflag.Flag) {
		if set := f.sets[flag.Name]; set != nil {
			set(record)
		}
	})
}

// text adds a flag that sets a text.
func (f *fields[R]) text(name string, member func(*R) *string) {
	value := f.flags.String(name, "", "")
	f.sets[name] = func(record *R) { *member(record) = *value }
}

// optional adds a flag that sets a text which may be absent.
func (f *fields[R]) optional(name string, member func(*R) **string) {
	value := f.flags.String(name, "", "")
	f.sets[name] = func(record *R) { *member(record) = value }
}

// toggle adds a flag that sets a truth; --name=false unsets it.
func (f *fields[R]) toggle(name string, member func(*R) *bool) {
	value := f.flags.Bool(name, false, "")
	f.sets[name] = func(record *R) { *member(record) = *value }
}

// choice adds a flag that sets a truth with a default of its own; --name=false turns it off.
func (f *fields[R]) choice(name string, member func(*R) **bool) {
	value := f.flags.Bool(name, false, "")
	f.sets[name] = func(record *R) { *member(record) = value }
}

// list adds a flag that sets a list: it may be repeated, and hold several values with spaces between them.
func (f *fields[R]) list(name string, member func(*R) *[]string) {
	values := f.flags.StringArray(name, nil, "")
	f.sets[name] = func(record *R) { *member(record) = words(*values) }
}

// picture adds a flag that names a picture file, within the limits of logos; "" takes the picture away. What is read from it is for the service to check.
func (f *fields[R]) picture(name string, member func(*R) *[]byte) {
	path := f.flags.String(name, "", "")
	f.files = append(f.files, func() error {
		if *path == "" {
			f.sets[name] = func(record *R) { *member(record) = nil }
			return nil
		}
		content, err := input.ReadBounded(*path, admin.MaxLogoFile)
		if err != nil {
			return err
		}
		f.sets[name] = func(record *R) { *member(record) = content }
		return nil
	})
}

// load reads the files that flags name, so that apply cannot fail.
func (f *fields[R]) load() error {
	for _, read := range f.files {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// seconds adds a flag that sets a time in seconds, by a duration that may have days.
func (f *fields[R]) seconds(name string, member func(*R) *int64) {
	value := new(days)
	f.flags.Var(value, name, "")
	f.sets[name] = func(record *R) { *member(record) = int64(time.Duration(*value) / time.Second) }
}

// lifetimes adds the flags of how long things live.
func (f *fields[R]) lifetimes(member func(*R) *storage.Lifetimes) {
	f.seconds("access-token-lifetime", func(r *R) *int64 { return &member(r).AccessToken })
	f.seconds("id-token-lifetime", func(r *R) *int64 { return &member(r).IDToken })
	f.seconds("refresh-idle-lifetime", func(r *R) *int64 { return &member(r).RefreshIdle })
	f.seconds("refresh-absolute-lifetime", func(r *R) *int64 { return &member(r).RefreshAbsolute })
	f.seconds("code-lifetime", func(r *R) *int64 { return &member(r).Code })
}

// sessionLifetimes adds the flags of how long browser sessions live, which the clients of a directory share.
func (f *fields[R]) sessionLifetimes(member func(*R) *storage.Lifetimes) {
	f.seconds("session-idle-lifetime", func(r *R) *int64 { return &member(r).SessionIdle })
	f.seconds("session-absolute-lifetime", func(r *R) *int64 { return &member(r).SessionAbsolute })
}

// lifetimeFields are the lifetimes that are not the default.
func lifetimeFields(l storage.Lifetimes) []console.Field {
	return []console.Field{
		{Name: "access_token_lifetime", Value: lifetime(l.AccessToken)},
		{Name: "id_token_lifetime", Value: lifetime(l.IDToken)},
		{Name: "refresh_idle_lifetime", Value: lifetime(l.RefreshIdle)},
		{Name: "refresh_absolute_lifetime", Value: lifetime(l.RefreshAbsolute)},
		{Name: "session_idle_lifetime", Value: lifetime(l.SessionIdle)},
		{Name: "session_absolute_lifetime", Value: lifetime(l.SessionAbsolute)},
		{Name: "code_lifetime", Value: lifetime(l.Code)},
	}
}

// words splits values at spaces.
func words(values []string) []string {
	out := []string{}
	for _, value := range values {
		out = append(out, strings.Fields(value)...)
	}
	return out
}

// days is a flag's duration, as Go writes them or as a number of days: 30d.
type days time.Duration

// Set implements pflag.Value.
func (d *days) Set(text string) error {
	if number, found := strings.CutSuffix(text, "d"); found {
		count, err := strconv.ParseUint(number, 10, 16)
		*d = days(time.Duration(count) * 24 * time.Hour)
		return wantDuration(err)
	}
	duration, err := time.ParseDuration(text)
	if err == nil && (duration < 0 || duration%time.Second != 0) {
		return &locale.Problem{What: locale.Text("must.be_seconds")}
	}
	*d = days(duration)
	return wantDuration(err)
}

func wantDuration(err error) error {
	if err != nil {
		return &locale.Problem{What: locale.Text("must.be_days")}
	}
	return nil
}

// String implements pflag.Value.
func (d *days) String() string { return lifetime(int64(time.Duration(*d) / time.Second)) }

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }

// lifetime is a number of seconds as operators read it; empty for the default.
func lifetime(seconds int64) string {
	const day = 24 * 60 * 60
	switch {
	case seconds == 0:
		return ""
	case seconds%day == 0:
		return fmt.Sprintf("%dd", seconds/day)
	default:
		return (time.Duration(seconds) * time.Second).String()
	}
}
