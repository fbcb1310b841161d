package storage

import "time"

// UserEventType is what happened to a user. Clients with an event URI are notified of it.
type UserEventType string

const (
	// EventMerged means that the user became an alias of another one.
	EventMerged UserEventType = "merged"
	// EventUnmerged means that the merged user is a user again.
	EventUnmerged UserEventType = "unmerged"
	// EventDisabled means that an operator disabled the user.
	EventDisabled UserEventType = "disabled"
	// EventDeleted means that the user is deleted.
	EventDeleted UserEventType = "deleted"
)

// MaxUserEvents bounds User.Events. The background work of the server empties the list within seconds.
const MaxUserEvents = 8

// UserEvent is an event of a user whose notifications are not stored yet. The write that causes the event stores it.
type UserEvent struct {
	Type UserEventType `json:"type"`
	// Other is the user into which this one was merged.
	Other string    `json:"other,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// WithEvent returns a user with one more event.
func (u User) WithEvent(event UserEvent) User {
	events := append(append([]UserEvent{}, u.Events...), event)
	u.Events = events[max(0, len(events)-MaxUserEvents):]
	return u
}

// SecurityEvent is the notification of one client of an event (RFC 8417). It is deleted when the client has accepted it.
type SecurityEvent struct {
	Directory string `json:"directory"`
	// ID is derived from the event and the client, so that an event is stored once. It is the claim "jti".
	ID string `json:"id"`
	// Client is the receiver, by Client.Instance.
	Client string `json:"client"`
	// User is the user of the event.
	User  string    `json:"user"`
	Event UserEvent `json:"event"`
	// DeliverAt is the time of the next delivery, and Attempts the number of earlier ones.
	DeliverAt time.Time `json:"deliver_at,omitzero"`
	Attempts  int       `json:"attempts,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// EventPeriod is how long the delivery of an event is tried.
const EventPeriod = 3 * 24 * time.Hour

// Document implements Record.
func (e SecurityEvent) Document() Document {
	return Document{Kind: KindSecurityEvent, ID: Key(e.Directory, e.ID), CreatedAt: e.CreatedAt, DueAt: e.DeliverAt, ExpiresAt: e.ExpiresAt}
}
