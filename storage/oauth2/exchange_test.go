package oauth2_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestExchange_CreatesOneGrant(t *testing.T) {
	k := newKit(t)
	a := k.exchange("code")
	wantOK(t, a)
	g := k.grantOf(a.access)
	if g.State != storage.GrantActive || g.Client != "mini" || g.User != "alice" || g.GrantType != exchangeGrant || g.SID != "sid-of-mini" {
		t.Errorf("grant is %+v", g)
	}
	if len(g.AMR) != 1 || g.AMR[0] != "wechat_miniapp" || g.AuthTime.IsZero() {
		t.Errorf("amr %v, auth_time %v", g.AMR, g.AuthTime)
	}
	refreshed := k.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {"mini"}, "refresh_token": {a.refresh}})
	wantOK(t, refreshed)
	before, after := claims(t, a.id), claims(t, refreshed.id)
	for _, name := range []string{"sub", "auth_time", "sid", "azp"} {
		if before[name] == nil || after[name] != before[name] {
			t.Errorf("%s was %v, is %v", name, before[name], after[name])
		}
	}
}

func TestExchange_RepeatReturnsTheSameGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.exchange("code")
		wantOK(t, first)
		time.Sleep(59 * time.Second)
		again := k.exchange("code")
		wantOK(t, again)
		if again.refresh != first.refresh {
			t.Error("another refresh token")
		}
		if again.access == first.access || again.id == first.id {
			t.Error("access and ID token are not fresh")
		}
		if claims(t, again.id)["sub"] != claims(t, first.id)["sub"] {
			t.Error("another subject")
		}
	})
}

func TestExchange_RejectsARepeat(t *testing.T) {
	repeat := url.Values{"grant_type": {exchangeGrant}, "client_id": {"mini"}, "subject_token": {"code"}}
	tests := map[string]struct {
		before func(*testing.T, *kit, tokenResponse)
		change url.Values
		want   error
	}{
		"after 60 s":         {before: func(*testing.T, *kit, tokenResponse) { time.Sleep(time.Minute) }, want: oauth2.ErrNoGrant},
		"that asks for more": {change: url.Values{"scope": {"email"}}, want: oauth2.ErrRepeatDiffers},
		"after a refresh":    {before: func(t *testing.T, k *kit, a tokenResponse) { wantOK(t, k.refreshAs("mini", a.refresh)) }, want: oauth2.ErrNoGrant},
		"after a revocation": {before: func(t *testing.T, k *kit, a tokenResponse) { revoke(t, k, a) }, want: oauth2.ErrNoGrant},
		"that asks for more after a revocation": {
			before: func(t *testing.T, k *kit, a tokenResponse) { revoke(t, k, a) }, change: url.Values{"scope": {"email"}}, want: oauth2.ErrRepeatDiffers,
		},
		"when the user is gone": {before: func(t *testing.T, k *kit, _ tokenResponse) { remove(t, k, storage.KindUser, "alice") }, want: oauth2.ErrNoGrant},
		"when the user signed out": {before: func(t *testing.T, k *kit, _ tokenResponse) {
			update(t, k, "alice", func(u *storage.User) { u.Epoch++ })
		}, want: oauth2.ErrNoGrant},
		"when the user is disabled": {before: func(t *testing.T, k *kit, _ tokenResponse) {
			update(t, k, "alice", func(u *storage.User) { u.Status = storage.UserDisabled })
		}, want: oauth2.ErrUserDisabled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t)
				a := k.exchange("code")
				wantOK(t, a)
				if tt.before != nil {
					tt.before(t, k, a)
				}
				form := url.Values{}
				for _, params := range []url.Values{repeat, tt.change} {
					for name, values := range params {
						form[name] = values
					}
				}
				ctx := k.begin()
				ids, err := k.store.GrantIDs(ctx, "wechat", "mini", "wxsim", "code")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := k.store.Repeat(ctx, k.client("mini"), ids, storage.Digest(form.Get("scope"), "")); !errors.Is(err, tt.want) {
					t.Errorf("Repeat: %v, want %v", err, tt.want)
				}
				if got := k.token(form); got.status == http.StatusOK {
					t.Error("the repeat got tokens")
				}
			})
		})
	}
}

