package storage

import (
	"cmp"
	"time"
)

// Directory is an identity application: one issuer with its own users, clients, keys, branding and policy.
type Directory struct {
	// ID is [a-z0-9-]{1,32} and never changes.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Incarnation is random: a directory that gets the ID of a deleted one has another incarnation. Old records do not have it.
	Incarnation string `json:"incarnation,omitempty"`
	// Issuer is the directory's own https origin; empty for {public}/d/{id}, or the public URL itself for the default directory.
	Issuer   string `json:"issuer,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	// FormerIssuer is Issuer before it changed last, at IssuerChangedAt.
	FormerIssuer    string    `json:"former_issuer,omitempty"`
	IssuerChangedAt time.Time `json:"issuer_changed_at,omitzero"`

	// SignInMethods are the sign-in methods of browsers, in the order of the login page. Empty is password and, where the policy
	// allows them, passkeys.
	SignInMethods []string `json:"sign_in_methods,omitempty"`

	// Scan is the mini-program of sign-ins by scan and by link.
	Scan ScanTarget `json:"scan,omitzero"`
	// ScanLinkRule means that a rule of WeChat's console opens the page of Scan for links below {issuer}/scan/. The picture is then an
	// ordinary QR code.
	ScanLinkRule bool `json:"scan_link_rule,omitempty"`

	// SMS sends the codes to phones. SMSKey is the key of its provider, sealed by the master key.
	SMS    SMS    `json:"sms,omitzero"`
	SMSKey string `json:"sms_key,omitempty"`
	// CaptchaURL is a page of the operator that people pass before a code is sent; empty is none. CaptchaKey signs its result; it is
	// sealed by the master key.
	CaptchaURL string `json:"captcha_url,omitempty"`
	CaptchaKey string `json:"captcha_key,omitempty"`

	Branding  Branding  `json:"branding,omitzero"`
	Policy    Policy    `json:"policy,omitzero"`
	Lifetimes Lifetimes `json:"lifetimes,omitzero"`
	// Claims are the claims that return groups and attributes of users, at most MaxClaimMappings.
	Claims []ClaimMapping `json:"claims,omitempty"`
	// Terms are the versions of the terms and the privacy notice, at most MaxTermsDocuments.
	Terms []TermsDocument `json:"terms,omitempty"`
	// VerificationFiles are served at {issuer}/NAME.txt, at most MaxVerificationFiles.
	VerificationFiles []VerificationFile `json:"verification_files,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

const (
	// MaxVerificationFiles bounds the verification files of a directory.
	MaxVerificationFiles = 16
	// MaxVerificationFile bounds the content of one, in bytes.
	MaxVerificationFile = 256
)

// VerificationFile proves to WeChat that an operator controls the host of an issuer: for the business domains of a mini-program, the
// domains of an official account, and rules for ordinary links.
type VerificationFile struct {
	// Name is letters, digits, "-" and "_", and ends with ".txt".
	Name    string `json:"name"`
	Content string `json:"content"`
}

// MaxLogo bounds the logo of a directory or a client, in bytes, so that its record has room for the rest.
const MaxLogo = 6 << 10

// Branding is how a directory's pages look.
type Branding struct {
	// Logo is a re-encoded PNG of at most MaxLogo bytes.
	Logo []byte `json:"logo,omitempty"`
	// AccentColor is #rrggbb; empty is minifed's own.
	AccentColor string `json:"accent_color,omitempty"`
	PolicyURL   string `json:"policy_url,omitempty"`
	TermsURL    string `json:"terms_url,omitempty"`
	SupportURL  string `json:"support_url,omitempty"`
	// ICPNumber is the ICP filing number of the site, and PoliceNumber its filing number at the public security authority: sites in
	// mainland China must show both on every page.
	ICPNumber    string `json:"icp_number,omitempty"`
	PoliceNumber string `json:"police_number,omitempty"`
}

// Policy is what a directory allows. The zero value is the strict one.
type Policy struct {
	// SigningAlgorithms are the JWS algorithms for which the directory has keys; empty is RS256 and ES256.
	SigningAlgorithms []string `json:"signing_algorithms,omitempty"`
	// SelfRegistration offers a page where anyone may make an account.
	SelfRegistration bool `json:"self_registration,omitempty"`
	// AttachByPhone lets bindUser attach a WeChat user to the account that holds the proven phone number.
	AttachByPhone bool `json:"attach_by_phone,omitempty"`
	// PhoneFresh is how long ago, in seconds, the holder's number may have been verified for AttachByPhone, and proven here for a
	// sign-in by a code; 0 is 90 days.
	PhoneFresh int64 `json:"phone_fresh,omitempty"`
	// MergeByUnionID merges two users at a login that finds both by one UnionID, unless one of them can sign in without WeChat.
	MergeByUnionID bool `json:"merge_by_unionid,omitempty"`
	// DeviceGrant offers the device authorization grant (RFC 8628) to the clients that have its grant type.
	DeviceGrant bool `json:"device_grant,omitempty"`
	// PasskeyForNewBrowser requires a passkey, from users who have one, to sign in with a browser that they have not signed in with.
	PasskeyForNewBrowser bool `json:"passkey_for_new_browser,omitempty"`
	// TwoFactor says whether users may, or must, sign in to browsers by a passkey, or by a password and TOTP.
	TwoFactor TwoFactor `json:"two_factor,omitempty"`
	// RequireTerms rejects sign-ins of users who have not accepted the current version of Terms. The pages ask in any case.
	RequireTerms bool `json:"require_terms,omitempty"`
	// GuardianConsentUnder is an age in years: sign-ins of users who are younger by the birth date of their profile need a guardian's
	// consent on record. 0 needs none.
	GuardianConsentUnder int64 `json:"guardian_consent_under,omitempty"`
	// DeletionDelay is the time in seconds between the request for a deletion and the deletion of a user; 0 is 15 days.
	DeletionDelay int64 `json:"deletion_delay,omitempty"`
	// Documents says which clients may sign users in without registration, by a metadata document.
	Documents DocumentPolicy `json:"documents,omitempty"`
	// DocumentHosts are the hosts of the documents that an operator trusts, with a port unless it is 443; at most MaxDocumentHosts.
	DocumentHosts []string `json:"document_hosts,omitempty"`
	// Registration says which clients may register themselves (RFC 7591).
	Registration RegistrationPolicy `json:"registration,omitempty"`
	// UnknownClientScopes are the scopes of clients that no operator registered; empty is DefaultUnknownClientScopes.
	UnknownClientScopes []string `json:"unknown_client_scopes,omitempty"`
	// UnknownClientsDaily bounds the new clients a day, those of documents and those of open registration each; 0 is 1,000.
	UnknownClientsDaily int64 `json:"unknown_clients_daily,omitempty"`
}

// MaxDocumentHosts bounds the trusted hosts of a directory.
const MaxDocumentHosts = 64

// DocumentPolicy is the admission of clients with a metadata document.
type DocumentPolicy string

const (
	// DocumentsOff admits none. The empty value means the same.
	DocumentsOff DocumentPolicy = "off"
	// DocumentsHosts admits those whose document is at one of the directory's DocumentHosts.
	DocumentsHosts DocumentPolicy = "hosts"
	// DocumentsAny admits all.
	DocumentsAny DocumentPolicy = "any"
)

// RegistrationPolicy is the admission of clients that register themselves.
type RegistrationPolicy string

const (
	// RegistrationOff admits none. The empty value means the same.
	RegistrationOff RegistrationPolicy = "off"
	// RegistrationToken admits those that have an initial access token.
	RegistrationToken RegistrationPolicy = "token"
	// RegistrationOpen admits all.
	RegistrationOpen RegistrationPolicy = "open"
)

// DefaultUnknownClientScopes are the scopes of clients that no operator registered, unless the directory names others.
func DefaultUnknownClientScopes() []string {
	return []string{"openid", "profile", "email", "offline_access"}
}

// UnknownClientScopes returns the scopes that clients may have which no operator registered.
func (d Directory) UnknownClientScopes() []string {
	if len(d.Policy.UnknownClientScopes) == 0 {
		return DefaultUnknownClientScopes()
	}
	return d.Policy.UnknownClientScopes
}

// defaultDeletionDelay is the default of Policy.DeletionDelay: what the law of mainland China allows at most.
const defaultDeletionDelay = 15 * 24 * time.Hour

// DeletionGrace returns the time between the request for a deletion and the deletion of a user.
func (p Policy) DeletionGrace() time.Duration {
	if p.DeletionDelay == 0 {
		return defaultDeletionDelay
	}
	return time.Duration(p.DeletionDelay) * time.Second
}

// TwoFactor is a directory's policy for passkeys and TOTP.
type TwoFactor string

const (
	// TwoFactorOff offers neither. The empty value means the same.
	TwoFactorOff TwoFactor = "off"
	// TwoFactorOptional offers both.
	TwoFactorOptional TwoFactor = "optional"
	// TwoFactorRequired requires one of them at every sign-in to a browser.
	TwoFactorRequired TwoFactor = "required"
)

// TwoFactor returns the directory's policy. The directory of operators always requires two factors.
func (d Directory) TwoFactor() TwoFactor {
	if d.ID == OperatorsDirectory {
		return TwoFactorRequired
	}
	return cmp.Or(d.Policy.TwoFactor, TwoFactorOff)
}

// Lifetimes are in seconds; 0 is the default that the field names.
type Lifetimes struct {
	// AccessToken, 10 minutes.
	AccessToken int64 `json:"access_token,omitempty"`
	// IDToken, 10 minutes.
	IDToken int64 `json:"id_token,omitempty"`
	// RefreshIdle is how long an unused refresh token lives, 30 days, and 7 days for clients of kind wechat_miniapp.
	RefreshIdle int64 `json:"refresh_idle,omitempty"`
	// RefreshAbsolute ends a grant however often it is refreshed, 180 days.
	RefreshAbsolute int64 `json:"refresh_absolute,omitempty"`
	// SessionIdle, 12 hours.
	SessionIdle int64 `json:"session_idle,omitempty"`
	// SessionAbsolute, 30 days.
	SessionAbsolute int64 `json:"session_absolute,omitempty"`
	// Code, 60 seconds.
	Code int64 `json:"code,omitempty"`
}

// Within returns the name under which something is counted in this directory and not in a deleted one that had the same ID.
func (d Directory) Within(name string) string {
	if d.Incarnation == "" {
		return name
	}
	return d.Incarnation + " " + name
}

// Document implements Record.
func (d Directory) Document() Document {
	return Document{Kind: KindDirectory, ID: d.ID, CreatedAt: d.CreatedAt}
}

// IssuerHost claims a host for the directory whose Issuer is at it, so that no two directories are issuers at one host. What
// the directory's own record says counts: a claim of a directory whose Issuer is elsewhere claims nothing.
type IssuerHost struct {
	// Host is the host of the origin, and its port unless that is the scheme's own.
	Host      string    `json:"host"`
	Directory string    `json:"directory"`
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
}

// Document implements Record.
func (h IssuerHost) Document() Document {
	return Document{Kind: KindIssuerHost, ID: h.Host, CreatedAt: h.ClaimedAt}
}
