package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

// fewRows lets a merge index small tables.
const fewRows = 64

// grantNumber is a grant of one of ten owners.
func grantNumber(i int) storage.Document {
	doc := testDocument(fmt.Sprint("grant", i))
	doc.Owner = fmt.Sprint("owner", i%10)
	doc.CreatedAt = time.UnixMilli(int64(i)).UTC()
	return doc
}

func insertGrants(t *testing.T, e *Engine, from, to int) {
	t.Helper()
	inParallel(8, to-from, func(i int) {
		if _, err := e.Insert(context.Background(), grantNumber(from+i)); err != nil {
			t.Error(err)
		}
	})
}

// wantGrants checks that the engine has these grants: each by its ID, in the list of its owner, and in the list of all.
func wantGrants(t *testing.T, e *Engine, want map[string]string) {
	t.Helper()
	byOwner := map[string][]string{}
	for id, owner := range want {
		byOwner[owner] = append(byOwner[owner], id)
		if doc, err := e.Get(t.Context(), storage.KindGrant, id); err != nil || doc.ID != id || doc.Owner != owner {
			t.Errorf("Get %s of %s: %v, %v", id, owner, doc, err)
		}
	}
	var all []string
	for i := range 11 {
		owner := fmt.Sprint("owner", i)
		listed := listIDs(t, e, storage.Query{Order: storage.ByCreated, Owner: owner, Limit: 7})
		descending := listIDs(t, e, storage.Query{Order: storage.ByCreatedDescending, Owner: owner, Limit: 7})
		slices.Reverse(descending)
		if !slices.Equal(listed, descending) {
			t.Errorf("%s: %v in one direction, %v in the other", owner, listed, descending)
		}
		all = append(all, listed...)
		slices.Sort(listed)
		if expected := slices.Sorted(slices.Values(byOwner[owner])); !slices.Equal(listed, expected) {
			t.Errorf("%s: listed %v, expected %v", owner, listed, expected)
		}
	}
	slices.Sort(all)
	listed := listIDs(t, e, storage.Query{Order: storage.ByID, Limit: 7})
	if slices.Sort(listed); !slices.Equal(listed, all) {
		t.Errorf("the list of all has %d grants, the lists of owners %d", len(listed), len(all))
	}
}

