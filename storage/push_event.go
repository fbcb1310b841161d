package storage

import "time"

// PushEvent is an event about a WeChat user that WeChat pushed. It is stored before WeChat gets its response, and is processed
// later, by any instance. Its ID is the same for each delivery, so that the insert detects repeated ones.
type PushEvent struct {
	Directory string `json:"directory"`
	// ID is a digest of AppID, name, OpenID, time and withdrawal.
	ID string `json:"id"`
	// Client is the client of the push URL; empty for the push URL of a connection.
	Client string `json:"client,omitempty"`
	AppID  string `json:"app_id"`
	// Name is WeChat's name of the event.
	Name string `json:"name"`
	// OpenID is the user; empty when the event is processed.
	OpenID string `json:"open_id,omitempty"`
	// Revoked is WeChat's number for what a user withdrew; 0 without one.
	Revoked int `json:"revoked,omitempty"`
	// HappenedAt is when WeChat created the event, in whole seconds.
	HappenedAt time.Time `json:"happened_at,omitzero"`
	// DueAt is when the event is processed next; zero when it is processed. An instance that processes it moves DueAt first, so
	// that no other instance does.
	DueAt time.Time `json:"due_at,omitzero"`
	// DeletesAt is the end of the grace period, after which the user of the event is deleted; zero without one.
	DeletesAt time.Time `json:"deletes_at,omitzero"`
	// Attempts counts the attempts that failed.
	Attempts int `json:"attempts,omitempty"`
	// Outcome is what was done, when the event is processed.
	Outcome   string    `json:"outcome,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	// ExpiresAt is zero until the event is processed.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (e PushEvent) Document() Document {
	return Document{Kind: KindPushEvent, ID: Key(e.Directory, e.ID), CreatedAt: e.CreatedAt, DueAt: e.DueAt, ExpiresAt: e.ExpiresAt}
}
