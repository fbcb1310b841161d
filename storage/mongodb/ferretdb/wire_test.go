package ferretdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// worlds are the two kinds of servers: one that stands alone, where the driver repeats no write, and a replica set, where it does.
func worlds() map[string]func(*Server, testing.TB) *Proxy {
	return map[string]func(*Server, testing.TB) *Proxy{"alone": (*Server).Proxy, "replica set": (*Server).ReplicaSet}
}

func grantDocument(id string) storage.Document {
	return storage.Document{Kind: storage.KindGrant, ID: id, Owner: "owner", CreatedAt: time.UnixMilli(1700000000123).UTC(), Body: []byte(`{"v":1}`)}
}

// withBody is a document with another body.
func withBody(doc storage.Document, body string) storage.Document {
	doc.Body = []byte(body)
	return doc
}

// engineAt opens an engine behind a proxy, on a database of the test's.
func engineAt(t *testing.T, proxy *Proxy, database string, edit ...func(*mongodb.Options)) *mongodb.Engine {
	t.Helper()
	options := mongodb.Options{URI: proxy.URI(database, patient), Timeout: patience}
	for _, e := range edit {
		e(&options)
	}
	engine := opened(t, options)
	t.Cleanup(func() { _ = engine.Close() }) // A test may have closed it.
	return engine
}

func mustInsert(t *testing.T, engine storage.Engine, doc storage.Document) storage.Document {
	t.Helper()
	var err error
	if doc.Rev, err = engine.Insert(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestWire_OneFaultIsNoFailure(t *testing.T) {
	t.Parallel()
	faults := map[string]Fault{
		"reply dropped": DropReply, "command dropped": DropCommand, "write concern error": WriteConcernError,
		"not the primary": NotWritablePrimary, "executed and no primary any more": Executed,
	}
	for world, proxied := range worlds() {
		for name, fault := range faults {
			t.Run(world+", "+name, func(t *testing.T) {
				t.Parallel()
				proxy := proxied(ferret, t)
				engine := engineAt(t, proxy, ferret.Database(t))
				doc := grantDocument("a")

				proxy.Decide(Once(fault, IsWrite))
				doc = mustInsert(t, engine, doc)
				wantRevision(t, engine, doc)

				proxy.Decide(Once(fault, IsWrite))
				if _, err := engine.Insert(t.Context(), doc); !errors.Is(err, storage.ErrExists) {
					t.Errorf("insert of a taken ID: %v", err)
				}

				stale := doc
				proxy.Decide(Once(fault, IsWrite))
				rev, err := engine.Replace(t.Context(), withBody(doc, `{"v":1,"n":1}`))
				if err != nil {
					t.Fatalf("replace: %v", err)
				}
				doc.Rev = rev
				wantRevision(t, engine, doc)

				proxy.Decide(Once(fault, IsWrite))
				if _, err := engine.Replace(t.Context(), stale); !errors.Is(err, storage.ErrConflict) {
					t.Errorf("replacement of another revision: %v", err)
				}

				if fault != WriteConcernError { // which no read has
					proxy.Decide(Once(fault, IsRead))
					wantRevision(t, engine, doc)
				}

				proxy.Decide(Once(fault, IsWrite))
				if err := engine.Delete(t.Context(), doc.Kind, doc.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
				if _, err := engine.Get(t.Context(), doc.Kind, doc.ID); !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("get of what was deleted: %v", err)
				}
			})
		}
	}
}

func wantRevision(t *testing.T, engine storage.Engine, want storage.Document) {
	t.Helper()
	if got, err := engine.Get(t.Context(), want.Kind, want.ID); err != nil || got.Rev != want.Rev {
		t.Errorf("revision %q, want %q: %v", got.Rev, want.Rev, err)
	}
}

// When the server executes commands and returns no reply, the outcome of a write cannot be known: it is unknown, and never
// lost.
func TestWire_UnreadableOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	proxy := ferret.Proxy(t)
	engine := engineAt(t, proxy, ferret.Database(t), func(o *mongodb.Options) { o.Timeout = 10 * time.Second })
	doc := mustInsert(t, engine, grantDocument("replaced"))
	silent := func(c Command) Fault {
		switch {
		case IsWrite(c):
			return DropReply
		case IsRead(c):
			return DropCommand
		}
		return Pass
	}
	proxy.Decide(silent)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, err := engine.Insert(t.Context(), grantDocument("inserted"))
		wantUnknown(t, "insert", err)
	})
	waiting.Go(func() {
		_, err := engine.Replace(t.Context(), withBody(doc, `{"v":1,"n":1}`))
		wantUnknown(t, "replace", err)
	})
	waiting.Wait()
	proxy.Decide(nil)
	// Both were executed, and the next read shows that.
	if _, err := engine.Insert(t.Context(), grantDocument("inserted")); !errors.Is(err, storage.ErrExists) {
		t.Errorf("insert again: %v", err)
	}
	if _, err := engine.Replace(t.Context(), doc); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("replace again: %v", err)
	}
}

