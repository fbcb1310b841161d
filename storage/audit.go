package storage

import (
	"fmt"
	"strings"
	"time"
)

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

// AuditEntry records one act, or a batch of sign-ins, never a secret. Package audit writes them as chains; the entries of earlier
// versions have no chain.
type AuditEntry struct {
	Directory string `json:"directory"`
	ID        string `json:"id"`
	// Actor did it: "operator:…", "service:…", "cli:…", "user:…" or "system".
	Actor  string `json:"actor"`
	Action string `json:"action"`
	// Target is what it was done to, such as "user:…" or "client:…".
	Target  string            `json:"target"`
	Details map[string]string `json:"details,omitempty"`
	// Before and After are the changed members with their values, as far as these may be shown.
	Before map[string]string `json:"before,omitempty"`
	After  map[string]string `json:"after,omitempty"`
	// Outcome is "done" or "failed"; empty in entries of earlier versions.
	Outcome string `json:"outcome,omitempty"`
	// From is the client address, and RequestID the request in the log; both are empty for the command line.
	From      string `json:"from,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// SignIns are those of a batch.
	SignIns []SignIn `json:"sign_ins,omitempty"`

	// Chain and Sequence are the place of the entry: the chain is of one process. Previous and PreviousAt are the MAC and the time
	// of the entry before; both are empty for the first one. Chain is empty in entries of earlier versions.
	Chain      string    `json:"chain,omitempty"`
	Sequence   int64     `json:"sequence,omitempty"`
	Previous   string    `json:"previous,omitempty"`
	PreviousAt time.Time `json:"previous_at,omitzero"`
	// Key is the ID of the master key that the key of the MAC derives from.
	Key string `json:"key,omitempty"`
	MAC string `json:"mac,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	// ExpiresAt is only set in entries of earlier versions: package audit deletes the others.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// SignIn is one sign-in, or a failed one of a known user.
type SignIn struct {
	At time.Time `json:"at,omitzero"`
	// User is empty in a user's own list.
	User   string `json:"u,omitempty"`
	Client string `json:"c,omitempty"`
	Method string `json:"m,omitempty"`
	// Outcome is empty for a success.
	Outcome   string `json:"o,omitempty"`
	From      string `json:"f,omitempty"`
	RequestID string `json:"r,omitempty"`
	// Session is the ID of the browser session, or the claim "sid" of the grant, that the sign-in began. Session, Browser and Country
	// are only in a user's own list.
	Session string `json:"s,omitempty"`
	Browser string `json:"b,omitempty"`
	// Country is an ISO 3166-1 code, where a trusted proxy sends it.
	Country string `json:"l,omitempty"`
}

// Document implements Record.
func (a AuditEntry) Document() Document {
	id := Key(a.Directory, a.ID)
	if a.Chain != "" {
		id = AuditEntryID(a.Chain, a.Sequence)
	}
	return Document{Kind: KindAuditEntry, ID: id, Owner: a.Directory, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt}
}

// AuditEntryID is the ID of an entry in a chain. In the order of IDs, the entries of a chain follow each other.
func AuditEntryID(chain string, sequence int64) string {
	return fmt.Sprintf("%s.%012d", chain, sequence)
}

// AuditKey is the store key of the entry with this ID. Only the ID of an entry in a chain contains a dot.
func AuditKey(directory, id string) string {
	if strings.Contains(id, ".") {
		return id
	}
	return Key(directory, id)
}

// AuditProcess is an element of the list of chains: a process that wrote audit entries.
type AuditProcess struct {
	// ID is the random ID of the chain.
	ID string `json:"id"`
	// Name is what the process was, such as "serve on host".
	Name      string    `json:"name"`
	StartedAt time.Time `json:"started_at,omitzero"`
	// EndedAt is set by a process that ended in order; Head is its last entry then.
	EndedAt time.Time `json:"ended_at,omitzero"`
	Head    AuditHead `json:"head,omitzero"`
	Key     string    `json:"key"`
	MAC     string    `json:"mac"`
}

// Document implements Record.
func (p AuditProcess) Document() Document {
	return Document{Kind: KindAuditProcess, ID: p.ID, CreatedAt: p.StartedAt}
}

// AuditHead is the last entry of a chain at some time.
type AuditHead struct {
	Sequence int64     `json:"sequence"`
	MAC      string    `json:"mac"`
	At       time.Time `json:"at,omitzero"`
}

// AuditCheckpoint names the heads of the chains that changed since the last checkpoint of the same process. Checkpoints of a
// process form a chain too.
type AuditCheckpoint struct {
	// Process is the chain of the process that wrote the checkpoint.
	Process    string    `json:"process"`
	Sequence   int64     `json:"sequence"`
	Previous   string    `json:"previous,omitempty"`
	PreviousAt time.Time `json:"previous_at,omitzero"`
	// Heads are by chain.
	Heads     map[string]AuditHead `json:"heads,omitempty"`
	CreatedAt time.Time            `json:"created_at,omitzero"`
	Key       string               `json:"key"`
	MAC       string               `json:"mac"`
}

// Document implements Record.
func (c AuditCheckpoint) Document() Document {
	return Document{Kind: KindAuditCheckpoint, ID: AuditEntryID(c.Process, c.Sequence), CreatedAt: c.CreatedAt}
}

// AuditHorizon is the one record that says from when on the audit is complete: what is older may have been deleted.
type AuditHorizon struct {
	Before time.Time `json:"before,omitzero"`
	Key    string    `json:"key"`
	MAC    string    `json:"mac"`
}

// AuditHorizonID is the ID of the one AuditHorizon.
const AuditHorizonID = "audit_horizon"

// Document implements Record.
func (AuditHorizon) Document() Document { return Document{Kind: KindMeta, ID: AuditHorizonID} }

// AuditKeys is the one record of the keys of master keys that were replaced, so that the entries of their time can be verified.
type AuditKeys struct {
	// Keys are the keys of MACs by the IDs of their master keys, sealed by the present master key.
	Keys map[string]string `json:"keys,omitempty"`
}

// AuditKeysID is the ID of the one AuditKeys.
const AuditKeysID = "audit_keys"

// Document implements Record.
func (AuditKeys) Document() Document { return Document{Kind: KindMeta, ID: AuditKeysID} }

// AuditDelivery says up to which entry the webhook has received a chain.
type AuditDelivery struct {
	// Chain is the ID of the chain, and Sequence its last entry that the receiver accepted.
	Chain    string `json:"chain"`
	Sequence int64  `json:"sequence"`
	// Complete means that the chain has ended, and that the receiver has all of it.
	Complete  bool      `json:"complete,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Document implements Record.
func (d AuditDelivery) Document() Document {
	return Document{Kind: KindAuditDelivery, ID: d.Chain, CreatedAt: d.CreatedAt}
}

// AuditSender is the one record of the process that sends the audit to the webhook.
type AuditSender struct {
	// Process is the random ID of the process, and Until when another process may take its place.
	Process string    `json:"process"`
	Until   time.Time `json:"until,omitzero"`
	// SentAt is when the receiver last accepted entries.
	SentAt time.Time `json:"sent_at,omitzero"`
	// WaitingSince is the time of the oldest entry that waits; zero if none does.
	WaitingSince time.Time `json:"waiting_since,omitzero"`
	// Failure is why the last request failed; empty after a success.
	Failure string `json:"failure,omitempty"`
}

// AuditSenderID is the ID of the one AuditSender.
const AuditSenderID = "audit_sender"

// Document implements Record.
func (AuditSender) Document() Document { return Document{Kind: KindMeta, ID: AuditSenderID} }

// AuditVerification is the one record of the last verification of the audit.
type AuditVerification struct {
	At      time.Time `json:"at,omitzero"`
	Entries int       `json:"entries"`
	// Found is the number of problems.
	Found int    `json:"found"`
	Key   string `json:"key"`
	MAC   string `json:"mac"`
}

// AuditVerificationID is the ID of the one AuditVerification.
const AuditVerificationID = "audit_verification"

// Document implements Record.
func (AuditVerification) Document() Document {
	return Document{Kind: KindMeta, ID: AuditVerificationID}
}
