package oauth2_test

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// The benchmarks leave signatures and HTTP out: they show what this package costs over an engine in memory.

func BenchmarkCreate(b *testing.B) {
	k := newKit(b)
	session := &oauth2.Session{}
	session.SetSubject("alice")
	scopes, audience := fosite.Arguments{"openid", "profile", "offline_access"}, fosite.Arguments{k.issuer.URL}
	form := url.Values{"grant_type": {exchangeGrant}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ctx := k.begin()
		ids, err := k.store.GrantIDs(ctx, "wechat", "mini", "wxsim", strconv.Itoa(i))
		if err != nil {
			b.Fatal(err)
		}
		draft := storage.Grant{ID: ids[0].ID, SecretGeneration: ids[0].SecretGeneration, User: "alice", UserEpoch: 3, Asked: "asked"}
		if err := k.store.NewGrant(ctx, draft); err != nil {
			b.Fatal(err)
		}
		r := &fosite.Request{ID: ids[0].ID, Client: k.client("mini"), Session: session, Form: form, GrantedScope: scopes, GrantedAudience: audience}
		if _, _, err := k.strategy.GenerateRefreshToken(ctx, r); err != nil {
			b.Fatal(err)
		}
		if _, err := k.store.BeginTX(ctx); err != nil {
			b.Fatal(err)
		}
		if err := k.store.CreateAccessTokenSession(ctx, "", r); err != nil {
			b.Fatal(err)
		}
		if err := k.store.CreateRefreshTokenSession(ctx, "", "", r); err != nil {
			b.Fatal(err)
		}
		if err := k.store.Commit(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefresh(b *testing.B) {
	k := newKit(b)
	a := k.signIn()
	id, token := k.grantOf(a.access).ID, a.refresh
	b.ReportAllocs()
	for b.Loop() {
		ctx := k.begin()
		r, err := k.store.GetRefreshTokenSession(ctx, token, &oauth2.Session{})
		if err != nil {
			b.Fatal(err)
		}
		if err := k.store.RotateRefreshToken(ctx, id, token); err != nil {
			b.Fatal(err)
		}
		if token, _, err = k.strategy.GenerateRefreshToken(ctx, withGrantType(r)); err != nil {
			b.Fatal(err)
		}
	}
}

func withGrantType(r fosite.Requester) fosite.Requester {
	r.GetRequestForm().Set("grant_type", "refresh_token")
	return r
}

func BenchmarkRefreshRequest(b *testing.B) {
	k := newKit(b)
	token := k.signIn().refresh
	b.ReportAllocs()
	for b.Loop() {
		a := k.refresh(token)
		wantOK(b, a)
		token = a.refresh
	}
}

func BenchmarkLive(b *testing.B) {
	k := newKit(b)
	id := k.grantOf(k.signIn().access).ID
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.store.ActiveGrant(k.begin(), id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkForgedHandle(b *testing.B) {
	k := newKit(b)
	forged := []byte(k.signIn().refresh)
	forged[len(forged)-1] ^= 1
	token := string(forged)
	ctx := k.begin()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.store.GetRefreshTokenSession(ctx, token, nil); err == nil {
			b.Fatal("accepted")
		}
	}
}
