package token

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestKeyedMutex_SerializesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewKeyedMutex()
		leave, err := l.lock(t.Context(), codeKey{code: "code"})
		if err != nil {
			t.Fatal(err)
		}
		entered := make(chan error, 2)
		go func() {
			leave, err := l.lock(t.Context(), codeKey{code: "code"})
			leave()
			entered <- err
		}()
		impatient, giveUp := context.WithCancel(t.Context())
		go func() {
			_, err := l.lock(impatient, codeKey{code: "code"})
			entered <- err
		}()
		if other, err := l.lock(t.Context(), codeKey{code: "another"}); err != nil {
			t.Error(err)
		} else {
			other()
		}
		giveUp()
		if err := <-entered; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		leave()
		if err := <-entered; err != nil {
			t.Error(err)
		}
		if len(l.open) != 0 {
			t.Errorf("%d latches are left", len(l.open))
		}
	})
}