func wantUnknown(t *testing.T, doing string, err error) {
	t.Helper()
	if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) {
		t.Errorf("%s: %v", doing, err)
	}
}

// The primary rejects a write because of a document that the majority does not have yet, so that it cannot be read. A loser
// that got the error at once would read the old state, decide the same, and lose again.
func TestConflict_ReturnsWhenWinnerIsReadable(t *testing.T) {
	t.Parallel()
	database := ferret.Database(t)
	proxy := ferret.Proxy(t)
	loser, winner := engineAt(t, proxy, database), engineAt(t, ferret.Proxy(t), database)
	old := mustInsert(t, winner, grantDocument("replaced"))
	wantRevision(t, loser, old)
	if _, err := loser.Get(t.Context(), storage.KindGrant, "inserted"); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}

	mustInsert(t, winner, grantDocument("inserted"))
	proxy.Decide(Nth(0, 4, Stale, IsRead))
	if _, err := loser.Insert(t.Context(), grantDocument("inserted")); !errors.Is(err, storage.ErrExists) {
		t.Errorf("insert: %v", err)
	}
	proxy.Decide(nil)
	if _, err := loser.Get(t.Context(), storage.KindGrant, "inserted"); err != nil {
		t.Errorf("what the insert lost to: %v", err)
	}

	if _, err := winner.Replace(t.Context(), withBody(old, `{"v":1,"n":1}`)); err != nil {
		t.Fatal(err)
	}
	proxy.Decide(Nth(0, 4, Stale, IsRead))
	if _, err := loser.Replace(t.Context(), withBody(old, `{"v":1,"n":2}`)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("replace: %v", err)
	}
	proxy.Decide(nil)
	if got, err := loser.Get(t.Context(), old.Kind, old.ID); err != nil || got.Rev == old.Rev {
		t.Errorf("what the replacement lost to: %v, %v", got, err)
	}
}

func TestConflict_UnreadableWinnerIsUnknown(t *testing.T) {
	t.Parallel()
	database := ferret.Database(t)
	proxy := ferret.Proxy(t)
	loser, winner := engineAt(t, proxy, database), engineAt(t, ferret.Proxy(t), database)
	if _, err := loser.Get(t.Context(), storage.KindGrant, "a"); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	mustInsert(t, winner, grantDocument("a"))
	proxy.Decide(Nth(0, 1000, Stale, IsRead))
	_, err := loser.Insert(t.Context(), grantDocument("a"))
	wantUnknown(t, "insert", err)
	if err == nil || !strings.Contains(err.Error(), "cannot be read yet") {
		t.Errorf("%v", err)
	}
}

