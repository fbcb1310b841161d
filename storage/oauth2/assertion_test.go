package oauth2_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

func TestRFC7523_3_AssertionIsUsedOnce(t *testing.T) {
	k := newKit(t)
	var won atomic.Int32
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			err := k.store.UseAssertion(k.begin(), "client", "jti", time.Now().Add(time.Minute))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, fosite.ErrJTIKnown) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 used one assertion", won.Load())
	}
}

func TestAssertion_JTIBelongsToItsClientAndDirectory(t *testing.T) {
	k := newKit(t)
	other := oauth2.Begin(t.Context(), &oauth2.Issuer{Directory: storage.Directory{ID: "other"}})
	exp := time.Now().Add(time.Minute)
	for _, err := range []error{
		k.store.UseAssertion(k.begin(), "a", "jti", exp),
		k.store.UseAssertion(k.begin(), "b", "jti", exp),
		k.store.UseAssertion(k.begin(), "aj", "ti", exp),
		k.store.UseAssertion(other, "a", "jti", exp),
		k.store.SetClientAssertionJWT(k.begin(), "jti", exp),
		k.store.ClientAssertionJWTValid(k.begin(), "jti"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := k.store.SetClientAssertionJWT(k.begin(), "jti", exp); !errors.Is(err, fosite.ErrJTIKnown) {
		t.Errorf("fosite's own call: %v, want ErrJTIKnown", err)
	}
}

func TestAssertion_JTIIsDeletedAfterItsAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		for range 2 {
			if err := k.store.UseAssertion(k.begin(), "a", "jti", time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestAssertion_FailedInsertLeavesTheJTIUnused(t *testing.T) {
	k := newKit(t)
	k.hooks.Before = failOn("Insert", storage.KindAssertion)
	err := k.store.UseAssertion(k.begin(), "a", "jti", time.Now().Add(time.Minute))
	if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, fosite.ErrJTIKnown) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
