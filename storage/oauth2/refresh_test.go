package oauth2_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestRefresh_ReturnsNewTokensOfTheSameGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		time.Sleep(time.Minute)
		second := k.refresh(first.refresh)
		wantOK(t, second)

		sum := sha256.Sum256([]byte(second.access))
		if hash := claims(t, second.id)["at_hash"]; hash != base64.RawURLEncoding.EncodeToString(sum[:16]) {
			t.Errorf("OpenID Connect Core §3.1.3.6: at_hash is %v", hash)
		}
		if second.refresh == first.refresh {
			t.Error("the refresh token was not rotated")
		}
		if second.scope != "openid profile offline_access" || second.expiresIn != 600 {
			t.Errorf("scope %q, expires_in %v", second.scope, second.expiresIn)
		}
		before, after := claims(t, first.id), claims(t, second.id)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid", "azp"} {
			if fmt.Sprint(after[name]) != fmt.Sprint(before[name]) {
				t.Errorf("OpenID Connect Core §12.2: %s was %v, is %v", name, before[name], after[name])
			}
		}
		if _, ok := after["nonce"]; ok {
			t.Error("the refreshed ID token has a nonce")
		}
		if after["iat"] == before["iat"] || claims(t, second.access)["iat"] == claims(t, first.access)["iat"] {
			t.Error("iat is frozen at the first token")
		}
		if claims(t, second.access)["jti"] == claims(t, first.access)["jti"] {
			t.Error("two access tokens share a jti")
		}
	})
}

func TestRefresh_ConcurrentRefreshesReturnOneSuccessor(t *testing.T) {
	const callers = 16
	k := newKit(t)
	first := k.signIn()
	id := k.grantOf(first.access).ID

	// All requests read before any writes.
	var arrived sync.WaitGroup
	arrived.Add(callers)
	waited := make(chan struct{}, callers)
	for range callers {
		waited <- struct{}{}
	}
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method != "Replace" {
			return nil
		}
		select {
		case <-waited:
			arrived.Done()
			arrived.Wait()
		default:
		}
		return nil
	}
	answers := make([]tokenResponse, callers)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() { answers[i] = k.refresh(first.refresh) })
	}
	wait.Wait()
	k.hooks.Before = nil

	accessTokens := map[string]bool{}
	for _, a := range answers {
		wantOK(t, a)
		if a.refresh != answers[0].refresh {
			t.Fatal("two callers got different refresh tokens")
		}
		accessTokens[a.access] = true
	}
	if len(accessTokens) != callers {
		t.Errorf("%d callers got %d access tokens", callers, len(accessTokens))
	}
	if g := k.stored(id); g.State != storage.GrantActive || g.Refresh.Generation != 2 {
		t.Errorf("grant is %s at generation %d, want active at 2", g.State, g.Refresh.Generation)
	}
	wantOK(t, k.refresh(answers[0].refresh))
}

func TestRefresh_LateCopyReturnsTheCurrentToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		second := k.refresh(first.refresh)
		wantOK(t, second)
		time.Sleep(10 * time.Second)
		third := k.refresh(second.refresh)
		wantOK(t, third)
		time.Sleep(20 * time.Second)
		for name, old := range map[string]string{"one older": second.refresh, "two older": first.refresh} {
			late := k.refresh(old)
			wantOK(t, late)
			if late.refresh != third.refresh {
				t.Errorf("%s: got another token than the current one", name)
			}
			if late.access == third.access {
				t.Errorf("%s: the access token is not fresh", name)
			}
		}
		if g := k.grantOf(first.access); g.Refresh.Generation != 3 {
			t.Errorf("generation is %d, want 3", g.Refresh.Generation)
		}
	})
}

func TestRefresh_ConcurrentLateLoserReturnsTheCurrentToken(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	arrived, proceed := k.holdFirst("Replace")
	var late tokenResponse
	var wait sync.WaitGroup
	wait.Go(func() { late = k.refresh(first.refresh) })
	<-arrived
	second := k.refresh(first.refresh)
	wantOK(t, second)
	third := k.refresh(second.refresh)
	wantOK(t, third)
	close(proceed)
	wait.Wait()
	wantOK(t, late)
	if late.refresh != third.refresh {
		t.Error("the loser got a token that is not the current one")
	}
}

func TestRefresh_ReuseRevokesTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		second := k.refresh(first.refresh)
		wantOK(t, second)
		time.Sleep(31 * time.Second)
		wantError(t, k.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
		if g := k.grantOf(first.access); g.State != storage.GrantRevoked || g.RevokedBecause != "reuse" || g.RevokedAt.IsZero() {
			t.Errorf("grant is %s because %q", g.State, g.RevokedBecause)
		}
		wantError(t, k.refresh(second.refresh), http.StatusBadRequest, "invalid_grant")
	})
}

func TestRefresh_ReadingAReusedTokenRevokesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		wantOK(t, k.refresh(first.refresh))
		time.Sleep(31 * time.Second)
		found, err := k.store.GetRefreshTokenSession(k.begin(), first.refresh, nil)
		if !errors.Is(err, fosite.ErrInactiveToken) || found.GetID() != k.grantOf(first.access).ID {
			t.Errorf("got %+v, %v, want the request and ErrInactiveToken", found, err)
		}
		if g := k.grantOf(first.access); g.State != storage.GrantActive {
			t.Errorf("grant is %s, want active", g.State)
		}
	})
}

func TestRefresh_SlowRefreshIsNoReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		arrived, proceed := k.holdFirst("Replace")
		var slow tokenResponse
		var wait sync.WaitGroup
		wait.Go(func() { slow = k.refresh(first.refresh) })
		<-arrived
		second := k.refresh(first.refresh)
		wantOK(t, second)
		time.Sleep(time.Minute)
		close(proceed)
		wait.Wait()
		wantOK(t, slow)
		if slow.refresh != second.refresh {
			t.Error("the slow call got another token than the current one")
		}
	})
}

func TestRefresh_MoreRotationsThanAreStoredAreReuse(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	arrived, proceed := k.holdFirst("Replace")
	var slow tokenResponse
	var wait sync.WaitGroup
	wait.Go(func() { slow = k.refresh(first.refresh) })
	<-arrived
	a := first
	for range storage.RotationsKept + 1 {
		a = k.refresh(a.refresh)
		wantOK(t, a)
	}
	close(proceed)
	wait.Wait()
	wantError(t, slow, http.StatusBadRequest, "invalid_grant")
	if g := k.grantOf(first.access); g.State != storage.GrantRevoked || g.RevokedBecause != "reuse" {
		t.Errorf("grant is %s because %q", g.State, g.RevokedBecause)
	}
}

func TestRefresh_TokenBeforeTheStoredRotationsIsReuse(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	a := first
	for range storage.RotationsKept {
		a = k.refresh(a.refresh)
		wantOK(t, a)
	}
	wantOK(t, k.refresh(first.refresh)) // The oldest that is remembered.
	a = k.refresh(a.refresh)
	wantOK(t, a)
	g := k.grantOf(first.access)
	if len(g.Refresh.Rotated) != storage.RotationsKept {
		t.Errorf("%d rotations are kept, want %d", len(g.Refresh.Rotated), storage.RotationsKept)
	}
	if !slices.IsSortedFunc(g.Refresh.Rotated, func(x, y time.Time) int { return y.Compare(x) }) {
		t.Error("the rotations are not newest first")
	}
	wantError(t, k.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
	if g := k.grantOf(first.access); g.State != storage.GrantRevoked {
		t.Errorf("grant is %s, want revoked", g.State)
	}
}

func TestRefresh_TokenNewerThanARestoredGrantRevokesNothing(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	second := k.refresh(first.refresh)
	wantOK(t, second)
	id := k.grantOf(first.access).ID
	update(t, k, id, func(g *storage.Grant) { g.Refresh = &storage.Refresh{Generation: 1, IdleUntil: g.Refresh.IdleUntil} })
	wantError(t, k.refresh(second.refresh), http.StatusBadRequest, "invalid_grant")
	if g := k.stored(id); g.State != storage.GrantActive {
		t.Errorf("grant is %s, want active", g.State)
	}
	wantOK(t, k.refresh(first.refresh))
}

func TestRefresh_TokenFromAnotherClientChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.register(storage.Client{ID: "other", Kind: storage.ClientSPA, AuthMethod: "none", Scopes: []string{"openid"}})
		first := k.signIn()
		second := k.refresh(first.refresh)
		wantOK(t, second)
		time.Sleep(time.Hour)
		for name, token := range map[string]string{"current": second.refresh, "reused": first.refresh} {
			form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"other"}, "refresh_token": {token}}
			if a := k.token(form); a.error != "invalid_grant" {
				t.Errorf("%s: got %d %s", name, a.status, a.error)
			}
		}
		if g := k.grantOf(first.access); g.State != storage.GrantActive || g.Refresh.Generation != 2 {
			t.Errorf("grant is %s at generation %d", g.State, g.Refresh.Generation)
		}
	})
}

