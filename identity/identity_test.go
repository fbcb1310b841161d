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
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const directory = "default"

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is an engine in memory, and a service on it whose operations pass through hooks.
type world struct {
	*identity.Service
	t      testing.TB
	clock  *clock
	memory *storagetest.Memory
	hooks  *storagetest.Hooks
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, func(*identity.Config) {})
}

func newWorldWith(t testing.TB, change func(*identity.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}}
	w.memory = storagetest.NewMemory(w.clock.Now)
	w.hooks = &storagetest.Hooks{Engine: w.memory}
	cfg := identity.Config{
		Engine: w.hooks, Now: w.clock.Now, Rand: &source{random: rand.NewChaCha8([32]byte{1})}, Logger: slog.New(slog.DiscardHandler),
		Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1},
	}
	change(&cfg)
	service, err := identity.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Service = service
	return w
}

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

// unhooked lets operations pass again, as after a restart.
func (w *world) unhooked() {
	w.hooks.Before, w.hooks.After = nil, nil
}

// counted runs f and returns the number of its reads and writes of the store.
func (w *world) counted(f func()) (reads, writes int) {
	w.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			writes++
		} else {
			reads++
		}
		return nil
	}
	defer w.unhooked()
	f()
	return reads, writes
}

func (w *world) resolve(login identity.Login) *identity.Resolution {
	w.t.Helper()
	resolution, err := w.Resolve(w.t.Context(), login, true)
	if err != nil {
		w.t.Fatalf("resolve: %v", err)
	}
	return resolution
}

func (w *world) sub(login identity.Login) string {
	w.t.Helper()
	return w.resolve(login).User.Record.ID
}

func (w *world) user(id string) storage.User {
	w.t.Helper()
	user, err := storage.Get[storage.User](w.t.Context(), w.memory, storage.Key(directory, id))
	if err != nil {
		w.t.Fatalf("user: %v", err)
	}
	return user.Record
}

func all[R storage.Record](w *world) []R {
	w.t.Helper()
	var records []R
	query := storage.Query{Order: storage.ByID}
	for {
		page, next, err := storage.List[R](context.Background(), w.memory, query)
		if err != nil {
			w.t.Fatal(err)
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

func (w *world) links() []storage.Identity            { return all[storage.Identity](w) }
func (w *world) users() []storage.User                { return all[storage.User](w) }
func (w *world) candidates() []storage.MergeCandidate { return all[storage.MergeCandidate](w) }
func (w *world) audit() []storage.AuditEntry          { return all[storage.AuditEntry](w) }

func (w *world) actions() []string {
	w.t.Helper()
	var actions []string
	for _, entry := range w.audit() {
		actions = append(actions, entry.Action)
	}
	slices.Sort(actions)
	return actions
}

// root follows aliases. A user who is missing is nil.
func (w *world) root(users map[string]storage.User, id string) (*storage.User, error) {
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

// problems returns what is wrong with the store once everything that was begun has been repeated to its end.
func (w *world) problems() []string {
	w.t.Helper()
	users := map[string]storage.User{}
	for _, user := range w.users() {
		users[user.ID] = user
	}
	var problems []string
	led := map[string]bool{}
	held := map[string]bool{}
	for _, link := range w.links() {
		user, err := w.root(users, link.User)
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

func (w *world) healthy() {
	w.t.Helper()
	for _, problem := range w.problems() {
		w.t.Error(problem)
	}
}

// active returns the users who can sign in.
func (w *world) active() []storage.User {
	w.t.Helper()
	return slices.DeleteFunc(w.users(), func(user storage.User) bool { return user.Status != storage.UserActive })
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
