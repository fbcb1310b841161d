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
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Argon2id computes the hash of a secret with the parameters and the salt of another, as *identity.Hashing does.
type Argon2id interface {
	Key(ctx context.Context, secret []byte, with identity.PasswordHash) ([]byte, error)
}

// Secrets verifies client secrets: generated ones, which are too long to guess, by one SHA-256, chosen ones by argon2id. A
// chosen secret that was right is remembered, as a MAC under a key of this process, so that it is hashed once.
type Secrets struct {
	key     [sha256.Size]byte
	hashing Argon2id
	// flights lets requests that show the same secret at the same time wait for one hash.
	flights singleflight.Group

	mu   sync.Mutex
	good map[[sha256.Size]byte]struct{} // guarded by mu
}

const (
	// fastHash is the prefix of the hash of a generated secret: base64url of its SHA-256 follows.
	fastHash = "sha256:"
	// goodSize bounds how many chosen secrets are remembered.
	goodSize = 1024
	// hashTimeout bounds one hash and the wait for its turn. It does not end with the request that began it, because others
	// wait for the same hash.
	hashTimeout = 10 * time.Second
)

// NewSecrets returns a verifier that remembers chosen secrets under a key of its own.
func NewSecrets(random io.Reader, hashing Argon2id) (*Secrets, error) {
	s := &Secrets{hashing: hashing, good: map[[sha256.Size]byte]struct{}{}}
	if _, err := io.ReadFull(random, s.key[:]); err != nil {
		return nil, fmt.Errorf("server: randomness: %w", err)
	}
	return s, nil
}

// isGeneratedSecret reports whether a secret is one that minifed generated for the client.
func isGeneratedSecret(client storage.Client, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	encoded := base64.RawURLEncoding.AppendEncode([]byte(fastHash), sum[:])
	return slices.ContainsFunc(client.Secrets, func(hash string) bool {
		return subtle.ConstantTimeCompare([]byte(hash), encoded) == 1
	})
}

// hasChosenSecret reports whether a secret of the client was chosen by a person, so that it can be guessed.
func hasChosenSecret(client storage.Client) bool {
	return slices.ContainsFunc(client.Secrets, isChosenHash)
}

func isChosenHash(hash string) bool { return !strings.HasPrefix(hash, fastHash) }

// isChosen reports whether a secret is one that was chosen for the client.
func (s *Secrets) isChosen(ctx context.Context, client storage.Client, secret string) (bool, error) {
	for _, hash := range client.Secrets {
		if !isChosenHash(hash) {
			continue
		}
		if good, err := s.chosen(ctx, client, hash, secret); good || err != nil {
			return good, err
		}
	}
	return false, nil
}

// chosen verifies a chosen secret.
func (s *Secrets) chosen(ctx context.Context, client storage.Client, hash, secret string) (bool, error) {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(storage.Digest(client.Directory, client.ID, hash, secret)))
	mark := [sha256.Size]byte(mac.Sum(nil))
	if s.remembers(mark) {
		return true, nil
	}
	done := s.flights.DoChan(string(mark[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hashTimeout)
		defer cancel()
		good, err := s.verify(ctx, hash, secret)
		if good && err == nil {
			s.remember(mark)
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
		return false, fmt.Errorf("server: client secret: %w", err)
	}
	derived, err := s.hashing.Key(ctx, []byte(secret), stored)
	if err != nil {
		return false, endpoint.Unavailable(err)
	}
	return subtle.ConstantTimeCompare(derived, stored.Hash) == 1, nil
}

func (s *Secrets) remembers(mark [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.good[mark]
	return ok
}

func (s *Secrets) remember(mark [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.good) >= goodSize {
		clear(s.good)
	}
	s.good[mark] = struct{}{}
}
