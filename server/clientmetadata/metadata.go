package clientmetadata

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/minifed/minifed/server/endpoint"
)

// Metadata is the metadata of a client (RFC 7591 §2), as its developer wrote it. Members that minifed does not know are ignored.
type Metadata struct {
	ClientID     string
	ClientName   string
	LogoURI      string
	PolicyURI    string
	TermsURI     string
	RedirectURIs []string
	// AuthMethod is token_endpoint_auth_method; empty if it is absent. AuthMethods are token_endpoint_auth_methods_supported.
	AuthMethod    string
	AuthMethods   []string
	AuthAlgorithm string
	JWKS          json.RawMessage
	JWKSURI       string
	GrantTypes    []string
	ResponseTypes []string
	Scope         string
	// ApplicationType is native or web; empty if it is absent.
	ApplicationType        string
	IDTokenAlgorithm       string
	PostLogoutRedirectURIs []string
	// HasSecret means that the metadata has a client secret.
	HasSecret bool
}

// ErrorCode is an error code of RFC 7591 §3.2.2.
type ErrorCode string

const (
	// InvalidRedirectURI is the code for a redirect URI that a client must not have.
	InvalidRedirectURI ErrorCode = "invalid_redirect_uri"
	// InvalidMetadata is the code for every other member.
	InvalidMetadata ErrorCode = "invalid_client_metadata"
)

// Problem says which member of metadata is invalid, and why.
type Problem struct {
	Code   ErrorCode
	Member string
	Text   string
}

// Error implements error.
func (p *Problem) Error() string { return p.Member + " " + p.Text }

func invalid(member, format string, values ...any) error {
	return &Problem{InvalidMetadata, member, fmt.Sprintf(format, values...)}
}

// Parse reads metadata. The error is a *Problem.
func Parse(body []byte) (Metadata, error) {
	var members map[string]json.RawMessage
	if endpoint.CheckJSON(body) != nil || json.Unmarshal(body, &members) != nil || members == nil {
		return Metadata{}, &Problem{InvalidMetadata, "the metadata", "must be one JSON object in which no name is repeated"}
	}
	var m Metadata
	for name, target := range m.members() {
		raw, found := members[name]
		if !found || endpoint.IsJSONNull(raw) {
			continue
		}
		if err := json.Unmarshal(raw, target); err != nil {
			return Metadata{}, invalid(name, "has another type than RFC 7591 section 2 says")
		}
	}
	m.HasSecret = slices.ContainsFunc([]string{"client_secret", "client_secret_expires_at"}, func(name string) bool {
		raw, found := members[name]
		return found && !endpoint.IsJSONNull(raw)
	})
	return m, nil
}

// Members returns the names of the members that are read.
func Members() []string { return slices.Sorted(maps.Keys(new(Metadata).members())) }

// members returns the members by their names. Names are compared exactly, other than by package json.
func (m *Metadata) members() map[string]any {
	return map[string]any{
		"client_id": &m.ClientID, "client_name": &m.ClientName, "logo_uri": &m.LogoURI, "policy_uri": &m.PolicyURI, "tos_uri": &m.TermsURI,
		"redirect_uris": &m.RedirectURIs, "token_endpoint_auth_method": &m.AuthMethod,
		"token_endpoint_auth_methods_supported": &m.AuthMethods, "token_endpoint_auth_signing_alg": &m.AuthAlgorithm,
		"jwks": &m.JWKS, "jwks_uri": &m.JWKSURI, "grant_types": &m.GrantTypes, "response_types": &m.ResponseTypes, "scope": &m.Scope,
		"application_type": &m.ApplicationType, "id_token_signed_response_alg": &m.IDTokenAlgorithm,
		"post_logout_redirect_uris": &m.PostLogoutRedirectURIs,
	}
}
