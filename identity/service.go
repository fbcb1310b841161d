package identity

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// attempts bounds how often one call decides again after it lost. Every loss is somebody else's progress, so only more
// callers than this, changing one person at one moment, or a broken store reach the bound.
const attempts = 100

// Config is what a Service works with.
type Config struct {
	// Engine keeps users, links, merge candidates and audit entries. Required.
	Engine storage.Engine
	// Now is the clock. Required.
	Now func() time.Time
	// Rand is where user IDs and salts come from: crypto/rand.Reader. It must be safe for concurrent use. Required.
	Rand io.Reader
	// Suggested is called for every new merge candidate, with its reason; optional.
	Suggested func(reason string)
	// Logger receives what an operator should know. Required.
	Logger *slog.Logger
	// Argon2 is what passwords are hashed with; the zero value is DefaultArgon2.
	Argon2 Argon2
	// Hashing computes the hashes; nil is NewHashing(0, 0).
	Hashing *Hashing
	// Breached knows passwords that are in circulation; nil knows the most common ones.
	Breached BreachedList
}

// Service is every operation on the people of all directories. It is safe for concurrent use and keeps no state of its own.
type Service struct {
	engine storage.Engine
	clock  func() time.Time
	rand   io.Reader
	logger *slog.Logger
	// suggested is nil where new merge candidates are not counted.
	suggested func(reason string)
	hasher    *hasher
	breached  BreachedList
	// nobody is the ID of a user who does not exist, to be read where a lookup must not be told from one that succeeds.
	nobody string
}

// New returns a Service, or an error that says what is missing or out of bounds.
func New(cfg Config) (*Service, error) {
	if cfg.Engine == nil || cfg.Now == nil || cfg.Rand == nil || cfg.Logger == nil {
		return nil, errors.New("identity: Engine, Now, Rand and Logger are required")
	}
	if cfg.Breached == nil {
		cfg.Breached = newCommon()
	}
	hasher, err := newHasher(cfg.Argon2, cfg.Hashing, cfg.Rand)
	if err != nil {
		return nil, err
	}
	s := &Service{
		engine: cfg.Engine, clock: cfg.Now, rand: cfg.Rand, logger: cfg.Logger, suggested: cfg.Suggested,
		hasher: hasher, breached: cfg.Breached,
	}
	s.nobody, err = s.newID()
	return s, err
}

func (s *Service) now() time.Time { return storage.Instant(s.clock()) }

// newID returns 128 random bits as 26 letters and digits: easy to select, to type and to pass to a command.
func (s *Service) newID() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(s.rand, raw[:]); err != nil {
		return "", fmt.Errorf("identity: randomness: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])), nil
}

// retry runs decide until it does not lose. Each run must read what it decides upon.
func retry[T any](ctx context.Context, decide func(context.Context) (T, error)) (T, error) {
	for range attempts {
		result, err := decide(ctx)
		if !lost(err) {
			return result, err
		}
	}
	var zero T
	return zero, errContended()
}
