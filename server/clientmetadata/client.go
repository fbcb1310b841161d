package clientmetadata

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/internal/uri"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

const (
	maxName = 256
	maxJWKS = 4 << 10
	// maxScope bounds the text of scope, in bytes.
	maxScope = 2 << 10
)

// The methods of client authentication.
const (
	authBasic      = "client_secret_basic"
	authPost       = "client_secret_post"
	authPrivateKey = "private_key_jwt"
	authNone       = "none"
)

// The grant types that clients may have which no operator registered.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantDevice  = "urn:ietf:params:oauth:grant-type:device_code"
)

// grantTypes lists them.
func grantTypes() []string { return []string{grantCode, grantRefresh, grantDevice} }

// Client returns the record of a client with this metadata in a directory: without ID, origin, secrets and times. What the
// metadata asks for and the directory does not offer is left out (RFC 7591 §2). The error is a *Problem.
func (m Metadata) Client(directory storage.Directory) (storage.Client, error) {
	for _, check := range []func() error{m.checkRedirects, m.checkTexts, m.checkKeys, m.checkGrants, m.checkOthers} {
		if err := check(); err != nil {
			return storage.Client{}, err
		}
	}
	method, err := m.authMethod()
	if err != nil {
		return storage.Client{}, err
	}
	client := storage.Client{
		Directory: directory.ID, DirectoryIncarnation: directory.Incarnation, Name: m.ClientName, PolicyURL: m.PolicyURI, TermsURL: m.TermsURI,
		AuthMethod: method, JWKS: m.JWKS, JWKSURI: m.JWKSURI, AuthAlgorithm: m.AuthAlgorithm,
		RedirectURIs: m.RedirectURIs, PostLogoutRedirectURIs: m.PostLogoutRedirectURIs,
		GrantTypes: m.grants(), IDTokenAlgorithm: m.idTokenAlgorithm(directory), RequirePKCE: true,
	}
	client.Kind = m.kind(method)
	client.Scopes = m.scopes(directory)
	client.DefaultScopes = intersect([]string{"openid"}, client.Scopes)
	return client, nil
}

// kind derives the kind from the redirect URIs where the metadata does not say it.
func (m Metadata) kind(method string) storage.ClientKind {
	private := slices.ContainsFunc(m.RedirectURIs, isPrivate)
	loopback := slices.ContainsFunc(m.RedirectURIs, isLoopback)
	secretWeb := m.ApplicationType == "web" && method != authNone // A web server on a developer's machine.
	switch {
	case m.ApplicationType == "native", private, loopback && !secretWeb:
		return storage.ClientNative
	case method == authNone:
		return storage.ClientSPA
	default:
		return storage.ClientWeb
	}
}

// authMethod is the method by which the client authenticates; empty accepts a secret by Basic and in the body (RFC 7591 §2).
func (m Metadata) authMethod() (string, error) {
	hasKeys := len(m.JWKS) > 0 || m.JWKSURI != ""
	switch m.AuthMethod {
	case authNone, authBasic, authPost:
		return m.AuthMethod, nil
	case authPrivateKey:
		if !hasKeys {
			return "", invalid("token_endpoint_auth_method", "private_key_jwt needs jwks_uri or jwks")
		}
		return authPrivateKey, nil
	case "":
	default:
		return "", invalid("token_endpoint_auth_method", "must be none, private_key_jwt, client_secret_basic or client_secret_post")
	}
	switch { // A client that names several methods may use none; its keys prove more where it has some.
	case slices.Contains(m.AuthMethods, authNone):
		return authNone, nil
	case slices.Contains(m.AuthMethods, authPrivateKey) && hasKeys:
		return authPrivateKey, nil
	default:
		return "", nil
	}
}

func (m Metadata) checkTexts() error {
	unreadable := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
	}
	if len(m.ClientName) > maxName || !utf8.ValidString(m.ClientName) || strings.ContainsFunc(m.ClientName, unreadable) {
		return invalid("client_name", "must be text of at most %d bytes without control characters", maxName)
	}
	if len(m.Scope) > maxScope {
		return invalid("scope", "is longer than %d bytes", maxScope)
	}
	if !slices.Contains([]string{"", "native", "web"}, m.ApplicationType) {
		return invalid("application_type", "must be native or web")
	}
	return nil
}

