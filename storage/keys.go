package storage

import (
	"encoding/json"
	"strconv"
	"time"
)

// SigningKeys are all signing keys of one directory and algorithm. What state a key is in follows from its times and the clock.
type SigningKeys struct {
	Directory string `json:"directory"`
	Algorithm string `json:"algorithm"`
	// Keys are by kid.
	Keys      map[string]SigningKey `json:"keys"`
	CreatedAt time.Time             `json:"created_at,omitzero"`
	// DueAt is when the next step of rotation should be prepared.
	DueAt time.Time `json:"due_at,omitzero"`
}

// SigningKey is one key pair.
type SigningKey struct {
	// Public is the public JWK.
	Public json.RawMessage `json:"public"`
	// Private is the private JWK, sealed by the master key.
	Private string `json:"private"`
	// PublishAt ≤ SignAt ≤ RetireAt ≤ RemoveAt: in the JWK Set from PublishAt to RemoveAt, signing from SignAt to RetireAt.
	PublishAt time.Time `json:"publish_at,omitzero"`
	SignAt    time.Time `json:"sign_at,omitzero"`
	// RetireAt and RemoveAt are zero while no successor is planned.
	RetireAt time.Time `json:"retire_at,omitzero"`
	RemoveAt time.Time `json:"remove_at,omitzero"`
	// ForgetAt is until when an id_token_hint signed by it is still accepted, longer than RemoveAt.
	ForgetAt time.Time `json:"forget_at,omitzero"`
}

// Document implements Record.
func (k SigningKeys) Document() Document {
	return Document{
		Kind: KindSigningKeys, ID: Key(k.Directory, k.Algorithm), Owner: k.Directory,
		CreatedAt: k.CreatedAt, DueAt: k.DueAt,
	}
}

// TokenSecrets are the secrets of one directory that MACs, derived tokens and CSRF tokens come from.
type TokenSecrets struct {
	Directory string `json:"directory"`
	// Generations are by their decimal number.
	Generations map[string]SecretGeneration `json:"generations"`
	// Subjects is the secret, sealed by the master key, from which pairwise subjects derive (OpenID Connect Core §8.1). It never
	// changes: clients identify their users by the derived values. Old records get it when it is needed.
	Subjects  string    `json:"subjects,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	DueAt     time.Time `json:"due_at,omitzero"`
}

// SecretGeneration is one secret of 32 bytes.
type SecretGeneration struct {
	// Secret is sealed by the master key.
	Secret string `json:"secret"`
	// UseAt is when new handles start to use it: after every cache has it.
	UseAt time.Time `json:"use_at,omitzero"`
}

// GenerationName is the member name of a generation.
func GenerationName(generation uint32) string { return strconv.FormatUint(uint64(generation), 10) }

// Document implements Record.
func (s TokenSecrets) Document() Document {
	return Document{Kind: KindTokenSecrets, ID: s.Directory, Owner: s.Directory, CreatedAt: s.CreatedAt, DueAt: s.DueAt}
}

// MasterCheck is the one record by which a wrong master key is detected at the start.
type MasterCheck struct {
	// Sealed is a known text, sealed by the master key that every process must have.
	Sealed string `json:"sealed"`
}

// MasterCheckID is the ID of the one MasterCheck.
const MasterCheckID = "master_key"

// Document implements Record.
func (MasterCheck) Document() Document { return Document{Kind: KindMeta, ID: MasterCheckID} }
