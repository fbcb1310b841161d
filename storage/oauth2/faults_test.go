package oauth2_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

// failOn makes one method on one kind fail before it is executed.
func failOn(method string, kind storage.Kind) func(context.Context, storagetest.Operation) error {
	return func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == method && operation.Kind == kind {
			return fmt.Errorf("%w: test", storage.ErrUnavailable)
		}
		return nil
	}
}

// holdFirst holds the first call of a method until proceed is closed; arrived is closed when it is held.
func (k *kit) holdFirst(method string) (arrived, proceed chan struct{}) {
	arrived, proceed = make(chan struct{}), make(chan struct{})
	var seen atomic.Bool
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == method && seen.CompareAndSwap(false, true) {
			close(arrived)
			<-proceed
		}
		return nil
	}
	return arrived, proceed
}

func pairwise(_ context.Context, client *oauth2.Client, user string) (string, error) {
	return client.GetID() + ":" + user, nil
}
