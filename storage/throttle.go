package storage

import "time"

// Throttle counts the failures of one subject under one rule, such as wrong secrets from one address. It is written when
// something failed, never when it went well.
type Throttle struct {
	Directory string `json:"directory"`
	// Rule names what is counted.
	Rule string `json:"rule"`
	// Subject is a digest of whose failures they are: an address, a client, an account.
	Subject string `json:"subject"`
	// Failures is how many there were since the subject was last forgotten.
	Failures     int       `json:"failures"`
	FailedAt     time.Time `json:"failed_at,omitzero"`
	BlockedUntil time.Time `json:"blocked_until,omitzero"`
	// ExpiresAt is when the failures are forgotten.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (t Throttle) Document() Document {
	return Document{Kind: KindThrottle, ID: Digest(t.Directory, t.Rule, t.Subject), ExpiresAt: t.ExpiresAt}
}
