package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/minifed/minifed/storage"
)

// Faults of fosite that no other test of an endpoint would find.

func TestNonce_ShortValueIsReturned(t *testing.T) {
	ts := newPopulatedServer(t)
	if a := ts.newBrowser().flow("web", "nonce", "n"); claims(t, a.member("id_token"))["nonce"] != "n" {
		t.Errorf("of the code flow: %v", claims(t, a.member("id_token")))
	}
	if a := ts.login("mini", "alice", "nonce", "n"); claims(t, a.member("id_token"))["nonce"] != "n" {
		t.Errorf("of the exchange: %v", claims(t, a.member("id_token")))
	}
}

func TestIntrospection_PrivateKeyClientCannotUseFormerSecret(t *testing.T) {
	ts := newTestServer(t)
	key := signers()["ES256"]
	ts.addService("rotated", func(c *storage.Client) {
		c.AuthMethod, c.JWKS, c.Introspection = "private_key_jwt", jwks(key), true
	})
	token := ts.login("mini", "alice").member("access_token")
	if a := ts.introspect("rotated", token); a.status != http.StatusUnauthorized || a.member("error") != "invalid_client" {
		t.Errorf("by its secret: %d %s", a.status, a.raw)
	}
	a := ts.postWithAssertion("/oauth2/introspect", key.sign(t, ts.assertionClaims("rotated"), nil), url.Values{"token": {token}})
	if a.status != http.StatusOK || a.body["active"] != true {
		t.Errorf("by its key: %d %s", a.status, a.raw)
	}
}

func TestRequests_URLsInThemAreNotFetched(t *testing.T) {
	ts := newPopulatedServer(t)
	called := false
	outside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(outside.Close)
	ts.newBrowser().get(ts.authorizeURL("web", "request_uri", outside.URL))
	ts.send("/oauth2/par", ts.authorizeForm("web").Encode()+"&request_uri="+url.QueryEscape(outside.URL), "Authorization", basic("web", secretOfWeb))
	// A key or a URL of one in the header of an assertion is not trusted.
	key := newSigner("ES256", "x")
	ts.addPrivateKeyClient("keyed", signers()["ES256"])
	for _, header := range []string{"jku", "x5u"} {
		a := ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims("keyed"), headersOf(header, outside.URL)), ownGrant())
		if a.member("error") != "invalid_client" {
			t.Errorf("%s: %d %s", header, a.status, a.raw)
		}
	}
	if called {
		t.Error("an address in a request was called")
	}
}
