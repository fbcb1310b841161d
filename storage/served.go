package storage

import "time"

// Served is what the issuers of a store follow from: the public URL and the default directory of the server that was started
// last, and those before they changed last.
type Served struct {
	PublicURL        string `json:"public_url"`
	DefaultDirectory string `json:"default_directory"`
	// FormerPublicURL, FormerDefaultDirectory and ChangedAt are zero while neither has changed.
	FormerPublicURL        string    `json:"former_public_url,omitempty"`
	FormerDefaultDirectory string    `json:"former_default_directory,omitempty"`
	ChangedAt              time.Time `json:"changed_at,omitzero"`
	CreatedAt              time.Time `json:"created_at,omitzero"`
}

// ServedID is the ID of the one Served.
const ServedID = "served"

// Document implements Record.
func (s Served) Document() Document {
	return Document{Kind: KindMeta, ID: ServedID, CreatedAt: s.CreatedAt}
}
