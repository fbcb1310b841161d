package server_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// requestTokenFrom sends a secret of a client from an address.
func (ts *testServer) requestTokenFrom(client, secret, address string) response {
	ts.Helper()
	return ts.send("/oauth2/token", "grant_type=client_credentials", "Authorization", basic(client, secret), "X-Forwarded-For", address)
}

// newServerBehindProxy returns a test server whose callers set their address in a header. Its clients are "service", "other",
// and "chosen", whose secret a person chose.
func newServerBehindProxy(t *testing.T) *testServer {
	ts := newTestServer(t).withConfig(func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	ts.addService("service", func(*storage.Client) {})
	ts.addService("other", func(*storage.Client) {})
	ts.addService("chosen", func(c *storage.Client) { c.Secrets = []string{cheapHash(secretOfMini)} })
	return ts
}

func (ts *testServer) wantStatus(a response, status int) {
	ts.Helper()
	if a.status != status {
		ts.Fatalf("got %d %s, want %d", a.status, a.raw, status)
	}
}

// TestClientAuth_RightSecretCountsNoFailure: some libraries try one method after the other. After every token error they send
// the secret again by the other method.
func TestClientAuth_RightSecretCountsNoFailure(t *testing.T) {
	for name, secrets := range map[string][]string{"generated": {fastHash(secretOfMini)}, "chosen": {cheapHash(secretOfMini)}} {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t)
			ts.addService("poster", func(c *storage.Client) { c.AuthMethod, c.Secrets = "client_secret_post", secrets })
			for range 61 {
				ts.wantStatus(ts.send("/oauth2/token", "grant_type=refresh_token&refresh_token=x", "Authorization", basic("poster", secretOfMini)), http.StatusUnauthorized)
			}
			body := "grant_type=client_credentials&client_id=poster&client_secret=" + secretOfMini
			ts.wantStatus(ts.send("/oauth2/token", body), http.StatusOK)
			if counts := list[storage.Throttle](ts); len(counts) > 0 {
				t.Errorf("counted: %v", counts)
			}
		})
	}
}

func TestClientAuth_GuessesAtChosenSecretWaitLonger(t *testing.T) {
	ts := newServerBehindProxy(t)
	// Every guess comes from another network, as from a botnet.
	guess := func(i int) response { return ts.requestTokenFrom("chosen", "guess", fmt.Sprintf("198.51.%d.1", i)) }
	for i := range 20 {
		ts.wantStatus(guess(i), http.StatusUnauthorized)
	}
	ts.wantStatus(guess(20), http.StatusUnauthorized)
	for i, wait := range []int{1, 2, 4, 8} {
		a := guess(30 + i)
		ts.wantStatus(a, http.StatusTooManyRequests)
		if a.member("error") != "temporarily_unavailable" || a.member("reason") != "rate_limited" || a.header.Get("Retry-After") != strconv.Itoa(wait) {
			t.Errorf("got %v %s, want a wait of %d s", a.header, a.raw, wait)
		}
		ts.clock.Advance(time.Duration(wait) * time.Second)
		ts.wantStatus(guess(40+i), http.StatusUnauthorized)
	}
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, "198.51.99.1"), http.StatusTooManyRequests)
	ts.wantStatus(ts.requestTokenFrom("other", secretOfMini, "198.51.99.1"), http.StatusOK)
	ts.clock.Advance(time.Minute)
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, "198.51.99.1"), http.StatusOK)
}

func TestClientAuth_GuessesAtGeneratedSecretLockNoClient(t *testing.T) {
	ts := newServerBehindProxy(t)
	const attacker = "198.51.100.1"
	for i := range 100 {
		ts.requestTokenFrom("service", "guess", fmt.Sprintf("198.51.%d.1", i))
		ts.requestTokenFrom("service", "guess", attacker)
	}
	ts.wantStatus(ts.requestTokenFrom("service", "guess", attacker), http.StatusTooManyRequests)
	ts.wantStatus(ts.requestTokenFrom("service", secretOfMini, "203.0.113.7"), http.StatusOK)
	ts.wantStatus(ts.requestTokenFrom("service", secretOfMini, attacker), http.StatusOK)
	ts.wantStatus(ts.requestTokenFrom("service", "guess", attacker), http.StatusTooManyRequests)
}

func TestClientAuth_KnownAddressIsUnaffectedByOtherFailures(t *testing.T) {
	ts := newServerBehindProxy(t)
	const home = "203.0.113.7"
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, home), http.StatusOK)
	for i := range 25 {
		ts.requestTokenFrom("chosen", "guess", fmt.Sprintf("198.51.%d.1", i))
	}
	for range 70 {
		ts.requestTokenFrom("made-up", "guess", home) // Another backend at the same address has a wrong configuration.
	}
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, "198.51.100.1"), http.StatusTooManyRequests)
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, home), http.StatusOK)
	// One wrong secret, such as of a process that was not restarted yet, changes nothing.
	ts.wantStatus(ts.requestTokenFrom("chosen", "old secret", home), http.StatusUnauthorized)
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, home), http.StatusOK)
	// Guesses from that address are limited, and do not affect the client at other addresses.
	for range 20 {
		ts.wantStatus(ts.requestTokenFrom("chosen", "guess", home), http.StatusUnauthorized)
	}
	ts.wantStatus(ts.requestTokenFrom("chosen", "guess", home), http.StatusTooManyRequests)
	ts.clock.Advance(time.Hour)
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, "198.51.100.1"), http.StatusOK)
}

