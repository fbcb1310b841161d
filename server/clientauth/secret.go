package clientauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Argon2id computes the hash of a secret with the parameters and salt of an existing hash, as *identity.Hashing does.
type Argon2id interface {
	Key(ctx context.Context, secret []byte, with identity.PasswordHash) ([]byte, error)
}

// Secrets verifies client secrets. Generated secrets cannot be guessed and are compared by one SHA-256; chosen ones are
// verified by argon2id. A right chosen secret is cached, as a MAC under a key of this process, so that it is hashed once.
type Secrets struct {
	key     [sha256.Size]byte
	hashing Argon2id
	// flights lets concurrent requests with the same secret share one hash.
	flights singleflight.Group

	mu       sync.Mutex
	verified *bounded.Map[[sha256.Size]byte, struct{}] // guarded by mu
}

const (
	// fastHash is the prefix of the hash of a generated secret, before the SHA-256 in base64url.
	fastHash = "sha256:"
	// maxVerifiedSecrets bounds the cached chosen secrets.
	maxVerifiedSecrets = 1024
	// hashTimeout bounds one hash, with the time in the queue. The request that began the hash does not cancel it, because others
	// wait for the same one.
	hashTimeout = 10 * time.Second
)

// NewSecrets returns a verifier with a new key for its cache.
func NewSecrets(random io.Reader, hashing Argon2id) (*Secrets, error) {
	s := &Secrets{hashing: hashing, verified: bounded.New[[sha256.Size]byte, struct{}](maxVerifiedSecrets)}
	if _, err := io.ReadFull(random, s.key[:]); err != nil {
		return nil, fmt.Errorf("clientauth: randomness: %w", err)
	}
	return s, nil
}

// isGeneratedSecret reports whether minifed generated the secret for the client.
func isGeneratedSecret(client storage.Client, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	encoded := base64.RawURLEncoding.AppendEncode([]byte(fastHash), sum[:])
	return slices.ContainsFunc(client.Secrets, func(hash string) bool {
		return subtle.ConstantTimeCompare([]byte(hash), encoded) == 1
	})
}

// hasChosenSecret reports whether a person chose a secret of the client, so that it can be guessed.
func hasChosenSecret(client storage.Client) bool {
	return slices.ContainsFunc(client.Secrets, isChosenHash)
}

func isChosenHash(hash string) bool { return !strings.HasPrefix(hash, fastHash) }

// isChosen reports whether a secret is a chosen one of the client.
func (s *Secrets) isChosen(ctx context.Context, client storage.Client, secret string) (bool, error) {
	for _, hash := range client.Secrets {
		if !isChosenHash(hash) {
			continue
		}
		if good, err := s.verifyChosen(ctx, client, hash, secret); good || err != nil {
			return good, err
		}
	}
	return false, nil
}

// verifyChosen verifies a chosen secret.
func (s *Secrets) verifyChosen(ctx context.Context, client storage.Client, hash, secret string) (bool, error) {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(storage.Digest(client.Directory, client.ID, hash, secret)))
	mark := [sha256.Size]byte(mac.Sum(nil))
	if s.isVerified(mark) {
		return true, nil
	}
	done := s.flights.DoChan(string(mark[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hashTimeout)
		defer cancel()
		good, err := s.verify(ctx, hash, secret)
		if good && err == nil {
			s.cacheVerified(mark)
		}
		return good, err
	})
	select {
	case result := <-done:
		good, _ := result.Val.(bool)
		return good, result.Err
	case <-ctx.Done():
		return false, endpoint.Unavailable(ctx.Err())
	}
}

// verify reports whether secret has hash, an argon2id PHC string, in constant time.
func (s *Secrets) verify(ctx context.Context, hash, secret string) (bool, error) {
	stored, err := identity.ParsePasswordHash(hash)
	if err != nil {
		return false, fmt.Errorf("clientauth: client secret: %w", err)
	}
	derived, err := s.hashing.Key(ctx, []byte(secret), stored)
	if err != nil {
		return false, endpoint.Unavailable(err)
	}
	return subtle.ConstantTimeCompare(derived, stored.Hash) == 1, nil
}

func (s *Secrets) isVerified(mark [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.verified.Get(mark)
	return ok
}

func (s *Secrets) cacheVerified(mark [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified.Put(mark, struct{}{}, time.Time{}, time.Time{}) // Without times, a full cache removes the oldest.
}
