package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// secrets verifies client secrets: generated ones, which are too long to guess, by one SHA-256, chosen ones by argon2id,
// once: what was right is remembered under a key of this process.
type secrets struct {
	key [sha256.Size]byte
	// slots bounds how many chosen secrets are hashed at once: each takes some 20 MiB and 20 ms.
	slots chan struct{}

	mu   sync.Mutex
	good map[[sha256.Size]byte]struct{} // guarded by mu
}

const (
	// fastHash is the prefix of the hash of a generated secret: base64url of its SHA-256 follows.
	fastHash = "sha256:"
	// goodSize bounds how many chosen secrets are remembered.
	goodSize = 1024
)

func newSecrets(random io.Reader) (*secrets, error) {
	s := &secrets{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), good: map[[sha256.Size]byte]struct{}{}}
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
func (s *secrets) isChosen(ctx context.Context, client storage.Client, secret string) (bool, error) {
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

// chosen verifies a secret that somebody chose.
func (s *secrets) chosen(ctx context.Context, client storage.Client, hash, secret string) (bool, error) {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(storage.Digest(client.Directory, client.ID, hash, secret)))
	mark := [sha256.Size]byte(mac.Sum(nil))
	if s.remembers(mark) {
		return true, nil
	}
	good, err := s.verify(ctx, hash, secret)
	if good && err == nil {
		s.remember(mark)
	}
	return good, err
}

// verify reports whether secret has hash, an argon2id PHC string, in constant time.
func (s *secrets) verify(ctx context.Context, hash, secret string) (bool, error) {
	stored, err := identity.ParsePasswordHash(hash)
	if err != nil {
		return false, fmt.Errorf("server: client secret: %w", err)
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return false, unavailable(ctx.Err())
	}
	derived := argon2.IDKey([]byte(secret), stored.Salt, stored.Time, stored.Memory, stored.Threads, uint32(len(stored.Hash)))
	return subtle.ConstantTimeCompare(derived, stored.Hash) == 1, nil
}

func (s *secrets) remembers(mark [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.good[mark]
	return ok
}

func (s *secrets) remember(mark [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.good) >= goodSize {
		clear(s.good)
	}
	s.good[mark] = struct{}{}
}
