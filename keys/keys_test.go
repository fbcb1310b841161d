package keys

import (
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// clock is a wall clock that only moves when told.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time           { return c.at }
func (c *clock) advance(by time.Duration) { c.at = c.at.Add(by) }

func newMaster(t testing.TB) *Master {
	t.Helper()
	line, err := GenerateMasterKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	master, err := ParseMaster(line, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return master
}

func newConfig(t testing.TB, engine storage.Engine, master *Master, now func() time.Time) Config {
	t.Helper()
	return Config{Engine: engine, Master: master, Now: now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
}

func TestSmoke(t *testing.T) {
	c := newClock()
	config := newConfig(t, storagetest.NewMemory(c.now), newMaster(t), c.now)
	ring, err := NewRing(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.EnsureDirectory(t.Context(), storage.Directory{ID: "acme", Policy: storage.Policy{SigningAlgorithms: Algorithms()}}); err != nil {
		t.Fatal(err)
	}
	for _, alg := range Algorithms() {
		token, err := ring.Sign(t.Context(), "acme", alg, "at+jwt", []byte(`{"sub":"u"}`))
		if err != nil {
			t.Fatal(err)
		}
		v, err := ring.Verify(t.Context(), "acme", token)
		if err != nil {
			t.Fatal(alg, err)
		}
		t.Logf("%+v %s", v, base64.RawURLEncoding.EncodeToString(v.Payload))
	}
	secrets, err := NewSecrets(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := secrets.Ensure(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	cur, prev, err := secrets.Generation(t.Context(), "acme")
	t.Log(cur, prev, err)
	if _, err := secrets.MAC(t.Context(), "acme", 1, "x", nil); err != nil {
		t.Fatal(err)
	}
}
