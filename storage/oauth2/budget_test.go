package oauth2_test

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// What a request may ask of the store (clients and token secrets are in memory).
func TestRequests_StayWithinTheirBudgets(t *testing.T) {
	tests := map[string]struct {
		prepare       func(*kit) func()
		reads, writes int
	}{
		"an exchange, but for finding the user": {func(k *kit) func() {
			return func() { wantOK(k.t, k.exchange("code")) }
		}, 1, 1},
		"a repeat of an exchange": {func(k *kit) func() {
			wantOK(k.t, k.exchange("code"))
			return func() { wantOK(k.t, k.exchange("code")) }
		}, 2, 0},
		"a ticket": {func(k *kit) func() {
			return func() { k.ticket("code") }
		}, 0, 1},
		"a use of a ticket": {func(k *kit) func() {
			ticket := k.ticket("code")
			return func() { mustBind(k, ticket) }
		}, 1, 1},
		"a repeated use of a ticket": {func(k *kit) func() {
			ticket := k.ticket("code")
			mustBind(k, ticket)
			return func() { mustBind(k, ticket) }
		}, 2, 0},
		"a code": {func(k *kit) func() {
			return func() { k.mustAuthorize(nil, nil) }
		}, 0, 1},
		"code to tokens": {func(k *kit) func() {
			code := k.mustAuthorize(nil, nil)
			return func() { wantOK(k.t, k.redeem(code)) }
		}, 2, 1},
		"code to tokens, bound to a session": {func(k *kit) func() {
			code := k.mustAuthorize(nil, k.bound())
			return func() { wantOK(k.t, k.redeem(code)) }
		}, 3, 1},
		"a code used twice": {func(k *kit) func() {
			code := k.mustAuthorize(nil, nil)
			wantOK(k.t, k.redeem(code))
			return func() { wantError(k.t, k.redeem(code), 400, "invalid_grant") }
		}, 1, 1},
		"refresh": {func(k *kit) func() {
			a := k.signIn()
			return func() { wantOK(k.t, k.refresh(a.refresh)) }
		}, 2, 1},
		"refresh, bound to a session": {func(k *kit) func() {
			a := k.redeem(k.mustAuthorize(nil, k.bound()))
			return func() { wantOK(k.t, k.refresh(a.refresh)) }
		}, 3, 1},
		"a late copy of a refresh": {func(k *kit) func() {
			a := k.signIn()
			wantOK(k.t, k.refresh(a.refresh))
			return func() { wantOK(k.t, k.refresh(a.refresh)) }
		}, 2, 0},
		"UserInfo, introspection": {func(k *kit) func() {
			id := k.grantOf(k.signIn().access).ID
			return func() { mustLive(k, id) }
		}, 2, 0},
		"UserInfo, introspection, bound to a session": {func(k *kit) func() {
			id := k.grantOf(k.redeem(k.mustAuthorize(nil, k.bound())).access).ID
			return func() { mustLive(k, id) }
		}, 3, 0},
		"revoke": {func(k *kit) func() {
			a := k.signIn()
			return func() {
				if err := k.store.RevokeToken(k.begin(), k.client("spa"), a.refresh); err != nil {
					k.t.Fatal(err)
				}
			}
		}, 1, 1},
		"an assertion": {func(k *kit) func() {
			return func() {
				if err := k.store.UseAssertion(k.begin(), "client", "jti", time.Now().Add(time.Minute)); err != nil {
					k.t.Fatal(err)
				}
			}
		}, 0, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			reads, writes := k.operations(tt.prepare(k))
			if reads != tt.reads || writes != tt.writes {
				t.Errorf("%d reads and %d writes, want %d and %d", reads, writes, tt.reads, tt.writes)
			}
		})
	}
}

// bound binds a grant to a browser session.
func (k *kit) bound() func(*storage.Grant) {
	k.t.Helper()
	insert(k.t, k, storage.Session{Directory: "main", ID: "browser", User: "alice", UserEpoch: 3})
	return func(g *storage.Grant) { g.Session = "browser" }
}

func mustBind(k *kit, ticket string) {
	k.t.Helper()
	if _, err := k.bind(ticket, "register"); err != nil {
		k.t.Fatal(err)
	}
}

func mustLive(k *kit, id string) {
	k.t.Helper()
	if _, err := k.store.ActiveGrant(k.begin(), id); err != nil {
		k.t.Fatal(err)
	}
}

// A request reads what it hangs on once, however often it asks.
func TestRequests_ReadAGrantOnce(t *testing.T) {
	k := newKit(t)
	a := k.redeem(k.mustAuthorize(nil, k.bound()))
	wantOK(t, a)
	id := k.grantOf(a.access).ID
	ctx := k.begin()
	reads, _ := k.operations(func() {
		for range 3 {
			if _, err := k.store.ActiveGrant(ctx, id); err != nil {
				t.Fatal(err)
			}
			if _, err := k.store.GetRefreshTokenSession(ctx, a.refresh, nil); err != nil {
				t.Fatal(err)
			}
		}
	})
	if reads != 3 {
		t.Errorf("%d reads, want 3", reads)
	}
}