func (k *kit) refreshAs(client, token string) tokenResponse {
	k.t.Helper()
	return k.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}})
}

func revoke(t *testing.T, k *kit, a tokenResponse) {
	t.Helper()
	if err := k.store.Revoke(k.begin(), k.grantOf(a.access).ID, "revoked"); err != nil {
		t.Fatal(err)
	}
}

func TestExchange_CodeOfAnotherClientCreatesAnotherGrant(t *testing.T) {
	k := newKit(t)
	ctx := k.begin()
	seen := map[string]bool{}
	for _, parts := range [][]string{
		{"mini", "wx", "code"}, {"mini2", "wx", "code"}, {"mini", "wx2", "code"}, {"mini", "wxc", "ode"}, {"miniwx", "code"}, {"mini", "wx", "code", ""},
	} {
		ids, err := k.store.GrantIDs(ctx, parts...)
		if err != nil || len(ids) != 1 {
			t.Fatalf("%v: %v, %v", parts, ids, err)
		}
		if seen[ids[0].ID] {
			t.Errorf("%v: ID of other parts", parts)
		}
		seen[ids[0].ID] = true
	}
	wantOK(t, k.exchange("code"))
	ids, err := k.store.GrantIDs(ctx, "wechat", "mini", "wxsim", "code")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.store.Repeat(ctx, k.client("spa"), ids, storage.Digest("", "")); !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("another client's repeat: %v, want ErrNoGrant", err)
	}
}

func TestExchange_RepeatAfterASecretRotationFindsTheGrant(t *testing.T) {
	k := newKit(t)
	first := k.exchange("code")
	wantOK(t, first)
	k.secrets.current = 2
	again := k.exchange("code")
	wantOK(t, again)
	if again.refresh != first.refresh {
		t.Error("another refresh token")
	}
	fresh := k.exchange("another code")
	wantOK(t, fresh)
	if g := k.grantOf(fresh.access); g.SecretGeneration != 2 {
		t.Errorf("a new grant has generation %d, want 2", g.SecretGeneration)
	}
	refreshed := k.refreshAs("mini", first.refresh)
	wantOK(t, refreshed)
	if g := k.grantOf(refreshed.access); g.SecretGeneration != 1 {
		t.Errorf("a refreshed grant has generation %d, want 1 for life", g.SecretGeneration)
	}
	wantOK(t, k.refreshAs("mini", refreshed.refresh))
}

func TestExchange_ConcurrentExchangesCreateOneGrant(t *testing.T) {
	const callers = 16
	k := newKit(t)
	var arrived sync.WaitGroup
	arrived.Add(callers)
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == "Insert" {
			arrived.Done()
			arrived.Wait()
		}
		return nil
	}
	answers := make([]tokenResponse, callers)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() { answers[i] = k.exchange("code") })
	}
	wait.Wait()
	for _, a := range answers {
		wantOK(t, a)
		if a.refresh != answers[0].refresh {
			t.Error("two callers got different refresh tokens")
		}
	}
}

