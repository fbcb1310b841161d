package audittest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/storage"
)

// Key returns a key for tests.
func Key() audit.Key { return audit.Key{ID: "abcdef012345", Secret: bytes.Repeat([]byte("k"), 32)} }

// New returns a trail on an engine for tests.
func New(t testing.TB, engine storage.Engine, now func() time.Time) *audit.Trail {
	t.Helper()
	trail, err := audit.New(audit.Config{Engine: engine, Keys: []audit.Key{Key()}, Now: now, Random: rand.Reader, Process: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return trail
}

// fixture is a store with the audit of two processes.
type fixture struct {
	*testing.T
	engine storage.Engine
	clock  atomic.Int64
	// first goes on; second has ended.
	first, second *audit.Trail
	// chains are the chains of first and second.
	chains [2]string
}

func (f *fixture) now() time.Time { return time.UnixMilli(f.clock.Add(1000)) }

// breakage is one way to change an audit without its key.
type breakage struct {
	name string
	do   func(*fixture)
	// found are the kinds of problems that must be reported for it, without others.
	found []audit.ProblemKind
}

// Run writes an audit, verifies it, and changes it in every way that Verify must find. open returns an empty engine.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) storage.Engine) {
	f := &fixture{T: t}
	f.clock.Store(time.Now().UnixMilli())
	f.engine = open(t, time.Now)
	f.write()
	if problems := f.verify(); len(problems) > 0 {
		t.Fatalf("an unchanged audit: %v", problems)
	}
	intact := f.snapshot()
	for _, broken := range breakages() {
		t.Run(broken.name, func(t *testing.T) {
			f.T = t
			broken.do(f)
			var kinds []audit.ProblemKind
			for _, problem := range f.verify() {
				kinds = append(kinds, problem.Kind)
			}
			slices.Sort(kinds)
			if kinds = slices.Compact(kinds); !slices.Equal(kinds, broken.found) {
				t.Errorf("found %v, expected %v", kinds, broken.found)
			}
			f.restore(intact)
		})
	}
	f.T = t
	if problems := f.verify(); len(problems) > 0 {
		t.Errorf("after the repair: %v", problems)
	}
}

func breakages() []breakage {
	return []breakage{
		{"a changed entry", func(f *fixture) {
			f.edit(storage.KindAuditEntry, f.id(0, 3), `"target":"client:c3"`, `"target":"client:c9"`)
		}, kinds(audit.ProblemChanged)},
		{"a deleted entry", func(f *fixture) { f.delete(storage.KindAuditEntry, f.id(0, 3)) }, kinds(audit.ProblemGap)},
		{"two entries in the wrong order", func(f *fixture) { f.swap(f.id(0, 3), f.id(0, 4)) }, kinds(audit.ProblemReordered)},
		{"a chain that is missing", func(f *fixture) { f.deleteChain(1) }, kinds(audit.ProblemMissingChain)},
		{"a chain without its end", func(f *fixture) { f.delete(storage.KindAuditEntry, f.id(0, 6)) }, kinds(audit.ProblemCutTail)},
		{"a chain without its beginning", func(f *fixture) { f.delete(storage.KindAuditEntry, f.id(0, 1)) }, kinds(audit.ProblemGap)},
		{"an entry without a chain", func(f *fixture) { f.forge() }, kinds(audit.ProblemUnchained)},
		{"a chain that is not in the list", func(f *fixture) { f.delete(storage.KindAuditProcess, f.chains[0]) }, kinds(audit.ProblemUnlisted)},
		{"an entry in another directory", func(f *fixture) { f.reown(f.id(0, 2)) }, kinds(audit.ProblemReordered)},
		{"a changed sign-in", func(f *fixture) { f.edit(storage.KindAuditEntry, f.id(1, 4), `"m":"password"`, `"m":"passkey"`) }, kinds(audit.ProblemChanged)},
		{"a changed end in the list of chains", func(f *fixture) { f.edit(storage.KindAuditProcess, f.chains[1], `"sequence":4`, `"sequence":3`) }, kinds(audit.ProblemChanged)},
		{"a deleted checkpoint", func(f *fixture) { f.delete(storage.KindAuditCheckpoint, f.id(0, 1)) }, kinds(audit.ProblemGap)},
		{"a changed checkpoint", func(f *fixture) { f.edit(storage.KindAuditCheckpoint, f.id(0, 2), `"sequence":6`, `"sequence":5`) }, kinds(audit.ProblemChanged)},
	}
}

func kinds(all ...audit.ProblemKind) []audit.ProblemKind { return all }

// write writes the audit of two processes.
func (f *fixture) write() {
	f.first, f.second = New(f, f.engine, f.now), New(f, f.engine, f.now)
	for i := range 6 {
		f.chains[0] = f.record(f.first, i+1)
		if i == 2 {
			f.must(f.first.Checkpoint(f.Context()))
		}
		if i < 3 {
			f.chains[1] = f.record(f.second, i+1)
		}
	}
	f.second.RecordSignIn("shop", storage.SignIn{At: f.now(), User: "u1", Client: "c1", Method: "password"})
	f.must(f.second.Flush(f.Context()))
	f.must(f.second.Close(f.Context()))
	f.must(f.first.Checkpoint(f.Context()))
}

func (f *fixture) record(trail *audit.Trail, number int) (chain string) {
	f.Helper()
	entry, err := trail.Record(f.Context(), storage.AuditEntry{
		Directory: "shop", Actor: "cli:root", Action: "client.update", Target: fmt.Sprintf("client:c%d", number),
		Before: map[string]string{"name": "old"}, After: map[string]string{"name": "new"},
	})
	f.must(err)
	return entry.Chain
}

// verify verifies with a trail that wrote nothing, as the command does.
func (f *fixture) verify() []audit.Problem {
	f.Helper()
	report, err := New(f, f.engine, f.now).Verify(f.Context(), nil)
	f.must(err)
	return report.Problems
}

func (f *fixture) id(chain int, sequence int64) string {
	return storage.AuditEntryID(f.chains[chain], sequence)
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func auditKinds() []storage.Kind {
	return []storage.Kind{storage.KindAuditCheckpoint, storage.KindAuditEntry, storage.KindAuditProcess}
}

// snapshot returns all documents of the audit.
func (f *fixture) snapshot() []storage.Document {
	f.Helper()
	var all []storage.Document
	for _, kind := range auditKinds() {
		page, err := f.engine.List(f.Context(), storage.Query{Kind: kind, Limit: storage.MaxPage})
		f.must(err)
		all = append(all, page.Documents...)
	}
	return all
}

func (f *fixture) restore(intact []storage.Document) {
	f.Helper()
	for _, doc := range f.snapshot() {
		f.delete(doc.Kind, doc.ID)
	}
	for _, doc := range intact {
		_, err := f.engine.Insert(f.Context(), doc)
		f.must(err)
	}
}

func (f *fixture) get(kind storage.Kind, id string) storage.Document {
	f.Helper()
	doc, err := f.engine.Get(f.Context(), kind, id)
	f.must(err)
	return doc
}

func (f *fixture) delete(kind storage.Kind, id string) {
	f.Helper()
	f.must(f.engine.Delete(f.Context(), kind, id))
}

func (f *fixture) replace(doc storage.Document) {
	f.Helper()
	_, err := f.engine.Replace(f.Context(), doc)
	f.must(err)
}

func (f *fixture) edit(kind storage.Kind, id, old, now string) {
	f.Helper()
	doc := f.get(kind, id)
	text := strings.NewReplacer(`": `, `":`).Replace(string(doc.Body))
	if !strings.Contains(text, old) {
		f.Fatalf("%s is not in %s", old, text)
	}
	doc.Body = []byte(strings.Replace(text, old, now, 1))
	f.replace(doc)
}

// swap exchanges the content of two entries.
func (f *fixture) swap(one, other string) {
	f.Helper()
	a, b := f.get(storage.KindAuditEntry, one), f.get(storage.KindAuditEntry, other)
	a.Body, b.Body, a.CreatedAt, b.CreatedAt = b.Body, a.Body, b.CreatedAt, a.CreatedAt
	f.replace(a)
	f.replace(b)
}

// reown lists an entry in another directory.
func (f *fixture) reown(id string) {
	f.Helper()
	doc := f.get(storage.KindAuditEntry, id)
	doc.Owner = "other"
	f.replace(doc)
}

// forge adds an entry as earlier versions wrote them.
func (f *fixture) forge() {
	f.Helper()
	_, err := storage.Insert(context.Background(), f.engine, storage.AuditEntry{
		Directory: "shop", ID: "forged", Actor: "cli:root", Action: "client.update", Target: "client:c1", CreatedAt: storage.Instant(f.now()),
	})
	f.must(err)
}

// deleteChain deletes all that only this chain has.
func (f *fixture) deleteChain(chain int) {
	f.Helper()
	for _, kind := range auditKinds() {
		for _, doc := range f.snapshot() {
			if doc.Kind == kind && strings.HasPrefix(doc.ID, f.chains[chain]) {
				f.delete(kind, doc.ID)
			}
		}
	}
}
