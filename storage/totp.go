package storage

import "time"

// TOTP is the authenticator app of a user, the second factor after a password (RFC 6238), with recovery codes.
type TOTP struct {
	Directory string `json:"directory"`
	// DirectoryIncarnation is that of the user's directory.
	DirectoryIncarnation string `json:"directory_incarnation,omitempty"`
	// User is the user who added it; that user may have become an alias.
	User string `json:"user"`
	// Secret is the shared secret, sealed by the master key.
	Secret string `json:"secret"`
	// Step is the time step of the last accepted code. Codes of this step and of earlier ones are rejected (RFC 6238 §5.2).
	Step int64 `json:"step"`
	// RecoveryCodes are the digests of the unused recovery codes, at most ten.
	RecoveryCodes []string `json:"recovery_codes,omitempty"`
	// RecoveryCodesAt is when they were created.
	RecoveryCodesAt time.Time `json:"recovery_codes_at,omitzero"`
	// RemoveAt is when the app is no longer asked for: its user has lost it and requested that. The use of a code cancels it.
	RemoveAt  time.Time `json:"remove_at,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Document implements Record. A user has one.
func (t TOTP) Document() Document {
	return Document{Kind: KindTOTP, ID: Key(t.Directory, t.User)}
}