func listIDs(t *testing.T, e *Engine, query storage.Query) (ids []string) {
	t.Helper()
	for query.Kind = storage.KindGrant; ; {
		page, err := e.List(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range page.Documents {
			ids = append(ids, doc.ID)
		}
		if query.After = page.Next; query.After == "" {
			return ids
		}
	}
}

// indexedRows returns the last row that is indexed with all before it, and the last row.
func indexedRows(t *testing.T, path string) (indexed, last int64) {
	t.Helper()
	c, err := dialReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l := newAppendedTable().lookups
	if err := errors.Join(c.value(&indexed, l.indexed), c.value(&last, l.lastRow)); err != nil {
		t.Fatal(err)
	}
	return indexed, last
}

func TestGrants_FoundBeforeDuringAndAfterMerges(t *testing.T) {
	e := openTest(t, Options{Serve: true, mergeRows: fewRows})
	want := map[string]string{}
	for round := range 8 {
		from, to := round*100, round*100+100
		insertGrants(t, e, from, to)
		for i := from; i < to; i++ {
			want[grantNumber(i).ID] = grantNumber(i).Owner
		}
		for i := from; i < to; i += 9 { // One that is indexed already, perhaps, and one that is not.
			for _, n := range []int{i, i / 2} {
				changeOwner(t, e, want, grantNumber(n).ID)
			}
		}
		for i := from; i < to; i += 13 {
			for _, n := range []int{i, i / 3} {
				if err := e.Delete(t.Context(), storage.KindGrant, grantNumber(n).ID); err != nil {
					t.Fatal(err)
				}
				delete(want, grantNumber(n).ID)
			}
		}
		if round%2 == 1 {
			wantGrants(t, e, want)
		}
	}
	if indexed, last := indexedRows(t, e.path); indexed < last/3 {
		t.Errorf("%d of %d rows are indexed: the merges did not follow", indexed, last)
	}
	tool := openTest(t, Options{Path: e.path})
	wantGrants(t, tool, want)
	mustInsert(t, tool, grantNumber(5000))
	want[grantNumber(5000).ID] = grantNumber(5000).Owner
	changeOwner(t, tool, want, grantNumber(799).ID)
	wantGrants(t, e, want)
	wantGrants(t, tool, want)
	if indexed, last := indexedRows(t, e.path); indexed != last {
		t.Errorf("after an insert of a tool, %d of %d rows are indexed", indexed, last)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, Options{Path: e.path, Serve: true, mergeRows: fewRows})
	wantGrants(t, again, want)
	if _, err := again.Insert(t.Context(), grantNumber(5000)); !errors.Is(err, storage.ErrExists) {
		t.Errorf("an insert of what a tool wrote: %v", err)
	}
}

// changeOwner gives a grant to another owner, if it is there.
func changeOwner(t *testing.T, e *Engine, want map[string]string, id string) {
	t.Helper()
	doc, err := e.Get(t.Context(), storage.KindGrant, id)
	if errors.Is(err, storage.ErrNotFound) && want[id] == "" {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	doc.Owner = "owner10"
	if _, err := e.Replace(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	want[id] = doc.Owner
}

func TestGrants_InsertLosesAgainstUnindexedAndIndexedRows(t *testing.T) {
	e := openTest(t, Options{Serve: true, mergeRows: fewRows})
	insertGrants(t, e, 0, 400)
	for i := range 400 {
		if _, err := e.Insert(t.Context(), grantNumber(i)); !errors.Is(err, storage.ErrExists) {
			t.Errorf("grant %d: %v", i, err)
		}
	}
	if n := rows(t, e.path, storage.KindGrant); n != 400 {
		t.Errorf("%d rows", n)
	}
}

// A collision of hashes never confuses two documents.
func TestGrants_SameHashIsNotSameDocument(t *testing.T) {
	a, b := collision(t)
	for name, options := range map[string]Options{"unindexed": {Serve: true}, "indexed": {}} {
		t.Run(name, func(t *testing.T) {
			e := openTest(t, options)
			first, second := testDocument(a), testDocument(b)
			first.Owner, second.Owner = b, a
			mustInsert(t, e, first)
			if _, err := e.Get(t.Context(), storage.KindGrant, b); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("Get of the other: %v", err)
			}
			mustInsert(t, e, second)
			for id, owner := range map[string]string{a: b, b: a} {
				if doc, err := e.Get(t.Context(), storage.KindGrant, id); err != nil || doc.Owner != owner {
					t.Errorf("Get %q: %v, %v", id, doc, err)
				}
				if ids := listIDs(t, e, storage.Query{Order: storage.ByCreated, Owner: owner}); !slices.Equal(ids, []string{id}) {
					t.Errorf("owner %q: %q", owner, ids)
				}
			}
		})
	}
}

// collision returns two texts with the same hash.
func collision(t *testing.T) (a, b string) {
	t.Helper()
	seen := map[int64]string{}
	for i := range 1 << 19 {
		text := fmt.Sprint("text", i*7919)
		if other, ok := seen[hashOf(text)]; ok {
			return other, text
		}
		seen[hashOf(text)] = text
	}
	t.Fatal("no collision")
	return "", ""
}

// A new document in the place of an expired one is found, and the sweep does not delete it.
func TestGrants_ExpiredRowIsReplacedAndSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{Serve: true, Now: time.Now, mergeRows: fewRows})
		for i := range 300 {
			doc := grantNumber(i)
			doc.ExpiresAt = time.Now().Add(time.Minute)
			mustInsert(t, e, doc)
		}
		time.Sleep(mergeAfter + 5*time.Minute) // All are indexed.
		want := map[string]string{}
		for i := 0; i < 300; i += 2 {
			doc := grantNumber(i)
			doc.Owner = "owner10"
			mustInsert(t, e, doc)
			want[doc.ID] = doc.Owner
		}
		wantGrants(t, e, want)
		time.Sleep(sweepAfter + time.Hour)
		synctest.Wait()
		wantGrants(t, e, want)
		if n := rows(t, e.path, storage.KindGrant); n != int64(len(want)) {
			t.Errorf("%d rows are left, want %d", n, len(want))
		}
		for _, index := range []string{"grants_by_id", "grants_by_owner", "grants_by_expiry"} {
			count := int64(len(want))
			if index == "grants_by_expiry" {
				count = 0
			}
			if n := rows(t, e.path, storage.Kind(index)); n != count {
				t.Errorf("%s has %d entries, want %d", index, n, count)
			}
		}
	})
}

