package storagetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

func documentCases() []testCase {
	return []testCase{
		{name: "an inserted document is read back as it was", run: testRoundTrip},
		{name: "bodies keep every member, number and letter", run: testBodies},
		{name: "IDs are any text of up to 512 bytes", run: testIDs},
		{name: "times are stored in UTC to the millisecond", run: testTimes},
		{name: "a document that is not there is not found", run: testMissing},
		{name: "an insert loses against a live document", run: testInsertExists},
		{name: "a replacement names the revision it replaces", run: testReplace},
		{name: "a replacement of nothing is a conflict", run: testReplaceMissing},
		{name: "every write sets a fresh revision", run: testRevisions},
		{name: "a deleted document is gone and its ID free", run: testDelete},
		{name: "kinds are apart", run: testKinds},
		{name: "bodies belong to the caller", run: testOwnership},
		{name: "invalid documents are rejected", run: testInvalid},
	}
}

func testRoundTrip(f *fixture) {
	want := storage.Document{
		Kind: storage.KindUser, ID: "default/a", ExpiresAt: f.clock.in(time.Hour), Owner: "default", Name: "ålice",
		CreatedAt: f.clock.now(), DueAt: f.clock.in(time.Minute), Body: []byte(`{"v":1,"name":"ålice"}`),
	}
	want.Rev = f.mustInsert(want).Rev
	if want.Rev == "" {
		f.Error("Insert returned no revision")
	}
	got, err := f.Get(f.Context(), want.Kind, want.ID)
	f.wantError("Get", err, nil)
	f.wantSame(got, want)

	want.Owner, want.Name, want.Body = "other", "", []byte(`{"v":1}`)
	want.ExpiresAt, want.DueAt = time.Time{}, time.Time{}
	want = f.mustReplace(want)
	got, err = f.Get(f.Context(), want.Kind, want.ID)
	f.wantError("Get", err, nil)
	f.wantSame(got, want)
}

func testBodies(f *fixture) {
	bodies := []string{
		`{}`,
		`{"v":1,"z":1,"a":2,"m":{"z":1,"a":{"z":[{"b":1,"a":2}]}}}`,
		`{"small":0,"negative":-1,"big":9007199254740993,"int64":9223372036854775807,"least":-9223372036854775808}`,
		`{"uint64":18446744073709551615,"huge":123456789012345678901234567890,"float":0.1,"exponent":1e+21}`,
		`{"text":"中文 😀 \u2028 é é \u0000 \ud800 \\ \" / <>&","":"empty name"}`,
		`{"date":"2024-02-29T12:00:00Z","date2":"2024-02-29","oid":"507f1f77bcf86cd799439011","number":"42","null":"null"}`,
		`{"$oid":"507f1f77bcf86cd799439011","$date":"2024-02-29T12:00:00Z","a.b":{"$set":{"c.d":1}},"$":"","_id":"x","rev":"y"}`,
		`{"$date":{"$numberLong":"1"}}`,
		`{"null":null,"true":true,"false":false,"list":[],"object":{},"lists":[[],[[1,null]],{}]}`,
		`{"v":1,"unknown":{"of":{"a":{"newer":["version",{"x":1}]}}}}`,
		`{"twice":1,"Twice":2}`,
	}
	for i, body := range bodies {
		doc := document(fmt.Sprint(i))
		doc.Body = []byte(body)
		doc = f.mustInsert(doc)
		f.wantBody(f.mustGet(doc.ID).Body, body)
		doc.Body = []byte(`{"v":1,"replaced":` + body + `}`)
		doc = f.mustReplace(doc)
		f.wantBody(f.mustGet(doc.ID).Body, string(doc.Body))
	}
	large := document("large")
	large.Body = []byte(`{"text":"` + strings.Repeat("x", storage.MaxBody-11) + `"}`)
	f.mustInsert(large)
	f.wantBody(f.mustGet("large").Body, string(large.Body))
}

