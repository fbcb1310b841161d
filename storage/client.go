package storage

import (
	"cmp"
	"encoding/json"
	"time"
)

// ClientKind says what sort of software a client is; its defaults and restrictions follow from it.
type ClientKind string

// The kinds of clients.
const (
	ClientSPA     ClientKind = "spa"
	ClientNative  ClientKind = "native"
	ClientWeb     ClientKind = "web"
	ClientService ClientKind = "service"
	ClientMiniapp ClientKind = "wechat_miniapp"
)

// ClientOrigin says who registered a client. It decides how far the client is trusted.
type ClientOrigin string

const (
	// OriginOperator is a client that an operator registered.
	OriginOperator ClientOrigin = ""
	// OriginRegistered is a client that registered itself (RFC 7591).
	OriginRegistered ClientOrigin = "registered"
	// OriginDocument is a client whose ID is the URL of its metadata document (OAuth Client ID Metadata Document).
	OriginDocument ClientOrigin = "document"
)

// Client is an OAuth client bound to one directory.
type Client struct {
	Directory string `json:"directory"`
	ID        string `json:"id"`
	// Incarnation is random: a client that gets the ID of a deleted one has another incarnation. Grants, consents and the
	// client's own tokens contain it. Old records do not have it.
	Incarnation string `json:"incarnation,omitempty"`
	// DirectoryIncarnation is that of the directory that the client was created in. A deletion of the directory deletes by it a
	// client that was created at the same time.
	DirectoryIncarnation string     `json:"directory_incarnation,omitempty"`
	Kind                 ClientKind `json:"kind"`
	Name                 string     `json:"name,omitempty"`
	Disabled             bool       `json:"disabled,omitempty"`
	// Origin says who registered the client; it never changes.
	Origin ClientOrigin `json:"origin,omitempty"`
	// UnusedUntil is when a client that registered itself is deleted, until the first user consents to it.
	UnusedUntil time.Time `json:"unused_until,omitzero"`
	// Copy is about the metadata document that the record is a copy of; zero for other clients.
	Copy DocumentCopy `json:"document_copy,omitzero"`

	// Logo is a re-encoded PNG of at most MaxLogo bytes for the consent page. PolicyURL and TermsURL are links on that page
	// (policy_uri and tos_uri of OpenID Connect Registration §2).
	Logo      []byte `json:"logo,omitempty"`
	PolicyURL string `json:"policy_url,omitempty"`
	TermsURL  string `json:"terms_url,omitempty"`

	// AuthMethod is token_endpoint_auth_method: client_secret_basic, client_secret_post, private_key_jwt or none. Empty accepts
	// the secret by Basic and in the body; see [Client.TokenEndpointAuthMethod].
	AuthMethod string `json:"auth_method"`
	// Secrets are the hashes of the valid secrets, newest first, at most 4: "sha256:" and base64url for generated ones,
	// an argon2id PHC string for chosen ones.
	Secrets []string `json:"secrets,omitempty"`
	// JWKS is the client's own public keys, for private_key_jwt; JWKSURI is where they are instead.
	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI string          `json:"jwks_uri,omitempty"`
	// AuthAlgorithm is token_endpoint_auth_signing_alg; empty allows every algorithm minifed verifies.
	AuthAlgorithm string `json:"auth_algorithm,omitempty"`

	RedirectURIs           []string `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	Origins                []string `json:"origins,omitempty"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
	// EventURI receives security event tokens about the users of the client (RFC 8935).
	EventURI string `json:"event_uri,omitempty"`
	// InitiateLoginURI is initiate_login_uri (OpenID Connect Core §4): where a browser goes after a hand-off.
	InitiateLoginURI string `json:"initiate_login_uri,omitempty"`
	// BackendLogout lets an ID token end its session at the logout endpoint without the browser's cookie.
	BackendLogout bool `json:"backend_logout,omitempty"`

	GrantTypes []string `json:"grant_types,omitempty"`
	// Scopes may be asked for; DefaultScopes are granted when none are.
	Scopes        []string `json:"scopes,omitempty"`
	DefaultScopes []string `json:"default_scopes,omitempty"`
	// Audiences may be asked for by audience or resource; DefaultAudience is "aud" when neither is; empty is the issuer.
	Audiences       []string `json:"audiences,omitempty"`
	DefaultAudience []string `json:"default_audience,omitempty"`
	// Resources are the identifiers of the resources of kind AskedByListed that the client may have tokens for, at most
	// MaxClientResources.
	Resources []string `json:"resources,omitempty"`
	// IDTokenAlgorithm is id_token_signed_response_alg; empty is RS256 (OpenID Connect Registration §2).
	IDTokenAlgorithm string `json:"id_token_algorithm,omitempty"`
	// IDTokenClaims puts claims of the granted scopes into ID tokens, for clients that do not read UserInfo. Absent is off.
	IDTokenClaims *bool `json:"id_token_claims,omitempty"`
	// AccessTokenAlgorithm signs at+jwt access tokens; empty is as IDTokenAlgorithm.
	AccessTokenAlgorithm string `json:"access_token_algorithm,omitempty"`
	// OpaqueAccessTokens selects opaque access tokens, which only introspection and UserInfo can read.
	OpaqueAccessTokens bool `json:"opaque_access_tokens,omitempty"`
	// AccessTokenType is the header "typ" of access tokens that are JWTs: at+jwt, or JWT for resource servers that accept nothing
	// else. Empty is at+jwt.
	AccessTokenType string `json:"access_token_type,omitempty"`
	// KeepRefreshToken returns the same refresh token from a refresh. By default it is rotated, which detects a stolen one.
	KeepRefreshToken bool `json:"keep_refresh_token,omitempty"`
	// PlaceholderEmailDomain gives users without an e-mail address the address <sub>@domain, unverified. Empty gives none.
	PlaceholderEmailDomain string `json:"placeholder_email_domain,omitempty"`
	// FirstParty clients need no consent.
	FirstParty bool `json:"first_party,omitempty"`
	// RequirePKCE demands PKCE of a confidential client; public clients always need it.
	RequirePKCE bool `json:"require_pkce,omitempty"`
	// RequirePAR rejects authorization requests that were not pushed.
	RequirePAR bool `json:"require_par,omitempty"`
	// Pairwise gives this client its own subject identifiers, by Sector. SectorIdentifier is sector_identifier_uri; it is not
	// fetched, because clients are registered by operators.
	Pairwise         bool   `json:"pairwise,omitempty"`
	SectorIdentifier string `json:"sector_identifier,omitempty"`
	// AccountLinking is the operator's confirmation that the client may be granted the scope urn:minifed:link. Without it that
	// scope is ignored, also where Scopes has it: it was a default once.
	AccountLinking bool `json:"account_linking,omitempty"`
	// StartsSessions lets the client's backend start browser sessions of its users: scan, link and hand-off. For kind wechat_miniapp.
	StartsSessions bool `json:"starts_sessions,omitempty"`
	// Introspection lets the client introspect every token of the directory, not only those that concern it.
	Introspection bool `json:"introspection,omitempty"`
	// Lifetimes override the directory's where they are set.
	Lifetimes Lifetimes `json:"lifetimes,omitzero"`

	// Scan replaces parts of the directory's setting for sign-ins to this client, for kinds that use the authorization endpoint.
	Scan ScanTarget `json:"scan,omitzero"`

	// Assignments are the roles of a service client, at most MaxAssignments. They count in OperatorsDirectory alone.
	Assignments []Assignment `json:"assignments,omitempty"`
	// ExpiresAt is the time from which the client counts as disabled; zero for never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`

	// NativeApp is the AppID of a connection of kind native-app: the client's backend exchanges the codes that the app got from
	// WeChat's SDK. For kinds wechat_miniapp and web.
	NativeApp string `json:"native_app,omitempty"`

	// Federation is the configuration of a federated client; set only for kind wechat_miniapp.
	Federation *Federation `json:"federation,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// DocumentCopy is about a client's metadata document.
type DocumentCopy struct {
	// FetchedAt is when the document was fetched last, and FreshUntil until when it need not be fetched again.
	FetchedAt  time.Time `json:"fetched_at,omitzero"`
	FreshUntil time.Time `json:"fresh_until,omitzero"`
	// ConsentDigest is a digest of what a user sees of the document: a consent to another one does not count.
	ConsentDigest string `json:"consent_digest,omitempty"`
}

// TokenEndpointAuthMethod is the client's token_endpoint_auth_method (OpenID Connect Registration 1.0 §2): the registered one,
// else client_secret_basic.
func (c Client) TokenEndpointAuthMethod() string {
	return cmp.Or(c.AuthMethod, "client_secret_basic")
}

// MaxClientResources bounds the resources of a client.
const MaxClientResources = 32

// Provisioning is the policy for unknown WeChat users.
type Provisioning string

const (
	// ProvisionAuto creates a shadow user at the first login; it is the default.
	ProvisionAuto Provisioning = "auto"
	// ProvisionBind returns registration_required with a ticket, and the mini-program registers or binds.
	ProvisionBind Provisioning = "bind"
)

// Federation is what a wechat_miniapp client knows of WeChat.
type Federation struct {
	AppID string `json:"app_id"`
	// AppSecret is sealed by the master key.
	AppSecret string `json:"app_secret,omitempty"`
	// PushToken and EncodingAESKey are the token and the key of WeChat's message push, each sealed by the master key. Both are
	// set or none.
	PushToken      string `json:"push_token,omitempty"`
	EncodingAESKey string `json:"encoding_aes_key,omitempty"`
	// OpenPlatform names the Open Platform account the AppID is bound to; UnionIDs are unique within it. Empty ignores UnionIDs.
	OpenPlatform string       `json:"open_platform,omitempty"`
	Provisioning Provisioning `json:"provisioning,omitempty"`
	// UpdateProfile lets the self-asserted "user" object update a known user.
	UpdateProfile bool `json:"update_profile,omitempty"`
	// PasswordBinding allows bindUser's method password; first-party clients only.
	PasswordBinding bool `json:"password_binding,omitempty"`
	// LinkingPartners are the clients whose access tokens bindUser's method session accepts, in addition to this client's.
	LinkingPartners []string `json:"linking_partners,omitempty"`
}

// Instance identifies the client among all that ever had its ID: the ID, "#", which no client ID contains, and the incarnation.
// All data of a client is stored and cached under its instance.
func (c Client) Instance() string {
	if c.Incarnation == "" {
		return c.ID
	}
	return c.ID + "#" + c.Incarnation
}

// Document implements Record.
func (c Client) Document() Document {
	return Document{Kind: KindClient, ID: Key(c.Directory, c.ID), Owner: c.Directory, CreatedAt: c.CreatedAt, ExpiresAt: c.UnusedUntil}
}

// AppIDClaim claims an AppID for one client of a directory, so that no two of its clients are one mini-program. What the
// client's own record says counts: a claim of a client with another AppID claims nothing.
type AppIDClaim struct {
	Directory string `json:"directory"`
	AppID     string `json:"app_id"`
	Client    string `json:"client"`
	// ClaimedAt says how long the claim stands although the client's record is not written yet.
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
}

// Document implements Record.
func (c AppIDClaim) Document() Document {
	return Document{Kind: KindAppID, ID: Key(c.Directory, c.AppID), CreatedAt: c.ClaimedAt}
}

// Key is the store key of what belongs to a directory. Directory IDs hold no slash, so keys of two directories never meet.
func Key(directory, id string) string { return directory + "/" + id }
