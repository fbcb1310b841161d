package oauth2_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// opaque selects opaque access tokens for a client.
func (k *kit) opaque(id string) {
	k.t.Helper()
	record := k.client(id).Record()
	record.OpaqueAccessTokens = true
	k.register(record)
}

func TestAccessToken_OpaqueHasTheDataOfItsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.opaque("spa")
		a := k.signIn()
		access, err := k.store.Access(k.begin(), a.access)
		if err != nil {
			t.Fatal(err)
		}
		if access.User.ID != "alice" || access.Client.GetID() != "spa" || access.Subject != "alice" {
			t.Errorf("access is %+v", access)
		}
		if !slices.Equal(access.Scopes, []string{"openid", "profile", "offline_access"}) || !slices.Equal(access.Audience, []string{"https://id.example", "https://api.example"}) {
			t.Errorf("scopes %v, audience %v", access.Scopes, access.Audience)
		}
		if id, ok := oauth2.GrantOf(access.JTI); !ok || id != access.Grant.ID {
			t.Errorf("jti %q does not name grant %q", access.JTI, access.Grant.ID)
		}
		if life := time.Until(access.ExpiresAt); life < 9*time.Minute || life > 10*time.Minute {
			t.Errorf("it lives %v", life)
		}
		again := k.refresh(a.refresh)
		wantOK(t, again)
		time.Sleep(10*time.Minute + time.Second)
		if _, err := k.store.Access(k.begin(), a.access); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("expired: %v, want ErrNoGrant", err)
		}
	})
}

func TestAccessToken_NarrowedOpaqueStaysNarrow(t *testing.T) {
	k := newKit(t)
	k.opaque("spa")
	a := k.token(url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {k.signIn().refresh},
		"scope": {"profile"}, "resource": {"https://api.example"},
	})
	wantOK(t, a)
	access, err := k.store.Access(k.begin(), a.access)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(access.Scopes, []string{"profile"}) || !slices.Equal(access.Audience, []string{"https://api.example"}) {
		t.Errorf("scopes %v, audience %v", access.Scopes, access.Audience)
	}
	session := &oauth2.Session{}
	found, err := k.store.GetAccessTokenSession(k.begin(), a.access, session)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(found.GetGrantedScopes()) != "[profile]" || session.GetSubject() != "alice" || !session.GetExpiresAt(fosite.AccessToken).Equal(access.ExpiresAt) {
		t.Errorf("fosite sees scopes %v, subject %q", found.GetGrantedScopes(), session.GetSubject())
	}
}

func TestAccessToken_OpaqueOfAnExchangeHasItsScopes(t *testing.T) {
	k := newKit(t)
	k.opaque("mini")
	a := k.exchange("code")
	wantOK(t, a)
	access, err := k.store.Access(k.begin(), a.access)
	if err != nil || !slices.Equal(access.Scopes, []string{"openid", "profile", "offline_access"}) || !slices.Equal(access.Audience, []string{"https://id.example"}) {
		t.Errorf("%+v, %v", access, err)
	}
}

func TestAccessToken_ClientCredentialsJWTHasNoGrant(t *testing.T) {
	k := newKit(t)
	var a tokenResponse
	reads, writes := k.operations(func() {
		a = k.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"service"}, "scope": {"read"}})
	})
	wantOK(t, a)
	if reads+writes != 0 {
		t.Errorf("%d reads, %d writes", reads, writes)
	}
	c := claims(t, a.access)
	if c["sub"] != "service" || c["client_id"] != "service" || c["scope"] != "read" {
		t.Errorf("claims are %v", c)
	}
	if _, ok := oauth2.GrantOf(c["jti"].(string)); ok {
		t.Errorf("jti %v names a grant", c["jti"])
	}
}

