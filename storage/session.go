package storage

import "time"

// Session is one browser signed in to one directory. Its ID does not change when its user signs in again, so its grants continue;
// the cookie gets a new secret.
type Session struct {
	Directory string `json:"directory"`
	// ID is the claim "sid" of the ID tokens issued under this session.
	ID string `json:"id"`
	// Secret is the digest of the secret in the cookie, so that the store cannot be turned into cookies.
	Secret    string    `json:"secret"`
	User      string    `json:"user"`
	UserEpoch int64     `json:"user_epoch"`
	AuthTime  time.Time `json:"auth_time,omitzero"`
	AMR       []string  `json:"amr,omitempty"`
	ACR       string    `json:"acr,omitempty"`
	// BackendInitiated means that the backend of a client could start the session without its user. Such a session is no recent
	// sign-in for changes of sign-in methods and identities.
	BackendInitiated bool `json:"backend_initiated,omitempty"`
	// Client is the Instance of the only client that the session signs in to: a hand-off opened it. Empty is every client, and the
	// account page.
	Client string `json:"client,omitempty"`
	// Browser is a short label for the session list, derived from the User-Agent.
	Browser string `json:"browser,omitempty"`
	// From and Country are the client address and its ISO 3166-1 code at the last sign-in, for the session list.
	From    string `json:"from,omitempty"`
	Country string `json:"country,omitempty"`
	// Clients are the clients that get a logout token when the session ends, by Client.Instance, with the time of the first code
	// or token that they got; at most 128. After the end, a notified client is removed.
	Clients map[string]time.Time `json:"clients,omitempty"`
	// EndedAt is set by logout; an ended session gives nothing any more.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// DeliverAt is the time of the next logout tokens to the remaining Clients, and DeliveryAttempts the number of earlier
	// attempts; zero when no client remains (OpenID Connect Back-Channel Logout 1.0).
	DeliverAt        time.Time `json:"tell_at,omitzero"`
	DeliveryAttempts int       `json:"told,omitempty"`

	SeenAt    time.Time `json:"seen_at,omitzero"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (s Session) Document() Document {
	return Document{
		Kind: KindSession, ID: Key(s.Directory, s.ID), Owner: Key(s.Directory, s.User),
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, DueAt: s.DeliverAt,
	}
}

// DeliveryLease is the lease during which one instance delivers a session's logout tokens.
const DeliveryLease = 30 * time.Second

// DeliveryPeriod is how long an ended session is stored while its logout tokens are undelivered.
const DeliveryPeriod = 24 * time.Hour

// End ends a session. The delivery of its logout tokens is due after lease: the time that a caller needs who delivers them itself.
func (s *Session) End(now time.Time, lease time.Duration) {
	s.EndedAt = now
	if len(s.Clients) == 0 {
		return
	}
	s.DeliverAt = now.Add(lease)
	if until := now.Add(DeliveryPeriod); until.After(s.ExpiresAt) {
		s.ExpiresAt = until
	}
}
