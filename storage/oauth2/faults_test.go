package oauth2_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

// failOn lets one method on one kind fail before it is executed.
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

// dropFirst executes the first call of a method on a kind and drops its result, as a network does.
func (k *kit) dropFirst(method string, kind storage.Kind) {
	var seen atomic.Bool
	k.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Method == method && operation.Kind == kind && seen.CompareAndSwap(false, true) {
			return fmt.Errorf("%w: the response is lost", storage.ErrUnavailable)
		}
		return err
	}
}

// stopFirst fails the first call of a method on a kind before it is executed.
func (k *kit) stopFirst(method string, kind storage.Kind) {
	var seen atomic.Bool
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == method && operation.Kind == kind && seen.CompareAndSwap(false, true) {
			return fmt.Errorf("%w: stopped", storage.ErrUnavailable)
		}
		return nil
	}
}

func TestWriteFault_Returns503AndTheRepeatSucceeds(t *testing.T) {
	faults := map[string]func(k *kit, method string){
		"stopped before the write": func(k *kit, method string) { k.stopFirst(method, storage.KindGrant) },
		"response lost":            func(k *kit, method string) { k.dropFirst(method, storage.KindGrant) },
	}
	requests := map[string]struct {
		method  string
		prepare func(*kit) func() tokenResponse
	}{
		"exchange": {"Insert", func(k *kit) func() tokenResponse { return func() tokenResponse { return k.exchange("code") } }},
		"refresh": {"Replace", func(k *kit) func() tokenResponse {
			a := k.signIn()
			return func() tokenResponse { return k.refresh(a.refresh) }
		}},
		"use of a ticket": {"Replace", func(k *kit) func() tokenResponse {
			ticket := k.ticket("code")
			return func() tokenResponse {
				token, err := k.bind(ticket, "register")
				if err != nil {
					return errorResponse(err)
				}
				return tokenResponse{status: http.StatusOK, access: token, refresh: token}
			}
		}},
	}
	for fault, inject := range faults {
		for name, tt := range requests {
			t.Run(name+", "+fault, func(t *testing.T) {
				k := newKit(t)
				ask := tt.prepare(k)
				inject(k, tt.method)
				wantError(t, ask(), http.StatusServiceUnavailable, "temporarily_unavailable")
				first := ask()
				wantOK(t, first)
				again := ask()
				wantOK(t, again)
				if again.refresh != first.refresh {
					t.Error("asking again gave another refresh token")
				}
				page, err := k.memory.List(t.Context(), storage.Query{Kind: storage.KindGrant})
				if err != nil || len(page.Documents) != 1 {
					t.Errorf("%d grants, want 1; %v", len(page.Documents), err)
				}
				var g storage.Grant
				if err := storage.Decode(page.Documents[0].Body, &g); err != nil || g.State != storage.GrantActive {
					t.Errorf("grant is %s, want active; %v", g.State, err)
				}
			})
		}
	}
}

func TestWriteFault_StoppedRedemptionLeavesTheCodeValid(t *testing.T) {
	k := newKit(t)
	code := k.mustAuthorize(nil, nil)
	k.stopFirst("Replace", storage.KindGrant)
	wantError(t, k.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
	wantOK(t, k.redeem(code))
}

func TestWriteFault_FailedRevocationReturnsAnError(t *testing.T) {
	for name, show := range map[string]func(k *kit, code string, first tokenResponse) tokenResponse{
		"code":          func(k *kit, code string, _ tokenResponse) tokenResponse { return k.redeem(code) },
		"refresh token": func(k *kit, _ string, first tokenResponse) tokenResponse { return k.refresh(first.refresh) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t)
				code := k.mustAuthorize(nil, nil)
				first := k.redeem(code)
				wantOK(t, first)
				wantOK(t, k.refresh(first.refresh))
				time.Sleep(time.Minute)
				k.hooks.Before = failOn("Replace", storage.KindGrant)
				wantError(t, show(k, code, first), http.StatusServiceUnavailable, "temporarily_unavailable")
				k.hooks.Before = nil
				wantError(t, show(k, code, first), http.StatusBadRequest, "invalid_grant")
				if g := k.grantOf(first.access); g.State != storage.GrantRevoked {
					t.Errorf("grant is %s", g.State)
				}
			})
		})
	}
}

func TestNewerRecord_Returns503AndStaysUnchanged(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	id := k.grantOf(a.access).ID
	doc, err := k.memory.Get(t.Context(), storage.KindGrant, "main/"+id)
	if err != nil {
		t.Fatal(err)
	}
	doc.Body = bytes.Replace(doc.Body, []byte(`"v":1`), []byte(`"v":2`), 1)
	if _, err := k.memory.Replace(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	wantError(t, k.refresh(a.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
	after, err := k.memory.Get(t.Context(), storage.KindGrant, "main/"+id)
	if err != nil || !bytes.Equal(after.Body, doc.Body) {
		t.Errorf("the record was overwritten: %v", err)
	}
}

func TestNewerRecord_UnknownMembersSurviveAWrite(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	id := k.grantOf(a.access).ID
	doc, err := k.memory.Get(t.Context(), storage.KindGrant, "main/"+id)
	if err != nil {
		t.Fatal(err)
	}
	doc.Body = bytes.Replace(doc.Body, []byte(`"v":1`), []byte(`"v":1,"future":{"a":[1]}`), 1)
	if _, err := k.memory.Replace(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	wantOK(t, k.refresh(a.refresh))
	after, err := k.memory.Get(t.Context(), storage.KindGrant, "main/"+id)
	if err != nil || !bytes.Contains(after.Body, []byte(`"future":{"a":[1]}`)) {
		t.Errorf("a refresh dropped a member: %s, %v", after.Body, err)
	}
}

func TestStoreErrors_ContainNoSecrets(t *testing.T) {
	k := newKit(t)
	genuine, show := handles(k)
	for kind, token := range genuine {
		texts := []string{}
		for _, engine := range []func(context.Context, storagetest.Operation) error{nil, failOn("Get", storage.KindGrant)} {
			k.hooks.Before = engine
			for _, shown := range []string{token, token + "x", token[:len(token)-1] + "_"} {
				if err := show[kind](k.begin(), shown); err != nil {
					texts = append(texts, err.Error())
				}
			}
		}
		for _, text := range texts {
			if strings.Contains(text, token[len(kind):len(kind)+20]) {
				t.Errorf("%s: an error quotes the token: %s", kind, text)
			}
		}
	}
}
