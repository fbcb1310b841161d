package storagetest_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestMemory_Contract(t *testing.T) {
	storagetest.Run(t, storagetest.Subject{
		Open: func(_ *testing.T, now func() time.Time) storage.Engine { return storagetest.NewMemory(now) },
	})
}

func TestHooks_LostRepliesPassSuite(t *testing.T) {
	losses := map[storage.Engine]*atomic.Bool{}
	storagetest.Run(t, storagetest.Subject{
		Open: func(_ *testing.T, now func() time.Time) storage.Engine {
			var lose atomic.Bool
			hooks := &storagetest.Hooks{
				Engine: storagetest.NewMemory(now),
				After: func(_ context.Context, operation storagetest.Operation, err error) error {
					if operation.Write() && lose.CompareAndSwap(true, false) {
						return storage.ErrUnavailable
					}
					return err
				},
			}
			losses[hooks] = &lose
			return hooks
		},
		DropReply: func(_ *testing.T, engine storage.Engine) { losses[engine].Store(true) },
	})
}

func TestHooks_SeeEachOperationAndMayStopIt(t *testing.T) {
	var before, after []storagetest.Operation
	refused := errors.New("refused")
	hooks := &storagetest.Hooks{
		Engine: storagetest.NewMemory(time.Now),
		Before: func(_ context.Context, operation storagetest.Operation) error {
			before = append(before, operation)
			if operation.ID == "stopped" {
				return refused
			}
			return nil
		},
		After: func(_ context.Context, operation storagetest.Operation, err error) error {
			after = append(after, operation)
			return err
		},
	}
	doc := storage.Document{Kind: storage.KindUser, ID: "a", Body: []byte("{}")}
	rev, err := hooks.Insert(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	doc.Rev = rev
	if _, err := hooks.Replace(t.Context(), doc); err != nil {
		t.Error(err)
	}
	if _, err := hooks.Get(t.Context(), storage.KindUser, "stopped"); !errors.Is(err, refused) {
		t.Errorf("the stopped operation: %v", err)
	}
	if _, err := hooks.List(t.Context(), storage.Query{Kind: storage.KindUser}); err != nil {
		t.Error(err)
	}
	if err := hooks.Delete(t.Context(), storage.KindUser, "a"); err != nil {
		t.Error(err)
	}
	want := []storagetest.Operation{
		{Method: "Insert", Kind: storage.KindUser, ID: "a"},
		{Method: "Replace", Kind: storage.KindUser, ID: "a"},
		{Method: "Get", Kind: storage.KindUser, ID: "stopped"},
		{Method: "List", Kind: storage.KindUser},
		{Method: "Delete", Kind: storage.KindUser, ID: "a"},
	}
	if !slices.Equal(before, want) {
		t.Errorf("before: %v", before)
	}
	if want = slices.Delete(want, 2, 3); !slices.Equal(after, want) {
		t.Errorf("after: %v", after)
	}
}