func TestClientAuth_CountsFailuresByAddress(t *testing.T) {
	ts := newServerBehindProxy(t)
	for i := range 61 {
		// An IPv6 caller has a whole /64.
		ts.wantStatus(ts.requestTokenFrom(fmt.Sprintf("made-up-%d", i), "guess", fmt.Sprintf("2001:db8:1:2::%x", i+1)), http.StatusUnauthorized)
	}
	a := ts.requestTokenFrom("made-up", "guess", "2001:db8:1:2:ffff::1")
	ts.wantStatus(a, http.StatusTooManyRequests)
	if a.header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
	ts.wantStatus(ts.requestTokenFrom("made-up", "guess", "2001:db8:1:3::1"), http.StatusUnauthorized)
	// Working backends may share the address: their requests are accepted. A client with a chosen secret waits once it guessed.
	ts.wantStatus(ts.requestTokenFrom("service", secretOfMini, "2001:db8:1:2::1"), http.StatusOK)
	ts.wantStatus(ts.requestTokenFrom("chosen", "guess", "2001:db8:1:2::1"), http.StatusUnauthorized)
	ts.wantStatus(ts.requestTokenFrom("chosen", secretOfMini, "2001:db8:1:2::1"), http.StatusTooManyRequests)
	ts.wantStatus(ts.requestTokenFrom("other", "guess", "2001:db8:1:2::1"), http.StatusTooManyRequests)
	ts.wantStatus(ts.requestTokenFrom("other", secretOfMini, "2001:db8:1:2::1"), http.StatusOK)
	if n := len(list[storage.Throttle](ts)); n != 3 { // of two networks and of one client
		t.Errorf("%d counts are stored: clients that do not exist are not to be counted", n)
	}
	for _, count := range list[storage.Throttle](ts) {
		if text := fmt.Sprintf("%+v", count); strings.Contains(text, "2001") || strings.Contains(text, "made-up") {
			t.Errorf("a count names its caller: %s", text)
		}
	}
}

func TestClientAuth_PublicClientCountsNoFailure(t *testing.T) {
	ts := newServerBehindProxy(t)
	ts.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	ask := func(client string) response {
		return ts.send("/oauth2/revoke", "client_id="+client+"&token=x", "X-Forwarded-For", "203.0.113.7")
	}
	for range 100 {
		ts.wantStatus(ask("nobody"), http.StatusBadRequest)
	}
	ts.wantStatus(ask("public"), http.StatusOK)
	if counts := list[storage.Throttle](ts); len(counts) > 0 {
		t.Errorf("counted: %v", counts)
	}
}

func TestClientAuth_CountsFailedAssertions(t *testing.T) {
	ts := newServerBehindProxy(t)
	ts.addPrivateKeyClient("keyed", signers()["ES256"])
	forged := newSigner("ES256", "key-ES256")
	try := func(by signer) response {
		return ts.postWithAssertion("/oauth2/token", by.sign(t, ts.assertionClaims("keyed", "aud", ts.config.PublicURL), nil), ownGrant())
	}
	for range 61 {
		ts.wantStatus(try(forged), http.StatusBadRequest)
	}
	ts.wantStatus(try(forged), http.StatusTooManyRequests)
	ts.wantStatus(try(signers()["ES256"]), http.StatusOK)
}

func TestClientAuth_StoresOnlyFailures(t *testing.T) {
	ts := newServerBehindProxy(t)
	ts.requestTokenFrom("service", secretOfMini, "203.0.113.7")
	ts.requestTokenFrom("chosen", secretOfMini, "203.0.113.8")
	counted := &operationCounter{}
	ts.engine.Before = counted.count
	for range 50 {
		ts.wantStatus(ts.requestTokenFrom("service", secretOfMini, "203.0.113.7"), http.StatusOK)
	}
	if len(counted.operations) > 0 {
		t.Errorf("success cost %v", counted.operations)
	}
	ts.wantStatus(ts.requestTokenFrom("chosen", "guess", "203.0.113.7"), http.StatusUnauthorized)
	if counted.writes != 2 || counted.reads != 2 {
		t.Errorf("a failure cost %d reads, %d writes", counted.reads, counted.writes)
	}
	ts.engine.Before = nil
	for range 100 {
		ts.requestTokenFrom("service", "guess", "203.0.113.7")
		ts.requestTokenFrom("chosen", "guess", "203.0.113.7")
	}
	ts.engine.Before = counted.count
	before := len(counted.operations)
	ts.wantStatus(ts.requestTokenFrom("service", "guess", "203.0.113.7"), http.StatusTooManyRequests)
	ts.wantStatus(ts.requestTokenFrom("chosen", "guess", "203.0.113.7"), http.StatusTooManyRequests)
	if len(counted.operations) != before {
		t.Errorf("a caller who has to wait cost %v", counted.operations[before:])
	}
}

