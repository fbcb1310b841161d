package storage

import "time"

// MaxMergeBatch bounds the merge candidates of a MergeBatch.
const MaxMergeBatch = 100

// MergeBatch names the merge candidates that an operator accepted together, so that they can be undone together. It is stored
// before the first merge. A candidate that the batch merged names the batch.
type MergeBatch struct {
	Directory string `json:"directory"`
	ID        string `json:"id"`
	// Candidates are in the order in which they are merged, at most MaxMergeBatch.
	Candidates []string `json:"candidates"`
	// Actor is who accepted them, as audit entries name the actor.
	Actor     string    `json:"actor"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (b MergeBatch) Document() Document {
	return Document{
		Kind: KindMergeBatch, ID: Key(b.Directory, b.ID), Owner: b.Directory, CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt,
	}
}