func TestWire_ConfirmReturnsWhatAStaleReadMisses(t *testing.T) {
	t.Parallel()
	commands := newCommandLog()
	proxy := ferret.Proxy(t)
	engine := engineAt(t, proxy, ferret.Database(t), func(o *mongodb.Options) { o.Monitor = commands.monitor() })
	doc := mustInsert(t, engine, grantDocument("a"))
	if got, err := engine.Confirm(t.Context(), doc.Kind, doc.ID); err != nil || got.Rev != doc.Rev {
		t.Errorf("%v, %v", got, err)
	}
	if level := commands.last("find").Lookup("readConcern", "level").StringValue(); level != "linearizable" {
		t.Errorf("read concern %s", level)
	}
	if _, err := engine.Confirm(t.Context(), doc.Kind, "b"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := engine.Confirm(t.Context(), "nonsense", "b"); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestCommands_UseMajority(t *testing.T) {
	t.Parallel()
	commands := newCommandLog()
	engine := engineAt(t, ferret.Proxy(t), ferret.Database(t), func(o *mongodb.Options) { o.Monitor = commands.monitor() })
	doc := mustInsert(t, engine, grantDocument("a"))
	if _, err := engine.Replace(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	if err := engine.Delete(t.Context(), doc.Kind, doc.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Get(t.Context(), doc.Kind, doc.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := engine.List(t.Context(), storage.Query{Kind: doc.Kind}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"insert", "update", "delete"} {
		concern := commands.last(name).Lookup("writeConcern").Document()
		if concern.Lookup("w").StringValue() != "majority" || !concern.Lookup("j").Boolean() {
			t.Errorf("%s: write concern %s", name, concern)
		}
	}
	if level := commands.last("find").Lookup("readConcern", "level").StringValue(); level != "majority" {
		t.Errorf("find: read concern %s", level)
	}
}

// A retry by the driver finds its own first try: the number of commands says that the engine did not have to read.
func TestWire_RetryByTheDriverLosesNothing(t *testing.T) {
	t.Parallel()
	commands := newCommandLog()
	proxy := ferret.ReplicaSet(t)
	engine := engineAt(t, proxy, ferret.Database(t), func(o *mongodb.Options) { o.Monitor = commands.monitor() })
	doc := mustInsert(t, engine, grantDocument("a"))
	commands.forget()
	proxy.Decide(Once(DropReply, IsWrite))
	if _, err := engine.Replace(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	want := "[update update]"
	if ferret.executesRetries {
		want = "[update update find]" // The retry matches nothing any more, and the engine reads what came of the first.
	}
	if got := commands.names(); fmt.Sprint(got) != want {
		t.Errorf("commands %v, want %s", got, want)
	}
}

// commandLog stores the commands that a driver sent.
type commandLog struct {
	mu        sync.Mutex
	sent      []bson.Raw     // guarded by mu
	succeeded map[string]int // by name, guarded by mu
	changed   chan struct{}  // closed by the next success, guarded by mu
}

func newCommandLog() *commandLog {
	return &commandLog{succeeded: map[string]int{}, changed: make(chan struct{})}
}

func (l *commandLog) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{
		Started: func(_ context.Context, started *event.CommandStartedEvent) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sent = append(l.sent, append(bson.Raw(nil), started.Command...))
		},
		Succeeded: func(_ context.Context, succeeded *event.CommandSucceededEvent) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.succeeded[succeeded.CommandName]++
			close(l.changed)
			l.changed = make(chan struct{})
		},
	}
}

// done is how many commands of a name succeeded.
func (l *commandLog) done(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.succeeded[name]
}

// await waits until so many commands of a name have succeeded.
func (l *commandLog) await(name string, n int) {
	for {
		l.mu.Lock()
		enough, changed := l.succeeded[name] >= n, l.changed
		l.mu.Unlock()
		if enough {
			return
		}
		<-changed
	}
}

func (l *commandLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = nil
}

// last is the last command of a name; an empty document if there is none.
func (l *commandLog) last(name string) bson.Raw {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.sent) - 1; i >= 0; i-- {
		if commandName(l.sent[i]) == name {
			return l.sent[i]
		}
	}
	return bson.Raw{5, 0, 0, 0, 0}
}

// sentTo is the nth command of a name that was about a kind; an empty document if there is none.
func (l *commandLog) sentTo(name string, kind storage.Kind, nth int) bson.Raw {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, command := range l.sent {
		if commandName(command) != name || command.Lookup(name).StringValue() != string(kind) {
			continue
		}
		if nth == 0 {
			return command
		}
		nth--
	}
	return bson.Raw{5, 0, 0, 0, 0}
}

// names are the names of the commands about documents, in order.
func (l *commandLog) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for _, command := range l.sent {
		if name := commandName(command); name != "ping" && name != "endSessions" {
			names = append(names, name)
		}
	}
	return names
}

func commandName(command bson.Raw) string {
	first, err := command.IndexErr(0)
	if err != nil {
		return ""
	}
	return first.Key()
}

// wantUnavailable asserts that an error is storage.ErrUnavailable with a text and without a secret.
func wantUnavailable(t *testing.T, err error, text, secret string) {
	t.Helper()
	switch {
	case !errors.Is(err, storage.ErrUnavailable):
		t.Errorf("got %v, want unavailable", err)
	case !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), secret):
		t.Errorf("the error says %q, want %q and no value", err, text)
	}
}