func TestRefresh_TokenExpiresUnusedAndWithItsGrant(t *testing.T) {
	const day = 24 * time.Hour
	tests := map[string]struct {
		mini  bool
		waits []time.Duration
		alive bool
	}{
		"used just within 30 days":                   {waits: []time.Duration{30*day - time.Minute}, alive: true},
		"unused for 30 days":                         {waits: []time.Duration{30 * day}},
		"a mini-program's, used just within 7 days":  {mini: true, waits: []time.Duration{7*day - time.Minute}, alive: true},
		"a mini-program's, unused for 7 days":        {mini: true, waits: []time.Duration{7 * day}},
		"used all the time, just within 180 days":    {waits: []time.Duration{29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 5 * day}, alive: true},
		"used all the time, 180 days after sign-in":  {waits: []time.Duration{29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 6 * day}},
		"used all the time, long after 180 days":     {waits: []time.Duration{29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 29 * day}},
		"used once, then unused for another 30 days": {waits: []time.Duration{day, 30 * day}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t)
				a, client := tokenResponse{}, "spa"
				if tt.mini {
					a, client = k.exchange("code"), "mini"
				} else {
					a = k.signIn()
				}
				wantOK(t, a)
				for i, wait := range tt.waits {
					time.Sleep(wait)
					a = k.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {a.refresh}})
					if last := i == len(tt.waits)-1; last && !tt.alive {
						wantError(t, a, http.StatusBadRequest, "invalid_grant")
						return
					}
					wantOK(t, a)
				}
			})
		})
	}
}

func TestRefresh_UsesTheLifetimesOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		record := k.client("spa").Record()
		record.Lifetimes = storage.Lifetimes{AccessToken: 60, RefreshIdle: 3600}
		k.register(record)
		a := k.signIn()
		access := claims(t, a.access)
		if life := access["exp"].(float64) - access["iat"].(float64); life != 60 {
			t.Errorf("the access token lives %v s, want 60", life)
		}
		time.Sleep(time.Hour)
		wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
	})
}

func TestRefresh_TokenMayExpireBeforeTheAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		record := k.client("spa").Record()
		record.Lifetimes = storage.Lifetimes{AccessToken: 600, RefreshIdle: 60}
		k.register(record)
		a := k.signIn()
		time.Sleep(time.Minute)
		wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
		if _, err := k.store.ActiveGrant(k.begin(), k.grantOf(a.access).ID); err != nil {
			t.Errorf("the access token died with it: %v", err)
		}
	})
}

func TestRFC6749_6_NarrowedScopeLeavesTheGrantUnchanged(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	refresh := func(token string, params url.Values) tokenResponse {
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {token}}
		for name, values := range params {
			form[name] = values
		}
		return k.token(form)
	}
	narrowed := refresh(first.refresh, url.Values{"scope": {"profile"}})
	wantOK(t, narrowed)
	if narrowed.scope != "profile" || narrowed.id != "" || claims(t, narrowed.access)["scope"] != "profile" {
		t.Errorf("scope is %q, ID token %q", narrowed.scope, narrowed.id)
	}
	whole := refresh(narrowed.refresh, nil)
	wantOK(t, whole)
	if whole.scope != "openid profile offline_access" {
		t.Errorf("scope is %q", whole.scope)
	}
	wantError(t, refresh(whole.refresh, url.Values{"scope": {"profile email"}}), http.StatusBadRequest, "invalid_scope")
	wantError(t, refresh(whole.refresh, url.Values{"scope": {"PROFILE"}}), http.StatusBadRequest, "invalid_scope")
	if g := k.grantOf(first.access); g.Refresh.Generation != 3 {
		t.Errorf("a refused scope rotated: generation %d", g.Refresh.Generation)
	}
}

func TestRFC8707_2_2_ResourceMayNarrow(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {a.refresh}, "resource": {"https://api.example"}}
	a = k.token(form)
	wantOK(t, a)
	if aud := fmt.Sprint(claims(t, a.access)["aud"]); aud != "[https://api.example]" {
		t.Errorf("aud = %s", aud)
	}
	form.Set("refresh_token", a.refresh)
	form.Set("resource", "https://elsewhere.example")
	wantError(t, k.token(form), http.StatusBadRequest, "invalid_target")
}

func TestRefresh_OmitsScopesThatTheClientLost(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	record := k.client("spa").Record()
	record.Scopes, record.Audiences = []string{"openid", "offline_access"}, nil
	k.register(record)
	a = k.refresh(a.refresh)
	wantOK(t, a)
	if a.scope != "openid offline_access" {
		t.Errorf("scope is %q", a.scope)
	}
	if aud := fmt.Sprint(claims(t, a.access)["aud"]); aud != "[https://id.example]" {
		t.Errorf("aud = %s", aud)
	}
}

