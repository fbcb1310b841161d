package storage

import "time"

// AddressCodes are the codes that were sent to one phone number or e-mail address in the last day, and the wrong tries. One document
// has both, so that each limit holds across browsers, authorization requests and instances.
type AddressCodes struct {
	Directory string `json:"directory"`
	// Address is a digest of the sign-in method and the address. The store does not have the addresses of unknown people.
	Address string `json:"address"`
	// Codes are the codes that may be valid, oldest first, at most MaxLiveCodes. Each has another Asker.
	Codes []OneTimeCode `json:"codes,omitempty"`
	// Sent are the codes of the last day, and Wrong the wrong tries, oldest first, at most MaxCodeEvents each.
	Sent      []CodeEvent `json:"sent,omitempty"`
	Wrong     []CodeEvent `json:"wrong,omitempty"`
	CreatedAt time.Time   `json:"created_at,omitzero"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"`
}

// OneTimeCode is a code that was sent.
type OneTimeCode struct {
	// Asker is a digest of the browser and the authorization request, or account page, that asked for the code.
	Asker string `json:"asker"`
	// Digest is that of the code and of a nonce that only the browser has.
	Digest string `json:"digest"`
	// User is the user that the address signs in; empty if there is none.
	User string `json:"user,omitempty"`
	// Device is the ID of the browser if that user has signed in with it before.
	Device string    `json:"device,omitempty"`
	SentAt time.Time `json:"sent_at,omitzero"`
	UsedAt time.Time `json:"used_at,omitzero"`
}

// CodeEvent is a code that was sent, or a wrong try.
type CodeEvent struct {
	At time.Time `json:"at"`
	// Device counts the events of a known browser apart from those of all others, for which it is empty.
	Device string `json:"device,omitempty"`
}

const (
	// MaxLiveCodes bounds AddressCodes.Codes.
	MaxLiveCodes = 16
	// MaxCodeEvents bounds AddressCodes.Sent and AddressCodes.Wrong.
	MaxCodeEvents = 96
)

// Document implements Record.
func (c AddressCodes) Document() Document {
	return Document{Kind: KindAddressCodes, ID: Key(c.Directory, c.Address), CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt}
}
