package oauth2_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

// loseAnswers executes the first writes of a kind and drops their results, as a network does.
func (k *kit) loseAnswers(kind storage.Kind, times int32) {
	var seen atomic.Int32
	k.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Write() && operation.Kind == kind && seen.Add(1) <= times {
			return fmt.Errorf("%w: the response is lost", storage.ErrUnavailable)
		}
		return err
	}
}

// unansweredCode is a code whose redemption was executed with a 503 response.
func (k *kit) unansweredCode() string {
	k.t.Helper()
	code := k.mustAuthorize(nil, nil)
	k.loseAnswers(storage.KindGrant, 1)
	wantError(k.t, k.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
	return code
}

// loseRefresh rotates a refresh token, which is executed with a 503 response.
func (k *kit) loseRefresh(token string) {
	k.t.Helper()
	k.loseAnswers(storage.KindGrant, 1)
	wantError(k.t, k.refresh(token), http.StatusServiceUnavailable, "temporarily_unavailable")
}

// elsewhere turns the kit into another process on the same store.
func (k *kit) elsewhere() {
	k.store = &oauth2.Store{Engine: k.hooks, Clients: k.clients, Secrets: k.secrets, Now: time.Now, Rand: k.store.Rand}
	k.serve()
}

func TestUnknownOutcome_RepeatRedeemsTheCodeOnce(t *testing.T) {
	for _, lost := range []int32{1, 3} {
		t.Run(fmt.Sprint(lost, " answers lost"), func(t *testing.T) {
			k := newKit(t)
			code := k.mustAuthorize(nil, nil)
			k.loseAnswers(storage.KindGrant, lost)
			for range lost {
				wantError(t, k.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
			}
			a := k.redeem(code)
			wantOK(t, a)
			wantOK(t, k.refresh(a.refresh))
			wantError(t, k.redeem(code), http.StatusBadRequest, "invalid_grant")
			if g := k.grantOf(a.access); g.State != storage.GrantRevoked || g.RevokedBecause != "reuse" {
				t.Errorf("a code that was redeemed and answered is shown again: the grant is %s", g.State)
			}
		})
	}
}

func TestUnknownOutcome_CodeStillRequiresItsClientAndVerifier(t *testing.T) {
	k := newKit(t)
	k.register(storage.Client{ID: "other", Kind: storage.ClientSPA, AuthMethod: "none", RedirectURIs: []string{spaRedirect}})
	code := k.unansweredCode()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": {spaRedirect}}
	wantError(t, k.token(form), http.StatusBadRequest, "invalid_grant")
	form.Set("code_verifier", verifier+"x")
	wantError(t, k.token(form), http.StatusBadRequest, "invalid_grant")
	form.Set("code_verifier", verifier)
	form.Set("client_id", "other")
	wantError(t, k.token(form), http.StatusBadRequest, "invalid_grant")
	wantOK(t, k.redeem(code))
}

func TestUnknownOutcome_AtMostOneRepeatSucceeds(t *testing.T) {
	k := newKit(t)
	code := k.unansweredCode()
	var answered atomic.Int32
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			if k.redeem(code).status == http.StatusOK {
				answered.Add(1)
			}
		})
	}
	wait.Wait()
	if answered.Load() != 1 {
		t.Errorf("%d of 16 were answered", answered.Load())
	}
}

func TestUnknownOutcome_RevocationEndsTheGrant(t *testing.T) {
	k := newKit(t)
	code := k.unansweredCode()
	page, err := k.memory.List(t.Context(), storage.Query{Kind: storage.KindGrant})
	if err != nil || len(page.Documents) != 1 {
		t.Fatalf("%d grants, %v", len(page.Documents), err)
	}
	var g storage.Grant
	if err := storage.Decode(page.Documents[0].Body, &g); err != nil {
		t.Fatal(err)
	}
	if err := k.store.Revoke(k.begin(), g.ID, "logout"); err != nil {
		t.Fatal(err)
	}
	wantError(t, k.redeem(code), http.StatusBadRequest, "invalid_grant")
	if g := k.stored(g.ID); g.State != storage.GrantRevoked || g.RevokedBecause != "logout" {
		t.Errorf("the grant is %s because of %s", g.State, g.RevokedBecause)
	}
}

