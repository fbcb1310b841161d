package endpoint

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Sealer encrypts state that a browser stores for the server. Only the server can read or change it. The server stores
// nothing, so that opening many login pages does not fill the database.
//
// An envelope is base64url(generation of the token secrets ‖ salt ‖ AES-256-GCM). Its key is the HMAC of its salt under the
// directory's secret for the purpose. So no key is used twice, and an envelope of another purpose or directory does not open.
type Sealer struct {
	Secrets oauth2.Secrets
	Random  io.Reader
}

const (
	sealedGeneration = 4
	sealedSalt       = 24
	// maxSealed bounds an envelope, in bytes.
	maxSealed = 28 << 10
)

// ErrInvalidEnvelope means that a text is not an envelope of this directory and purpose.
var ErrInvalidEnvelope = errors.New("endpoint: not an envelope of ours")

// Seal returns the envelope of text. purpose is a constant of the calling code.
func (s Sealer) Seal(ctx context.Context, issuer *oauth2.Issuer, purpose string, text []byte) (string, error) {
	generation, _, err := s.Secrets.Generation(ctx, issuer.Directory.ID)
	if err != nil {
		return "", fmt.Errorf("endpoint: token secrets: %w", err)
	}
	envelope := binary.BigEndian.AppendUint32(nil, generation)
	envelope = append(envelope, make([]byte, sealedSalt)...)
	if _, err := io.ReadFull(s.Random, envelope[sealedGeneration:]); err != nil {
		return "", fmt.Errorf("endpoint: randomness: %w", err)
	}
	box, err := s.box(ctx, issuer, purpose, generation, envelope[sealedGeneration:])
	if err != nil {
		return "", err
	}
	nonce := make([]byte, box.NonceSize())
	return base64.RawURLEncoding.EncodeToString(box.Seal(envelope, nonce, text, nil)), nil //nolint:gosec // The key is used once.
}

// Open returns the text of an envelope, or ErrInvalidEnvelope.
func (s Sealer) Open(ctx context.Context, issuer *oauth2.Issuer, purpose, sealed string) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, ErrInvalidEnvelope
	}
	envelope, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	exact := base64.RawURLEncoding.EncodedLen(len(envelope)) == len(sealed) // The decoder ignores line breaks.
	if err != nil || !exact || len(envelope) < sealedGeneration+sealedSalt {
		return nil, ErrInvalidEnvelope
	}
	generation, salt := binary.BigEndian.Uint32(envelope), envelope[sealedGeneration:sealedGeneration+sealedSalt]
	box, err := s.box(ctx, issuer, purpose, generation, salt)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ErrInvalidEnvelope
	}
	if err != nil {
		return nil, err
	}
	text, err := box.Open(nil, make([]byte, box.NonceSize()), envelope[sealedGeneration+sealedSalt:], nil)
	if err != nil {
		return nil, ErrInvalidEnvelope
	}
	return text, nil
}

func (s Sealer) box(ctx context.Context, issuer *oauth2.Issuer, purpose string, generation uint32, salt []byte) (cipher.AEAD, error) {
	key, err := s.Secrets.MAC(ctx, issuer.Directory.ID, generation, purpose, salt)
	if err != nil {
		return nil, fmt.Errorf("endpoint: token secrets: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("endpoint: seal: %w", err)
	}
	return cipher.NewGCM(block)
}
