package backup_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage/sqlite"
)

// harness has the backups of a store, with a clock that advances only when the schedule waits.
type harness struct {
	*testing.T
	config backup.Config
	now    time.Time
	waited []time.Duration
	// stop ends the schedule after this many waits.
	stop   int
	cancel context.CancelFunc
	log    strings.Builder
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{T: t, now: time.Date(2026, 1, 31, 3, 0, 0, 0, time.UTC)}
	file := filepath.Join(t.TempDir(), "minifed.db")
	engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: file, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	master := newMaster(t)
	if err := keys.CheckMaster(t.Context(), engine, master); err != nil {
		t.Fatal(err)
	}
	h.config = backup.Config{
		Store: engine, Folder: backup.NewFolder(filepath.Join(t.TempDir(), "backups"), file), File: file, Master: master,
		Every: 24 * time.Hour, Keep: 3, Now: func() time.Time { return h.now }, After: h.after, Random: rand.Reader,
		Logger:    slog.New(slog.NewTextHandler(&h.log, nil)),
		FreeSpace: func(string) (uint64, error) { return 1 << 40, nil },
		Explain:   func(err error) string { return err.Error() },
	}
	return h
}

func newMaster(t *testing.T) *keys.Master {
	t.Helper()
	text, err := keys.GenerateMasterKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	master, err := keys.ParseMaster(text, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return master
}

// after advances the clock by what the schedule waits for.
func (h *harness) after(d time.Duration) <-chan time.Time {
	if h.stop--; h.stop < 0 {
		h.cancel()
		return nil
	}
	h.waited = append(h.waited, d)
	h.now = h.now.Add(d)
	passed := make(chan time.Time, 1)
	passed <- h.now
	return passed
}

// run lets a new process take this many backups, and returns them.
func (h *harness) run(backups int) *backup.Backups {
	h.Helper()
	b, err := backup.New(h.config)
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.Context())
	h.stop, h.cancel, h.waited = backups, cancel, nil
	b.Run(ctx)
	return b
}

// files returns the names in the folder.
func (h *harness) files() []string {
	h.Helper()
	entries, err := os.ReadDir(h.config.Folder.Path)
	if err != nil {
		h.Fatal(err)
	}
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestRun_TakesCheckedBackupsAndRemovesTheOldest(t *testing.T) {
	h := newHarness(t)
	foreign := filepath.Join(h.config.Folder.Path, "other-20200101T000000Z.db")
	if err := errors.Join(os.MkdirAll(h.config.Folder.Path, 0o700), os.WriteFile(foreign, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	last, _ := h.run(5).State()
	found, err := h.config.Folder.List()
	if err != nil || len(found) != 3 || found[2] != last || len(h.files()) != 4 {
		t.Fatalf("%v, %v; last %v; files %q", found, err, last, h.files())
	}
	for _, file := range found {
		if err := backup.CheckFile(t.Context(), file.Path, h.config.Master); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(file.Path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != file.Bytes {
			t.Errorf("%v, %v", info, err)
		}
	}
	if first := h.waited[0]; first <= 0 || first > 5*time.Minute {
		t.Errorf("the first backup is taken after %v", first)
	}
	for _, wait := range h.waited[1:] {
		if wait > 24*time.Hour || wait < 23*time.Hour+30*time.Minute {
			t.Errorf("a backup is taken after %v", wait)
		}
	}
}

func TestRun_RestartContinuesTheInterval(t *testing.T) {
	h := newHarness(t)
	h.run(1)
	h.now = h.now.Add(10 * time.Hour)
	if h.run(1); h.waited[0] > 14*time.Hour || h.waited[0] < 13*time.Hour {
		t.Errorf("a new process waits %v", h.waited[0])
	}
	h.now = h.now.Add(100 * time.Hour)
	if h.run(1); h.waited[0] > 24*time.Minute {
		t.Errorf("an overdue backup is taken after %v", h.waited[0])
	}
}

// TestRun_ClockThatWasAheadStopsNoBackups has a backup that a wrong clock dated in the next year.
func TestRun_ClockThatWasAheadStopsNoBackups(t *testing.T) {
	h := newHarness(t)
	h.now = h.now.AddDate(1, 0, 0)
	h.run(1)
	h.now = h.now.AddDate(-1, 0, 0)
	if h.run(1); h.waited[0] > 5*time.Minute {
		t.Errorf("the next backup is taken after %v", h.waited[0])
	}
}

// brokenStore writes a file that is no backup.
type brokenStore struct{ content string }

func (s brokenStore) Backup(_ context.Context, file string) error {
	return os.WriteFile(file, []byte(s.content), 0o600)
}

func TestRun_FailuresAreReportedAndLeaveNothing(t *testing.T) {
	for name, change := range map[string]func(*harness){
		"not whole":          func(h *harness) { h.config.Store = brokenStore{"no database"} },
		"another master key": func(h *harness) { h.config.Master = newMaster(h.T) },
		"a full disk":        func(h *harness) { h.config.FreeSpace = func(string) (uint64, error) { return 1 << 20, nil } },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			good, _ := h.run(1).State()
			before := h.files()
			change(h)
			b := h.run(2)
			last, failure := b.State()
			if last != good || failure.Reason == "" || failure.At.IsZero() || !slices.Equal(h.files(), before) {
				t.Errorf("last %v, failure %+v, files %q", last, failure, h.files())
			}
			if retry := h.waited[1]; retry > 5*time.Minute {
				t.Errorf("it is tried again after %v", retry)
			}
			if logged := h.log.String(); !strings.Contains(logged, "level=ERROR") || !strings.Contains(logged, "failed") {
				t.Errorf("the log has\n%s", logged)
			}
			registry := prometheus.NewRegistry()
			if err := b.Measure(registry); err != nil {
				t.Fatal(err)
			}
			if got := gauge(t, registry, "minifed_backup_last_success_timestamp_seconds"); got != float64(good.TakenAt.Unix()) {
				t.Errorf("the metric is %v", got)
			}
		})
	}
}

// gauge returns the value of a metric.
func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
