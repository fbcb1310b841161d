package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// explain is an error as the person at the console reads it, with what to do next.
func explain(err error) string {
	invalid := (*admin.Invalid)(nil)
	switch {
	case errors.As(err, &invalid):
		return explainInvalid(invalid)
	case errors.Is(err, sqlite.ErrServed):
		return "another `minifed serve` is using this store; stop it first, or give this one another data_dir"
	case errors.Is(err, storage.ErrNewerVersion):
		return err.Error() + "; this binary is older than the one that wrote the store"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.Is(err, storage.ErrUnavailable):
		return "the store cannot be used: " + strings.TrimPrefix(err.Error(), storage.ErrUnavailable.Error()+": ")
	default:
		return err.Error()
	}
}

// explainInvalid lists what is wrong with a record by the flags that set it.
func explainInvalid(invalid *admin.Invalid) string {
	var out strings.Builder
	out.WriteString("not accepted:")
	for _, problem := range invalid.Problems {
		fmt.Fprintf(&out, "\n  %s: %s", flagOf(problem.Field), problem.Text)
	}
	return out.String()
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
