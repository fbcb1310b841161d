package oauth2_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestRefreshable_OnlyTheCurrentTokenOfAnActiveGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		a := k.signIn()
		k.hooks.After = func(_ context.Context, o storagetest.Operation, err error) error {
			if o.Write() {
				t.Errorf("looking at a token wrote: %v", o)
			}
			return err
		}
		live, err := k.store.Refreshable(k.begin(), a.refresh)
		if err != nil || live.User.ID != "alice" || live.Client.GetID() != "spa" {
			t.Fatalf("the current one: %+v, %v", live, err)
		}
		for name, token := range map[string]string{"an access token": a.access, "a made-up one": "mf_rt_x", "none": ""} {
			if _, err := k.store.Refreshable(k.begin(), token); !errors.Is(err, oauth2.ErrNoGrant) {
				t.Errorf("%s: %v", name, err)
			}
		}
		k.hooks.After = nil
		next := k.refresh(a.refresh)
		wantOK(t, next)
		time.Sleep(time.Minute) // An old token that is used now ends the grant; one that is looked at does not.
		if _, err := k.store.Refreshable(k.begin(), a.refresh); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("a rotated one: %v", err)
		}
		if _, err := k.store.Refreshable(k.begin(), next.refresh); err != nil {
			t.Errorf("its successor: %v", err)
		}
		time.Sleep(31 * 24 * time.Hour)
		if _, err := k.store.Refreshable(k.begin(), next.refresh); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("one that lay too long: %v", err)
		}
	})
}

func TestRefreshable_RejectsARevokedGrant(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	if err := k.store.RevokeToken(k.begin(), k.client("mini"), a.refresh); !errors.Is(err, oauth2.ErrOtherClient) || !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("another client revokes it: %v", err)
	}
	if _, err := k.store.Refreshable(k.begin(), a.refresh); err != nil {
		t.Errorf("after another client tried to: %v", err)
	}
	if err := k.store.RevokeToken(k.begin(), k.client("spa"), a.refresh); err != nil {
		t.Error(err)
	}
	if _, err := k.store.Refreshable(k.begin(), a.refresh); !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("after its client did: %v", err)
	}
	k.hooks.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	if _, err := k.store.Refreshable(k.begin(), a.refresh); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("without the store: %v", err)
	}
}

func TestRefreshable_OpaqueAccessTokenHasItsTimeOfIssue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.opaque("spa")
		made := time.Now()
		a := k.signIn()
		time.Sleep(3 * time.Minute)
		access, err := k.store.Access(k.begin(), a.access)
		if err != nil || access.IssuedAt.Unix() != made.Unix() {
			t.Errorf("issued at %v, made at %v, %v", access.IssuedAt, made, err)
		}
	})
}
