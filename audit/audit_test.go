package audit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestVerify_FindsEveryChangeInMemory(t *testing.T) {
	t.Parallel()
	audittest.Run(t, func(_ *testing.T, now func() time.Time) storage.Engine { return storagetest.NewMemory(now) })
}

func TestVerify_FindsEveryChangeOnSQLite(t *testing.T) {
	t.Parallel()
	audittest.Run(t, func(t *testing.T, now func() time.Time) storage.Engine {
		engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "minifed.db"), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = engine.Close() })
		return engine
	})
}

// harness is a trail on a store in memory whose operations pass through hooks.
type harness struct {
	*audit.Trail
	t      *testing.T
	clock  *storagetest.Clock
	memory *storagetest.Memory
	hooks  *storagetest.Hooks
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	t.Parallel()
	h := &harness{t: t, clock: storagetest.NewClock(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))}
	h.memory = storagetest.NewMemory(h.clock.Now)
	h.hooks = &storagetest.Hooks{Engine: h.memory}
	h.Trail = h.trail()
	return h
}

// trail is another process on the store.
func (h *harness) trail(keys ...audit.Key) *audit.Trail {
	h.t.Helper()
	trail, err := audit.New(audit.Config{
		Engine: h.hooks, Keys: append(keys, audittest.Key()), Now: h.clock.Now, Random: rand.Reader, Process: "test",
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return trail
}

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) record(target string) storage.AuditEntry {
	h.t.Helper()
	entry, err := h.Record(h.t.Context(), act(target))
	h.must(err)
	return entry
}

func act(target string) storage.AuditEntry {
	return storage.AuditEntry{Directory: "shop", Actor: "operator:o1", Action: "client.update", Target: target}
}

func (h *harness) entries(filter audit.Filter) []storage.AuditEntry {
	h.t.Helper()
	entries, _, err := audit.List(h.t.Context(), h.memory, "shop", filter, "", 0)
	h.must(err)
	return entries
}

func (h *harness) report() audit.Report {
	h.t.Helper()
	report, err := h.trail().Verify(h.t.Context(), nil)
	h.must(err)
	return report
}

func (h *harness) wantIntact() audit.Report {
	h.t.Helper()
	report := h.report()
	if report.Found > 0 {
		h.t.Errorf("found %v", report.Problems)
	}
	return report
}

func TestRecord_WritesOneChainFromManyCallers(t *testing.T) {
	h := newHarness(t)
	var callers sync.WaitGroup
	for i := range 32 {
		callers.Go(func() {
			if _, err := h.Record(t.Context(), act(fmt.Sprint("client:", i))); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if report := h.wantIntact(); report.Entries != 32 || report.Chains != 1 {
		t.Errorf("got %+v", report)
	}
}

func TestRecord_TakesTheOriginFromTheContext(t *testing.T) {
	h := newHarness(t)
	entry, err := h.Record(audit.WithOrigin(t.Context(), origin{}), act("client:c"))
	h.must(err)
	if entry.From != "192.0.2.7" || entry.RequestID != "r1" || entry.Outcome != audit.Done {
		t.Errorf("got %+v", entry)
	}
}

type origin struct{}

func (origin) AuditOrigin() (string, string) { return "192.0.2.7", "r1" }

// A write whose reply is lost may have been executed. Its caller got an error, so its act did not happen.
func TestRecord_SaysThatTheActOfALostReplyFailed(t *testing.T) {
	h := newHarness(t)
	h.record("client:a")
	lost := errors.Join(storage.ErrUnavailable)
	h.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Kind == storage.KindAuditEntry && operation.Write() && err == nil {
			return lost
		}
		return err
	}
	if _, err := h.Record(t.Context(), act("client:b")); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	h.hooks.After = nil
	h.record("client:c")
	h.wantIntact()
	got := ""
	for _, entry := range h.entries(audit.Filter{}) {
		got = entry.Target + " " + entry.Outcome + "\n" + got
	}
	if want := "client:a done\nclient:b done\nclient:b failed\nclient:c done\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestRecord_WritesNothingThatTheStoreRejects(t *testing.T) {
	h := newHarness(t)
	h.hooks.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	if _, err := h.Record(t.Context(), act("client:a")); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	h.hooks.Before = nil
	h.record("client:b")
	if report := h.wantIntact(); report.Entries != 1 {
		t.Errorf("got %+v", report)
	}
}

func TestRecord_BoundsTexts(t *testing.T) {
	h := newHarness(t)
	long := map[string]string{}
	for i := range 100 {
		long[fmt.Sprintf("member%03d", i)] = strings.Repeat("é", 1000) + "\xff"
	}
	entry, err := h.Record(t.Context(), storage.AuditEntry{Directory: "shop", Actor: "a", Action: "b", Target: "c\xff", Details: long, Before: long, After: long})
	h.must(err)
	if entry.Details["omitted"] == "" || len(entry.Details["member000"]) > 520 || entry.Target != "c?" {
		t.Errorf("got %+v", entry)
	}
	h.wantIntact()
}

func TestSignIns_AreBatchedBySizeAndDirectory(t *testing.T) {
	h := newHarness(t)
	_, err := storage.Insert(t.Context(), h.memory, storage.User{Directory: "shop", ID: "u1", Status: storage.UserActive})
	h.must(err)
	for i := range 300 {
		h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Client: "mini", Method: "miniprogram", From: fmt.Sprint("192.0.2.", i), RequestID: strings.Repeat("r", 22)})
	}
	h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Method: "password", Outcome: "wrong_password"})
	h.RecordSignIn("other", storage.SignIn{At: h.clock.Now(), User: "u1", Method: "password"})
	h.must(h.Flush(t.Context()))
	if report := h.wantIntact(); report.SignIns != 302 || report.Entries < 4 || report.Entries > 8 {
		t.Errorf("got %+v", report)
	}
	last := h.lastSignIns("shop", "u1")
	if len(last) != storage.MaxUserSignIns || last[0].From != "192.0.2.299" || last[19].From != "192.0.2.280" || last[0].User != "" {
		t.Errorf("got %+v", last)
	}
}