// The memory of the grants that are not indexed yet says what was not inserted lately, as far as it reaches back.
func TestGrants_UnseenWithinATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{Serve: true, Now: time.Now, mergeRows: fewRows})
		stored := mustInsert(t, e, grantNumber(1)).ID
		want := func(when string, ofNew, ofStored bool) {
			t.Helper()
			if got := e.Unseen(storage.KindGrant, "another", time.Minute); got != ofNew {
				t.Errorf("%s: another ID: %t", when, got)
			}
			if got := e.Unseen(storage.KindGrant, stored, time.Minute); got != ofStored {
				t.Errorf("%s: the stored ID: %t", when, got)
			}
		}
		want("after the start", false, false)
		time.Sleep(time.Minute)
		want("a minute later", true, false)
		insertGrants(t, e, 100, 100+fewRows)
		recent := e.tables[storage.KindGrant].lookups.recent.Load()
		for i := 1000; recent.withID(stored) != nil; i++ { // Each commit adds a part to the indexes.
			synctest.Wait()
			mustInsert(t, e, grantNumber(i))
		}
		want("after a merge", false, false)
		time.Sleep(time.Minute)
		want("a minute after the merge", true, true)
		if e.Unseen(storage.KindUser, "another", time.Minute) {
			t.Error("users are not remembered")
		}
	})
	tool := openTest(t, Options{})
	if tool.Unseen(storage.KindGrant, "another", 0) {
		t.Error("a tool does not know what the server inserts")
	}
}

// A replacement that moves the expiry writes the row alone; the sweep follows.
func TestGrants_SweepFollowsMovedExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{Serve: true, Now: time.Now, mergeRows: 1})
		later, earlier, begun := grantNumber(1), grantNumber(2), grantNumber(3)
		later.ExpiresAt, earlier.ExpiresAt = time.Now().Add(2*time.Hour), time.Now().Add(10*time.Hour)
		later, earlier, begun = mustInsert(t, e, later), mustInsert(t, e, earlier), mustInsert(t, e, begun)
		time.Sleep(time.Hour) // They are indexed.
		later.ExpiresAt, earlier.ExpiresAt, begun.ExpiresAt = time.Now().Add(8*time.Hour), time.Now().Add(2*time.Hour), time.Now().Add(3*time.Hour)
		for _, doc := range []storage.Document{later, earlier, begun} {
			if _, err := e.Replace(t.Context(), doc); err != nil {
				t.Fatal(err)
			}
		}
		for hours, want := range []int64{3, 3, 3, 3, 2, 1} {
			if n := rows(t, e.path, storage.KindGrant); n != want && hours != 3 && hours != 4 {
				t.Errorf("%d rows after %d hours, want %d", n, hours, want)
			}
			time.Sleep(time.Hour)
		}
		time.Sleep(5 * time.Hour)
		if n, entries := rows(t, e.path, storage.KindGrant), rows(t, e.path, "grants_by_expiry"); n != 0 || entries != 0 {
			t.Errorf("%d rows and %d entries are left", n, entries)
		}
	})
}

