package storagetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// Subject is the engine under test and what the suite may do to it.
type Subject struct {
	// Open returns an empty engine whose expiry goes by now, and has it closed at the end of t. The clock starts at the
	// real time, because a database may expire documents by its own clock, and only moves forward.
	Open func(t *testing.T, now func() time.Time) storage.Engine
	// Reopen ends an engine as hard as it can and opens its data. Nil means that the engine stores nothing.
	Reopen func(t *testing.T, engine storage.Engine, now func() time.Time) storage.Engine
	// DropReply drops the reply of the engine's next write after the database executed it. Nil means that no reply between the
	// engine and its database can get lost.
	DropReply func(t *testing.T, engine storage.Engine)
}

// Run tests that an engine implements the contract of storage.Engine. Run it under the race detector.
func Run(t *testing.T, subject Subject) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"documents", documentCases()},
		{"expiry", expiryCases()},
		{"races", raceCases()},
		{"lists", listCases()},
		{"records", recordCases()},
		{"failures", failureCases()},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				if c.applies != nil && !c.applies(subject) {
					continue
				}
				t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, subject)) })
			}
		})
	}
}

type testCase struct {
	name string
	run  func(*fixture)
	// applies leaves a case out for engines it means nothing to; nil is for all.
	applies func(Subject) bool
}

// fixture is one test with an empty engine and a clock that stands still.
type fixture struct {
	*testing.T
	storage.Engine
	subject Subject
	clock   *clock
}

func newFixture(t *testing.T, subject Subject) *fixture {
	c := &clock{}
	c.millis.Store(time.Now().UnixMilli())
	return &fixture{T: t, Engine: subject.Open(t, c.now), subject: subject, clock: c}
}

// clock is a clock that is moved by hand.
type clock struct{ millis atomic.Int64 }

func (c *clock) now() time.Time               { return time.UnixMilli(c.millis.Load()).UTC() }
func (c *clock) advance(d time.Duration)      { c.millis.Add(d.Milliseconds()) }
func (c *clock) in(d time.Duration) time.Time { return c.now().Add(d) }

// document is a small document that never expires.
func document(id string) storage.Document {
	return storage.Document{
		Kind: storage.KindGrant, ID: id, Owner: "owner", CreatedAt: time.UnixMilli(1700000000123).UTC(),
		Body: []byte(fmt.Sprintf(`{"v":1,"id":%q}`, id)),
	}
}

func (f *fixture) mustInsert(doc storage.Document) storage.Document {
	f.Helper()
	rev, err := f.Insert(f.Context(), doc)
	if err != nil {
		f.Fatalf("Insert: %v", err)
	}
	doc.Rev = rev
	return doc
}

func (f *fixture) mustReplace(doc storage.Document) storage.Document {
	f.Helper()
	rev, err := f.Replace(f.Context(), doc)
	if err != nil {
		f.Fatalf("Replace: %v", err)
	}
	doc.Rev = rev
	return doc
}

func (f *fixture) mustGet(id string) storage.Document {
	f.Helper()
	doc, err := f.Get(f.Context(), storage.KindGrant, id)
	if err != nil {
		f.Fatalf("Get: %v", err)
	}
	return doc
}

func (f *fixture) wantError(doing string, err, want error) {
	f.Helper()
	if !errorIs(err, want) {
		f.Errorf("%s: got error %v, expected %v", doing, err, want)
	}
}

func (f *fixture) wantAbsent(ctx context.Context, id string) {
	f.Helper()
	_, err := f.Get(ctx, storage.KindGrant, id)
	f.wantError("Get of an absent document", err, storage.ErrNotFound)
}

func (f *fixture) wantSame(got, want storage.Document) {
	f.Helper()
	if !same(got, want) {
		f.Errorf("got document\n%+v, expected\n%+v", printable(got), printable(want))
	}
}
