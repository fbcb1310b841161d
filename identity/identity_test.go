package identity_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const directory = "default"

// storeHarness is an engine in memory, and a service on it whose operations pass through hooks.
type storeHarness struct {
	*identity.Service
	t      testing.TB
	clock  *storagetest.Clock
	memory *storagetest.Memory
	hooks  *storagetest.Hooks
	// recorded and failed count the audit entries, and those whose action failed.
	recorded, failed atomic.Int64
	// loginLinks are the recorded links of logins: the user and the type of the identity.
	mu         sync.Mutex
	loginLinks []string
	// directory is the one that the service has in memory, and fresh the one in the store.
	directory, fresh storage.Directory
}

func (h *storeHarness) Directory(context.Context, string) (storage.Directory, error) {
	return h.directory, nil
}

func (h *storeHarness) FreshDirectory(context.Context, string) (storage.Directory, error) {
	return h.fresh, nil
}

func newStoreHarness(t testing.TB) *storeHarness {
	t.Helper()
	return newStoreHarnessWith(t, func(*identity.Config) {})
}

func newStoreHarnessWith(t testing.TB, change func(*identity.Config)) *storeHarness {
	t.Helper()
	h := &storeHarness{t: t, clock: storagetest.NewClock(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))}
	h.memory = storagetest.NewMemory(h.clock.Now)
	h.hooks = &storagetest.Hooks{Engine: h.memory}
	cfg := identity.Config{
		Audit: recorder{h}, Engine: h.hooks, Directories: h, Now: h.clock.Now, Rand: &source{random: rand.NewChaCha8([32]byte{1})}, Logger: slog.New(slog.DiscardHandler),
		Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1},
	}
	change(&cfg)
	service, err := identity.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Service = service
	return h
}

// recorder writes audit entries one by one: the tests decide the order of operations, so none may wait for another one.
type recorder struct{ h *storeHarness }

func (r recorder) Record(ctx context.Context, entry storage.AuditEntry) (storage.AuditEntry, error) {
	entry.ID, entry.CreatedAt = r.h.entryID(), r.h.clock.Now()
	_, err := storage.Insert(ctx, r.h.hooks, entry)
	return entry, err
}

func (r recorder) Fail(context.Context, storage.AuditEntry) {
	r.h.failed.Add(1)
}

func (r recorder) RecordLink(_ context.Context, directory, user, identity string) {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	r.h.loginLinks = append(r.h.loginLinks, storage.Key(directory, user)+" "+identity)
}

// entryID is a new ID of an audit entry.
func (h *storeHarness) entryID() string { return fmt.Sprint("entry", h.recorded.Add(1)) }

// source is randomness that repeats from run to run and may be read by several goroutines.
type source struct {
	mu     sync.Mutex
	random *rand.ChaCha8
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Read(p)
}

// removeHooks lets operations pass again, as after a restart.
func (h *storeHarness) removeHooks() {
	h.hooks.Before, h.hooks.After = nil, nil
}

// counted runs f and returns the number of its reads and writes of the store.
func (h *storeHarness) counted(f func()) (reads, writes int) {
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			writes++
		} else {
			reads++
		}
		return nil
	}
	defer h.removeHooks()
	f()
	return reads, writes
}

func (h *storeHarness) resolve(login identity.Login) *identity.Resolution {
	h.t.Helper()
	resolution, err := h.Resolve(h.t.Context(), login, true)
	if err != nil {
		h.t.Fatalf("resolve: %v", err)
	}
	return resolution
}

func (h *storeHarness) sub(login identity.Login) string {
	h.t.Helper()
	return h.resolve(login).User.Record.ID
}

func (h *storeHarness) user(id string) storage.User {
	h.t.Helper()
	user, err := storage.Get[storage.User](h.t.Context(), h.memory, storage.Key(directory, id))
	if err != nil {
		h.t.Fatalf("user: %v", err)
	}
	return user.Record
}

func all[R storage.Record](h *storeHarness) []R {
	h.t.Helper()
	var records []R
	query := storage.Query{Order: storage.ByID}
	for {
		page, next, err := storage.List[R](context.Background(), h.memory, query)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, entry := range page {
			records = append(records, entry.Record)
		}
		if next == "" {
			return records
		}
		query.After = next
	}
}

func (h *storeHarness) links() []storage.Identity            { return all[storage.Identity](h) }
func (h *storeHarness) users() []storage.User                { return all[storage.User](h) }
func (h *storeHarness) candidates() []storage.MergeCandidate { return all[storage.MergeCandidate](h) }
func (h *storeHarness) audit() []storage.AuditEntry          { return all[storage.AuditEntry](h) }

func (h *storeHarness) actions() []string {
	h.t.Helper()
	var actions []string
	for _, entry := range h.audit() {
		actions = append(actions, entry.Action)
	}
	slices.Sort(actions)
	return actions
}

// root follows aliases. A user who is missing is nil.
func (h *storeHarness) root(users map[string]storage.User, id string) (*storage.User, error) {
	for range len(users) + 1 {
		user, ok := users[id]
		if !ok {
			return nil, nil
		}
		if user.Status != storage.UserAlias {
			return &user, nil
		}
		id = user.AliasOf
	}
	return nil, errors.New("aliases go round in a circle")
}

// problems returns the inconsistencies of the store after unfinished operations were repeated to their end.
func (h *storeHarness) problems() []string {
	h.t.Helper()
	users := map[string]storage.User{}
	for _, user := range h.users() {
		users[user.ID] = user
	}
	var problems []string
	led := map[string]bool{}
	held := map[string]bool{}
	for _, link := range h.links() {
		user, err := h.root(users, link.User)
		switch {
		case err != nil:
			problems = append(problems, err.Error())
		case user == nil:
			problems = append(problems, fmt.Sprintf("a link of type %s names a user who was never written", link.Type))
		default:
			led[user.ID] = true
			held[user.ID+string(link.Type)+link.Value] = true
		}
	}
	for _, user := range users {
		if user.Status != storage.UserActive && user.Status != storage.UserDisabled {
			continue
		}
		// An account that an operator created has only its username, which Unmerge may return to another.
		if !led[user.ID] && (user.Shadow || user.Username != "") {
			problems = append(problems, "a user whom no link names: an orphan")
		}
		if user.Phone != "" && !held[user.ID+string(storage.IdentityPhone)+user.Phone] {
			problems = append(problems, "a user carries a number that no link gives to it")
		}
		if user.Username != "" && !held[user.ID+string(storage.IdentityUsername)+user.Username] {
			problems = append(problems, "a user carries a username that no link gives to it")
		}
	}
	return problems
}

func (h *storeHarness) wantConsistent() {
	h.t.Helper()
	for _, problem := range h.problems() {
		h.t.Error(problem)
	}
}

// active returns the users who can sign in.
func (h *storeHarness) active() []storage.User {
	h.t.Helper()
	return slices.DeleteFunc(h.users(), func(user storage.User) bool { return user.Status != storage.UserActive })
}

func wantError(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func wantInvalid(t testing.TB, err error, member string) {
	t.Helper()
	var invalid *identity.InvalidError
	if !errors.As(err, &invalid) || invalid.Member != member {
		t.Fatalf("got error %v, want one that names %s", err, member)
	}
}

// login returns a login of one person to app "wxsim1" or "wxsim2", both of Open Platform account "op".
func login(app, openID, unionID string) identity.Login {
	l := identity.Login{Directory: directory, AppID: app, OpenID: openID}
	if unionID != "" {
		l.OpenPlatform, l.UnionID = "op", unionID
	}
	return l
}

func seeded(seed uint64) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.New(rand.NewChaCha8(key))
}
