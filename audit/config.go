package audit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/minifed/minifed/storage"
)

// DefaultRetention is how long entries are stored, and MinRetention the shortest time that can be configured.
const (
	DefaultRetention = 180 * 24 * time.Hour
	MinRetention     = 24 * time.Hour
)

// Config has the dependencies and settings of a Trail; every field but Process, Retention and Logger is required.
type Config struct {
	Engine storage.Engine
	// Keys are the keys of MACs. The first one is for new entries; the others verify earlier entries.
	Keys []Key
	Now  func() time.Time
	// Random is the source of the IDs of chains.
	Random io.Reader
	// Process describes this process in the list of chains, such as "serve on host".
	Process string
	// Retention is how long entries are stored; zero is DefaultRetention.
	Retention time.Duration
	Logger    *slog.Logger
}

// Trail is the audit of one process. It is safe for concurrent use.
type Trail struct {
	config Config
	keys   keyring

	// turn is held by the caller that writes the next entry. It guards the three fields below.
	turn    chan struct{}
	process *storage.Entry[storage.AuditProcess] // nil until the first entry
	head    storage.AuditHead
	// retired are the chains of this process that ended before the current one.
	retired map[string]storage.AuditHead

	checkpoints checkpoints
	signIns     signIns
	entries     atomic.Int64
	failures    atomic.Int64
	verified    atomic.Pointer[storage.AuditVerification]
}

// State is what a process has written, and what waits.
type State struct {
	// Entries were written, and Failures could not be.
	Entries, Failures int64
	// WaitingSignIns wait for their batch. OmittedSignIns had no room there: only their number is recorded.
	WaitingSignIns int
	OmittedSignIns int64
	// Verified is the last verification, by any process; zero before the first one.
	Verified storage.AuditVerification
}

// State returns what this process has written, and what waits.
func (t *Trail) State() State {
	state := State{Entries: t.entries.Load(), Failures: t.failures.Load()}
	state.WaitingSignIns, state.OmittedSignIns = t.signIns.counts()
	if verified := t.verified.Load(); verified != nil {
		state.Verified = *verified
	}
	return state
}

// New returns a trail. Its chain begins with the first entry, so that a process without entries writes nothing.
func New(config Config) (*Trail, error) {
	if config.Engine == nil || len(config.Keys) == 0 || config.Now == nil || config.Random == nil {
		return nil, errors.New("audit: configuration needs Engine, Keys, Now and Random")
	}
	if config.Retention == 0 {
		config.Retention = DefaultRetention
	}
	if config.Retention < MinRetention {
		return nil, fmt.Errorf("audit: the retention must be at least %v", MinRetention)
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Trail{config: config, keys: keyring{}, turn: make(chan struct{}, 1), retired: map[string]storage.AuditHead{}}
	for _, key := range config.Keys {
		if len(key.Secret) < 32 {
			return nil, errors.New("audit: a key has fewer than 32 bytes")
		}
		t.keys[key.ID] = key
	}
	t.signIns.users = map[string][]storage.SignIn{}
	return t, nil
}

// signing returns the key of new entries.
func (t *Trail) signing() Key { return t.config.Keys[0] }

func (t *Trail) now() time.Time { return storage.Instant(t.config.Now()) }