func testIDs(f *fixture) {
	ids := []string{
		"a", "A", "a ", " a", "a/b", "a.b", "$a", "{}", "'", `"`, "%", "_", "*", "\\", "\n", "é", "e\u0301", "中", "😀", "0", "00", "1e3", "null",
		strings.Repeat("x", storage.MaxID), strings.Repeat("x", storage.MaxID-1),
	}
	for _, id := range ids {
		f.mustInsert(document(id))
	}
	for _, id := range ids {
		if got := f.mustGet(id).ID; got != id {
			f.Errorf("asked for %q, got %q", id, got)
		}
	}
}

func testTimes(f *fixture) {
	zone := time.FixedZone("", 8*60*60)
	times := []time.Time{
		{},
		time.Date(2100, 2, 28, 23, 59, 59, 999_999_999, zone),
		time.Date(2999, 12, 31, 23, 59, 59, 1_000_000, time.UTC),
		f.clock.in(time.Hour).In(zone),
	}
	for i, at := range times {
		doc := document(fmt.Sprint(i))
		doc.CreatedAt, doc.ExpiresAt, doc.DueAt = at, at, at
		doc = f.mustInsert(doc)
		got := f.mustGet(doc.ID)
		for name, value := range map[string]time.Time{"CreatedAt": got.CreatedAt, "ExpiresAt": got.ExpiresAt, "DueAt": got.DueAt} {
			if value != storage.Instant(at) {
				f.Errorf("%s: stored %v, got %v", name, at, value)
			}
		}
	}
	early := document("early")
	early.CreatedAt = time.Date(1969, 12, 31, 23, 59, 59, 999_900_000, time.UTC)
	f.mustInsert(early)
	if got := f.mustGet("early").CreatedAt; got != storage.Instant(early.CreatedAt) {
		f.Errorf("CreatedAt: stored %v, got %v", early.CreatedAt, got)
	}
}

func testMissing(f *fixture) {
	for _, id := range []string{"missing", "", strings.Repeat("x", storage.MaxID+1)} {
		f.wantAbsent(f.Context(), id)
	}
}

func testInsertExists(f *fixture) {
	first := f.mustInsert(document("a"))
	second := document("a")
	second.Owner, second.Body = "other", []byte(`{"other":1}`)
	_, err := f.Insert(f.Context(), second)
	f.wantError("second Insert", err, storage.ErrExists)
	f.wantSame(f.mustGet("a"), first)
}

func testReplace(f *fixture) {
	first := f.mustInsert(document("a"))
	second := first
	second.Body = []byte(`{"second":1}`)
	second = f.mustReplace(second)
	for name, rev := range map[string]string{"stale": first.Rev, "empty": "", "foreign": "no revision", "other case": strings.ToUpper(second.Rev) + "x"} {
		stale := first
		stale.Rev, stale.Body = rev, []byte(`{"stale":1}`)
		_, err := f.Replace(f.Context(), stale)
		f.wantError("Replace with a "+name+" revision", err, storage.ErrConflict)
	}
	f.wantSame(f.mustGet("a"), second)
}

func testReplaceMissing(f *fixture) {
	doc := f.mustInsert(document("a"))
	f.wantError("Delete", f.Delete(f.Context(), doc.Kind, doc.ID), nil)
	_, err := f.Replace(f.Context(), doc)
	f.wantError("Replace of a deleted document", err, storage.ErrConflict)
	f.wantAbsent(f.Context(), "a")

	again := f.mustInsert(document("a"))
	_, err = f.Replace(f.Context(), doc)
	f.wantError("Replace with the revision of an earlier life", err, storage.ErrConflict)
	f.wantSame(f.mustGet("a"), again)
}

func testRevisions(f *fixture) {
	var revs []string
	for i := range 20 {
		doc := f.mustInsert(document(fmt.Sprint(i)))
		revs = append(revs, doc.Rev)
		for range 3 {
			doc = f.mustReplace(doc)
			revs = append(revs, doc.Rev)
		}
	}
	slices.Sort(revs)
	if len(slices.Compact(revs)) != 80 {
		f.Error("two writes have one revision")
	}
}

func testDelete(f *fixture) {
	f.mustInsert(document("a"))
	for range 2 {
		f.wantError("Delete", f.Delete(f.Context(), storage.KindGrant, "a"), nil)
		f.wantAbsent(f.Context(), "a")
	}
	again := document("a")
	again.Body = []byte(`{"again":1}`)
	again = f.mustInsert(again)
	f.wantSame(f.mustGet("a"), again)
}

