package storage

import "time"

// Importing says that an import into this store has begun and has not finished: nothing may be served from it. An import
// inserts it before its first document and deletes it after it has compared the last one.
type Importing struct {
	// File is the name of the file as the operator gave it, and Digest the digest of its documents.
	File      string    `json:"file"`
	Digest    string    `json:"digest"`
	StartedAt time.Time `json:"started_at,omitzero"`
}

// ImportingID is the ID of the one Importing.
const ImportingID = "importing"

// Document implements Record.
func (i Importing) Document() Document {
	return Document{Kind: KindMeta, ID: ImportingID, CreatedAt: i.StartedAt}
}
