package storage

import (
	"encoding/json"
	"time"
)

// GrantState is where a grant is in its life. It only moves forward.
type GrantState string

const (
	// GrantPending is a bind ticket: a WeChat user was proven, and is not registered or bound yet.
	GrantPending GrantState = "pending"
	// GrantCode is an authorization code that was not redeemed yet.
	GrantCode GrantState = "code"
	// GrantActive gives tokens.
	GrantActive GrantState = "active"
	// GrantRevoked gives nothing any more.
	GrantRevoked GrantState = "revoked"
)

// RotationsKept is how many rotation times a grant remembers.
const RotationsKept = 8

// MaxAskedScopes bounds the scopes of a request that its client may not have, in bytes with a space between them.
const MaxAskedScopes = 2 << 10

// Grant is one authorization of one client for one user, with the whole life of its tokens. Codes, tickets and refresh
// tokens carry the grant's ID and a MAC, so nothing of them is stored and every lookup is by ID.
type Grant struct {
	Directory string `json:"directory"`
	// ID is base64url of 32 bytes. For a token exchange it derives from (directory, client, AppID, code).
	ID     string `json:"id"`
	Client string `json:"client"`
	// Incarnation is that of the client: a grant is dead under another one.
	Incarnation string `json:"incarnation,omitempty"`
	// Issuer is the issuer identifier at the creation of the grant, which is not valid under another one. Absent is any.
	Issuer string     `json:"issuer,omitempty"`
	User   string     `json:"user,omitempty"`
	State  GrantState `json:"state"`
	// GrantType is the OAuth grant type that created the grant.
	GrantType string `json:"grant_type"`
	// SecretGeneration is the generation of token secrets that every handle of this grant uses, for life.
	SecretGeneration uint32 `json:"secret_generation"`

	// UserEpoch and ClientEpoch are the user's Epoch and ClientEpoch(Client) when the grant's user was read.
	UserEpoch   int64 `json:"user_epoch"`
	ClientEpoch int64 `json:"client_epoch,omitempty"`
	// Session is the ID of the browser session that the grant ends with; empty when it outlives it (offline_access) or never had one.
	Session string `json:"session,omitempty"`
	// SID is the "sid" claim.
	SID string `json:"sid,omitempty"`

	Scopes []string `json:"scopes,omitempty"`
	// AskedScopes are those that the request asked for and that were not granted: a refresh may name them. Absent is none.
	AskedScopes []string  `json:"asked_scopes,omitempty"`
	Audience    []string  `json:"audience,omitempty"`
	Nonce       string    `json:"nonce,omitempty"`
	AuthTime    time.Time `json:"auth_time,omitzero"`
	AMR         []string  `json:"amr,omitempty"`
	ACR         string    `json:"acr,omitempty"`
	// BackendInitiated means that the backend of a client could create the grant without its user: see Session. Such a grant is no
	// recent sign-in.
	BackendInitiated bool `json:"backend_initiated,omitempty"`
	// Claims is the OpenID Connect "claims" request parameter.
	Claims json.RawMessage `json:"claims,omitempty"`

	// Asked is a digest of the request that created the grant; a repeat that differs is rejected. AskedBind is the same for the
	// request that turned a ticket into an active grant.
	Asked     string `json:"asked,omitempty"`
	AskedBind string `json:"asked_bind,omitempty"`
	// RepeatUntil is the time until which a repeat of that request returns this grant.
	RepeatUntil time.Time `json:"repeat_until,omitzero"`

	// PhoneError is "phone_error" of the response, which a repeat gets again.
	PhoneError string `json:"phone_error,omitempty"`
	// Rejection is the error code of the response if the request was rejected: the grant is revoked from the beginning, and is
	// stored only so that a repeat gets the same response.
	Rejection string `json:"refusal,omitempty"`

	Pending *Pending `json:"pending,omitempty"`
	// HandOff is set for a pending grant that is the ticket of a hand-off.
	HandOff *HandOff `json:"hand_off,omitempty"`
	// Device is set for a grant of a device: pending without User until a user allows it, and pending with User until the device
	// gets its tokens.
	Device  *Device  `json:"device,omitempty"`
	Code    *Code    `json:"code,omitempty"`
	Refresh *Refresh `json:"refresh,omitempty"`

	// Attempt is random and differs after every replacement: a process that does not know the outcome of its write recognises the
	// record by it.
	Attempt string `json:"attempt,omitempty"`

	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// RevokedBecause is a word for the operator: reuse, logout, revoked, proofs, denied.
	RevokedBecause string `json:"revoked_because,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	// ExpiresAt is when the document may go: no token of it can be valid after.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Pending is what a bind ticket is bound to.
type Pending struct {
	AppID   string `json:"app_id"`
	OpenID  string `json:"open_id"`
	UnionID string `json:"union_id,omitempty"`
	// ProvenAt is when WeChat authenticated the user.
	ProvenAt time.Time `json:"proven_at,omitzero"`
	// FailedProofs counts wrong proofs; the fifth kills the ticket.
	FailedProofs int `json:"failed_proofs,omitempty"`
}

// HandOff is what the ticket of a hand-off is bound to, in addition to the user and the client of its grant.
type HandOff struct {
	// Client is the Instance of the client that the browser is signed in to.
	Client string `json:"client"`
	// State is a text of the application, which comes back to it.
	State string `json:"state,omitempty"`
}

// Device describes the device that requested a grant.
type Device struct {
	// Country is that of the address of the device; empty if unknown.
	Country string `json:"country,omitempty"`
	// Login is the ID of the grant of the login by which a user allowed it in a mini-program; empty for the page of the issuer.
	Login string `json:"login,omitempty"`
}

// Code is the authorization code of a grant.
type Code struct {
	RedirectURI string `json:"redirect_uri"`
	// RedirectURISent says that the authorization request carried redirect_uri, so that the token request must.
	RedirectURISent bool      `json:"redirect_uri_sent,omitempty"`
	Challenge       string    `json:"challenge,omitempty"`
	ChallengeMethod string    `json:"challenge_method,omitempty"`
	ExpiresAt       time.Time `json:"expires_at,omitzero"`
	RedeemedAt      time.Time `json:"redeemed_at,omitzero"`
}

// Refresh is the refresh token of a grant: the token itself derives from the grant's ID and the generation.
type Refresh struct {
	// Generation is the current one; the first is 1.
	Generation uint32 `json:"generation"`
	// Rotated holds when the generations before were rotated, newest first, at most RotationsKept.
	Rotated []time.Time `json:"rotated,omitempty"`
	// Unanswered is Rotated[0] if no client got the result of that rotation, and so none has the current token: the previous one
	// is valid once more. Any later rotation ends that.
	Unanswered time.Time `json:"unanswered,omitzero"`
	// IdleUntil is when the current token dies unused.
	IdleUntil time.Time `json:"idle_until,omitzero"`
}

// Document implements Record.
func (g Grant) Document() Document {
	doc := Document{Kind: KindGrant, ID: Key(g.Directory, g.ID), CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt}
	if g.User != "" {
		doc.Owner = Key(g.Directory, g.User)
	}
	return doc
}
