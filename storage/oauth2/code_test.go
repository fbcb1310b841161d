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

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestCode_TokensHaveTheDataOfTheGrant(t *testing.T) {
	k := newKit(t)
	a := k.redeem(k.mustAuthorize(nil, nil))
	wantOK(t, a)

	id := claims(t, a.id)
	for name, want := range map[string]any{
		"iss": "https://id.example", "sub": "alice", "nonce": "n-0S6_WzA2Mj", "azp": "spa", "sid": "sid-1", "acr": "1",
	} {
		if id[name] != want {
			t.Errorf("ID token %s = %v, want %v", name, id[name], want)
		}
	}
	if _, ok := id["rat"]; ok {
		t.Error("the ID token has the non-standard claim rat")
	}
	access := claims(t, a.access)
	for name, want := range map[string]any{"iss": "https://id.example", "sub": "alice", "client_id": "spa", "scope": "openid profile offline_access", "acr": "1"} {
		if access[name] != want {
			t.Errorf("access token %s = %v, want %v", name, access[name], want)
		}
	}
	if typ := header(t, a.access)["typ"]; typ != "at+jwt" {
		t.Errorf("access token typ = %v, want at+jwt (RFC 9068 §2.1)", typ)
	}
	if a.refresh == "" {
		t.Error("no refresh token")
	}
}

func TestCode_GrantHasTheAuthorizedData(t *testing.T) {
	k := newKit(t)
	a := k.redeem(k.mustAuthorize(nil, nil))
	wantOK(t, a)
	g := k.grantOf(a.access)

	if g.State != storage.GrantActive || g.Client != "spa" || g.User != "alice" || g.GrantType != "authorization_code" || g.Directory != "main" {
		t.Errorf("grant is %+v", g)
	}
	if g.Code.RedirectURI != spaRedirect || !g.Code.RedirectURISent || g.Code.Challenge != challenge || g.Code.ChallengeMethod != "S256" || g.Code.RedeemedAt.IsZero() {
		t.Errorf("code is %+v", g.Code)
	}
	if g.Nonce != "n-0S6_WzA2Mj" || g.SID != "sid-1" || string(g.Claims) != `{"userinfo":{"email":null}}` || g.UserEpoch != 3 {
		t.Errorf("grant is %+v", g)
	}
	if g.Refresh == nil || g.Refresh.Generation != 1 {
		t.Errorf("refresh is %+v", g.Refresh)
	}
}

func TestRFC6749_4_1_2_SecondUseOfACodeRevokesItsGrant(t *testing.T) {
	k := newKit(t)
	code := k.mustAuthorize(nil, nil)
	first := k.redeem(code)
	wantOK(t, first)
	wantError(t, k.redeem(code), http.StatusBadRequest, "invalid_grant")
	if g := k.grantOf(first.access); g.State != storage.GrantRevoked || g.RevokedBecause != "reuse" {
		t.Errorf("grant is %s because %q, want revoked because reuse", g.State, g.RevokedBecause)
	}
	wantError(t, k.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
}

func TestCode_OneOfConcurrentRedemptionsSucceeds(t *testing.T) {
	for range 20 {
		k := newKit(t)
		code := k.mustAuthorize(nil, nil)
		answers := make([]tokenResponse, 16)
		var wait sync.WaitGroup
		for i := range answers {
			wait.Go(func() { answers[i] = k.redeem(code) })
		}
		wait.Wait()
		won := 0
		for _, a := range answers {
			if a.status == http.StatusOK {
				won++
				continue
			}
			wantError(t, a, http.StatusBadRequest, "invalid_grant")
		}
		if won != 1 {
			t.Fatalf("%d redemptions won, want 1", won)
		}
	}
}

func TestCode_ConcurrentRedemptionsAfterOneReadRevokeTheGrant(t *testing.T) {
	const callers = 16
	k := newKit(t)
	code := k.mustAuthorize(nil, nil)
	var arrived sync.WaitGroup
	arrived.Add(callers)
	var writes atomic.Int32
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == "Replace" && writes.Add(1) <= callers {
			arrived.Done()
			arrived.Wait()
		}
		return nil
	}
	answers := make([]tokenResponse, callers)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() { answers[i] = k.redeem(code) })
	}
	wait.Wait()
	won := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			won++
			if g := k.grantOf(a.access); g.State != storage.GrantRevoked {
				t.Errorf("RFC 6749 §10.5: the code was used %d times, its grant is %s", callers, g.State)
			}
			continue
		}
		wantError(t, a, http.StatusBadRequest, "invalid_grant")
	}
	if won != 1 {
		t.Fatalf("%d redemptions won, want 1", won)
	}
}

