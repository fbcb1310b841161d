package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const acme = "acme"

// clock is a wall clock that only moves explicitly.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c.at.Store(&start)
	return c
}

func (c *clock) now() time.Time { return *c.at.Load() }

func (c *clock) advance(by time.Duration) {
	next := c.now().Add(by)
	c.at.Store(&next)
}

// switchable is an engine that can be disconnected, and counts the operations that reach it.
type switchable struct {
	storagetest.Hooks
	dead  atomic.Bool
	count atomic.Int64
}

func newSwitchable(engine storage.Engine) *switchable {
	s := &switchable{}
	s.Engine = engine
	s.Before = func(context.Context, storagetest.Operation) error {
		s.count.Add(1)
		if s.dead.Load() {
			return storage.ErrUnavailable
		}
		return nil
	}
	return s
}

func masterLine(t testing.TB) string {
	t.Helper()
	line, err := GenerateMasterKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func parseMaster(t testing.TB, text string) *Master {
	t.Helper()
	master, err := ParseMaster(text, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return master
}

func newMaster(t testing.TB) *Master {
	t.Helper()
	return parseMaster(t, masterLine(t))
}

func newConfig(engine storage.Engine, master *Master, now func() time.Time) Config {
	return Config{Engine: engine, Master: master, Now: now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
}

func newRing(t testing.TB, config Config) *Ring {
	t.Helper()
	ring, err := NewRing(config)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func directoryWith(id string, algorithms ...string) storage.Directory {
	return storage.Directory{ID: id, Policy: storage.Policy{SigningAlgorithms: algorithms}}
}

func ensure(t testing.TB, ring *Ring, directory storage.Directory) {
	t.Helper()
	if err := ring.EnsureDirectory(t.Context(), directory); err != nil {
		t.Fatal(err)
	}
}

func sign(t testing.TB, ring *Ring, algorithm string) string {
	t.Helper()
	token, err := ring.Sign(t.Context(), acme, algorithm, "JWT", []byte(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

// thumbprintOf computes RFC 7638 §3 from the members of a JWK.
func thumbprintOf(t *testing.T, key map[string]string) string {
	t.Helper()
	required := map[string][]string{"RSA": {"e", "kty", "n"}, "EC": {"crv", "kty", "x", "y"}, "OKP": {"crv", "kty", "x"}}
	var members []string
	for _, name := range required[key["kty"]] {
		members = append(members, strconv.Quote(name)+":"+strconv.Quote(key[name]))
	}
	sum := sha256.Sum256([]byte("{" + strings.Join(members, ",") + "}"))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
