package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

func listCases() []testCase {
	return []testCase{
		{name: "pages of every size join to the whole list in every order", run: testPaging},
		{name: "text is ordered byte by byte", run: testByteOrder},
		{name: "a list holds its owner's documents alone", run: testOwners},
		{name: "a prefix is a prefix and no pattern", run: testPrefix},
		{name: "what is due is listed until its due time was moved", run: testDue},
		{name: "a replacement moves a document in every index", run: testReindex},
		{name: "changes between two pages neither repeat nor hide what stays", run: testStablePages},
		{name: "a page holds 100 documents by default, and 500 at most", run: testPageSize},
		{name: "an invalid query is rejected", run: testInvalidQuery},
	}
}

func orders() []storage.Order {
	return []storage.Order{storage.ByID, storage.ByCreated, storage.ByCreatedDescending, storage.ByName, storage.ByDue}
}

// listAll follows a list page by page.
func (f *fixture) listAll(query storage.Query) []storage.Document {
	f.Helper()
	var all []storage.Document
	for {
		page, err := f.List(f.Context(), query)
		if err != nil {
			f.Fatalf("List: %v", err)
		}
		if len(page.Documents) > query.PageSize() {
			f.Fatalf("a page of %d documents, limit %d", len(page.Documents), query.Limit)
		}
		if page.Next != "" && len(page.Documents) == 0 {
			f.Fatal("an empty page has a next one")
		}
		all = append(all, page.Documents...)
		if page.Next == "" {
			return all
		}
		query.After = page.Next
	}
}

func (f *fixture) wantList(query storage.Query, want ...string) {
	f.Helper()
	var got []string
	for _, doc := range f.listAll(query) {
		got = append(got, doc.ID)
	}
	if !slices.Equal(got, want) {
		f.Errorf("list %+v: got %q, expected %q", query, got, want)
	}
}

// population inserts documents in which every index value occurs several times.
func (f *fixture) population() []storage.Document {
	f.Helper()
	var all []storage.Document
	for i := range 24 {
		doc := document(fmt.Sprintf("%02d", (i*7)%24))
		doc.Kind = storage.KindUser
		doc.CreatedAt = f.clock.in(time.Duration(i/4) * time.Millisecond)
		doc.Name = strings.Repeat("n", 1+i%3)
		if i%5 != 0 {
			doc.DueAt = f.clock.in(time.Duration(i%4) * time.Millisecond)
		}
		all = append(all, f.mustInsert(doc))
	}
	return all
}

func testPaging(f *fixture) {
	all := f.population()
	for _, order := range orders() {
		query := storage.Query{Kind: storage.KindUser, Order: order, Owner: "owner", DueBefore: f.clock.in(2 * time.Millisecond)}
		var want []storage.Document
		for _, doc := range all {
			if matches(doc, query) {
				want = append(want, doc)
			}
		}
		slices.SortFunc(want, func(a, b storage.Document) int { return compare(order, order.PositionOf(a), order.PositionOf(b)) })
		for _, query.Limit = range []int{0, 1, 2, 3, 5, len(want) - 1, len(want), len(want) + 1} {
			got := f.listAll(query)
			if !slices.EqualFunc(got, want, same) {
				f.Errorf("order %d, limit %d: got %d documents, expected %d, or another order", order, query.Limit, len(got), len(want))
			}
		}
	}
}

func testByteOrder(f *fixture) {
	texts := []string{"", " ", "A", "AB", "B", "Z", "a", "a b", "aB", "ab", "b", "e\u0301", "z", "é", "中", "\uffee", "😀"}
	for _, text := range texts {
		doc := document("id" + text)
		doc.Kind, doc.Name = storage.KindUser, text
		f.mustInsert(doc)
	}
	want := make([]string, 0, len(texts))
	for _, text := range texts {
		want = append(want, "id"+text)
	}
	for _, order := range []storage.Order{storage.ByID, storage.ByName, storage.ByCreated} {
		f.wantList(storage.Query{Kind: storage.KindUser, Order: order, Owner: "owner", Limit: 2}, want...)
	}
}

func testOwners(f *fixture) {
	for i, owner := range []string{"", "a", "a/b", "A", "ab", "a"} {
		doc := document(fmt.Sprint(i))
		doc.Kind, doc.Owner, doc.Name = storage.KindUser, owner, "n"
		f.mustInsert(doc)
	}
	for owner, want := range map[string][]string{"": {"0"}, "a": {"1", "5"}, "A": {"3"}, "a/b": {"2"}, "b": nil} {
		for _, order := range []storage.Order{storage.ByCreated, storage.ByName} {
			f.wantList(storage.Query{Kind: storage.KindUser, Order: order, Owner: owner}, want...)
		}
		slices.Reverse(want)
		f.wantList(storage.Query{Kind: storage.KindUser, Order: storage.ByCreatedDescending, Owner: owner}, want...)
	}
	f.wantList(storage.Query{Kind: storage.KindUser, Owner: "ignored"}, "0", "1", "2", "3", "4", "5")
	f.wantList(storage.Query{Kind: storage.KindClient, Owner: "a"})
}

