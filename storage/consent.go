package storage

import "time"

const (
	// ConsentScopes bounds the scopes of a consent.
	ConsentScopes = 64
	// ConsentResources bounds the resources of a consent.
	ConsentResources = 64
	// ConsentResourcesSize bounds their size, in bytes.
	ConsentResourcesSize = 6 << 10
)

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
	// Resources is what was decided about resources (RFC 8707), sorted by identifier.
	Resources []ConsentResource `json:"resources,omitempty"`
	// Asked are the scopes that were requested by the decided requests, of at most MaxAskedScopes bytes: a request for others is a
	// step-up. Absent is unknown.
	Asked []string `json:"asked,omitempty"`
	// ClientEpoch is the user's ClientEpoch(Client) when consent was given: removing the app takes it back.
	ClientEpoch int64     `json:"client_epoch,omitempty"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
}

// ConsentResource is what a user has decided about one resource.
type ConsentResource struct {
	Identifier string `json:"identifier"`
	// Incarnation is that of the resource.
	Incarnation string `json:"incarnation,omitempty"`
	// Scopes are those that were allowed, and Declined those that were shown and not allowed, each sorted.
	Scopes   []string `json:"scopes,omitempty"`
	Declined []string `json:"declined,omitempty"`
}

// Document implements Record.
func (c Consent) Document() Document {
	return Document{
		Kind: KindConsent, ID: ConsentKey(c.Directory, c.User, c.Client), Owner: Key(c.Directory, c.User), CreatedAt: c.CreatedAt,
	}
}

// ConsentKey is the store key of a user's consent to a client.
func ConsentKey(directory, user, client string) string { return Key(directory, Digest(user, client)) }
