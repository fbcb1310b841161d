package storage

import "time"

// InitialToken is an initial access token (RFC 7591 §1.2): a program that has it can register clients in a directory.
type InitialToken struct {
	Directory string `json:"directory"`
	// DirectoryIncarnation is that of the directory that the token was created for.
	DirectoryIncarnation string `json:"directory_incarnation,omitempty"`
	// ID is random and public.
	ID string `json:"id"`
	// Name is what the operator calls it.
	Name string `json:"name,omitempty"`
	// Hash is the SHA-256 of the token, in base64url.
	Hash      string    `json:"hash"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (t InitialToken) Document() Document {
	return Document{Kind: KindInitialToken, ID: Key(t.Directory, t.ID), Owner: t.Directory, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt}
}
