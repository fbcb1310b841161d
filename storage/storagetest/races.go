package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

// contestants is how many callers race in one round.
const contestants = 64

func raceCases() []testCase {
	return []testCase{
		{name: "64 racing inserts have one winner", run: func(f *fixture) {
			f.race(func(round int) {}, f.raceInsert)
		}},
		{name: "64 racing inserts over an expired leftover have one winner", run: func(f *fixture) {
			f.race(func(round int) {
				f.expiring(fmt.Sprint(round))
				f.clock.advance(time.Hour)
			}, f.raceInsert)
		}},
		{name: "64 racing replacements have one winner", run: func(f *fixture) {
			f.race(func(round int) { f.mustInsert(document(fmt.Sprint(round))) }, f.raceReplace)
		}},
		{name: "parallel read and replace loses no update", run: testCounter},
		{name: "parallel work on different documents does not disturb", run: testNeighbours},
	}
}

func (f *fixture) race(prepare func(round int), enter func(round int)) {
	for round := range 5 {
		prepare(round)
		enter(round)
	}
}

func (f *fixture) raceInsert(round int) {
	id := fmt.Sprint(round)
	f.oneWinner(id, storage.ErrExists, func(contestant storage.Document) (string, error) {
		return f.Insert(f.Context(), contestant)
	})
}

func (f *fixture) raceReplace(round int) {
	id := fmt.Sprint(round)
	rev := f.mustGet(id).Rev
	f.oneWinner(id, storage.ErrConflict, func(contestant storage.Document) (string, error) {
		contestant.Rev = rev
		return f.Replace(f.Context(), contestant)
	})
}

// oneWinner lets all contestants write at once; one must win and be stored, all others must lose.
func (f *fixture) oneWinner(id string, lost error, write func(storage.Document) (string, error)) {
	f.Helper()
	contestant := func(n int) storage.Document {
		doc := document(id)
		doc.Body = []byte(fmt.Sprintf(`{"v":1,"contestant":%d}`, n))
		return doc
	}
	var mu sync.Mutex
	var winners []storage.Document
	parallel(contestants, func(n int) {
		doc := contestant(n)
		rev, err := write(doc)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			f.wantError("a loser", err, lost)
			return
		}
		doc.Rev = rev
		winners = append(winners, doc)
	})
	if len(winners) != 1 {
		f.Fatalf("%d contestants won", len(winners))
	}
	f.wantSame(f.mustGet(id), winners[0])
}

func testCounter(f *fixture) {
	const workers, each = 8, 8
	doc := document("counter")
	doc.Body = []byte(`{"n":0}`)
	f.mustInsert(doc)
	parallel(workers, func(int) {
		for range each {
			f.increment("counter")
		}
	})
	f.wantBody(f.mustGet("counter").Body, fmt.Sprintf(`{"n":%d}`, workers*each))
}

// increment reads and replaces until it wins.
func (f *fixture) increment(id string) {
	for {
		doc, err := f.Get(f.Context(), storage.KindGrant, id)
		if err != nil {
			f.Errorf("Get: %v", err)
			return
		}
		var n int
		if _, err := fmt.Sscanf(string(doc.Body), `{"n":%d}`, &n); err != nil {
			f.Errorf("body %s: %v", doc.Body, err)
			return
		}
		doc.Body = []byte(fmt.Sprintf(`{"n":%d}`, n+1))
		if _, err := f.Replace(f.Context(), doc); !errors.Is(err, storage.ErrConflict) {
			f.wantError("Replace", err, nil)
			return
		}
	}
}

func testNeighbours(f *fixture) {
	taken := f.mustInsert(document("taken"))
	parallel(contestants, func(n int) {
		if n%2 == 0 {
			_, err := f.Insert(f.Context(), document("taken"))
			f.wantError("Insert of a taken ID", err, storage.ErrExists)
			return
		}
		doc := f.mustInsertOr(document(fmt.Sprint(n)))
		doc.Body = []byte(fmt.Sprintf(`{"n":%d}`, n))
		_, err := f.Replace(f.Context(), doc)
		f.wantError("Replace", err, nil)
		got, err := f.Get(f.Context(), doc.Kind, doc.ID)
		f.wantError("Get", err, nil)
		f.wantBody(got.Body, string(doc.Body))
	})
	f.wantSame(f.mustGet("taken"), taken)
}

// mustInsertOr is mustInsert for goroutines that may not end the test.
func (f *fixture) mustInsertOr(doc storage.Document) storage.Document {
	rev, err := f.Insert(f.Context(), doc)
	f.wantError("Insert", err, nil)
	doc.Rev = rev
	return doc
}

// parallel runs n calls that start together, and waits for them.
func parallel(n int, call func(int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			call(i)
		})
	}
	done.Wait()
}
