package endpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// The scopes that mean something to this server (OpenID Connect Core §5.4, §11).
const (
	ScopeOpenID        = "openid"
	ScopeProfile       = "profile"
	ScopeEmail         = "email"
	ScopePhone         = "phone"
	ScopeAddress       = "address"
	ScopeOfflineAccess = "offline_access"
	// ScopeLink lets a client attach to the user's account what else the user can prove to be theirs. It is never granted by
	// default.
	ScopeLink = oauth2.ScopeLink
)

// ScopesSupported lists them for the discovery documents. Clients register others besides, for their resource servers.
func ScopesSupported() []string {
	return []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopePhone, ScopeAddress, ScopeOfflineAccess}
}

// RegisteredScopes returns the scopes of a request that a client may ask for. Others are dropped, because software asks for what
// it knows (RFC 6749 §3.3); the answer names what is left. Nothing left is an error, and so is openid where the client may not
// have it: without it the sign-in is another one.
func RegisteredScopes(asked, registered []string) ([]string, error) {
	kept, dropped := Intersection(asked, registered), Difference(asked, registered)
	if size := len(strings.Join(dropped, " ")); size > storage.MaxAskedScopes {
		return nil, NewError(fosite.ErrInvalidScope, fmt.Sprintf("The scopes that this client may not ask for have %d bytes. At most %d are allowed.", size, storage.MaxAskedScopes))
	}
	if len(kept) == 0 && len(dropped) > 0 {
		return nil, InvalidScope("This client may not ask for the scope", dropped)
	}
	if slices.Contains(dropped, ScopeOpenID) {
		return nil, InvalidScope("This client may not ask for the scope", []string{ScopeOpenID})
	}
	if len(kept) > oauth2.MaxScopes {
		return nil, NewError(fosite.ErrInvalidScope, fmt.Sprintf("The request asks for %d scopes. At most %d are allowed.", len(kept), oauth2.MaxScopes))
	}
	return kept, nil
}

// InvalidScope names the scopes that are the trouble, as far as they are such (RFC 6749 §3.3).
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
	// maxNamedScopes bounds the scopes that an error names, and maxNamedScope the bytes of one.
	maxNamedScopes = 8
	maxNamedScope  = 128
)

// isScopeToken reports whether text is a scope-token of RFC 6749 §3.3 that an error can name.
func isScopeToken(text string) bool {
	return text != "" && len(text) <= maxNamedScope && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// Intersection returns the values of a that are in b, and difference those that are not.
func Intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(value string) bool { return !slices.Contains(b, value) })
}

// Difference returns the values of the first list that the second has not.
func Difference(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(value string) bool { return slices.Contains(b, value) })
}
