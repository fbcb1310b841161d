package storage

import (
	"cmp"
	"strings"
	"time"
)

// Resource is an API of a directory that access tokens are for (RFC 8707). Its identifier is the "aud" of these tokens.
type Resource struct {
	Directory string `json:"directory"`
	// Identifier is an absolute URI without fragment. Two with the same [CanonicalResource] are one resource.
	Identifier string `json:"identifier"`
	// ID is [ResourceID] of the identifier, for the paths of APIs.
	ID string `json:"id,omitempty"`
	// DirectoryIncarnation is that of the directory that the resource was created in.
	DirectoryIncarnation string `json:"directory_incarnation,omitempty"`
	// Incarnation is random: consents contain it, so that a resource that gets the identifier of a deleted one has none.
	Incarnation string `json:"incarnation,omitempty"`
	Name        string `json:"name,omitempty"`
	// Logo is a re-encoded PNG of at most MaxLogo bytes for the consent page.
	Logo     []byte `json:"logo,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	// Scopes are the scopes of the resource, at most MaxResourceScopes.
	Scopes []ResourceScope `json:"scopes,omitempty"`
	// TokenFormat is the format of its access tokens; empty is the client's.
	TokenFormat TokenFormat `json:"token_format,omitempty"`
	// TokenAlgorithm signs its access tokens; empty is the client's.
	TokenAlgorithm string `json:"token_algorithm,omitempty"`
	// TokenLifetime is the lifetime of its access tokens in seconds; 0 is the client's.
	TokenLifetime int64 `json:"token_lifetime,omitempty"`
	// AskedBy says which clients may request its tokens; empty is AskedByListed.
	AskedBy AskedBy `json:"asked_by,omitempty"`
	// IntrospectedBy are the IDs of the clients that may introspect its tokens, at most MaxIntrospectors: the API itself, a gateway.
	IntrospectedBy []string `json:"introspected_by,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// ResourceScope is a scope of a resource, with the texts that the consent page shows.
type ResourceScope struct {
	Name string `json:"name"`
	// TextEN and TextZH say in English and in Chinese what the scope allows. If one is empty, the page shows the other one.
	TextEN string `json:"text_en,omitempty"`
	TextZH string `json:"text_zh,omitempty"`
	// Default scopes are granted to a request for the resource without scope.
	Default bool `json:"default,omitempty"`
}

const (
	// MaxResourceScopes bounds the scopes of a resource.
	MaxResourceScopes = 64
	// MaxResourceTexts bounds the names and texts of the scopes of a resource together, in bytes.
	MaxResourceTexts = 5 << 10
	// MaxResourceIdentifier bounds the identifier of a resource, in bytes.
	MaxResourceIdentifier = 512
	// MaxIntrospectors bounds the clients that may introspect the tokens of a resource.
	MaxIntrospectors = 16
)

// TokenFormat is the format of access tokens.
type TokenFormat string

// The formats of access tokens.
const (
	// TokenATJWT is a JWT with the header typ at+jwt (RFC 9068).
	TokenATJWT TokenFormat = "at+jwt"
	// TokenJWT is a JWT with the header typ JWT, for APIs that accept nothing else.
	TokenJWT TokenFormat = "jwt"
	// TokenOpaque is a token that only introspection can read.
	TokenOpaque TokenFormat = "opaque"
)

// AskedBy says which clients may request tokens for a resource.
type AskedBy string

const (
	// AskedByListed allows the clients that list the resource.
	AskedByListed AskedBy = "listed"
	// AskedByRegistered allows every client that an operator registered.
	AskedByRegistered AskedBy = "registered"
	// AskedByAny allows every client, also one that registered itself or that a document describes.
	AskedByAny AskedBy = "any"
)

// Asked returns which clients may request tokens for the resource.
func (r Resource) Asked() AskedBy { return cmp.Or(r.AskedBy, AskedByListed) }

// ScopeNames returns the names of the resource's scopes.
func (r Resource) ScopeNames() []string {
	names := make([]string, len(r.Scopes))
	for i, scope := range r.Scopes {
		names[i] = scope.Name
	}
	return names
}

// DefaultScopes returns the names of the scopes that a request without scope is granted.
func (r Resource) DefaultScopes() []string {
	var names []string
	for _, scope := range r.Scopes {
		if scope.Default {
			names = append(names, scope.Name)
		}
	}
	return names
}

// Scope returns a scope of the resource by its name.
func (r Resource) Scope(name string) (ResourceScope, bool) {
	for _, scope := range r.Scopes {
		if scope.Name == name {
			return scope, true
		}
	}
	return ResourceScope{}, false
}

// Document implements Record.
func (r Resource) Document() Document {
	return Document{Kind: KindResource, ID: ResourceKey(r.Directory, r.Identifier), Owner: r.Directory, CreatedAt: r.CreatedAt}
}

// ResourceKey is the store key of a resource of a directory.
func ResourceKey(directory, identifier string) string { return Key(directory, ResourceID(identifier)) }

// ResourceID returns the ID of the resource with an identifier. Identifiers with the same [CanonicalResource] have one ID.
func ResourceID(identifier string) string { return Digest("resource", CanonicalResource(identifier)) }

// SameResource reports whether two identifiers are of one resource.
func SameResource(a, b string) bool { return a == b || CanonicalResource(a) == CanonicalResource(b) }

// CanonicalResource returns an identifier with scheme and host in lower case, and with the path "/" if a URI with a host has none
// (RFC 3986 §6.2.2.1, §6.2.3). Nothing else changes: paths that differ in case or by a trailing slash are different resources.
func CanonicalResource(identifier string) string {
	scheme, rest, found := strings.Cut(identifier, ":")
	if !found {
		return identifier
	}
	scheme = lowerASCII(scheme) + ":"
	rest, hasAuthority := strings.CutPrefix(rest, "//")
	if !hasAuthority {
		return scheme + rest
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, path := rest[:end], rest[end:]
	host := strings.LastIndexByte(authority, '@') + 1 // User information is case-sensitive.
	authority = authority[:host] + lowerASCII(authority[host:])
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return scheme + "//" + authority + path
}

// lowerASCII returns text with the letters A to Z in lower case. Letters of other scripts stay as they are, because some of them
// have a lower case in ASCII.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
