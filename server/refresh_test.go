package server_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/minifed/minifed/storage"
)

func TestRefresh_WorksWithXOAuth2(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	config := oauth2.Config{ClientID: "mini", ClientSecret: secretOfMini, Endpoint: oauth2.Endpoint{TokenURL: ts.url + "/oauth2/token"}}
	source := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: a.member("refresh_token")})
	token := must(source.Token())(t)
	if token.RefreshToken == a.member("refresh_token") || token.AccessToken == "" || token.ExpiresIn != 600 {
		t.Errorf("got %+v", token)
	}
}

func TestOpenIDConnectCore_12_2_RefreshedIDTokenPreservesLogin(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice", "nonce", "first-nonce")
	ts.clock.Advance(5 * time.Minute)
	before, after := claims(t, a.member("id_token")), claims(t, ts.refresh("mini", a.member("refresh_token"), "nonce", "x").member("id_token"))
	for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time", "sid"} {
		if before[name] != after[name] {
			t.Errorf("%s was %v and is %v", name, before[name], after[name])
		}
	}
	if after["iat"] == before["iat"] || after["at_hash"] == before["at_hash"] || after["nonce"] != nil {
		t.Errorf("not fresh: %v", after)
	}
}

func TestRFC6749_6_TheScopeMayNarrowAndNeverWiden(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice", "scope", "openid profile offline_access")
	narrow := ts.refresh("mini", a.member("refresh_token"), "scope", "profile")
	if narrow.member("scope") != "profile" || narrow.body["id_token"] != nil || claims(t, narrow.member("access_token"))["scope"] != "profile" {
		t.Fatalf("got %s", narrow.raw)
	}
	full := ts.refresh("mini", narrow.member("refresh_token"))
	if full.member("scope") != "openid profile offline_access" {
		t.Errorf("the narrowing stuck: %s", full.raw)
	}
	for _, scope := range []string{"openid email", "email", "OPENID"} {
		if wide := ts.refresh("mini", full.member("refresh_token"), "scope", scope); wide.status != 400 || wide.member("error") != "invalid_scope" {
			t.Errorf("%s: got %d %s", scope, wide.status, wide.raw)
		}
	}
	if again := ts.refresh("mini", full.member("refresh_token")); again.status != http.StatusOK {
		t.Errorf("a rejected request spent the token: %s", again.raw)
	}
}

func TestRefresh_ParallelRequestsGetOneSuccessor(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			ts := newTestServerOn(t, c, engine(t, c))
			other := ts.secondInstance()
			first := ts.login("mini", "alice").member("refresh_token")
			answers := make([]response, 16)
			var calls sync.WaitGroup
			for i := range answers {
				calls.Go(func() { answers[i] = []*testServer{ts, other}[i%2].refresh("mini", first) })
			}
			calls.Wait()
			ts.clock.Advance(29 * time.Second)
			answers = append(answers, ts.refresh("mini", first)) // A late one.
			for _, a := range answers {
				if a.status != http.StatusOK || a.member("refresh_token") != answers[0].member("refresh_token") {
					t.Errorf("got %d %s", a.status, a.raw)
				}
			}
			if next := ts.refresh("mini", answers[0].member("refresh_token")); next.status != http.StatusOK {
				t.Errorf("the successor does not work: %s", next.raw)
			}
		})
	}
}

func TestRFC9700_4_14_ReuseRevokesTheGrant(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	second := ts.refresh("mini", a.member("refresh_token"))
	ts.clock.Advance(31 * time.Second)
	if reuse := ts.refresh("mini", a.member("refresh_token")); reuse.status != 400 || reuse.member("error") != "invalid_grant" {
		t.Fatalf("got %d %s", reuse.status, reuse.raw)
	}
	if got := ts.refresh("mini", second.member("refresh_token")); got.status != 400 || got.member("error") != "invalid_grant" {
		t.Errorf("the family lives: %d %s", got.status, got.raw)
	}
	if got := ts.userinfo(second.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("the access token lives: %d", got.status)
	}
}

func TestRefresh_OtherClientIsRejected(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("other", func(*storage.Client) {})
	a := ts.login("mini", "alice")
	for name, token := range map[string]string{
		"another client's": a.member("refresh_token"), "empty": "", "made up": "mf_rt_x", "an access token": a.member("access_token"),
	} {
		want := map[bool]string{true: "invalid_request", false: "invalid_grant"}[token == ""]
		if got := ts.refresh("other", token); got.status != 400 || got.member("error") != want {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	if got := ts.refresh("mini", a.member("refresh_token")); got.status != http.StatusOK {
		t.Errorf("the token was lost: %s", got.raw)
	}
}

func TestRefresh_RepeatAfterDisconnectGetsSameToken(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	stored := ts.watch(storage.KindGrant, "Replace")
	hangUp := ts.hangUp(func(caller *testServer) { caller.refresh("mini", a.member("refresh_token")) })
	<-stored
	hangUp()
	if got := ts.refresh("mini", a.member("refresh_token")); got.status != http.StatusOK || ts.refresh("mini", got.member("refresh_token")).status != http.StatusOK {
		t.Errorf("got %d %s", got.status, got.raw)
	}
}

func TestRefresh_PublicClientNeedsNoSecret(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	// The client becomes public after the login, which a mini-program's never is: it represents a single-page app here.
	ts.change("mini", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.member("refresh_token")}, "client_id": {"mini"}}
	if got := ts.send("/oauth2/token", form.Encode()); got.status != http.StatusOK {
		t.Errorf("got %d %s", got.status, got.raw)
	}
	if got := ts.exchange("mini", ts.app("mini").Login("alice")); got.status != http.StatusUnauthorized {
		t.Errorf("a public client shows a secret: %d %s", got.status, got.raw)
	}
}
