package storage

import "time"

// WebLogin is a sign-in at WeChat that a browser has begun. WeChat sends the browser back with its state, sometimes twice.
type WebLogin struct {
	Directory string `json:"directory"`
	// State is the digest of the parameter "state". The store cannot disclose the parameter.
	State string `json:"state"`
	// AppID is the connection.
	AppID string `json:"app_id"`
	// Browser is the digest of the cookie of the browser.
	Browser string `json:"browser"`
	// Interaction is the sealed authorization request; empty for the account page.
	Interaction string `json:"interaction,omitempty"`
	// Code is the digest of the code that is being exchanged, or was; a state gets one. ClaimedAt is when that began.
	Code      string    `json:"code,omitempty"`
	ClaimedAt time.Time `json:"claimed_at,omitzero"`
	// User is the user who signed in, at AuthTime, with the epoch at that time.
	User      string    `json:"user,omitempty"`
	UserEpoch int64     `json:"user_epoch,omitempty"`
	AuthTime  time.Time `json:"auth_time,omitzero"`
	// JoinTo is the ID of the signed-in user to whose account the WeChat user is to be added; empty for a sign-in.
	JoinTo string `json:"join_to,omitempty"`
	// Pending is the proven WeChat user who is unknown, until that user decides.
	Pending *Pending `json:"pending,omitempty"`
	// Failure is the reason why the sign-in failed.
	Failure string `json:"failure,omitempty"`

	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (l WebLogin) Document() Document {
	return Document{Kind: KindWebLogin, ID: Key(l.Directory, l.State), CreatedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt}
}
