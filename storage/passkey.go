package storage

import "time"

// Passkey is a WebAuthn credential by which a user signs in (Web Authentication §4, "credential record").
type Passkey struct {
	Directory string `json:"directory"`
	// DirectoryIncarnation is that of the user's directory: a passkey of a deleted directory signs in to no later one.
	DirectoryIncarnation string `json:"directory_incarnation,omitempty"`
	// RPID is the host for which the authenticator created the credential.
	RPID string `json:"rp_id"`
	// CredentialID is the authenticator's ID of the credential, at most 1023 bytes.
	CredentialID []byte `json:"credential_id"`
	// User is the user who added the passkey; that user may have become an alias.
	User string `json:"user"`
	// PublicKey is a COSE key.
	PublicKey []byte `json:"public_key"`
	// Name is what the user calls it, at most 64 characters.
	Name string `json:"name,omitempty"`
	// AAGUID identifies the model of the authenticator; many send zeros.
	AAGUID []byte `json:"aaguid,omitempty"`
	// Transports are the ways to the authenticator that the browser named.
	Transports []string `json:"transports,omitempty"`
	// BackupEligible means that the authenticator may copy the credential to other devices; BackedUp that it has.
	BackupEligible bool `json:"backup_eligible,omitempty"`
	BackedUp       bool `json:"backed_up,omitempty"`
	// Counter is the highest signature counter that the authenticator sent. Zero means that it does not count.
	Counter uint32 `json:"counter,omitempty"`
	// SuspectAt is when a lower counter was sent, as that of a copy would be; zero for never.
	SuspectAt time.Time `json:"suspect_at,omitzero"`
	// ValidFrom is when the passkey begins to work; zero is at once. A first passkey of a session that a client's backend could start
	// is delayed, so that its owner can object.
	ValidFrom time.Time `json:"valid_from,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	// Challenges are the challenges that the passkey signed lately, at most MaxPasskeyChallenges. The write that adds one enforces its
	// single use: a response is signed by one passkey.
	Challenges []PasskeyChallenge `json:"challenges,omitempty"`
	CreatedAt  time.Time          `json:"created_at,omitzero"`
}

// PasskeyChallenge is a challenge of a sign-in that was used.
type PasskeyChallenge struct {
	// ID is the challenge, in base64url.
	ID string `json:"id"`
	// ExpiresAt is when no page with the challenge is valid any more.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// MaxPasskeyChallenges bounds Passkey.Challenges.
const MaxPasskeyChallenges = 32

// ID is the passkey's name for its user and for operators.
func (p Passkey) ID() string { return Digest(p.Directory, p.RPID, string(p.CredentialID)) }

// Document implements Record.
func (p Passkey) Document() Document {
	return Document{
		Kind: KindPasskey, ID: Key(p.Directory, p.ID()), Owner: Key(p.Directory, p.User), CreatedAt: p.CreatedAt,
	}
}

// PasskeyKey is the store key of a passkey. Directories at one host may have the same credential IDs.
func PasskeyKey(directory, rpID string, credentialID []byte) string {
	return Passkey{Directory: directory, RPID: rpID, CredentialID: credentialID}.Document().ID
}

// Challenge stores a used WebAuthn challenge of a registration until it expires: the insert enforces single use.
type Challenge struct {
	Directory string `json:"directory"`
	// ID is the challenge, in base64url.
	ID        string    `json:"id"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Document implements Record.
func (c Challenge) Document() Document {
	return Document{Kind: KindChallenge, ID: Key(c.Directory, c.ID), ExpiresAt: c.ExpiresAt}
}
