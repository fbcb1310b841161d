package admin

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// attempts is how often a conflicting change is retried before it returns ErrChanged.
const attempts = 8

// Config configures a Service; every field but Hashing is required.
type Config struct {
	Engine storage.Engine
	// Audit records the acts.
	Audit  *audit.Trail
	Master *keys.Master
	// Keys creates and rotates the signing keys of directories.
	Keys *keys.Ring
	// Secrets creates and rotates the token secrets of directories.
	Secrets *keys.Secrets
	// Identity knows the users of directories.
	Identity *identity.Service
	// Hashing bounds the memory of hashing chosen secrets and of decoding logos; nil is identity.NewHashing(0, 0).
	Hashing *identity.Hashing
	// Backup returns the state of backups, or nil if there are none; optional.
	Backup func() *BackupState
	Now    func() time.Time
	Random io.Reader
	// WeChat checks AppIDs and AppSecrets; nil checks none.
	WeChat CredentialChecker
	// Archive writes all records, sealed by the master key; nil writes none.
	Archive func(ctx context.Context, out io.Writer) error
	// PublicURL is the origin that directories without one of their own are at.
	PublicURL string
	// DefaultDirectory cannot be disabled or deleted: the public URL itself is its issuer.
	DefaultDirectory string
	// Actor is the actor of the service until As names another one.
	Actor Actor
}

// Service does the operator's work. It is safe for concurrent use.
type Service struct {
	config Config
	rules  map[Act]rule
}

// New creates a Service, or returns what is missing.
func New(config Config) (*Service, error) {
	if config.Engine == nil || config.Audit == nil || config.Master == nil || config.Keys == nil || config.Secrets == nil || config.Identity == nil || config.Now == nil || config.Random == nil {
		return nil, errors.New("admin: configuration needs Engine, Audit, Master, Keys, Secrets, Identity, Now and Random")
	}
	if config.Actor.Name == "" || CheckID(config.DefaultDirectory) != nil {
		return nil, errors.New("admin: configuration needs an Actor and a DefaultDirectory")
	}
	if err := storage.CheckOrigin(config.PublicURL); err != nil {
		return nil, fmt.Errorf("admin: PublicURL %w", err)
	}
	if config.Hashing == nil {
		config.Hashing = identity.NewHashing(0, 0)
	}
	return &Service{config, rulesByAct()}, nil
}

// now is the time for records.
func (s *Service) now() time.Time { return storage.Instant(s.config.Now()) }

// randomBytes reads n bytes from the source of randomness.
func (s *Service) randomBytes(n int) ([]byte, error) {
	out := make([]byte, n)
	if _, err := io.ReadFull(s.config.Random, out); err != nil {
		return nil, fmt.Errorf("admin: random: %w", err)
	}
	return out, nil
}

// newID generates an identifier that people can read aloud and that a shell does not take for a flag: 26 of a-z and 2-7.
func (s *Service) newID() (string, error) {
	raw, err := s.randomBytes(16)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)), err
}

// newIncarnation generates the value that distinguishes a record from a deleted one with the same ID.
func (s *Service) newIncarnation() (string, error) {
	raw, err := s.randomBytes(10)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)), err
}

// newSecret generates a secret of 32 bytes in base64url, which needs no escaping in Basic authentication (RFC 6749 §2.3.1).
func (s *Service) newSecret() (string, error) {
	raw, err := s.randomBytes(32)
	return base64.RawURLEncoding.EncodeToString(raw), err
}

// get reads one record; what names it for the operator.
func get[R storage.Record](ctx context.Context, s *Service, what, key string) (*storage.Entry[R], error) {
	entry, err := storage.Get[R](ctx, s.config.Engine, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("%s %w", what, ErrNotFound)
	}
	return entry, err
}

// edit is one change of a record, with its audit entry.
type edit[R storage.Record] struct {
	// what names the record for the operator; key finds it.
	what, key string
	// revision, if not empty, must still be the record's.
	revision string
	entry    entry
	// change alters the record or returns an error.
	change func(*R) error
}

// update applies an edit by compare-and-set. Without a revision, it retries when the record was changed concurrently. The audit
// entry is written first, so that no change happens without a record of it.
func update[R storage.Record](ctx context.Context, s *Service, e edit[R]) (*storage.Entry[R], error) {
	written := storage.AuditEntry{}
	for range attempts {
		current, err := get[R](ctx, s, e.what, e.key)
		if err != nil {
			return nil, s.failed(ctx, written, err)
		}
		if e.revision != "" && current.Revision() != e.revision {
			break
		}
		next := current.Record
		if err := e.change(&next); err != nil {
			return nil, s.failed(ctx, written, err)
		}
		if err := checkSize(next); err != nil {
			return nil, s.failed(ctx, written, err)
		}
		if written.ID == "" {
			if written, err = s.record(ctx, e.entry.changed(current.Record, next)); err != nil {
				return nil, err
			}
		}
		replaced, err := current.Replace(ctx, s.config.Engine, next)
		if !errors.Is(err, storage.ErrConflict) {
			return replaced, s.failed(ctx, written, err)
		}
	}
	return nil, s.failed(ctx, written, fmt.Errorf("%s %w", e.what, ErrChanged))
}

// create writes a new record after its audit entry; what names it for the operator.
func create[R storage.Record](ctx context.Context, s *Service, what string, e entry, record R) (*storage.Entry[R], error) {
	_, err := storage.Get[R](ctx, s.config.Engine, record.Document().ID)
	if err == nil {
		return nil, fmt.Errorf("%s %w", what, ErrExists)
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if err := checkSize(record); err != nil {
		return nil, err
	}
	written, err := s.record(ctx, e.changed(nil, record))
	if err != nil {
		return nil, err
	}
	created, err := storage.Insert(ctx, s.config.Engine, record)
	if errors.Is(err, storage.ErrExists) {
		return nil, s.failed(ctx, written, fmt.Errorf("%s %w", what, ErrExists))
	}
	return created, s.failed(ctx, written, err)
}
