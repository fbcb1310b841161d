package storage

import "time"

// ConsentScopes bounds the scopes of a consent.
const ConsentScopes = 64

// Consent is what a user has allowed a client to have, until the user takes it back.
type Consent struct {
	Directory string `json:"directory"`
	User      string `json:"user"`
	Client    string `json:"client"`
	// Incarnation is that of the client: a client that got the ID of a deleted one has no consent.
	Incarnation string `json:"incarnation,omitempty"`
	// Digest is the ConsentDigest of the client's document when consent was given.
	Digest string `json:"digest,omitempty"`
	// Scopes are those that were allowed, sorted, at most ConsentScopes.
	Scopes []string `json:"scopes,omitempty"`
	// Declined are those that were shown and not allowed, sorted, at most ConsentScopes. The last decision about a scope counts.
	Declined []string `json:"declined,omitempty"`
	// ClientEpoch is the user's ClientEpoch(Client) when consent was given: removing the app takes it back.
	ClientEpoch int64     `json:"client_epoch,omitempty"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
}

// Document implements Record.
func (c Consent) Document() Document {
	return Document{
		Kind: KindConsent, ID: ConsentKey(c.Directory, c.User, c.Client), Owner: Key(c.Directory, c.User), CreatedAt: c.CreatedAt,
	}
}

// ConsentKey is the store key of a user's consent to a client.
func ConsentKey(directory, user, client string) string { return Key(directory, Digest(user, client)) }
