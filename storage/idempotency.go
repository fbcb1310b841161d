package storage

import "time"

// IdempotentRequest records a request of the admin API with an Idempotency-Key, so that a repeat of it creates nothing twice.
type IdempotentRequest struct {
	// ID is a digest of the actor, the operation and the key.
	ID string `json:"id"`
	// Request is a digest of the body: a repeat that differs is rejected.
	Request string `json:"request"`
	// Reserved is the ID of what the request creates, if it chooses none.
	Reserved string `json:"reserved,omitempty"`
	// Result is what a repeat needs to respond, sealed by the master key, because it can contain a secret. It is empty until the
	// request has succeeded.
	Result string `json:"result,omitempty"`
	// Until is when another attempt may begin, if there is no result.
	Until     time.Time `json:"until,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (r IdempotentRequest) Document() Document {
	return Document{Kind: KindIdempotency, ID: r.ID, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt}
}
