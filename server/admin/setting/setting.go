package setting

import (
	"encoding/json"

	"github.com/minifed/minifed/storage"
)

// Setting is one setting of a record of type R.
type Setting[R any] struct {
	// Option is the name of the option on the command line, without the dashes.
	Option string
	// Member is the name of the member in JSON, as admin.Problem names it, such as "branding.accent_color".
	Member string
	// Section is the part of the form that the setting belongs to.
	Section Section
	// Choices are the values that the setting may have; empty if there is no such list.
	Choices []string
	// Value accesses the member: a Text, Toggle, Default, Names, List, Picture, Seconds, Number, Document, Claims, Scopes, Files or Terms.
	Value any
}

// Text accesses a text.
type Text[R any] func(*R) *string

// Toggle accesses a truth.
type Toggle[R any] func(*R) *bool

// Default accesses a truth with a default that depends on the record.
type Default[R any] func(*R) **bool

// Names accesses a truth whose two values have names: Choices, that of false first.
type Names[R any] func(*R) *bool

// List accesses a list of texts without spaces.
type List[R any] func(*R) *[]string

// Picture accesses a picture.
type Picture[R any] func(*R) *[]byte

// Seconds accesses a time in seconds; 0 is the default.
type Seconds[R any] func(*R) *int64

// Number accesses a number; 0 is the default.
type Number[R any] func(*R) *int64

// Document accesses a JSON document.
type Document[R any] func(*R) *json.RawMessage

// Claims accesses mappings from groups and attributes of users to claims.
type Claims[R any] func(*R) *[]storage.ClaimMapping

// Scopes accesses the scopes of a resource.
type Scopes[R any] func(*R) *[]storage.ResourceScope

// Files accesses the files that prove the control of a host.
type Files[R any] func(*R) *[]storage.VerificationFile

// Terms accesses the versions of the terms of a directory.
type Terms[R any] func(*R) *[]storage.TermsDocument

// Section is a part of the form of a record, in the order of the form.
type Section string

// The sections.
const (
	General        Section = "general"
	Look           Section = "look"
	SignIn         Section = "sign_in"
	Codes          Section = "codes"
	China          Section = "china"
	UnknownClients Section = "unknown_clients"
	MiniProgram    Section = "mini_program"
	Authentication Section = "authentication"
	Browser        Section = "browser"
	Permissions    Section = "permissions"
	Tokens         Section = "tokens"
	Lifetimes      Section = "lifetimes"
	Person         Section = "person"
	Address        Section = "address"
)

// Sections returns all sections in the order of a form.
func Sections() []Section {
	return []Section{General, MiniProgram, Look, SignIn, Codes, China, UnknownClients, Browser, Authentication, Permissions, Tokens, Lifetimes, Person, Address}
}

// lifetimes are the settings of how long things are valid, of directories and clients.
func lifetimes[R any](of func(*R) *storage.Lifetimes) []Setting[R] {
	return []Setting[R]{
		{"access-token-lifetime", "lifetimes.access_token", Lifetimes, nil, Seconds[R](func(r *R) *int64 { return &of(r).AccessToken })},
		{"id-token-lifetime", "lifetimes.id_token", Lifetimes, nil, Seconds[R](func(r *R) *int64 { return &of(r).IDToken })},
		{"refresh-idle-lifetime", "lifetimes.refresh_idle", Lifetimes, nil, Seconds[R](func(r *R) *int64 { return &of(r).RefreshIdle })},
		{"refresh-absolute-lifetime", "lifetimes.refresh_absolute", Lifetimes, nil, Seconds[R](func(r *R) *int64 { return &of(r).RefreshAbsolute })},
		{"code-lifetime", "lifetimes.code", Lifetimes, nil, Seconds[R](func(r *R) *int64 { return &of(r).Code })},
	}
}