func TestExchange_RejectsTheGrantOfAnotherUser(t *testing.T) {
	k := newKit(t)
	var once atomic.Bool
	k.hooks.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Method != "Insert" || !once.CompareAndSwap(false, true) {
			return nil
		}
		ids, err := k.store.GrantIDs(ctx, "wechat", "mini", "wxsim", "code")
		if err != nil {
			return err
		}
		insert(t, k, storage.Grant{
			Directory: "main", ID: ids[0].ID, SecretGeneration: 1, Client: "mini", User: "bob", State: storage.GrantActive,
			Asked: storage.Digest("", ""), RepeatUntil: time.Now().Add(time.Minute), Refresh: &storage.Refresh{Generation: 1},
		})
		return nil
	}
	wantError(t, k.exchange("code"), http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestTransaction_RollbackWritesNothing(t *testing.T) {
	k := newKit(t)
	ctx := k.begin()
	id, err := k.store.NewGrantID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.store.NewGrant(ctx, storage.Grant{ID: id.ID, SecretGeneration: 1, User: "alice"}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.store.BeginTX(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := k.store.BeginTX(ctx); err == nil {
		t.Error("a unit of work within another one")
	}
	if err := k.store.CreateAccessTokenSession(ctx, "", request(k, id.ID, url.Values{})); err != nil {
		t.Fatal(err)
	}
	_, writes := k.operations(func() {
		for _, step := range []func(context.Context) error{k.store.Rollback, k.store.Commit} {
			if err := step(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
	if writes != 0 {
		t.Errorf("%d writes", writes)
	}
	if err := k.store.CreateAccessTokenSession(ctx, "", request(k, id.ID, url.Values{})); err == nil {
		t.Error("a grant that was rolled back was completed")
	}
}

func TestTransaction_RollbackLeavesTheTicketPending(t *testing.T) {
	k := newKit(t)
	ctx := k.begin()
	live, err := k.store.Ticket(ctx, k.client("mini"), k.ticket("code"), "register")
	if err != nil {
		t.Fatal(err)
	}
	g := live.Grant
	g.User, g.UserEpoch, g.AskedBind = "alice", 3, "register"
	if err := k.store.NewGrant(ctx, g); err != nil {
		t.Fatal(err)
	}
	if _, err := k.store.BeginTX(ctx); err != nil {
		t.Fatal(err)
	}
	if err := k.store.CreateAccessTokenSession(ctx, "", request(k, g.ID, url.Values{})); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{k.store.Rollback, k.store.Commit} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if stored := k.stored(g.ID); stored.State != storage.GrantPending || stored.User != "" {
		t.Errorf("grant is %s of %q", stored.State, stored.User)
	}
}

func TestExchange_NewUserEpochEndsAConcurrentLogin(t *testing.T) {
	k := newKit(t)
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == "Insert" && operation.Kind == storage.KindGrant {
			update(t, k, "alice", func(u *storage.User) { u.Epoch++ })
		}
		return nil
	}
	a := k.exchange("code")
	k.hooks.Before = nil
	wantOK(t, a)
	if _, err := k.store.ActiveGrant(k.begin(), k.grantOf(a.access).ID); !errors.Is(err, oauth2.ErrNoGrant) {
		t.Errorf("Live: %v, want ErrNoGrant", err)
	}
	wantError(t, k.refreshAs("mini", a.refresh), http.StatusBadRequest, "invalid_grant")
}

func TestExchange_NewGrantReplacesNoStoredGrant(t *testing.T) {
	k := newKit(t)
	g := k.grantOf(k.signIn().access)
	ctx := k.begin()
	if _, err := k.store.ActiveGrant(ctx, g.ID); err != nil {
		t.Fatal(err)
	}
	if err := k.store.NewGrant(ctx, storage.Grant{ID: g.ID, User: "mallory"}); !isExists(err) {
		t.Errorf("Draft: %v, want storage.ErrExists", err)
	}
	if err := k.store.NewGrant(ctx, storage.Grant{ID: "short"}); err == nil {
		t.Error("a grant without an ID of a grant was drafted")
	}
}

func TestExchange_TokensRequireAGrant(t *testing.T) {
	k := newKit(t)
	ctx := k.begin()
	r := request(k, "unknown", url.Values{"grant_type": {exchangeGrant}})
	if _, _, err := k.strategy.GenerateAccessToken(ctx, r); err == nil {
		t.Error("an access token of no grant")
	}
	if _, _, err := k.strategy.GenerateRefreshToken(ctx, r); err == nil {
		t.Error("a refresh token of no grant")
	}
	if _, _, err := k.strategy.GenerateAuthorizeCode(ctx, r); err == nil {
		t.Error("a code of no grant")
	}
	if err := k.store.CreateAccessTokenSession(ctx, "", r); err == nil {
		t.Error("an access token of no grant was stored")
	}
	if err := k.store.CreateRefreshTokenSession(ctx, "", "", r); err == nil {
		t.Error("a refresh token of no grant was stored")
	}
}
