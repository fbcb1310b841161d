package keys

import (
	"testing"

	"github.com/minifed/minifed/storage/storagetest"
)

func TestCachedKeys_ReportStatesAndNextStep(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, ES256, RS256))
	next, err := ring.Rotate(t.Context(), acme, ES256)
	if err != nil {
		t.Fatal(err)
	}
	read := c.now()
	c.advance(ring.config.Schedule.Margin)
	held := ring.CachedKeys()
	if len(held) != 2 || held[0].Algorithm != ES256 || held[1].Algorithm != RS256 || held[0].Directory != acme {
		t.Fatalf("held %+v", held)
	}
	old, young := held[0].Keys[0], held[0].Keys[1]
	if old.State != StateRetired || young.State != StateActive || young.ID != next.ID || !young.SignAt.Equal(next.SignAt) {
		t.Errorf("keys %+v", held[0].Keys)
	}
	if !held[0].ReadAt.Equal(read) || !held[0].DueAt.After(c.now()) || held[1].Keys[0].State != StateActive {
		t.Errorf("held %+v", held)
	}
}
