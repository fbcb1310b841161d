package storagetest

import (
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

func expiryCases() []testCase {
	return []testCase{
		{name: "a document is there until the millisecond before it expires", run: testExpiryEdge},
		{name: "an expired document is absent in every method", run: testExpiredAbsent},
		{name: "an insert takes the place of an expired leftover with nothing left of it", run: testInsertOverExpired},
		{name: "a replacement moves and removes the expiry", run: testReplaceExpiry},
		{name: "an expired document can be deleted", run: testDeleteExpired},
	}
}

// expiring inserts a document of every index that expires in an hour.
func (f *fixture) expiring(id string) storage.Document {
	f.Helper()
	doc := document(id)
	doc.Name, doc.DueAt, doc.ExpiresAt = "name", f.clock.now(), f.clock.in(time.Hour)
	return f.mustInsert(doc)
}

func testExpiryEdge(f *fixture) {
	want := f.expiring("a")
	f.clock.advance(time.Hour - time.Millisecond)
	f.wantSame(f.mustGet("a"), want)
	_, err := f.Insert(f.Context(), document("a"))
	f.wantError("Insert", err, storage.ErrExists)
	f.mustReplace(want)
	f.clock.advance(time.Millisecond)
	f.wantAbsent(f.Context(), "a")
}

func testExpiredAbsent(f *fixture) {
	doc := f.expiring("a")
	f.clock.advance(time.Hour)
	f.wantAbsent(f.Context(), "a")
	_, err := f.Replace(f.Context(), doc)
	f.wantError("Replace of an expired document", err, storage.ErrConflict)
	for _, order := range orders() {
		page, err := f.List(f.Context(), storage.Query{
			Kind: doc.Kind, Order: order, Owner: doc.Owner, Prefix: "n", DueBefore: f.clock.now(),
		})
		if err != nil || len(page.Documents) != 0 || page.Next != "" {
			f.Errorf("List in order %d: %v, %v", order, page, err)
		}
	}
	f.wantAbsent(f.Context(), "a")
}

func testInsertOverExpired(f *fixture) {
	old := f.expiring("a")
	f.clock.advance(2 * time.Hour)
	fresh := storage.Document{
		Kind: old.Kind, ID: "a", Owner: "other", CreatedAt: f.clock.now(), Body: []byte(`{"fresh":1}`),
	}
	fresh = f.mustInsert(fresh)
	f.wantSame(f.mustGet("a"), fresh)
	_, err := f.Replace(f.Context(), old)
	f.wantError("Replace with the revision of the expired one", err, storage.ErrConflict)
	_, err = f.Insert(f.Context(), fresh)
	f.wantError("Insert over the fresh one", err, storage.ErrExists)
	f.wantList(storage.Query{Kind: old.Kind, Order: storage.ByCreated, Owner: "owner"})
	f.wantList(storage.Query{Kind: old.Kind, Order: storage.ByCreated, Owner: "other"}, "a")
	f.wantList(storage.Query{Kind: old.Kind, Order: storage.ByName, Owner: "owner"})
	f.wantList(storage.Query{Kind: old.Kind, Order: storage.ByDue, DueBefore: f.clock.now()})
}

func testReplaceExpiry(f *fixture) {
	doc := f.expiring("a")
	doc.ExpiresAt = f.clock.in(3 * time.Hour)
	doc = f.mustReplace(doc)
	f.clock.advance(2 * time.Hour)
	f.wantSame(f.mustGet("a"), doc)
	doc.ExpiresAt = time.Time{}
	doc = f.mustReplace(doc)
	f.clock.advance(1000 * time.Hour)
	f.wantSame(f.mustGet("a"), doc)
	doc.ExpiresAt = f.clock.in(-time.Millisecond)
	f.mustReplace(doc)
	f.wantAbsent(f.Context(), "a")
	f.mustInsert(document("a"))
}

func testDeleteExpired(f *fixture) {
	for i := range 3 {
		f.expiring(fmt.Sprint(i))
	}
	f.clock.advance(time.Hour)
	f.wantError("Delete", f.Delete(f.Context(), storage.KindGrant, "1"), nil)
	f.wantAbsent(f.Context(), "1")
	f.mustInsert(document("1"))
	f.mustInsert(document("2"))
}