// The store is down for minutes, much longer than late copies of a token are accepted.
func TestUnknownOutcome_RefreshIsRepeatedWhenTheStoreIsBack(t *testing.T) {
	for _, lost := range []int32{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			k := newKit(t)
			first := k.signIn()
			k.loseAnswers(storage.KindGrant, lost)
			for range lost {
				wantError(t, k.refresh(first.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
				time.Sleep(2 * time.Minute)
			}
			second := k.refresh(first.refresh)
			wantOK(t, second)
			time.Sleep(oauth2.RefreshGrace)
			again := k.refresh(first.refresh) // This response was lost too.
			wantOK(t, again)
			if again.refresh != second.refresh {
				t.Error("two refresh tokens came of one")
			}
			wantOK(t, k.refresh(second.refresh))
			time.Sleep(time.Minute)
			wantError(t, k.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
			if g := k.grantOf(first.access); g.State != storage.GrantRevoked {
				t.Errorf("a token that was reused in the end left its grant %s", g.State)
			}
		})
	}
}

func TestUnknownOutcome_WriteOfAnotherProcessIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		k.loseRefresh(first.refresh)
		here := k.store
		k.elsewhere()
		second := k.refresh(first.refresh)
		wantOK(t, second)
		wantOK(t, k.refresh(second.refresh))
		time.Sleep(time.Minute)
		k.store = here
		k.serve()
		wantError(t, k.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
		if g := k.grantOf(first.access); g.State != storage.GrantRevoked {
			t.Errorf("the grant is %s", g.State)
		}
	})
}

func TestUnknownOutcome_AssertionIsAcceptedOnceMore(t *testing.T) {
	for _, lost := range []int32{1, 3} {
		k := newKit(t)
		exp := time.Now().Add(time.Minute)
		k.loseAnswers(storage.KindAssertion, lost)
		for range lost {
			err := k.store.UseAssertion(k.begin(), "client", "jti", exp)
			if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, fosite.ErrJTIKnown) {
				t.Fatalf("got %v", err)
			}
		}
		var accepted atomic.Int32
		var wait sync.WaitGroup
		for range 16 {
			wait.Go(func() {
				err := k.store.UseAssertion(k.begin(), "client", "jti", exp)
				if err == nil {
					accepted.Add(1)
				} else if !errors.Is(err, fosite.ErrJTIKnown) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if accepted.Load() != 1 {
			t.Errorf("%d of 16 were accepted", accepted.Load())
		}
		k.elsewhere()
		if err := k.store.UseAssertion(k.begin(), "client", "jti", exp); !errors.Is(err, fosite.ErrJTIKnown) {
			t.Errorf("another process: %v", err)
		}
	}
}

func TestUnknownOutcome_UnreadableAssertionIsNotCalledUsed(t *testing.T) {
	k := newKit(t)
	exp := time.Now().Add(time.Minute)
	k.loseAnswers(storage.KindAssertion, 1)
	first := k.store.UseAssertion(k.begin(), "client", "jti", exp)
	k.hooks.Before = failOn("Get", storage.KindAssertion)
	again := k.store.UseAssertion(k.begin(), "client", "jti", exp)
	for _, err := range []error{first, again} {
		if !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, fosite.ErrJTIKnown) {
			t.Errorf("got %v", err)
		}
	}
	k.hooks.Before = nil
	if err := k.store.UseAssertion(k.begin(), "client", "jti", exp); err != nil {
		t.Error(err)
	}
}

func TestUnknownOutcome_ClientDisabledDuringARefreshGetsInvalidGrant(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	k.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Kind == storage.KindUser {
			record := k.client("spa").Record()
			record.Disabled = true
			k.register(record)
		}
		return err
	}
	wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
	if g := k.grantOf(a.access); g.State != storage.GrantActive || g.Refresh.Generation != 1 {
		t.Errorf("the grant is %s of generation %d", g.State, g.Refresh.Generation)
	}
}