func testPrefix(f *fixture) {
	names := []string{"", "%", "%a", "A", "a", "a%", "a.", "a_b", "aa", "ab", "abc", "b", "中", "中文", "丮"}
	for _, name := range names {
		doc := document(name + ".")
		doc.Kind, doc.Name = storage.KindUser, name
		f.mustInsert(doc)
	}
	for _, prefix := range []string{"", "a", "ab", "abcd", "A", "%", "a%", "_", "a.", ".", "中"} {
		var want []string
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name+".")
			}
		}
		slices.Sort(want)
		f.wantListSorted(storage.Query{Kind: storage.KindUser, Order: storage.ByName, Owner: "owner", Prefix: prefix, Limit: 2}, want)
	}
}

// wantListSorted compares a list without regard to its order.
func (f *fixture) wantListSorted(query storage.Query, want []string) {
	f.Helper()
	var got []string
	for _, doc := range f.listAll(query) {
		got = append(got, doc.ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		f.Errorf("list %+v: got %q, expected %q", query, got, want)
	}
}

func testDue(f *fixture) {
	insert := func(id string, due time.Time) storage.Document {
		doc := document(id)
		doc.Kind, doc.DueAt = storage.KindSession, due
		return f.mustInsert(doc)
	}
	late := insert("late", f.clock.in(time.Minute))
	insert("never", time.Time{})
	insert("now", f.clock.now())
	insert("past", f.clock.in(-time.Hour))
	due := func() storage.Query {
		return storage.Query{Kind: storage.KindSession, Order: storage.ByDue, Owner: "ignored", DueBefore: f.clock.now()}
	}
	f.wantList(due(), "past", "now")
	f.clock.advance(time.Minute)
	f.wantList(due(), "past", "now", "late")
	late.DueAt = f.clock.in(time.Minute)
	late = f.mustReplace(late)
	f.wantList(due(), "past", "now")
	late.DueAt = time.Time{}
	f.mustReplace(late)
	f.clock.advance(time.Hour)
	f.wantList(due(), "past", "now")
}

func testReindex(f *fixture) {
	doc := document("a")
	doc.Kind, doc.Name, doc.DueAt = storage.KindUser, "old", f.clock.now()
	f.mustInsert(doc)
	doc, err := f.Get(f.Context(), doc.Kind, doc.ID)
	f.wantError("Get", err, nil)
	other := document("b")
	other.Kind, other.Owner, other.Name, other.CreatedAt = storage.KindUser, "new owner", "newer", f.clock.now()
	f.mustInsert(other)

	doc.Owner, doc.Name, doc.CreatedAt, doc.DueAt = "new owner", "new", f.clock.in(time.Hour), f.clock.in(time.Hour)
	f.mustReplace(doc)
	query := storage.Query{Kind: storage.KindUser, DueBefore: f.clock.now()}
	for _, query.Order = range []storage.Order{storage.ByCreated, storage.ByCreatedDescending, storage.ByName} {
		query.Owner = "owner"
		f.wantList(query)
	}
	query.Owner = "new owner"
	query.Order = storage.ByCreated
	f.wantList(query, "b", "a")
	query.Order = storage.ByName
	f.wantList(query, "a", "b")
	query.Prefix = "newe"
	f.wantList(query, "b")
	query.Order = storage.ByDue
	f.wantList(query)
	query.DueBefore = f.clock.in(time.Hour)
	f.wantList(query, "a")
}

func testStablePages(f *fixture) {
	f.population()
	query := storage.Query{Kind: storage.KindUser, Order: storage.ByCreated, Owner: "owner", Limit: 5}
	before := f.listAll(query)
	page, err := f.List(f.Context(), query)
	f.wantError("List", err, nil)
	for _, doc := range page.Documents {
		f.wantError("Delete", f.Delete(f.Context(), doc.Kind, doc.ID), nil)
	}
	early := before[0]
	early.ID, early.CreatedAt = "early", early.CreatedAt.Add(-time.Hour)
	f.mustInsert(early)
	query.After = page.Next
	if !slices.EqualFunc(f.listAll(query), before[5:], same) {
		f.Error("the rest of the list changed")
	}
}

func testPageSize(f *fixture) {
	parallel(8, func(n int) {
		for i := n; i < storage.MaxPage+1; i += 8 {
			f.mustInsertOr(document(fmt.Sprintf("%04d", i)))
		}
	})
	for limit, want := range map[int]int{0: 100, 1: 1, storage.MaxPage: storage.MaxPage, storage.MaxPage + 1: storage.MaxPage} {
		page, err := f.List(f.Context(), storage.Query{Kind: storage.KindGrant, Limit: limit})
		if err != nil || len(page.Documents) != want || page.Next == "" {
			f.Errorf("limit %d: %d documents, next %q, %v", limit, len(page.Documents), page.Next, err)
		}
	}
}

func testInvalidQuery(f *fixture) {
	f.population()
	page, err := f.List(f.Context(), storage.Query{Kind: storage.KindUser, Order: storage.ByCreated, Owner: "owner", Limit: 3})
	f.wantError("List", err, nil)
	queries := map[string]storage.Query{
		"a cursor of another order": {Kind: storage.KindUser, Order: storage.ByName, After: page.Next},
		"no cursor at all":          {Kind: storage.KindUser, After: "' OR 1=1 --"},
		"a negative limit":          {Kind: storage.KindUser, Limit: -1},
		"an unknown order":          {Kind: storage.KindUser, Order: 99},
		"a prefix of half a letter": {Kind: storage.KindUser, Order: storage.ByName, Prefix: "\xe4"},
	}
	for name, query := range queries {
		_, err := f.List(f.Context(), query)
		f.wantError("List with "+name, err, storage.ErrInvalid)
	}
}
