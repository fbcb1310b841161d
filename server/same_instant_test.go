package server_test

import (
	"maps"
	"sync"
	"testing"
)

// Two tabs of one browser send their sign-ins at the same instant, each with the cookies of before.
func TestPromptLogin_TwoSignInsSentAtTheSameInstantBothFinish(t *testing.T) {
	for range 8 {
		h := newHouse(t)
		h.addPerson("wanda")
		first := h.visitor()
		first.signInWith(t)
		tabs := []*visitor{h.visitor(), h.visitor()}
		for i, v := range tabs {
			v.cookies = first.cookies
			v.ask("state", []string{"one", "two"}[i], "prompt", "login")
		}
		var sending sync.WaitGroup
		for _, v := range tabs {
			v.cookies = maps.Clone(first.cookies)
			sending.Go(func() { v.signInAs("wanda") })
		}
		sending.Wait()
		for i, v := range tabs {
			if v.page.callback == "" || v.page.sent.Get("state") != []string{"one", "two"}[i] {
				t.Errorf("tab %d: %d %s", i, v.page.status, v.page.body)
			}
		}
	}
}

// signInWith signs in for the first time.
func (v *visitor) signInWith(t *testing.T) {
	t.Helper()
	v.ask()
	v.signInAs("wanda")
	if v.page.callback == "" {
		v.press("consent-form", "allow")
	}
	v.code()
}
