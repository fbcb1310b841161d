package server_test

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// Two tabs of one browser send their sign-ins at the same instant, each with the former cookies.
func TestPromptLogin_TwoSignInsSentAtTheSameInstantBothFinish(t *testing.T) {
	for range 8 {
		ts := newPageTestServer(t)
		ts.addPasswordUser("wanda")
		first := ts.newFormBrowser()
		first.signInWith(t)
		tabs := []*formBrowser{ts.newFormBrowser(), ts.newFormBrowser()}
		for i, b := range tabs {
			b.cookies = first.cookies
			b.openAuthorize("state", []string{"one", "two"}[i], "prompt", "login")
		}
		var sending sync.WaitGroup
		for _, b := range tabs {
			b.cookies = maps.Clone(first.cookies)
			sending.Go(func() { b.signInAs("wanda") })
		}
		sending.Wait()
		for i, b := range tabs {
			if b.page.callback == "" || b.page.sent.Get("state") != []string{"one", "two"}[i] {
				t.Errorf("tab %d: %d %s", i, b.page.status, b.page.body)
			}
		}
	}
}

// A second tab signs in between the read and the write of the first one's sign-in. The cookies of both are valid afterwards.
func TestPromptLogin_ConcurrentSignInsHaveValidCookies(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	first := ts.newFormBrowser()
	first.signInWith(t)
	one, two := ts.newFormBrowser(), ts.newFormBrowser()
	for _, b := range []*formBrowser{one, two} {
		b.cookies = maps.Clone(first.cookies)
		b.openAuthorize("prompt", "login")
	}
	var once atomic.Bool
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindSession && o.Method == "Replace" && once.CompareAndSwap(false, true) {
			two.signInAs("wanda")
		}
		return nil
	}
	one.signInAs("wanda")
	for _, b := range []*formBrowser{one, two} {
		b.code()
		b.openAuthorize("prompt", "none")
		b.code()
	}
}

// signInWith signs in for the first time.
func (b *formBrowser) signInWith(t *testing.T) {
	t.Helper()
	b.openAuthorize()
	b.signInAs("wanda")
	if b.page.callback == "" {
		b.press("consent-form", "allow")
	}
	b.code()
}