func TestGrants_ListsFollowTheirIndexes(t *testing.T) {
	e := openTest(t, Options{Serve: true})
	db, err := openLists(e.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, known := range []bool{true, false} {
		if !known {
			e.tables[storage.KindGrant].lookups.recent.Store(nil)
		}
		for _, order := range []storage.Order{storage.ByCreated, storage.ByCreatedDescending} {
			text, args, err := e.tables[storage.KindGrant].list(storage.Query{Kind: storage.KindGrant, Order: order, Owner: "o"}, 1)
			if err != nil {
				t.Fatal(err)
			}
			plan := explainPlan(t, e.path, text, args)
			if strings.Contains(plan, "SCAN grants;") || !strings.Contains(plan, "SEARCH grants USING INTEGER PRIMARY KEY (rowid=?)") ||
				!strings.Contains(plan, "SEARCH grants_by_owner USING PRIMARY KEY") {
				t.Errorf("order %d: %s", order, plan)
			}
		}
	}
}

func explainPlan(t *testing.T, path, text string, args []any) string {
	t.Helper()
	db, err := openLists(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var step string
		if err := rows.Scan(new(int), new(int), new(int), &step); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}

// logPages is how many pages the log has. It grows until checkpointEvery writes are committed.
func logPages(t *testing.T, e *Engine) int64 {
	t.Helper()
	info, err := os.Stat(e.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() / 4120
}

// In a large table, the grants of a commit share their pages, and a commit of one grant writes little more than one page.
func TestGrants_CommitsWriteFewPages(t *testing.T) {
	path := openTest(t, Options{}).path
	fillGrants(t, path, 0, 6_000)
	indexGrants(t, path)
	e := openTest(t, Options{Path: path, Serve: true})
	const n = 400
	for name, row := range map[string]struct {
		workers int
		atMost  int64
	}{"one caller": {1, n * 5 / 4}, "64 callers": {64, n / 2}} {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = openTest(t, Options{Path: path, Serve: true})
		mustInsert(t, e, testDocument(name))
		before := logPages(t, e)
		inParallel(row.workers, n, func(i int) {
			doc := benchmarkDocument(i)
			doc.ID += name
			if _, err := e.Insert(context.Background(), doc); err != nil {
				t.Error(err)
			}
		})
		if pages := logPages(t, e) - before; pages > row.atMost {
			t.Errorf("%s: %d grants wrote %d pages, want at most %d", name, n, pages, row.atMost)
		}
	}
}

// fillGrants puts grants of mini-program logins into a file, without an engine's syncs and without indexing them.
func fillGrants(t *testing.T, path string, from, to int) {
	t.Helper()
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	bodies, l := newBodies(), newAppendedTable().lookups
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		doc := benchmarkDocument(-1 - i)
		op := operation{doc: doc, packed: bodies.pack(&doc)}
		if _, err := c.exec(l.insert, append(op.columns(), int64(0), hashOf(doc.ID))...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
}

func indexGrants(t *testing.T, path string) {
	t.Helper()
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := newAppendedTable().lookups.catchUp(c, 0); err != nil {
		t.Fatal(err)
	}
}

// A merge indexes many rows by far fewer pages than rows.
func TestGrants_MergeWritesEachPageOnce(t *testing.T) {
	path := openTest(t, Options{}).path
	const indexed, n = 8_000, 4_000
	fillGrants(t, path, 0, indexed)
	indexGrants(t, path)
	fillGrants(t, path, indexed, indexed+n)
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	merge, err := newAppendedTable().lookups.collect(c, indexed, indexed+n, n)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]driver.Value, 3)
	if _, err := c.row(row, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	for complete := false; !complete; {
		if complete, err = merge.commit(c); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if pages := info.Size() / 4120; pages > n/10 {
		t.Errorf("a merge of %d rows wrote %d pages", n, pages)
	}
}

// The log stays small under load, and is used again.
func TestCheckpoint_LogStaysSmall(t *testing.T) {
	e := openTest(t, Options{Serve: true})
	for round := range 8 {
		inParallel(16, 1000, func(i int) {
			if _, err := e.Insert(context.Background(), userDocument(fmt.Sprint(round, "/", i))); err != nil {
				t.Error(err)
			}
		})
	}
	if pages := logPages(t, e); pages > 8000 {
		t.Errorf("the log has %d pages after 8000 writes", pages)
	}
}
