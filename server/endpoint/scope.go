package endpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// The scopes that this server defines or interprets (OpenID Connect Core §5.4, §11).
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopePhone         = "phone"
	ScopeAddress       = "address"
	ScopeOfflineAccess = "offline_access"
	// ScopeLink lets a client link other identities of the user to the account. It is never granted by default.
	ScopeLink = oauth2.ScopeLink
	// ScopeAccount lets a client show and change the account of the user. It is never granted by default.
	ScopeAccount = oauth2.ScopeAccount
)

// ScopesSupported lists them for the discovery documents. Clients can register others, for their resource servers.
func ScopesSupported() []string {
	return []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopePhone, ScopeAddress, ScopeOfflineAccess}
}

// RegisteredScopes returns the requested scopes that are registered for a client. Others are dropped, because some software
// requests all scopes it knows (RFC 6749 §3.3); the response lists the granted ones. It is an error if none remains, or if openid
// is requested and not registered.
func RegisteredScopes(asked, registered []string) ([]string, error) {
	granted, dropped := Intersection(asked, registered), Difference(asked, registered)
	if size := len(strings.Join(dropped, " ")); size > storage.MaxAskedScopes {
		return nil, NewError(fosite.ErrInvalidScope, fmt.Sprintf("The scopes that this client may not ask for have %d bytes. At most %d are allowed.", size, storage.MaxAskedScopes))
	}
	if len(granted) == 0 && len(dropped) > 0 {
		return nil, InvalidScope("This client may not ask for the scope", dropped)
	}
	if slices.Contains(dropped, ScopeOpenID) {
		return nil, InvalidScope("This client may not ask for the scope", []string{ScopeOpenID})
	}
	if len(granted) > oauth2.MaxScopes {
		return nil, NewError(fosite.ErrInvalidScope, fmt.Sprintf("The request asks for %d scopes. At most %d are allowed.", len(granted), oauth2.MaxScopes))
	}
	return granted, nil
}

// InvalidScope returns the error invalid_scope, with the names of the invalid scopes if they can be shown (RFC 6749 §3.3).
func InvalidScope(problem string, scopes []string) error {
	var named []string
	for _, scope := range scopes {
		if isScopeToken(scope) && len(named) < maxNamedScopes {
			named = append(named, scope)
		}
	}
	return NewError(fosite.ErrInvalidScope, strings.TrimSpace(problem+" "+strings.Join(named, " "))+".")
}

const (
	// maxNamedScopes bounds the number of scopes in an error description, and maxNamedScope the length of one in bytes.
	maxNamedScopes = 8
	maxNamedScope  = 128
)

// isScopeToken reports whether text is a scope-token of RFC 6749 §3.3 that an error may contain.
func isScopeToken(text string) bool {
	return text != "" && len(text) <= maxNamedScope && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// Intersection returns the values of a that are in b.
func Intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(value string) bool { return !slices.Contains(b, value) })
}

// Difference returns the values of the first list that are not in the second.
func Difference(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(value string) bool { return slices.Contains(b, value) })
}
