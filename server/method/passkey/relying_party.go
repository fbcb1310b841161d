package passkey

import (
	"fmt"
	"io"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// newRelyingParty returns the relying party of an issuer. The RP ID is the host, which directories of one host share; the origin
// is compared with its port.
func newRelyingParty(issuer *oauth2.Issuer) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(issuer.URL)
	if err != nil {
		return nil, fmt.Errorf("passkey: issuer: %w", err)
	}
	party, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: issuer.Directory.Name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey: relying party: %w", err)
	}
	return party, nil
}

// challengeSize is the size of a challenge in random bytes; at least 16 (Web Authentication §13.4.3).
const challengeSize = 32

func newChallenge(random io.Reader) (protocol.URLEncodedBase64, error) {
	challenge := make([]byte, challengeSize)
	if _, err := io.ReadFull(random, challenge); err != nil {
		return nil, fmt.Errorf("passkey: randomness: %w", err)
	}
	return challenge, nil
}

// userHandle is the user of a credential for the authenticator (Web Authentication §5.4.3): no personal data, and begins with
// the directory, so that the credential of another directory at the host is recognised.
func userHandle(directory, incarnation, user string) []byte {
	return []byte(directory + "\x00" + storage.Digest("passkey user", directory, incarnation, user)[:handleDigest])
}

// handleDigest bounds a handle to 64 bytes; a directory ID has at most 32.
const handleDigest = 24

// credentialOwner is a user with one passkey, or with the passkeys to exclude from a registration.
type credentialOwner struct {
	handle            []byte
	name, displayName string
	passkeys          []storage.Passkey
}

var _ webauthn.User = (*credentialOwner)(nil)

// WebAuthnID implements webauthn.User.
func (o *credentialOwner) WebAuthnID() []byte { return o.handle }

// WebAuthnName implements webauthn.User.
func (o *credentialOwner) WebAuthnName() string { return o.name }

// WebAuthnDisplayName implements webauthn.User.
func (o *credentialOwner) WebAuthnDisplayName() string { return o.displayName }

// WebAuthnCredentials implements webauthn.User.
func (o *credentialOwner) WebAuthnCredentials() []webauthn.Credential {
	all := make([]webauthn.Credential, 0, len(o.passkeys))
	for _, passkey := range o.passkeys {
		credential := webauthn.Credential{
			ID: passkey.CredentialID, PublicKey: passkey.PublicKey,
			Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: passkey.BackupEligible, BackupState: passkey.BackedUp},
			Authenticator: webauthn.Authenticator{AAGUID: passkey.AAGUID, SignCount: passkey.Counter},
		}
		for _, transport := range passkey.Transports {
			credential.Transport = append(credential.Transport, protocol.AuthenticatorTransport(transport))
		}
		all = append(all, credential)
	}
	return all
}
