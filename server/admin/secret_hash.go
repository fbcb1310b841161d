package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/minifed/minifed/identity"
)

// generatedPrefix begins the hashes of generated secrets.
const generatedPrefix = "sha256:"

// hashGenerated is for secrets that minifed generated: 32 random bytes need no slow hash.
func hashGenerated(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return generatedPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// hashChosen is for secrets that an operator chose: argon2id (RFC 9106), with the parameters of passwords.
func (s *Service) hashChosen(ctx context.Context, secret string) (string, error) {
	salt, err := s.randomBytes(16)
	if err != nil {
		return "", err
	}
	hash := identity.PasswordHash{Argon2: identity.DefaultArgon2(), Salt: salt, Hash: make([]byte, sha256.Size)}
	if hash.Hash, err = s.config.Hashing.Key(ctx, []byte(secret), hash); err != nil {
		return "", err
	}
	return hash.String(), nil
}

// checkChosenSecret requires a secret that survives form encoding in Basic authentication and cannot be guessed.
func checkChosenSecret(secret string) error {
	if len(secret) < 16 || len(secret) > 256 || !allRunes(secret, isPrintableASCII) {
		return errors.New("must be 16 to 256 printable ASCII characters without space")
	}
	return nil
}
