package storage

import "time"

// PushedRequest is an authorization request that a client pushed (RFC 9126). Its ID is the digest of the reference in the
// request_uri.
type PushedRequest struct {
	Directory string `json:"directory"`
	ID        string `json:"id"`
	Client    string `json:"client"`
	// Incarnation is that of the client.
	Incarnation string `json:"incarnation,omitempty"`
	// Form is the form-encoded request without the client's credentials and the id_token_hint; Hint is the subject of that.
	Form      string    `json:"form"`
	Hint      string    `json:"hint,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (p PushedRequest) Document() Document {
	return Document{Kind: KindPushedRequest, ID: Key(p.Directory, p.ID), CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt}
}