func TestCode_WithoutOpenIDScopeReturnsNoIDToken(t *testing.T) {
	k := newKit(t)
	a := k.redeem(k.mustAuthorize(url.Values{"scope": {"profile"}}, nil))
	wantOK(t, a)
	if a.id != "" || a.scope != "profile" {
		t.Errorf("scope %q, ID token %q", a.scope, a.id)
	}
}

func TestCode_StorageContractOfFosite(t *testing.T) {
	k := newKit(t)
	code := k.mustAuthorize(url.Values{"scope": {"profile"}}, nil)
	r := request(k, "", nil)
	if _, err := k.store.GetOpenIDConnectSession(k.begin(), code, r); !errors.Is(err, openid.ErrNoSessionFound) {
		t.Errorf("OpenID Connect session without openid: %v, want ErrNoSessionFound", err)
	}
	found, err := k.store.GetPKCERequestSession(k.begin(), code, &oauth2.Session{})
	if err != nil || found.GetRequestForm().Get("code_challenge") != challenge || found.GetRequestForm().Get("code_challenge_method") != "S256" {
		t.Errorf("PKCE session: %+v, %v", found, err)
	}
	record := k.client("spa").Record()
	record.AuthMethod = "client_secret_basic"
	k.register(record)
	without := k.mustAuthorize(url.Values{"code_challenge": {}, "code_challenge_method": {}}, nil)
	if _, err := k.store.GetPKCERequestSession(k.begin(), without, &oauth2.Session{}); !errors.Is(err, fosite.ErrNotFound) {
		t.Errorf("PKCE session without challenge: %v, want ErrNotFound", err)
	}
	for range 2 {
		err = k.store.InvalidateAuthorizeCodeSession(k.begin(), code)
	}
	if !errors.Is(err, fosite.ErrInvalidatedAuthorizeCode) {
		t.Errorf("second invalidation: %v, want ErrInvalidatedAuthorizeCode", err)
	}
	if _, err := k.store.GetAuthorizeCodeSession(k.begin(), k.signIn().refresh, r.Session); !errors.Is(err, fosite.ErrNotFound) {
		t.Errorf("a refresh token as a code: %v, want ErrNotFound", err)
	}
}

func TestCode_Expires(t *testing.T) {
	for name, change := range map[string]func(*storage.Grant){
		"with its grant":          nil,
		"before its grant is due": func(g *storage.Grant) { g.ExpiresAt = time.Now().Add(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t)
				code, late := k.mustAuthorize(nil, change), k.mustAuthorize(nil, change)
				time.Sleep(59 * time.Second)
				wantOK(t, k.redeem(code))
				time.Sleep(time.Second)
				wantError(t, k.redeem(late), http.StatusBadRequest, "invalid_grant")
			})
		})
	}
}

func TestCode_GrantExpiresAsItsNewGrantSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		id, err := k.store.GrantIDs(k.begin(), "interaction", "42")
		if err != nil {
			t.Fatal(err)
		}
		change := func(g *storage.Grant) { g.ID, g.ExpiresAt = id[0].ID, time.Now().Add(time.Hour) }
		k.mustAuthorize(nil, change)
		time.Sleep(59 * time.Minute)
		if _, err := k.authorize(nil, change); !isExists(err) {
			t.Errorf("a request was answered twice: %v", err)
		}
	})
}

func TestRFC6749_4_1_3_CodeBelongsToItsRedirectURIAndClient(t *testing.T) {
	tests := map[string]url.Values{
		"another redirect URI": {"redirect_uri": {"https://spa.example/other"}},
		"no redirect URI":      {"redirect_uri": {""}},
		"another client":       {"client_id": {"other"}},
	}
	for name, params := range tests {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.register(storage.Client{ID: "other", Kind: storage.ClientSPA, AuthMethod: "none", Scopes: []string{"openid"}})
			code := k.mustAuthorize(nil, nil)
			form := url.Values{
				"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": {spaRedirect}, "code_verifier": {verifier},
			}
			for name, values := range params {
				form[name] = values
			}
			wantError(t, k.token(form), http.StatusBadRequest, "invalid_grant")
			wantOK(t, k.redeem(code))
		})
	}
}

