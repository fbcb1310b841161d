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

func TestAForeignLibraryRefreshes(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice")
	config := oauth2.Config{ClientID: "mini", ClientSecret: secretOfMini, Endpoint: oauth2.Endpoint{TokenURL: w.url + "/oauth2/token"}}
	source := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: a.text("refresh_token")})
	token := must(source.Token())(t)
	if token.RefreshToken == a.text("refresh_token") || token.AccessToken == "" || token.ExpiresIn != 600 {
		t.Errorf("got %+v", token)
	}
}

func TestOpenIDConnectCore_12_2_TheRefreshedIDTokenKeepsTheLogin(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice", "nonce", "first-nonce")
	w.clock.Advance(5 * time.Minute)
	before, after := claims(t, a.text("id_token")), claims(t, w.refresh("mini", a.text("refresh_token"), "nonce", "x").text("id_token"))
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
	w := newWorld(t)
	a := w.login("mini", "alice", "scope", "openid profile offline_access")
	narrow := w.refresh("mini", a.text("refresh_token"), "scope", "profile")
	if narrow.text("scope") != "profile" || narrow.body["id_token"] != nil || claims(t, narrow.text("access_token"))["scope"] != "profile" {
		t.Fatalf("got %s", narrow.raw)
	}
	full := w.refresh("mini", narrow.text("refresh_token"))
	if full.text("scope") != "openid profile offline_access" {
		t.Errorf("the narrowing stuck: %s", full.raw)
	}
	for _, scope := range []string{"openid email", "email", "OPENID"} {
		if wide := w.refresh("mini", full.text("refresh_token"), "scope", scope); wide.status != 400 || wide.text("error") != "invalid_scope" {
			t.Errorf("%s: got %d %s", scope, wide.status, wide.raw)
		}
	}
	if again := w.refresh("mini", full.text("refresh_token")); again.status != http.StatusOK {
		t.Errorf("a refused request cost the token: %s", again.raw)
	}
}

func TestSixteenParallelAndLateRefreshesConvergeOnOneSuccessor(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			w := newWorldOn(t, c, engine(t, c))
			other := w.secondInstance()
			first := w.login("mini", "alice").text("refresh_token")
			answers := make([]answer, 16)
			var calls sync.WaitGroup
			for i := range answers {
				calls.Go(func() { answers[i] = []*world{w, other}[i%2].refresh("mini", first) })
			}
			calls.Wait()
			w.clock.Advance(29 * time.Second)
			answers = append(answers, w.refresh("mini", first)) // A late one.
			for _, a := range answers {
				if a.status != http.StatusOK || a.text("refresh_token") != answers[0].text("refresh_token") {
					t.Errorf("got %d %s", a.status, a.raw)
				}
			}
			if next := w.refresh("mini", answers[0].text("refresh_token")); next.status != http.StatusOK {
				t.Errorf("the successor does not work: %s", next.raw)
			}
		})
	}
}

func TestRFC9700_4_14_ReuseRevokesTheGrant(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice")
	second := w.refresh("mini", a.text("refresh_token"))
	w.clock.Advance(31 * time.Second)
	if reuse := w.refresh("mini", a.text("refresh_token")); reuse.status != 400 || reuse.text("error") != "invalid_grant" {
		t.Fatalf("got %d %s", reuse.status, reuse.raw)
	}
	if got := w.refresh("mini", second.text("refresh_token")); got.status != 400 || got.text("error") != "invalid_grant" {
		t.Errorf("the family lives: %d %s", got.status, got.raw)
	}
	if got := w.userinfo(second.text("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("the access token lives: %d", got.status)
	}
}

func TestARefreshTokenIsWorthNothingToAnotherClientAndStaysGood(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("other", func(*storage.Client) {})
	a := w.login("mini", "alice")
	for name, token := range map[string]string{
		"another client's": a.text("refresh_token"), "empty": "", "made up": "mf_rt_x", "an access token": a.text("access_token"),
	} {
		want := map[bool]string{true: "invalid_request", false: "invalid_grant"}[token == ""]
		if got := w.refresh("other", token); got.status != 400 || got.text("error") != want {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	if got := w.refresh("mini", a.text("refresh_token")); got.status != http.StatusOK {
		t.Errorf("the token was lost: %s", got.raw)
	}
}

func TestARefreshThatHangsUpIsAnsweredTheSameNextTime(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice")
	stored := w.watch(storage.KindGrant, "Replace")
	hangUp := w.hangUp(func(caller *world) { caller.refresh("mini", a.text("refresh_token")) })
	<-stored
	hangUp()
	if got := w.refresh("mini", a.text("refresh_token")); got.status != http.StatusOK || w.refresh("mini", got.text("refresh_token")).status != http.StatusOK {
		t.Errorf("got %d %s", got.status, got.raw)
	}
}

func TestPublicClientsRefreshWithoutSecret(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice")
	// The client is made public after the login, which a mini-program's never is: it stands in for a single-page app here.
	w.change("mini", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}, "client_id": {"mini"}}
	if got := w.send("/oauth2/token", form.Encode()); got.status != http.StatusOK {
		t.Errorf("got %d %s", got.status, got.raw)
	}
	if got := w.exchange("mini", w.app("mini").Login("alice")); got.status != http.StatusUnauthorized {
		t.Errorf("a public client shows a secret: %d %s", got.status, got.raw)
	}
}
