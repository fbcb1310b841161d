package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// storeClock is the clock of a store.
type storeClock func() (time.Time, error)

func (c storeClock) Time(context.Context) (time.Time, error) { return c() }

func TestClock_CorrectsByTheStoresUpToTheBound(t *testing.T) {
	local := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		ahead, corrected time.Duration
		trusted          bool
	}{
		{0, 0, true},
		{500 * time.Millisecond, 0, true},
		{90 * time.Second, 90 * time.Second, true},
		{-90 * time.Second, -90 * time.Second, true},
		{5 * time.Minute, 5 * time.Minute, true},
		{6 * time.Minute, 0, false},
		{-365 * 24 * time.Hour, 0, false},
	} {
		clock := storage.NewClock(func() time.Time { return local })
		if _, measured := clock.Ahead(); measured || !clock.Trusted() || !clock.Now().Equal(local) {
			t.Error("a clock that was not compared is not the local one")
		}
		if err := clock.Measure(t.Context(), storeClock(func() (time.Time, error) { return local.Add(row.ahead), nil })); err != nil {
			t.Fatal(err)
		}
		if got := clock.Now().Sub(local); got != row.corrected || clock.Trusted() != row.trusted {
			t.Errorf("store %v ahead: corrected by %v, trusted %v", row.ahead, got, clock.Trusted())
		}
		if ahead, measured := clock.Ahead(); ahead != row.ahead || !measured {
			t.Errorf("store %v ahead: measured %v", row.ahead, ahead)
		}
	}
}

func TestClock_KeepsTheLastMeasurementWhileTheStoreIsDown(t *testing.T) {
	local := time.Now()
	clock := storage.NewClock(func() time.Time { return local })
	down := errors.New("down")
	for _, failure := range []error{nil, down} {
		err := clock.Measure(t.Context(), storeClock(func() (time.Time, error) { return local.Add(time.Minute), failure }))
		if !errors.Is(err, failure) {
			t.Errorf("got %v, want %v", err, failure)
		}
		if !clock.Now().Equal(local.Add(time.Minute)) {
			t.Errorf("after %v the clock is %v ahead", failure, clock.Now().Sub(local))
		}
	}
}

func TestIsOver_CountsWhatWasMadeAhead(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		made time.Duration
		over bool
	}{{-time.Minute, true}, {-59 * time.Second, false}, {0, false}, {30 * time.Second, false}, {31 * time.Second, true}, {365 * 24 * time.Hour, true}} {
		if got := storage.IsOver(now.Add(row.made+time.Minute), time.Minute, now); got != row.over {
			t.Errorf("made at %v: over %v", row.made, got)
		}
	}
}
