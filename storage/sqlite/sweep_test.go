package sqlite

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestExpiredDocumentsAreSweptInShortCommitsBehindRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		e := openHooked(t, Options{Serve: true, Now: time.Now}, func(query string, execute execution) (driver.Result, error) {
			result, err := execute()
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(query, "DELETE FROM grants WHERE rowid") {
				n, _ := result.RowsAffected()
				log = append(log, fmt.Sprint("swept ", n))
			}
			return result, err
		})
		for i := range 2*sweepRows + 50 {
			doc := testDocument(fmt.Sprint(i))
			doc.ExpiresAt = time.Now().Add(10 * time.Second)
			mustInsert(t, e, doc)
		}
		live := testDocument("live")
		live.ExpiresAt = time.Now().Add(time.Hour)
		mustInsert(t, e, live)
		mustInsert(t, e, testDocument("for ever"))

		time.Sleep(2 * sweepEvery)
		synctest.Wait()
		if n := rows(t, e.path, storage.KindGrant); n != 2 {
			t.Errorf("%d rows are left, want 2", n)
		}
		mu.Lock()
		defer mu.Unlock()
		log = slices.DeleteFunc(log, func(entry string) bool { return entry == "swept 0" })
		if want := []string{"swept 200", "swept 200", "swept 50"}; !slices.Equal(log, want) {
			t.Errorf("got %v, want %v", log, want)
		}
	})
}

func TestOnlyAServerSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{Now: time.Now})
		doc := testDocument("a")
		doc.ExpiresAt = time.Now().Add(time.Second)
		mustInsert(t, e, doc)
		time.Sleep(time.Hour)
		if n := rows(t, e.path, storage.KindGrant); n != 1 {
			t.Errorf("%d rows are left, want 1", n)
		}
	})
}
