package storage

import "time"

// MergeCandidate records that two users look like one person. Nothing merges silently: an operator, or proof from both
// sides, decides.
type MergeCandidate struct {
	Directory string `json:"directory"`
	// ID is the digest of the pair in order, so that the same pair is recorded once.
	ID string `json:"id"`
	// Users are the two IDs; the one that signed in first comes first. It is empty for an unknown WeChat user, whose link
	// Identity names.
	Users [2]string `json:"users"`
	// Identity is the store key of the OpenID link that had no user yet.
	Identity string `json:"identity,omitempty"`
	// Reason is what they share: unionid or phone.
	Reason string `json:"reason"`
	// State is open, merged, dismissed or undone.
	State string `json:"state"`
	// Merge is the ID of the merge that closed the candidate, by which it is undone. Old records do not have it.
	Merge string `json:"merge,omitempty"`
	// Batch is the ID of the MergeBatch that merged the candidate.
	Batch     string    `json:"batch,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Document implements Record.
func (m MergeCandidate) Document() Document {
	return Document{Kind: KindMergeCandidate, ID: Key(m.Directory, m.ID), Owner: m.Directory, CreatedAt: m.CreatedAt}
}

// AuditEntry records what an operator or a user did to an account, a client or a key, never a secret.
type AuditEntry struct {
	Directory string `json:"directory"`
	ID        string `json:"id"`
	// Actor did it: "operator:…", "service:…", "cli:…", "user:…" or "system".
	Actor  string `json:"actor"`
	Action string `json:"action"`
	// Target is what it was done to, such as "user:…" or "client:…".
	Target    string            `json:"target"`
	Details   map[string]string `json:"details,omitempty"`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	ExpiresAt time.Time         `json:"expires_at,omitzero"`
}

// Document implements Record.
func (a AuditEntry) Document() Document {
	return Document{
		Kind: KindAuditEntry, ID: Key(a.Directory, a.ID), Owner: a.Directory,
		CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt,
	}
}