func TestClientAuth_InstancesShareFailures(t *testing.T) {
	ts := newServerBehindProxy(t)
	other := ts.secondInstance()
	for range 25 {
		ts.requestTokenFrom("chosen", "guess", "198.51.100.1")
	}
	other.wantStatus(other.requestTokenFrom("chosen", "guess", "198.51.101.1"), http.StatusUnauthorized)
	other.wantStatus(other.requestTokenFrom("chosen", "guess", "198.51.102.1"), http.StatusTooManyRequests)
}

func TestClientAuth_CountsFailuresByDirectory(t *testing.T) {
	ts := newServerBehindProxy(t)
	ts.twoDirectories()
	ts.addService("service", func(c *storage.Client) { c.Directory = "acme" })
	for range 30 {
		ts.requestTokenFrom("service", "guess", "198.51.100.1")
	}
	a := ts.send("/d/acme/oauth2/token", "grant_type=client_credentials", "Authorization", basic("service", secretOfMini), "X-Forwarded-For", "198.51.100.1")
	ts.wantStatus(a, http.StatusOK)
}

func TestRateLimit_AuthenticatedClientIsLimitedByID(t *testing.T) {
	ts := newTestServer(t).withConfig(func(c *server.Config) { c.ClientRate, c.ClientBurst = 2, 5 })
	ts.addService("service", func(*storage.Client) {})
	ts.addService("other", func(*storage.Client) {})
	ts.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	for range 5 {
		ts.wantStatus(ts.credentials("service"), http.StatusOK)
	}
	a := ts.credentials("service")
	ts.wantStatus(a, http.StatusTooManyRequests)
	if a.member("reason") != "rate_limited" || a.header.Get("Retry-After") != "1" {
		t.Errorf("got %v %s", a.header, a.raw)
	}
	ts.wantStatus(ts.introspect("service", "x"), http.StatusTooManyRequests)
	ts.wantStatus(ts.credentials("other"), http.StatusOK)
	ts.wantStatus(ts.send("/oauth2/revoke", "client_id=public&token=x"), http.StatusOK)
	ts.clock.Advance(500 * time.Millisecond)
	ts.wantStatus(ts.credentials("service"), http.StatusOK)
	ts.wantStatus(ts.credentials("service"), http.StatusTooManyRequests)
}

func TestRateLimit_PublicClientIsLimitedByAddress(t *testing.T) {
	ts := newServerBehindProxy(t).withConfig(func(c *server.Config) { c.ClientRate, c.ClientBurst = 1, 2 })
	ts.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	ask := func(address string) response {
		return ts.send("/oauth2/revoke", "client_id=public&token=x", "X-Forwarded-For", address)
	}
	ts.wantStatus(ask("203.0.113.7"), http.StatusOK)
	ts.wantStatus(ask("203.0.113.7"), http.StatusOK)
	ts.wantStatus(ask("203.0.113.7"), http.StatusTooManyRequests)
	ts.wantStatus(ask("203.0.113.8"), http.StatusOK)
}

func TestRateLimit_WeChatUserWaitsAfterWrongProofs(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	try := func() response {
		return ts.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("mallory"), "phone_code": "made-up"})
	}
	for range 6 {
		a := try()
		ts.wantStatus(a, http.StatusBadRequest)
		if a.member("reason") != "new_phone_code" {
			t.Errorf("got %s", a.raw)
		}
	}
	a := try()
	ts.wantStatus(a, http.StatusTooManyRequests)
	if a.member("reason") != "rate_limited" || a.header.Get("Retry-After") != "1" {
		t.Errorf("got %v %s", a.header, a.raw)
	}
	// Other users bind, and the user registers without such a proof.
	ts.wantStatus(ts.bindUser("binder", map[string]any{"method": "register", "code": app.Login("mallory")}), http.StatusOK)
	ts.wantStatus(ts.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": "made-up"}), http.StatusBadRequest)
	for _, count := range list[storage.Throttle](ts) {
		if text := fmt.Sprintf("%+v", count); strings.Contains(text, string(app.OpenID("mallory"))) {
			t.Errorf("a count names the OpenID: %s", text)
		}
	}
}

func TestRateLimit_InvalidRateFailsConfiguration(t *testing.T) {
	ts := newTestServer(t)
	for _, edit := range []func(*server.Config){
		func(c *server.Config) { c.ClientRate = -1 },
		func(c *server.Config) { c.ClientRate = 2_000_000 },
		func(c *server.Config) { c.ClientBurst = -1 },
	} {
		config := ts.config
		edit(&config)
		if _, err := server.New(config); err == nil {
			t.Errorf("accepted: %d, %d", config.ClientRate, config.ClientBurst)
		}
	}
}
