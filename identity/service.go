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

// attempts is the maximum number of attempts of one call. Every lost attempt means that a concurrent call succeeded. So only more
// than 100 concurrent changes of one user, or a broken store, reach the limit.
const attempts = 100

// Config is the dependencies and settings of a Service.
type Config struct {
	// Engine stores users, links, merge candidates and audit entries. Required.
	Engine storage.Engine
	// Directories reads the directories of the users; nil reads each one from Engine.
	Directories Directories
	// Now is the clock. Required.
	Now func() time.Time
	// Rand is the source of user IDs and salts: crypto/rand.Reader. It must be safe for concurrent use. Required.
	Rand io.Reader
	// Suggested is called for every new merge candidate, with its reason; optional.
	Suggested func(reason string)
	// Audit records the actions. Required.
	Audit Recorder
	// Logger receives messages for the operator. Required.
	Logger *slog.Logger
	// Argon2 is the parameters for new password hashes; the zero value is DefaultArgon2.
	Argon2 Argon2
	// Hashing computes the hashes; nil is NewHashing(0, 0).
	Hashing *Hashing
	// Breached is the list of known passwords; nil is a list of the most common ones.
	Breached BreachedList
}

// Service implements every operation on the users of all directories. It is safe for concurrent use and has no state of its own.
type Service struct {
	engine      storage.Engine
	directories Directories
	clock       func() time.Time
	rand        io.Reader
	audit       Recorder
	logger      *slog.Logger
	// suggested is nil if new merge candidates are not counted.
	suggested func(reason string)
	hasher    *hasher
	breached  BreachedList
	// missingID is the ID of a user who does not exist. It is read where a failed look-up must cost as much as a successful one.
	missingID string
}

// New returns a Service, or an error that names the missing or invalid setting.
func New(cfg Config) (*Service, error) {
	if cfg.Engine == nil || cfg.Now == nil || cfg.Rand == nil || cfg.Audit == nil || cfg.Logger == nil {
		return nil, errors.New("identity: Engine, Now, Rand, Audit and Logger are required")
	}
	if cfg.Directories == nil {
		cfg.Directories = storedDirectories{cfg.Engine}
	}
	if cfg.Breached == nil {
		cfg.Breached = common{}
	}
	hasher, err := newHasher(cfg.Argon2, cfg.Hashing, cfg.Rand)
	if err != nil {
		return nil, err
	}
	s := &Service{
		engine: cfg.Engine, directories: cfg.Directories, clock: cfg.Now, rand: cfg.Rand, audit: cfg.Audit, logger: cfg.Logger, suggested: cfg.Suggested,
		hasher: hasher, breached: cfg.Breached,
	}
	s.missingID, err = s.newID()
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

// retry runs decide until it does not lose. Each run must read the state again.
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
