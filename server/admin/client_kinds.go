package admin

import (
	"slices"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// The grant types that clients may have.
const (
	grantCode        = "authorization_code"
	grantRefresh     = "refresh_token"
	grantCredentials = "client_credentials"
	grantDevice      = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange    = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// The client authentication methods (OpenID Connect Core §9).
const (
	authBasic      = "client_secret_basic"
	authPost       = "client_secret_post"
	authPrivateKey = "private_key_jwt"
	authNone       = "none"
)

// kindRules is what a kind of client may have. Without a choice, a client gets all of Grants, and its secret is accepted by
// Basic and in the body; a kind without secrets gets the first of AuthMethods.
type kindRules struct {
	AuthMethods   []string
	Grants        []string
	FurtherGrants []string
	Scopes        []string
	DefaultScopes []string
	// IDTokenAlgorithm is preferred where the directory has keys for it. RS256 is what every relying party accepts; ES256 costs a
	// thirtieth of it.
	IDTokenAlgorithm string
	// IDTokenClaims is the default of the setting. Many relying parties of these kinds do not read UserInfo.
	IDTokenClaims bool
	// Browser says that the client sends people through the authorization endpoint, and so has redirect URIs.
	Browser bool
}

// ClientKinds returns the kinds of clients in the order in which they are explained.
func ClientKinds() []storage.ClientKind {
	return []storage.ClientKind{
		storage.ClientMiniapp, storage.ClientSPA, storage.ClientNative, storage.ClientWeb, storage.ClientService,
	}
}

// rulesOf returns the rules of a kind; false for an unknown one.
func rulesOf(kind storage.ClientKind) (kindRules, bool) {
	confidential := []string{authBasic, authPost, authPrivateKey}
	people := []string{"openid", "profile", "email", "phone", "address", "offline_access"}
	switch kind {
	case storage.ClientSPA, storage.ClientNative:
		return kindRules{
			AuthMethods: []string{authNone}, Grants: []string{grantCode, grantRefresh}, Scopes: people, IDTokenAlgorithm: keys.RS256,
			IDTokenClaims: kind == storage.ClientSPA, Browser: true, FurtherGrants: deviceGrant(kind),
		}, true
	case storage.ClientWeb:
		return kindRules{
			AuthMethods: confidential, Grants: []string{grantCode, grantRefresh}, FurtherGrants: []string{grantCredentials, grantDevice},
			Scopes: people, IDTokenAlgorithm: keys.RS256, IDTokenClaims: true, Browser: true,
		}, true
	case storage.ClientService:
		return kindRules{AuthMethods: confidential, Grants: []string{grantCredentials}, IDTokenAlgorithm: keys.RS256}, true
	case storage.ClientMiniapp:
		return kindRules{
			AuthMethods: confidential, Grants: []string{grantExchange, grantRefresh}, FurtherGrants: []string{grantCredentials},
			Scopes:        people,
			DefaultScopes: []string{"openid", "profile", "offline_access"}, IDTokenAlgorithm: keys.ES256,
		}, true
	default:
		return kindRules{}, false
	}
}

// deviceGrant is the device authorization grant for the kinds whose clients may run on a device without a browser.
func deviceGrant(kind storage.ClientKind) []string {
	if kind == storage.ClientNative {
		return []string{grantDevice}
	}
	return nil
}

// DeviceGrantUnoffered reports whether a client has the device grant, which its directory does not offer.
func DeviceGrantUnoffered(client storage.Client, directory storage.Directory) bool {
	return HasDeviceGrant(client) && !directory.Policy.DeviceGrant
}

// HasDeviceGrant reports whether a client has the device grant.
func HasDeviceGrant(client storage.Client) bool {
	return slices.Contains(client.GrantTypes, grantDevice)
}

// hasSecrets reports whether clients of the kind may have secrets.
func (k kindRules) hasSecrets() bool { return slices.Contains(k.AuthMethods, authBasic) }

// fill sets what the operator left open to what the kind proposes, given the signing algorithms of the directory.
func (k kindRules) fill(client *storage.Client, algorithms []string) {
	if client.AuthMethod == "" && !k.hasSecrets() {
		client.AuthMethod = k.AuthMethods[0]
	}
	if client.IDTokenAlgorithm == "" && slices.Contains(algorithms, k.IDTokenAlgorithm) {
		client.IDTokenAlgorithm = k.IDTokenAlgorithm
	}
	if client.IDTokenClaims == nil && k.IDTokenClaims {
		client.IDTokenClaims = &k.IDTokenClaims
	}
	if client.GrantTypes == nil {
		client.GrantTypes = slices.Clone(k.Grants)
	}
	if client.Scopes == nil {
		client.Scopes = slices.Clone(k.Scopes)
	}
	if client.DefaultScopes == nil {
		client.DefaultScopes = intersect(k.DefaultScopes, client.Scopes)
	}
}

// WithDefaults returns a client whose empty members have the defaults that a new client of the kind gets in a directory.
func WithDefaults(client storage.Client, directory storage.Directory) storage.Client {
	fillClient(&client, SigningAlgorithms(directory))
	return client
}

func intersect(values, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return !slices.Contains(allowed, value) })
}