func TestAccessToken_ClientCredentialsOpaqueHasAGrantWithoutUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		k.opaque("service")
		var a tokenResponse
		reads, writes := k.operations(func() {
			a = k.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"service"}, "scope": {"read"}})
		})
		wantOK(t, a)
		if reads != 0 || writes != 1 {
			t.Errorf("%d reads, %d writes", reads, writes)
		}
		access, err := k.store.Access(k.begin(), a.access)
		if err != nil {
			t.Fatal(err)
		}
		if access.User.ID != "" || access.Subject != "service" || !slices.Equal(access.Scopes, []string{"read"}) || access.Grant.GrantType != "client_credentials" {
			t.Errorf("access is %+v", access)
		}
		time.Sleep(time.Hour)
		if _, err := k.memory.Get(t.Context(), storage.KindGrant, "main/"+access.Grant.ID); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the grant outlives its only token: %v", err)
		}
	})
}

func TestRFC7009_2_1_RevokingATokenEndsItsGrant(t *testing.T) {
	for name, pick := range map[string]func(tokenResponse) string{
		"refresh token":       func(a tokenResponse) string { return a.refresh },
		"opaque access token": func(a tokenResponse) string { return a.access },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.opaque("spa")
			a := k.signIn()
			if err := k.store.RevokeToken(k.begin(), k.client("mini"), pick(a)); !errors.Is(err, oauth2.ErrNoGrant) {
				t.Errorf("by another client: %v, want ErrNoGrant", err)
			}
			if _, err := k.store.Access(k.begin(), a.access); err != nil {
				t.Fatalf("another client revoked it: %v", err)
			}
			for range 2 {
				if err := k.store.RevokeToken(k.begin(), k.client("spa"), pick(a)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := k.store.Access(k.begin(), a.access); !errors.Is(err, oauth2.ErrNoGrant) {
				t.Errorf("access token: %v, want ErrNoGrant", err)
			}
			wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
		})
	}
}

func TestRevoke_ByFositeEndsTheGrant(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	id := k.grantOf(a.access).ID
	ctx := k.begin()
	for _, revoke := range []func() error{
		func() error { return k.store.RevokeAccessToken(ctx, id) },
		func() error { return k.store.RevokeRefreshToken(ctx, id) },
		func() error { return k.store.RevokeRefreshToken(ctx, "unknown") },
	} {
		if err := revoke(); err != nil {
			t.Fatal(err)
		}
	}
	if g := k.stored(id); g.State != storage.GrantRevoked || g.RevokedBecause != "revoked" {
		t.Errorf("grant is %s because %q", g.State, g.RevokedBecause)
	}
	for name, revoke := range map[string]func(*kit, tokenResponse) error{
		"DeleteAccessTokenSession":  func(k *kit, a tokenResponse) error { return k.store.DeleteAccessTokenSession(k.begin(), a.access) },
		"DeleteRefreshTokenSession": func(k *kit, a tokenResponse) error { return k.store.DeleteRefreshTokenSession(k.begin(), a.refresh) },
	} {
		k := newKit(t)
		k.opaque("spa")
		a := k.signIn()
		if err := revoke(k, a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantError(t, k.refresh(a.refresh), http.StatusBadRequest, "invalid_grant")
	}
}

func TestRevoke_JTIStaysRevokedUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		expiresAt := time.Now().Add(10 * time.Minute)
		want := func(jti string, want bool) {
			t.Helper()
			if got, err := k.store.JTIRevoked(k.begin(), jti); err != nil || got != want {
				t.Errorf("jti %s is revoked: %v, %v; want %v", jti, got, err, want)
			}
		}
		want("jti", false)
		for range 2 {
			if err := k.store.RevokeJTI(k.begin(), "jti", expiresAt); err != nil {
				t.Fatal(err)
			}
		}
		want("jti", true)
		want("other", false)
		other := oauth2.Begin(t.Context(), &oauth2.Issuer{Directory: storage.Directory{ID: "other"}})
		if got, err := k.store.JTIRevoked(other, "jti"); err != nil || got {
			t.Errorf("revoked in another directory too: %v, %v", got, err)
		}
		time.Sleep(10 * time.Minute)
		want("jti", false)
	})
}
