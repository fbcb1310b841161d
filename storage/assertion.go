package storage

import "time"

// Assertion stores a client assertion's jti until the assertion expires: the insert enforces single use (RFC 7523 §3).
type Assertion struct {
	Directory string `json:"directory"`
	Client    string `json:"client"`
	JTI       string `json:"jti"`
	// Attempt is random: a process that does not know the outcome of its insert recognises the record by it.
	Attempt   string    `json:"attempt,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (a Assertion) Document() Document {
	return Document{Kind: KindAssertion, ID: Digest(a.Directory, a.Client, a.JTI), ExpiresAt: a.ExpiresAt}
}

// RevokedToken remembers the jti of a revoked access token that belongs to no grant, until it expires.
type RevokedToken struct {
	Directory string    `json:"directory"`
	JTI       string    `json:"jti"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (t RevokedToken) Document() Document {
	return Document{Kind: KindRevokedToken, ID: Key(t.Directory, t.JTI), ExpiresAt: t.ExpiresAt}
}
