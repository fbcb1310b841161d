package explain

import (
	"context"
	"errors"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// In returns an error as the operator reads it in the language of a catalog, with what to do next.
func In(texts *locale.Catalog, err error) string { return texts.Error(operatorError(err)) }

// Error returns an error as the operator reads it in a log.
func Error(err error) string { return In(locale.In(locale.English), err) }

// operatorError returns the operator's error for an error of the packages that know no operator.
func operatorError(err error) error {
	invalid := (*admin.Invalid)(nil)
	switch {
	case errors.As(err, &invalid):
		return &invalidRecord{invalid}
	case errors.Is(err, sqlite.ErrServed):
		return &locale.Problem{What: locale.Text("store.served"), Remedy: locale.Text("store.served.remedy")}
	case errors.Is(err, storage.ErrNewerVersion):
		return &locale.Problem{What: locale.Text("store.newer"), Cause: bare(err), Remedy: locale.Text("store.newer.remedy")}
	case errors.Is(err, context.Canceled):
		return &locale.Problem{What: locale.Text("stopped")}
	case errors.Is(err, storage.ErrUnavailable):
		return &locale.Problem{What: locale.Text("store.unavailable"), Cause: bare(err)}
	default:
		return err
	}
}

// bare returns an error without the text of its sentinel, which the operator reads in other words.
func bare(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), storage.ErrUnavailable.Error()+": "))
}

// invalidRecord lists what is wrong with a record by the flags that set it.
type invalidRecord struct{ *admin.Invalid }

// Localize implements locale.Error.
func (e *invalidRecord) Localize(texts *locale.Catalog) string {
	lines := []string{texts.Render(locale.Text("record.invalid"))}
	for _, problem := range e.Problems {
		lines = append(lines, "  "+flagOf(problem.Field)+": "+problem.Text)
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
	case "secret":
		return "client secret"
	}
	name := field[strings.LastIndexByte(field, '.')+1:]
	singular := map[string]string{
		"redirect_uris": "redirect_uri", "post_logout_redirect_uris": "post_logout_redirect_uri", "origins": "origin",
		"grant_types": "grant_type", "scopes": "scope", "default_scopes": "default_scope", "audiences": "audience",
		"linking_partners": "linking_partner", "signing_algorithms": "signing_alg", "id_token_algorithm": "id_token_alg",
		"access_token_algorithm": "access_token_alg", "auth_algorithm": "auth_alg", "jwks": "jwks_file", "formatted": "address",
	}
	if other := singular[name]; other != "" {
		name = other
	}
	if strings.HasPrefix(field, "lifetimes.") {
		name += "_lifetime"
	}
	return "--" + strings.ReplaceAll(name, "_", "-")
}