func testKinds(f *fixture) {
	for kind := range storage.Kinds() {
		doc := document("same")
		doc.Kind, doc.Body = kind, []byte(fmt.Sprintf(`{"kind":%q}`, kind))
		f.mustInsert(doc)
	}
	for kind := range storage.Kinds() {
		doc, err := f.Get(f.Context(), kind, "same")
		f.wantError("Get", err, nil)
		f.wantBody(doc.Body, fmt.Sprintf(`{"kind":%q}`, kind))
	}
	f.wantError("Delete", f.Delete(f.Context(), storage.KindGrant, "same"), nil)
	if _, err := f.Get(f.Context(), storage.KindUser, "same"); err != nil {
		f.Errorf("after the deletion of another kind's document: %v", err)
	}
}

func testOwnership(f *fixture) {
	doc := document("a")
	want := string(doc.Body)
	doc = f.mustInsert(doc)
	clear(doc.Body)
	first := f.mustGet("a").Body
	f.wantBody(first, want)
	clear(first)
	for range 2 {
		page, err := f.List(f.Context(), storage.Query{Kind: storage.KindGrant})
		if err != nil || len(page.Documents) != 1 {
			f.Fatalf("List: %v, %v", page, err)
		}
		f.wantBody(page.Documents[0].Body, want)
		clear(page.Documents[0].Body)
	}
	f.wantBody(f.mustGet("a").Body, want)
}

func testInvalid(f *fixture) {
	change := func(edit func(*storage.Document)) storage.Document {
		doc := document("a")
		edit(&doc)
		return doc
	}
	table := []struct {
		name string
		doc  storage.Document
		want error
	}{
		{"an empty ID", change(func(d *storage.Document) { d.ID = "" }), storage.ErrInvalid},
		{"a long ID", change(func(d *storage.Document) { d.ID = strings.Repeat("x", storage.MaxID+1) }), storage.ErrInvalid},
		{"an unknown kind", change(func(d *storage.Document) { d.Kind = "grants; DROP TABLE grants" }), storage.ErrInvalid},
		{"a large body", change(func(d *storage.Document) { d.Body = bytes.Repeat([]byte(" "), storage.MaxBody+1) }), storage.ErrTooLarge},
	}
	for _, row := range table {
		_, err := f.Insert(f.Context(), row.doc)
		f.wantError("Insert of "+row.name, err, row.want)
		_, err = f.Replace(f.Context(), row.doc)
		f.wantError("Replace with "+row.name, err, row.want)
	}
	_, err := f.Get(f.Context(), "other", "a")
	f.wantError("Get of an unknown kind", err, storage.ErrInvalid)
	f.wantError("Delete of an unknown kind", f.Delete(f.Context(), "other", "a"), storage.ErrInvalid)
	_, err = f.List(f.Context(), storage.Query{Kind: "other"})
	f.wantError("List of an unknown kind", err, storage.ErrInvalid)
	f.wantAbsent(f.Context(), "a")
}

// errorIs is errors.Is, except that nothing but nil is nil.
func errorIs(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}

// wantBody compares bodies as JSON: members, texts and the digits of numbers count, spacing, escapes and order do not.
func (f *fixture) wantBody(got []byte, want string) {
	f.Helper()
	if !sameJSON(got, []byte(want)) {
		f.Errorf("got body\n%s, expected\n%s", got, want)
	}
}

func sameJSON(a, b []byte) bool {
	parsed := func(body []byte) (value any, err error) {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		return value, decoder.Decode(&value)
	}
	left, errLeft := parsed(a)
	right, errRight := parsed(b)
	return errLeft == nil && errRight == nil && reflect.DeepEqual(left, right)
}

func same(a, b storage.Document) bool {
	body := sameJSON(a.Body, b.Body)
	a.Body, b.Body = nil, nil
	return body && reflect.DeepEqual(a, b)
}

// printable is a document as a test prints it.
func printable(doc storage.Document) string {
	body := string(doc.Body)
	doc.Body = nil
	return fmt.Sprintf("%+v %s", doc, body)
}