func TestCode_UsedCodeFromAnotherClientChangesNothing(t *testing.T) {
	k := newKit(t)
	k.register(storage.Client{ID: "other", Kind: storage.ClientSPA, AuthMethod: "none", Scopes: []string{"openid"}})
	code := k.mustAuthorize(nil, nil)
	a := k.redeem(code)
	wantOK(t, a)
	wantError(t, k.token(url.Values{"grant_type": {"authorization_code"}, "client_id": {"other"}, "code": {code}}), http.StatusBadRequest, "invalid_grant")
	if g := k.grantOf(a.access); g.State != storage.GrantActive {
		t.Errorf("grant is %s, want active", g.State)
	}
}

func TestRFC7636_4_6_ChallengeRequiresItsVerifier(t *testing.T) {
	k := newKit(t)
	k.register(storage.Client{
		ID: "web", Kind: storage.ClientWeb, AuthMethod: "client_secret_basic", RedirectURIs: []string{spaRedirect}, Scopes: []string{"openid"},
		Audiences: []string{"https://api.example"},
	})
	redeem := func(code, verifier string) tokenResponse {
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"web"}, "code": {code}, "redirect_uri": {spaRedirect}}
		if verifier != "" {
			form.Set("code_verifier", verifier)
		}
		return k.token(form)
	}
	web := url.Values{"client_id": {"web"}, "scope": {"openid"}}

	t.Run("and a wrong verifier does not take the challenge away", func(t *testing.T) {
		code := k.mustAuthorize(web, nil)
		wantError(t, redeem(code, verifier+"x"), http.StatusBadRequest, "invalid_grant")
		wantError(t, redeem(code, ""), http.StatusBadRequest, "invalid_grant")
		wantOK(t, redeem(code, verifier))
	})
	without := url.Values{"client_id": {"web"}, "scope": {"openid"}, "code_challenge": {}, "code_challenge_method": {}}
	t.Run("and no challenge makes a verifier wrong", func(t *testing.T) {
		wantError(t, redeem(k.mustAuthorize(without, nil), verifier), http.StatusBadRequest, "invalid_grant")
	})
	t.Run("and no challenge needs no verifier", func(t *testing.T) {
		wantOK(t, redeem(k.mustAuthorize(without, nil), ""))
	})
}

func TestCode_IsStoredWithItsChallenge(t *testing.T) {
	k := newKit(t)
	ctx := k.begin()
	id, err := k.store.NewGrantID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.store.NewGrant(ctx, storage.Grant{ID: id.ID, SecretGeneration: 1, User: "alice", UserEpoch: 3}); err != nil {
		t.Fatal(err)
	}
	kept := request(k, id.ID, url.Values{"redirect_uri": {spaRedirect}})
	if err := k.store.CreateAuthorizeCodeSession(ctx, "", kept); err != nil {
		t.Fatal(err)
	}
	if err := k.store.CreatePKCERequestSession(ctx, "", request(k, id.ID, url.Values{"code_challenge": {challenge}})); err == nil {
		t.Error("a challenge that the code lacks was passed over")
	}
	if err := k.store.CreateOpenIDConnectSession(ctx, "", request(k, id.ID, url.Values{"nonce": {"n"}})); err == nil {
		t.Error("a nonce that the code lacks was passed over")
	}
}

func TestCode_RepeatedAuthorizationRequestReturnsTheSameCode(t *testing.T) {
	k := newKit(t)
	ids, err := k.store.GrantIDs(k.begin(), "interaction", "42")
	if err != nil {
		t.Fatal(err)
	}
	same := func(g *storage.Grant) { g.ID = ids[0].ID }
	first := k.mustAuthorize(nil, same)
	if _, err := k.authorize(nil, same); !isExists(err) {
		t.Fatalf("second response: %v, want storage.ErrExists", err)
	}
	wantOK(t, k.redeem(first))
}

func TestCode_EndsWithItsUserClientAndDirectory(t *testing.T) {
	for name, end := range endings() {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			insert(t, k, storage.Session{Directory: "main", ID: "browser", User: "alice", UserEpoch: 3})
			code := k.mustAuthorize(nil, func(g *storage.Grant) { g.Session = "browser" })
			end(t, k)
			if a := k.redeem(code); a.error != "invalid_grant" && a.error != "invalid_client" {
				t.Errorf("got %d %s: %s", a.status, a.error, a.explanation)
			}
		})
	}
}
