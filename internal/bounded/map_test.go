package bounded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/minifed/minifed/internal/bounded"
)

func start() time.Time { return time.Unix(1_700_000_000, 0) }

// has reports whether the map has a key.
func has(m *bounded.Map[string, int], key string) bool {
	_, ok := m.Get(key)
	return ok
}

// fill stores count entries with a prefix, each of which matters for a time.
func fill(m *bounded.Map[string, int], prefix string, count int, now time.Time, matters time.Duration) {
	for i := range count {
		m.Put(fmt.Sprint(prefix, i), i, now, now.Add(matters))
	}
}

func TestMap_StoresReplacesAndDeletes(t *testing.T) {
	m, now := bounded.New[string, int](2), start()
	m.Put("a", 1, now, now.Add(time.Second))
	m.Put("b", 2, now, now.Add(time.Hour))
	m.Put("a", 3, now, now.Add(time.Minute))
	if got, ok := m.Get("a"); got != 3 || !ok || m.Len() != 2 || !has(m, "b") {
		t.Errorf("a = %d, %v; %d entries", got, ok, m.Len())
	}
	m.Delete("a")
	m.Delete("a")
	if has(m, "a") || m.Len() != 1 {
		t.Errorf("a exists after Delete; %d entries", m.Len())
	}
	m.Put("c", 4, now, now.Add(time.Hour))
	m.Put("d", 5, now, now.Add(time.Hour))
	if has(m, "b") || !has(m, "c") || !has(m, "d") || m.Len() != 2 {
		t.Errorf("the oldest of equal entries was not removed; %d entries", m.Len())
	}
}

func TestMap_RemovesAnEntryThatNoLongerMattersFirst(t *testing.T) {
	m, now := bounded.New[string, int](100), start()
	m.Put("over", 0, now, now.Add(time.Minute))
	later := now.Add(time.Minute)
	fill(m, "short", 99, later, time.Second)
	m.Put("new", 0, later, later.Add(time.Second))
	if has(m, "over") || !has(m, "short0") || m.Len() != 100 {
		t.Errorf("over: %v, short0: %v, %d entries", has(m, "over"), has(m, "short0"), m.Len())
	}
}

func TestMap_AFloodOfShortEntriesRemovesNoLongOne(t *testing.T) {
	for _, matters := range []time.Duration{-time.Second, 0, time.Millisecond, time.Second, 2 * time.Minute} {
		m, now := bounded.New[string, int](1000), start()
		fill(m, "long", 900, now, 15*time.Minute)
		fill(m, "flood", 10_000, now, matters)
		for i := range 900 {
			if !has(m, fmt.Sprint("long", i)) {
				t.Errorf("entry %d was removed by entries of %v", i, matters)
				break
			}
		}
		if m.Len() != 1000 || !has(m, "flood9999") {
			t.Errorf("%d entries, newest %v", m.Len(), has(m, "flood9999"))
		}
	}
}

func TestMap_LongEntriesLeaveAShareToShortOnes(t *testing.T) {
	m, now := bounded.New[string, int](6400), start()
	fill(m, "long", 10_000, now, 15*time.Minute)
	fill(m, "short", 100, now, 0)
	fill(m, "longer", 10_000, now, 15*time.Minute)
	for i := range 100 {
		if !has(m, fmt.Sprint("short", i)) {
			t.Errorf("entry %d of the share was removed", i)
		}
	}
	if m.Len() != 6400 {
		t.Errorf("%d entries", m.Len())
	}
}

// BenchmarkMap_Put adds new keys: to a map that never has more than 100 entries, and to full maps. A full map of any size costs
// at most twice as much as the small one.
func BenchmarkMap_Put(b *testing.B) {
	keys := make([]string, 1<<17)
	for i := range keys {
		keys[i] = fmt.Sprint("203.0.113.", i)
	}
	for _, mix := range []struct {
		name    string
		matters func(i int) time.Duration
	}{
		{"one class", func(int) time.Duration { return time.Hour }},
		{"all classes", func(i int) time.Duration { return time.Millisecond << (i % 31) }},
	} {
		for _, limit := range []int{100, 4096, 16384} {
			b.Run(fmt.Sprintf("%s/full at %d", mix.name, limit), func(b *testing.B) {
				m, now := bounded.New[string, int](limit), start()
				for i := range limit {
					m.Put(keys[i], i, now, now.Add(mix.matters(i)))
				}
				i := limit
				for b.Loop() {
					m.Put(keys[i%len(keys)], i, now, now.Add(mix.matters(i)))
					i++
				}
			})
		}
	}
}