func TestRefresh_ChecksTheRequestBeforeTheToken(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	wantError(t, k.refresh(""), http.StatusBadRequest, "invalid_request")
	wantError(t, k.refresh("mf_rt_forged"), http.StatusBadRequest, "invalid_grant")
	wantError(t, k.refresh(a.access), http.StatusBadRequest, "invalid_grant")
	nonce := k.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {a.refresh}, "nonce": {"planted"}})
	wantOK(t, nonce)
	if _, ok := claims(t, nonce.id)["nonce"]; ok {
		t.Error("a nonce in the refresh request went into the ID token")
	}
	record := k.client("spa").Record()
	record.GrantTypes = []string{"authorization_code"}
	k.register(record)
	wantError(t, k.refresh(nonce.refresh), http.StatusBadRequest, "unauthorized_client")
}

func TestRefresh_ClientWithoutTheGrantTypeGetsNoToken(t *testing.T) {
	k := newKit(t)
	record := k.client("spa").Record()
	record.GrantTypes = []string{"authorization_code"}
	k.register(record)
	a := k.signIn()
	if a.refresh != "" {
		t.Error("a refresh token that nobody can use")
	}
	if g := k.grantOf(a.access); g.Refresh != nil || g.ExpiresAt.After(time.Now().Add(15*time.Minute)) {
		t.Errorf("the grant outlives its access token: %+v", g)
	}
}

func TestRefresh_ConcurrentRefreshUndoesNoRevocation(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	id := k.grantOf(first.access).ID
	arrived, proceed := k.holdFirst("Replace")
	var late tokenResponse
	var wait sync.WaitGroup
	wait.Go(func() { late = k.refresh(first.refresh) })
	<-arrived
	if err := k.store.Revoke(k.begin(), id, "logout"); err != nil {
		t.Fatal(err)
	}
	close(proceed)
	wait.Wait()
	wantError(t, late, http.StatusBadRequest, "invalid_grant")
	if g := k.stored(id); g.State != storage.GrantRevoked || g.RevokedBecause != "logout" {
		t.Errorf("grant is %s because %q", g.State, g.RevokedBecause)
	}
}

func TestRefresh_RevocationAfterAConcurrentRefreshRevokes(t *testing.T) {
	k := newKit(t)
	first := k.signIn()
	id := k.grantOf(first.access).ID
	arrived, proceed := k.holdFirst("Replace")
	var err error
	var wait sync.WaitGroup
	wait.Go(func() { err = k.store.Revoke(k.begin(), id, "logout") })
	<-arrived
	second := k.refresh(first.refresh)
	wantOK(t, second)
	close(proceed)
	wait.Wait()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, k.refresh(second.refresh), http.StatusBadRequest, "invalid_grant")
	if g := k.stored(id); g.State != storage.GrantRevoked || g.Refresh.Generation != 2 {
		t.Errorf("grant is %s at generation %d", g.State, g.Refresh.Generation)
	}
}

func TestRefresh_RejectionHasItsReason(t *testing.T) {
	tests := map[string]struct {
		fail error
		code int
		want string
	}{
		"the store is out of reach":      {storage.ErrUnavailable, http.StatusServiceUnavailable, "temporarily_unavailable"},
		"a record of a newer version":    {storage.ErrNewerVersion, http.StatusServiceUnavailable, "temporarily_unavailable"},
		"nothing is there":               {storage.ErrNotFound, http.StatusBadRequest, "invalid_grant"},
		"what nobody has thought of yet": {errors.New("test: unexpected"), http.StatusInternalServerError, "server_error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			token := k.signIn().refresh
			k.hooks.Before = func(context.Context, storagetest.Operation) error { return tt.fail }
			form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {token}}
			r, err := http.NewRequestWithContext(k.begin(), http.MethodPost, "https://id.example/oauth2/token", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			_, err = k.provider.NewAccessRequest(r.Context(), r, &oauth2.Session{})
			if e := fosite.ErrorToRFC6749Error(err); e.CodeField != tt.code || e.ErrorField != tt.want {
				t.Errorf("got %d %s, want %d %s", e.CodeField, e.ErrorField, tt.code, tt.want)
			}
			if !errors.Is(err, tt.fail) && tt.want != "invalid_grant" {
				t.Errorf("the operator does not learn why: %v", err)
			}
		})
	}
}