// lastSignIns returns the last sign-ins that are stored for a user.
func (h *harness) lastSignIns(directory, id string) []storage.SignIn {
	h.t.Helper()
	user, err := storage.Get[storage.User](h.t.Context(), h.memory, storage.Key(directory, id))
	h.must(err)
	list, err := storage.LastSignIns(h.t.Context(), h.memory, user.Record)
	h.must(err)
	return list
}

// Earlier versions stored the last sign-ins in the record of the user, which every login reads.
func TestSignIns_LeaveTheRecordOfTheUser(t *testing.T) {
	h := newHarness(t)
	_, err := storage.Insert(t.Context(), h.memory, storage.User{
		Directory: "shop", ID: "u1", Status: storage.UserActive, SignIns: []byte(`[{"at":"2026-02-02T00:00:00Z","m":"second"},{"at":"2026-02-01T00:00:00Z","m":"first"}]`),
	})
	h.must(err)
	methods := func() (all []string) {
		for _, s := range h.lastSignIns("shop", "u1") {
			all = append(all, s.Method)
		}
		return all
	}
	if got := methods(); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("before: %q", got)
	}
	for _, method := range []string{"third", "fourth"} {
		h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Method: method})
		h.clock.Advance(time.Second)
	}
	h.must(h.Flush(t.Context()))
	user, err := storage.Get[storage.User](t.Context(), h.memory, storage.Key("shop", "u1"))
	h.must(err)
	if got := methods(); !slices.Equal(got, []string{"fourth", "third", "second", "first"}) || user.Record.SignIns != nil {
		t.Errorf("after: %q, in the user: %s", got, user.Record.SignIns)
	}
	// An instance of the earlier version still runs.
	user.Record.SignIns = []byte(`[{"at":"2026-03-01T08:00:00.5Z","m":"between"}]`)
	_, err = user.Replace(t.Context(), h.memory, user.Record)
	h.must(err)
	if got := methods(); !slices.Equal(got, []string{"fourth", "between", "third", "second", "first"}) {
		t.Errorf("beside an earlier version: %q", got)
	}
}

func TestSignIns_OfUserWhoIsDeletedMeanwhileAreDeleted(t *testing.T) {
	h := newHarness(t)
	user, err := storage.Insert(t.Context(), h.memory, storage.User{Directory: "shop", ID: "u1", Status: storage.UserActive})
	h.must(err)
	h.hooks.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindUserSignIns && operation.Method == "Insert" {
			_, err := user.Replace(ctx, h.memory, storage.User{Directory: "shop", ID: "u1", Status: storage.UserDeleted})
			return err
		}
		return nil
	}
	h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Method: "password"})
	h.must(h.Flush(t.Context()))
	if got := h.lastSignIns("shop", "u1"); len(got) > 0 {
		t.Errorf("left %+v", got)
	}
}

// The memory of what waits for the records of users is bounded. The batches have all sign-ins.
func TestSignIns_WaitForABoundedNumberOfRecords(t *testing.T) {
	const count = 20_000
	h := newHarness(t)
	for _, id := range []string{"u0", fmt.Sprint("u", count-1)} {
		_, err := storage.Insert(t.Context(), h.memory, storage.User{Directory: "shop", ID: id, Status: storage.UserActive})
		h.must(err)
	}
	for i := range count {
		h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: fmt.Sprint("u", i), Client: "mini", Method: "miniprogram"})
	}
	h.must(h.Close(t.Context()))
	if report := h.wantIntact(); report.SignIns != count {
		t.Errorf("the batches have %d sign-ins", report.SignIns)
	}
	for id, want := range map[string]int{"u0": 1, fmt.Sprint("u", count-1): 0} {
		if got := len(h.lastSignIns("shop", id)); got != want {
			t.Errorf("%s has %d sign-ins, want %d", id, got, want)
		}
	}
}

// Under load the batches come first: the records of users are written when fewer users sign in.
func TestSignIns_LeaveTheRecordsOfUsersUnderLoad(t *testing.T) {
	h := newHarness(t)
	const users = 300
	for i := range users {
		id := fmt.Sprint("u", i)
		_, err := storage.Insert(t.Context(), h.memory, storage.User{Directory: "shop", ID: id, Status: storage.UserActive})
		h.must(err)
		h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: id, Method: "password"})
	}
	var written atomic.Int64 // Several goroutines write.
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindUserSignIns && operation.Write() {
			written.Add(1)
		}
		return nil
	}
	h.must(h.Flush(t.Context()))
	under := written.Load()
	h.must(h.Close(t.Context()))
	if under != 16 || written.Load() != users || h.wantIntact().SignIns != users {
		t.Errorf("%d, then %d of %d users", under, written.Load(), users)
	}
}

func TestSignIns_WaitForAStoreThatIsDown(t *testing.T) {
	h := newHarness(t)
	h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Method: "password"})
	h.hooks.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	if err := h.Flush(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	h.hooks.Before = nil
	h.must(h.Close(t.Context()))
	if report := h.wantIntact(); report.SignIns != 1 {
		t.Errorf("got %+v", report)
	}
}

// What is older than the retention is deleted, and Verify does not take it for missing.
func TestSweep_DeletesUpToASignedTime(t *testing.T) {
	h := newHarness(t)
	killed := h.trail()
	_, err := killed.Record(t.Context(), act("client:killed"))
	h.must(err)
	h.record("client:old")
	h.must(h.Checkpoint(t.Context()))
	h.clock.Advance(80 * 24 * time.Hour)
	h.record("client:middle")
	h.must(h.Checkpoint(t.Context()))
	h.clock.Advance(101 * 24 * time.Hour)
	deleted, err := h.Sweep(t.Context())
	h.must(err)
	h.record("client:new")
	h.must(h.Checkpoint(t.Context()))
	report := h.wantIntact()
	if deleted != 2 || report.Entries != 2 || !report.CompleteFrom.Equal(h.clock.Now().Add(-audit.DefaultRetention)) {
		t.Errorf("deleted %d: %+v", deleted, report)
	}
	// The time is signed: a later one that is not signed hides nothing.
	h.must(h.memory.Delete(t.Context(), storage.KindAuditEntry, h.entries(audit.Filter{Target: "client:middle"})[0].ID))
	horizon, err := storage.Get[storage.AuditHorizon](t.Context(), h.memory, storage.AuditHorizonID)
	h.must(err)
	forged := horizon.Record
	forged.Before = h.clock.Now()
	_, err = horizon.Replace(t.Context(), h.memory, forged)
	h.must(err)
	if report := h.report(); report.Found == 0 {
		t.Error("found nothing")
	}
}

func TestCheckpoint_NamesTheChainsOfOtherProcesses(t *testing.T) {
	h := newHarness(t)
	other := h.trail()
	h.record("client:own")
	var last storage.AuditEntry
	for i := range 21 {
		entry, err := other.Record(t.Context(), act(fmt.Sprint("client:", i)))
		h.must(err)
		last = entry
	}
	h.must(h.Checkpoint(t.Context())) // other was killed and wrote no checkpoint.
	h.must(h.memory.Delete(t.Context(), storage.KindAuditEntry, last.ID))
	report := h.report()
	if len(report.Problems) != 1 || report.Problems[0] != (audit.Problem{Kind: audit.ProblemCutTail, Chain: last.Chain, Sequence: 21}) {
		t.Errorf("found %v", report.Problems)
	}
}

// A process that only serves, and has no entry of its own, names the chains of the others.
func TestCheckpoint_NamesChainsOfOthersWithoutAnOwnEntry(t *testing.T) {
	h := newHarness(t)
	entry := h.record("c1")
	server := h.trail()
	h.must(server.Checkpoint(t.Context()))
	h.wantIntact()
	h.must(h.memory.Delete(t.Context(), storage.KindAuditEntry, entry.ID))
	if report := h.report(); len(report.Problems) == 0 || report.Problems[0].Chain != entry.Chain {
		t.Errorf("got %+v", report.Problems)
	}
	h.must(server.Close(t.Context()))
}

func TestVerify_NamesAKeyThatIsMissing(t *testing.T) {
	h := newHarness(t)
	added := audit.Key{ID: "000000000001", Secret: []byte(strings.Repeat("n", 32))}
	h.record("client:a")
	rotated := h.trail(added)
	_, err := rotated.Record(t.Context(), act("client:b"))
	h.must(err)
	if report, err := rotated.Verify(t.Context(), nil); err != nil || report.Found > 0 {
		t.Errorf("with both keys: %v %v", report.Problems, err)
	}
	if report := h.report(); report.Found == 0 || report.Problems[0].Kind != audit.ProblemUnknownKey || report.Problems[0].Key != added.ID {
		t.Errorf("without the new key: %v", report.Problems)
	}
}

func TestVerify_CountsTheEntriesOfEarlierVersions(t *testing.T) {
	h := newHarness(t)
	_, err := storage.Insert(t.Context(), h.memory, storage.AuditEntry{Directory: "shop", ID: "earlier", Actor: "operator:root", Action: "client.create", Target: "client:c", CreatedAt: h.clock.Now()})
	h.must(err)
	h.clock.Advance(time.Second)
	h.record("client:a")
	if report := h.wantIntact(); report.Unchained != 1 || report.Entries != 2 {
		t.Errorf("got %+v", report)
	}
	if entries := h.entries(audit.Filter{}); len(entries) != 2 || entries[1].ID != "earlier" {
		t.Errorf("got %+v", entries)
	}
}

func TestList_FiltersAndContinues(t *testing.T) {
	h := newHarness(t)
	for i := range 10 {
		h.record(fmt.Sprintf("client:c%d", i%2))
		h.clock.Advance(time.Minute)
	}
	h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Client: "c0", Method: "password"})
	h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u2", Client: "c2", Method: "password"})
	h.must(h.Flush(t.Context()))
	began := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		filter audit.Filter
		want   int
	}{
		"all":                      {audit.Filter{}, 11},
		"actor":                    {audit.Filter{Actor: "operator:o1"}, 10},
		"another actor":            {audit.Filter{Actor: "operator:o2"}, 0},
		"the beginning of actions": {audit.Filter{Action: "client."}, 10},
		"a part of an action":      {audit.Filter{Action: "client"}, 0},
		"target and its sign-ins":  {audit.Filter{Target: "client:c0"}, 6},
		"a user's sign-ins":        {audit.Filter{Target: "user:u1"}, 1},
		"time":                     {audit.Filter{From: began.Add(2 * time.Minute), Until: began.Add(5 * time.Minute)}, 3},
	} {
		if got := h.entries(row.filter); len(got) != row.want {
			t.Errorf("%s: %d entries, expected %d", name, len(got), row.want)
		}
	}
	if got := h.entries(audit.Filter{Target: "user:u1"}); len(got[0].SignIns) != 1 {
		t.Errorf("got %+v", got)
	}
	var pages []string
	for after := ""; ; {
		entries, next, err := audit.List(t.Context(), h.memory, "shop", audit.Filter{Target: "client:c1"}, after, 2)
		h.must(err)
		pages = append(pages, fmt.Sprint(len(entries)))
		if after = next; next == "" {
			break
		}
	}
	if got := strings.Join(pages, " "); got != "2 2 1" {
		t.Errorf("pages of %s", got)
	}
}

func TestRecordLink_WritesABatchOfItsOwn(t *testing.T) {
	h := newHarness(t)
	h.RecordLink(t.Context(), "shop", "u1", "wechat_openid")
	h.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Client: "mini", Method: "mini-program"})
	h.RecordLink(t.Context(), "shop", "u1", "wechat_unionid")
	h.must(h.Flush(t.Context()))
	links := h.entries(audit.Filter{Action: audit.ActionLinks, Target: "user:u1"})
	if len(links) != 1 || len(links[0].SignIns) != 2 || audit.MemberAction(links[0], links[0].SignIns[1]) != "link.wechat_unionid" {
		t.Errorf("links %+v", links)
	}
	signIns := h.entries(audit.Filter{Action: audit.ActionSignIns})
	if len(signIns) != 1 || len(signIns[0].SignIns) != 1 || audit.MemberAction(signIns[0], signIns[0].SignIns[0]) != "sign_in.mini-program" {
		t.Errorf("sign-ins %+v", signIns)
	}
	if report := h.wantIntact(); report.SignIns != 1 || report.Entries != 2 {
		t.Errorf("%+v", report)
	}
}