// checkKeys accepts public keys alone (RFC 7517 §5), by value or by reference.
func (m Metadata) checkKeys() error {
	if len(m.JWKS) > 0 && m.JWKSURI != "" {
		return invalid("jwks", "and jwks_uri exclude each other")
	}
	if m.JWKSURI != "" && !isHTTPS(m.JWKSURI) {
		return invalid("jwks_uri", "must be an https URI")
	}
	if m.AuthAlgorithm != "" && !slices.Contains(keys.Algorithms(), m.AuthAlgorithm) {
		return invalid("token_endpoint_auth_signing_alg", "must be one of %s", strings.Join(keys.Algorithms(), ", "))
	}
	if len(m.JWKS) == 0 {
		return nil
	}
	var set jose.JSONWebKeySet
	if len(m.JWKS) > maxJWKS || json.Unmarshal(m.JWKS, &set) != nil || len(set.Keys) == 0 {
		return invalid("jwks", "must be a JWK Set of at most %d bytes with a key", maxJWKS)
	}
	if slices.ContainsFunc(set.Keys, func(key jose.JSONWebKey) bool { return !key.IsPublic() || !key.Valid() }) {
		return invalid("jwks", "must have valid public keys alone")
	}
	return nil
}

// checkGrants ignores grant types that clients without an operator cannot have, as long as one remains.
func (m Metadata) checkGrants() error {
	if len(m.GrantTypes) > 0 && !slices.Contains(m.GrantTypes, grantCode) && !slices.Contains(m.GrantTypes, grantDevice) {
		return invalid("grant_types", "needs authorization_code or %s", grantDevice)
	}
	if len(m.ResponseTypes) > 0 && !slices.Contains(m.ResponseTypes, "code") && slices.Contains(m.grants(), grantCode) {
		return invalid("response_types", "needs code")
	}
	return nil
}

// grants returns the grant types of the client. Without any, it may use codes, and refresh tokens as all clients of its kinds.
func (m Metadata) grants() []string {
	if len(m.GrantTypes) == 0 {
		return []string{grantCode, grantRefresh}
	}
	return intersect(grantTypes(), m.GrantTypes)
}

func (m Metadata) checkOthers() error {
	for member, address := range map[string]string{
		"logo_uri": m.LogoURI, "policy_uri": m.PolicyURI, "tos_uri": m.TermsURI,
	} {
		if address != "" && !isHTTPS(address) {
			return invalid(member, "must be an https URI")
		}
	}
	if len(m.PostLogoutRedirectURIs) > maxRedirectURIs {
		return invalid("post_logout_redirect_uris", "has more than %d URIs", maxRedirectURIs)
	}
	for _, address := range m.PostLogoutRedirectURIs {
		if err := checkRedirect(address); err != nil {
			return invalid("post_logout_redirect_uris", "has a URI that %s", err)
		}
	}
	return nil
}

// idTokenAlgorithm is the requested algorithm if the directory signs with it, else RS256.
func (m Metadata) idTokenAlgorithm(directory storage.Directory) string {
	signed := directory.Policy.SigningAlgorithms
	if len(signed) == 0 {
		signed = []string{keys.RS256, keys.ES256}
	}
	if slices.Contains(signed, m.IDTokenAlgorithm) {
		return m.IDTokenAlgorithm
	}
	return keys.RS256
}

// scopes returns the requested scopes that the directory grants to such clients; all of them if none are requested, or none
// that the directory grants.
func (m Metadata) scopes(directory storage.Directory) []string {
	granted := directory.UnknownClientScopes()
	if asked := intersect(granted, strings.Fields(m.Scope)); len(asked) > 0 {
		return asked
	}
	return granted
}

func isHTTPS(address string) bool {
	return strings.HasPrefix(address, "https://") && uri.CheckHTTPS(address) == nil
}

// ConsentDigest is a digest of what a user consents to: name, logo, hosts and schemes of the redirect URIs, method and keys.
func (m Metadata) ConsentDigest(client storage.Client) string {
	return storage.Digest(append([]string{
		client.Name, m.LogoURI, cmp.Or(client.AuthMethod, authBasic), client.JWKSURI, string(client.JWKS),
	}, targets(client.RedirectURIs)...)...)
}

// intersect returns the values of the first list that are in the second.
func intersect(values, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return !slices.Contains(allowed, value) })
}
