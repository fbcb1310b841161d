package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestSweep_UsesShortCommitsAfterRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		deleted, most := 0, 0 // in the transaction, and in any
		e := openHooked(t, Options{Serve: true, Now: time.Now}, func(query string, execute execution) (driver.Result, error) {
			result, err := execute()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case query == "COMMIT":
				deleted = 0
			case strings.HasPrefix(query, "DELETE FROM grants"):
				deleted++
				most = max(most, deleted)
			}
			return result, err
		})
		for i := range 2*sweepRows + 50 {
			doc := testDocument(fmt.Sprint(i))
			doc.ExpiresAt = time.Now().Add(10 * time.Second)
			mustInsert(t, e, doc)
		}
		live := testDocument("live")
		live.ExpiresAt = time.Now().Add(2 * time.Hour)
		mustInsert(t, e, live)
		mustInsert(t, e, testDocument("for ever"))

		time.Sleep(sweepAfter + 4*sweepEvery)
		synctest.Wait()
		if n := rows(t, e.path, storage.KindGrant); n != 2 {
			t.Errorf("%d rows are left, want 2", n)
		}
		mu.Lock()
		defer mu.Unlock()
		if most == 0 || most > 2*sweepRows { // a row, and its entry in an index
			t.Errorf("a transaction deleted %d", most)
		}
	})
}

func TestSweep_RunsOnlyInAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{Now: time.Now})
		doc := testDocument("a")
		doc.ExpiresAt = time.Now().Add(time.Second)
		mustInsert(t, e, doc)
		time.Sleep(2 * sweepAfter)
		if n := rows(t, e.path, storage.KindGrant); n != 1 {
			t.Errorf("%d rows are left, want 1", n)
		}
	})
}

// A clock that is ahead for a while, at the start or later, deletes nothing that is not expired when it is right again.
func TestClockSetBack_NothingWasSweptMeanwhile(t *testing.T) {
	for name, before := range map[string]time.Duration{"ahead at the start": 0, "ahead later": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ahead atomic.Int64
				now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				if before == 0 {
					ahead.Store(int64(8 * time.Hour))
				}
				e := openTest(t, Options{Serve: true, Now: now})
				doc := testDocument("jti")
				doc.ExpiresAt = time.Now().Add(before + 2*time.Hour)
				mustInsert(t, e, doc)
				time.Sleep(before)
				ahead.Store(int64(8 * time.Hour))
				time.Sleep(sweepAfter - time.Minute)
				ahead.Store(0)
				time.Sleep(30 * time.Minute)
				if n := rows(t, e.path, storage.KindGrant); n != 1 {
					t.Error("the document was deleted before it expired")
				}
				time.Sleep(sweepAfter + 4*time.Hour)
				synctest.Wait()
				if n := rows(t, e.path, storage.KindGrant); n != 0 {
					t.Error("the document is kept for ever")
				}
			})
		})
	}
}
