package storage

import "time"

// Session is one browser signed in to one directory. Its ID is the digest of the cookie's value, so that the store cannot
// be turned into cookies.
type Session struct {
	Directory string `json:"directory"`
	ID        string `json:"id"`
	User      string `json:"user"`
	UserEpoch int64  `json:"user_epoch"`
	// SID is the "sid" claim of ID tokens issued under this session.
	SID      string    `json:"sid"`
	AuthTime time.Time `json:"auth_time,omitzero"`
	AMR      []string  `json:"amr,omitempty"`
	ACR      string    `json:"acr,omitempty"`
	// Browser is a short label for the session list, made from the User-Agent.
	Browser string `json:"browser,omitempty"`
	// Clients are the clients that got tokens under this session, with the time of the last; at most 32.
	Clients map[string]time.Time `json:"clients,omitempty"`
	// EndedAt is set by logout; an ended session gives nothing any more.
	EndedAt   time.Time `json:"ended_at,omitzero"`
	SeenAt    time.Time `json:"seen_at,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (s Session) Document() Document {
	return Document{
		Kind: KindSession, ID: Key(s.Directory, s.ID), Owner: Key(s.Directory, s.User),
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
	}
}
