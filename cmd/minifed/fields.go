package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
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

// add adds a flag for each setting.
func (f *fields[R]) add(settings []setting.Setting[R]) {
	for _, s := range settings {
		switch member := s.Value.(type) {
		case setting.Text[R]:
			f.text(s.Option, member)
		case setting.Toggle[R]:
			f.toggle(s.Option, member)
		case setting.Default[R]:
			f.choice(s.Option, member)
		case setting.Names[R]:
			f.names(s.Option, s.Choices, member)
		case setting.List[R]:
			f.list(s.Option, member)
		case setting.Picture[R]:
			f.picture(s.Option, member)
		case setting.Seconds[R]:
			f.seconds(s.Option, member)
		case setting.Number[R]:
			f.number(s.Option, member)
		case setting.Document[R]:
			f.document(s.Option, member)
		case setting.Claims[R]:
			f.claims(s.Option, member)
		case setting.Scopes[R]:
			f.scopes(s.Option, member)
		case setting.Files[R]:
			f.verificationFiles(s.Option, member)
		case setting.Terms[R]:
			f.terms(s.Option, member)
		}
	}
}

// number adds a flag that sets a number.
func (f *fields[R]) number(name string, member func(*R) *int64) {
	value := f.flags.Int64(name, 0, "")
	f.sets[name] = func(record *R) { *member(record) = *value }
}

// names adds a flag that sets a truth by the names of its values, that of false first.
func (f *fields[R]) names(name string, values []string, member func(*R) *bool) {
	value := f.flags.String(name, "", "")
	f.files = append(f.files, func() error {
		if f.flags.Changed(name) && !slices.Contains(values, *value) {
			return wrongUsage("usage.flag.invalid", "--"+name, *value, locale.Text("must.be_one_of", locale.List(values)))
		}
		f.sets[name] = func(record *R) { *member(record) = *value == values[1] }
		return nil
	})
}

// verificationFiles adds a flag that names text files; "" removes all files.
func (f *fields[R]) verificationFiles(name string, member func(*R) *[]storage.VerificationFile) {
	paths := f.flags.StringArray(name, nil, "")
	f.files = append(f.files, func() error {
		files := []storage.VerificationFile{}
		for _, path := range slices.DeleteFunc(slices.Clone(*paths), func(path string) bool { return path == "" }) {
			content, err := input.ReadBounded(path, storage.MaxVerificationFile)
			if err != nil {
				return err
			}
			files = append(files, storage.VerificationFile{Name: filepath.Base(path), Content: string(content)})
		}
		f.sets[name] = func(record *R) { *member(record) = files }
		return nil
	})
}

// terms adds a flag that takes documents of the terms; "" removes all.
func (f *fields[R]) terms(name string, member func(*R) *[]storage.TermsDocument) {
	values := f.flags.StringArray(name, nil, "")
	f.files = append(f.files, func() error {
		documents := []storage.TermsDocument{}
		for _, value := range slices.DeleteFunc(slices.Clone(*values), func(value string) bool { return value == "" }) {
			document, err := setting.ParseTerms(value)
			if err != nil {
				return wrongUsage("usage.flag.invalid", "--"+name, value, locale.Text("usage.terms"))
			}
			documents = append(documents, document)
		}
		f.sets[name] = func(record *R) { *member(record) = documents }
		return nil
	})
}

// maxDocument bounds a file with a JSON document.
const maxDocument = 64 << 10

// document adds a flag that names a file with a JSON document; "" removes the document.
func (f *fields[R]) document(name string, member func(*R) *json.RawMessage) {
	path := f.flags.String(name, "", "")
	f.files = append(f.files, func() error {
		if *path == "" {
			f.sets[name] = func(record *R) { *member(record) = nil }
			return nil
		}
		content, err := input.ReadBounded(*path, maxDocument)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(content, []byte("\ufeff")) {
			return wrongUsage("usage.flag.invalid", "--"+name, *path, locale.Text("secret.byte_order_mark"))
		}
		if !json.Valid(content) {
			return wrongUsage("usage.flag.invalid", "--"+name, *path, locale.Text("usage.not_json"))
		}
		f.sets[name] = func(record *R) { *member(record) = content }
		return nil
	})
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

// scopes adds a flag for each scope of a resource; "" removes all.
func (f *fields[R]) scopes(name string, member func(*R) *[]storage.ResourceScope) {
	lines := f.flags.StringArray(name, nil, "")
	f.sets[name] = func(record *R) {
		*member(record) = nil
		for _, line := range *lines {
			if line != "" {
				*member(record) = append(*member(record), setting.ParseScope(line))
			}
		}
	}
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

// lifetimeFields are the lifetimes that are not the default.
func lifetimeFields(l storage.Lifetimes) []console.Field {
	return []console.Field{
		{Name: "access_token_lifetime", Value: setting.SecondsText(l.AccessToken)},
		{Name: "id_token_lifetime", Value: setting.SecondsText(l.IDToken)},
		{Name: "refresh_idle_lifetime", Value: setting.SecondsText(l.RefreshIdle)},
		{Name: "refresh_absolute_lifetime", Value: setting.SecondsText(l.RefreshAbsolute)},
		{Name: "session_idle_lifetime", Value: setting.SecondsText(l.SessionIdle)},
		{Name: "session_absolute_lifetime", Value: setting.SecondsText(l.SessionAbsolute)},
		{Name: "code_lifetime", Value: setting.SecondsText(l.Code)},
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
	seconds, err := setting.ParseSeconds(text)
	if errors.Is(err, setting.ErrPartOfSecond) {
		return &locale.Problem{What: locale.Text("must.be_seconds")}
	}
	if err != nil {
		return &locale.Problem{What: locale.Text("must.be_days")}
	}
	*d = days(time.Duration(seconds) * time.Second)
	return nil
}

// String implements pflag.Value.
func (d *days) String() string { return setting.SecondsText(int64(time.Duration(*d) / time.Second)) }

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }
