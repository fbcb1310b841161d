package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

func failureCases() []testCase {
	loses := func(s Subject) bool { return s.DropReply != nil }
	keeps := func(s Subject) bool { return s.Reopen != nil }
	return []testCase{
		{name: "a caller whose context ended gets unavailable and changes nothing", run: testEndedContext},
		{name: "a closed engine is unavailable", run: testClosed},
		{name: "closing completes accepted operations", run: testCloseUnderLoad},
		{name: "a ping of a working engine succeeds", run: func(f *fixture) { f.wantError("Ping", f.Ping(f.Context()), nil) }},
		{name: "no error quotes an ID or a value", run: testSilentErrors},
		{name: "an insert whose reply is lost is won or unknown", run: testLostInsert, applies: loses},
		{name: "an insert over a leftover whose reply is lost is won or unknown", run: testLostInsertOverExpired, applies: loses},
		{name: "a replacement whose reply is lost is won or unknown", run: testLostReplace, applies: loses},
		{name: "a deletion whose reply is lost is done or unknown", run: testLostDelete, applies: loses},
		{name: "acknowledged writes survive the end of the process", run: testReopen, applies: keeps},
	}
}

func testEndedContext(f *fixture) {
	old := f.mustInsert(document("old"))
	cancelled, cancel := context.WithCancel(f.Context())
	cancel()
	late, cancelLate := context.WithDeadline(f.Context(), time.Unix(1, 0))
	defer cancelLate()
	for name, ctx := range map[string]context.Context{"cancelled": cancelled, "too late": late} {
		_, err := f.Get(ctx, old.Kind, old.ID)
		f.wantError(name+": Get", err, storage.ErrUnavailable)
		_, err = f.Get(ctx, old.Kind, "new")
		f.wantError(name+": Get of a missing document", err, storage.ErrUnavailable)
		_, err = f.Insert(ctx, document("new"))
		f.wantError(name+": Insert", err, storage.ErrUnavailable)
		_, err = f.Insert(ctx, document("old"))
		f.wantError(name+": Insert of a taken ID", err, storage.ErrUnavailable)
		_, err = f.Replace(ctx, old)
		f.wantError(name+": Replace", err, storage.ErrUnavailable)
		f.wantError(name+": Delete", f.Delete(ctx, old.Kind, old.ID), storage.ErrUnavailable)
		_, err = f.List(ctx, storage.Query{Kind: old.Kind})
		f.wantError(name+": List", err, storage.ErrUnavailable)
		f.wantError(name+": Ping", f.Ping(ctx), storage.ErrUnavailable)
	}
	f.wantSame(f.mustGet("old"), old)
	f.wantAbsent(f.Context(), "new")
}

func testClosed(f *fixture) {
	doc := f.mustInsert(document("a"))
	f.wantError("Close", f.Close(), nil)
	_, err := f.Get(f.Context(), doc.Kind, doc.ID)
	f.wantError("Get", err, storage.ErrUnavailable)
	_, err = f.Insert(f.Context(), document("b"))
	f.wantError("Insert", err, storage.ErrUnavailable)
	_, err = f.Replace(f.Context(), doc)
	f.wantError("Replace", err, storage.ErrUnavailable)
	f.wantError("Delete", f.Delete(f.Context(), doc.Kind, doc.ID), storage.ErrUnavailable)
	_, err = f.List(f.Context(), storage.Query{Kind: doc.Kind})
	f.wantError("List", err, storage.ErrUnavailable)
	f.wantError("Ping", f.Ping(f.Context()), storage.ErrUnavailable)
}

func testCloseUnderLoad(f *fixture) {
	parallel(contestants, func(n int) {
		if n == contestants/2 {
			f.wantError("Close", f.Close(), nil)
			return
		}
		for i := range 4 {
			_, err := f.Insert(f.Context(), document(fmt.Sprint(n, "/", i)))
			if err != nil && !errors.Is(err, storage.ErrUnavailable) {
				f.Errorf("Insert: %v", err)
			}
			if _, err = f.Get(f.Context(), storage.KindGrant, "missing"); !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrUnavailable) {
				f.Errorf("Get: %v", err)
			}
		}
	})
}

func testSilentErrors(f *fixture) {
	const secret = "s3cr3t"
	doc := document(secret)
	doc.Owner, doc.Name, doc.Body = secret, secret, []byte(`{"v":2,"`+secret+`":"`+secret+`"}`)
	doc = f.mustInsert(doc)
	cancelled, cancel := context.WithCancel(f.Context())
	cancel()
	var errs []error
	try := func(_ any, err error) { errs = append(errs, err) }
	try(f.Insert(f.Context(), doc))
	try(f.Insert(cancelled, doc))
	try(f.Get(cancelled, doc.Kind, secret))
	try(f.Get(f.Context(), doc.Kind, secret+"x"))
	try(f.List(f.Context(), storage.Query{Kind: doc.Kind, After: secret, Prefix: secret}))
	try(nil, f.Delete(cancelled, doc.Kind, secret))
	stale := doc
	stale.Rev = secret
	try(f.Replace(f.Context(), stale))
	stale.ID = strings.Repeat(secret, storage.MaxID)
	try(f.Insert(f.Context(), stale))
	stale.ID, stale.Body = secret, []byte(strings.Repeat(secret, storage.MaxBody))
	try(f.Insert(f.Context(), stale))
	for i, err := range errs {
		if err == nil {
			f.Errorf("attempt %d succeeded", i)
		} else if strings.Contains(err.Error(), secret) {
			f.Errorf("error quotes a value: %v", err)
		}
	}
}

// settled reports whether a write whose reply was lost was won; the other valid result is unknown.
func (f *fixture) settled(doing string, err error) bool {
	f.Helper()
	if err != nil {
		f.wantError(doing+" without a reply", err, storage.ErrUnavailable)
	}
	return err == nil
}

func testLostInsert(f *fixture) {
	doc := document("a")
	f.subject.DropReply(f.T, f.Engine)
	rev, err := f.Insert(f.Context(), doc)
	doc.Rev = rev
	if f.settled("Insert", err) {
		f.wantSame(f.mustGet("a"), doc)
	}
	_, err = f.Insert(f.Context(), doc)
	f.wantError("Insert after an executed one", err, storage.ErrExists)

	f.subject.DropReply(f.T, f.Engine)
	if _, err := f.Insert(f.Context(), doc); !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrUnavailable) {
		f.Errorf("Insert of a taken ID without a reply: %v", err)
	}
}

func testLostInsertOverExpired(f *fixture) {
	f.expiring("a")
	f.clock.advance(time.Hour)
	doc := document("a")
	f.subject.DropReply(f.T, f.Engine)
	rev, err := f.Insert(f.Context(), doc)
	doc.Rev = rev
	if f.settled("Insert", err) {
		f.wantSame(f.mustGet("a"), doc)
	}
	_, err = f.Insert(f.Context(), doc)
	f.wantError("Insert after an executed one", err, storage.ErrExists)
}

func testLostReplace(f *fixture) {
	old := f.mustInsert(document("a"))
	next := old
	next.Body = []byte(`{"next":1}`)
	f.subject.DropReply(f.T, f.Engine)
	rev, err := f.Replace(f.Context(), next)
	next.Rev = rev
	if f.settled("Replace", err) {
		f.wantSame(f.mustGet("a"), next)
	}
	_, err = f.Replace(f.Context(), old)
	f.wantError("Replace after an executed one", err, storage.ErrConflict)

	f.subject.DropReply(f.T, f.Engine)
	if _, err := f.Replace(f.Context(), old); !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrUnavailable) {
		f.Errorf("Replace with a stale revision without a reply: %v", err)
	}
	f.wantBody(f.mustGet("a").Body, `{"next":1}`)
}

func testLostDelete(f *fixture) {
	doc := f.mustInsert(document("a"))
	f.subject.DropReply(f.T, f.Engine)
	f.settled("Delete", f.Delete(f.Context(), doc.Kind, doc.ID))
	f.wantAbsent(f.Context(), "a")
}

func testReopen(f *fixture) {
	var want []storage.Document
	for i := range 100 {
		doc := f.expiring(fmt.Sprint(i))
		if i%2 == 0 {
			doc.Body = []byte(`{"replaced":1}`)
			doc = f.mustReplace(doc)
		}
		if i%5 == 0 {
			f.wantError("Delete", f.Delete(f.Context(), doc.Kind, doc.ID), nil)
			continue
		}
		want = append(want, doc)
	}
	f.Engine = f.subject.Reopen(f.T, f.Engine, f.clock.now)
	for _, doc := range want {
		f.wantSame(f.mustGet(doc.ID), doc)
	}
	f.wantAbsent(f.Context(), "0")
	f.mustReplace(want[0])
	f.mustInsert(document("0"))
}
