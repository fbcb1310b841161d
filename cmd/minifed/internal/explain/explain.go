package explain

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
	"github.com/minifed/minifed/server/admin/chinese"
)

// In returns an error as the operator reads it in the language of a catalog, with what to do next.
func In(texts *locale.Catalog, err error) string { return texts.Error(Operator(err)) }

// Error returns an error as the operator reads it in a log.
func Error(err error) string { return In(locale.In(locale.English), err) }

// Operator returns the operator's error for an error of a package that knows no operator. It returns any other error as it is.
func Operator(err error) error {
	if _, known := errors.AsType[locale.Error](err); known {
		return err
	}
	if invalid, ok := errors.AsType[*admin.Invalid](err); ok {
		return &invalidRecord{invalid}
	}
	if setting := settingProblem(err); setting != nil {
		return setting
	}
	if store := storeProblem(err); store != nil {
		return store
	}
	if documents, ok := errors.AsType[*apply.Invalid](err); ok {
		return &invalidDocuments{documents}
	}
	for _, state := range []error{admin.ErrNotFound, admin.ErrExists, admin.ErrChanged, admin.ErrRefused} {
		if errors.Is(err, state) {
			return &wrongState{err}
		}
	}
	if errors.Is(err, context.Canceled) {
		return &locale.Problem{What: locale.Text("stopped")}
	}
	return err
}

// Certificate returns the operator's error for files that hold no certificate and key.
func Certificate(err error) error {
	if _, file := errors.AsType[*fs.PathError](err); file {
		return err
	}
	return &locale.Problem{What: locale.Text("certificate.unusable"), Cause: err}
}

// Text returns a text of package admin in the language of a catalog.
func Text(texts *locale.Catalog, english string) string {
	if texts.Tag() == locale.English {
		return english
	}
	translated, err := chinese.Read()
	if err != nil {
		return english
	}
	return translated.Of(english)
}

// wrongState is an error of package admin about the state of a record.
type wrongState struct{ error }

// Unwrap returns the error of package admin.
func (e *wrongState) Unwrap() error { return e.error }

// Localize implements locale.Error.
func (e *wrongState) Localize(texts *locale.Catalog) string { return Text(texts, e.Error()) }

// invalidDocuments lists what is wrong with documents.
type invalidDocuments struct{ *apply.Invalid }

// Localize implements locale.Error.
func (e *invalidDocuments) Localize(texts *locale.Catalog) string {
	translated := &apply.Invalid{}
	for _, problem := range e.Problems {
		problem.Text = Text(texts, problem.Text)
		translated.Problems = append(translated.Problems, problem)
	}
	return translated.Error()
}

// invalidRecord lists what is wrong with a record by the flags that set it.
type invalidRecord struct{ *admin.Invalid }

// Localize implements locale.Error.
func (e *invalidRecord) Localize(texts *locale.Catalog) string {
	lines := []string{texts.Render(locale.Text("record.invalid"))}
	for _, problem := range e.Problems {
		lines = append(lines, "  "+flagOf(problem.Field)+": "+Text(texts, problem.Text))
	}
	return strings.Join(lines, "\n")
}

// flagOf is the flag that sets a member of a record, or the member's own name.
func flagOf(field string) string {
	switch field {
	case "id", "username": // mostly arguments
		return field
	case "password": // Secrets come by flags that say from where, or by a prompt.
		return field
	case "app_secret":
		return "AppSecret"
	case "push_token":
		return "Token"
	case "encoding_aes_key":
		return "EncodingAESKey"
	case "secret":
		return "client secret"
	}
	name := field[strings.LastIndexByte(field, '.')+1:]
	singular := map[string]string{
		"groups": "group", "attributes": "attribute", "claims": "claim", "assignments": "role", "expires_at": "expires",
		"redirect_uris": "redirect_uri", "post_logout_redirect_uris": "post_logout_redirect_uri", "origins": "origin",
		"grant_types": "grant_type", "scopes": "scope", "default_scopes": "default_scope", "audiences": "audience",
		"linking_partners": "linking_partner", "signing_algorithms": "signing_alg", "id_token_algorithm": "id_token_alg",
		"access_token_algorithm": "access_token_alg", "token_algorithm": "token_alg", "auth_algorithm": "auth_alg", "jwks": "jwks_file", "formatted": "address",
	}
	if other := singular[name]; other != "" {
		name = other
	}
	if strings.HasPrefix(field, "lifetimes.") {
		name += "_lifetime"
	}
	return "--" + strings.ReplaceAll(name, "_", "-")
}
