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

// tried sends one wrong or right secret of a client from an address.
func (w *world) tried(client, secret, address string) answer {
	w.Helper()
	return w.send("/oauth2/token", "grant_type=client_credentials", "Authorization", basic(client, secret), "X-Forwarded-For", address)
}

// behindProxy is a world whose callers come from the addresses that they say, with the clients "service" "other", and "chosen", whose secret a person chose.
func behindProxy(t *testing.T) *world {
	w := newWorld(t).with(func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	w.addService("service", func(*storage.Client) {})
	w.addService("other", func(*storage.Client) {})
	w.addService("chosen", func(c *storage.Client) { c.Secrets = []string{cheapHash(secretOfMini)} })
	return w
}

func (w *world) wantStatus(a answer, status int) {
	w.Helper()
	if a.status != status {
		w.Fatalf("got %d %s, want %d", a.status, a.raw, status)
	}
}

// TestClientAuth_ARightSecretIsNoFailure is what a library does that tries one method after the other: every token error makes it
// send the secret by the other method once more.
func TestClientAuth_ARightSecretIsNoFailure(t *testing.T) {
	for name, secrets := range map[string][]string{"generated": {fastHash(secretOfMini)}, "chosen": {cheapHash(secretOfMini)}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addService("poster", func(c *storage.Client) { c.AuthMethod, c.Secrets = "client_secret_post", secrets })
			for range 61 {
				w.wantStatus(w.send("/oauth2/token", "grant_type=refresh_token&refresh_token=x", "Authorization", basic("poster", secretOfMini)), http.StatusUnauthorized)
			}
			body := "grant_type=client_credentials&client_id=poster&client_secret=" + secretOfMini
			w.wantStatus(w.send("/oauth2/token", body), http.StatusOK)
			if counts := list[storage.Throttle](w); len(counts) > 0 {
				t.Errorf("counted: %v", counts)
			}
		})
	}
}

func TestClientAuth_GuessesAtAChosenSecretTakeLongerAndLonger(t *testing.T) {
	w := behindProxy(t)
	// Every guess comes from another network, as from a botnet.
	guess := func(i int) answer { return w.tried("chosen", "guess", fmt.Sprintf("198.51.%d.1", i)) }
	for i := range 20 {
		w.wantStatus(guess(i), http.StatusUnauthorized)
	}
	w.wantStatus(guess(20), http.StatusUnauthorized)
	for i, wait := range []int{1, 2, 4, 8} {
		a := guess(30 + i)
		w.wantStatus(a, http.StatusTooManyRequests)
		if a.text("error") != "temporarily_unavailable" || a.text("reason") != "rate_limited" || a.header.Get("Retry-After") != strconv.Itoa(wait) {
			t.Errorf("got %v %s, want a wait of %d s", a.header, a.raw, wait)
		}
		w.clock.Advance(time.Duration(wait) * time.Second)
		w.wantStatus(guess(40+i), http.StatusUnauthorized)
	}
	w.wantStatus(w.tried("chosen", secretOfMini, "198.51.99.1"), http.StatusTooManyRequests)
	w.wantStatus(w.tried("other", secretOfMini, "198.51.99.1"), http.StatusOK)
	w.clock.Advance(time.Minute)
	w.wantStatus(w.tried("chosen", secretOfMini, "198.51.99.1"), http.StatusOK)
}

func TestClientAuth_GuessesAtAGeneratedSecretLockNoClientOut(t *testing.T) {
	w := behindProxy(t)
	const attacker = "198.51.100.1"
	for i := range 100 {
		w.tried("service", "guess", fmt.Sprintf("198.51.%d.1", i))
		w.tried("service", "guess", attacker)
	}
	w.wantStatus(w.tried("service", "guess", attacker), http.StatusTooManyRequests)
	w.wantStatus(w.tried("service", secretOfMini, "203.0.113.7"), http.StatusOK)
	w.wantStatus(w.tried("service", secretOfMini, attacker), http.StatusOK)
	w.wantStatus(w.tried("service", "guess", attacker), http.StatusTooManyRequests)
}

func TestClientAuth_OthersFailuresAreNotHeldAgainstAKnownAddress(t *testing.T) {
	w := behindProxy(t)
	const home = "203.0.113.7"
	w.wantStatus(w.tried("chosen", secretOfMini, home), http.StatusOK)
	for i := range 25 {
		w.tried("chosen", "guess", fmt.Sprintf("198.51.%d.1", i))
	}
	for range 70 {
		w.tried("made-up", "guess", home) // Another backend at the same address, which is set up wrong.
	}
	w.wantStatus(w.tried("chosen", secretOfMini, "198.51.100.1"), http.StatusTooManyRequests)
	w.wantStatus(w.tried("chosen", secretOfMini, home), http.StatusOK)
	// One wrong secret, as of a process that was not restarted yet, changes nothing.
	w.wantStatus(w.tried("chosen", "old secret", home), http.StatusUnauthorized)
	w.wantStatus(w.tried("chosen", secretOfMini, home), http.StatusOK)
	// Guesses from that very address do not go on for ever, and are not held against the client elsewhere.
	for range 20 {
		w.wantStatus(w.tried("chosen", "guess", home), http.StatusUnauthorized)
	}
	w.wantStatus(w.tried("chosen", "guess", home), http.StatusTooManyRequests)
	w.clock.Advance(time.Hour)
	w.wantStatus(w.tried("chosen", secretOfMini, "198.51.100.1"), http.StatusOK)
}

func TestFailuresAreCountedByAddressWhateverClientTheyName(t *testing.T) {
	w := behindProxy(t)
	for i := range 61 {
		// An IPv6 caller has a whole /64.
		w.wantStatus(w.tried(fmt.Sprintf("made-up-%d", i), "guess", fmt.Sprintf("2001:db8:1:2::%x", i+1)), http.StatusUnauthorized)
	}
	a := w.tried("made-up", "guess", "2001:db8:1:2:ffff::1")
	w.wantStatus(a, http.StatusTooManyRequests)
	if a.header.Get("Retry-After") == "" {
		t.Error("it is not said for how long")
	}
	w.wantStatus(w.tried("made-up", "guess", "2001:db8:1:3::1"), http.StatusUnauthorized)
	// The address may be that of backends which do nothing wrong: those are served. One with a chosen secret waits once it guessed.
	w.wantStatus(w.tried("service", secretOfMini, "2001:db8:1:2::1"), http.StatusOK)
	w.wantStatus(w.tried("chosen", "guess", "2001:db8:1:2::1"), http.StatusUnauthorized)
	w.wantStatus(w.tried("chosen", secretOfMini, "2001:db8:1:2::1"), http.StatusTooManyRequests)
	w.wantStatus(w.tried("other", "guess", "2001:db8:1:2::1"), http.StatusTooManyRequests)
	w.wantStatus(w.tried("other", secretOfMini, "2001:db8:1:2::1"), http.StatusOK)
	if n := len(list[storage.Throttle](w)); n != 3 { // of two networks and of one client
		t.Errorf("%d counts are stored: clients that do not exist are not to be counted", n)
	}
	for _, count := range list[storage.Throttle](w) {
		if text := fmt.Sprintf("%+v", count); strings.Contains(text, "2001") || strings.Contains(text, "made-up") {
			t.Errorf("a count names its caller: %s", text)
		}
	}
}

func TestAPublicClientHasNothingToGuess(t *testing.T) {
	w := behindProxy(t)
	w.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	ask := func(client string) answer {
		return w.send("/oauth2/revoke", "client_id="+client+"&token=x", "X-Forwarded-For", "203.0.113.7")
	}
	for range 100 {
		w.wantStatus(ask("nobody"), http.StatusBadRequest)
	}
	w.wantStatus(ask("public"), http.StatusOK)
	if counts := list[storage.Throttle](w); len(counts) > 0 {
		t.Errorf("counted: %v", counts)
	}
}

func TestFailuresOfAssertionsAreCountedToo(t *testing.T) {
	w := behindProxy(t)
	w.addKeyed("keyed", signers()["ES256"])
	forged := newSigner("ES256", "key-ES256")
	try := func(by signer) answer {
		return w.asserted("/oauth2/token", by.sign(t, w.assertionClaims("keyed", "aud", w.config.PublicURL), nil), ownGrant())
	}
	for range 61 {
		w.wantStatus(try(forged), http.StatusBadRequest)
	}
	w.wantStatus(try(forged), http.StatusTooManyRequests)
	w.wantStatus(try(signers()["ES256"]), http.StatusOK)
}

func TestOnlyFailuresAreCountedInTheStore(t *testing.T) {
	w := behindProxy(t)
	w.tried("service", secretOfMini, "203.0.113.7")
	w.tried("chosen", secretOfMini, "203.0.113.8")
	counted := &tally{}
	w.engine.Before = counted.count
	for range 50 {
		w.wantStatus(w.tried("service", secretOfMini, "203.0.113.7"), http.StatusOK)
	}
	if len(counted.operations) > 0 {
		t.Errorf("success cost %v", counted.operations)
	}
	w.wantStatus(w.tried("chosen", "guess", "203.0.113.7"), http.StatusUnauthorized)
	if counted.writes != 2 || counted.reads != 2 {
		t.Errorf("a failure cost %d reads, %d writes", counted.reads, counted.writes)
	}
	w.engine.Before = nil
	for range 100 {
		w.tried("service", "guess", "203.0.113.7")
		w.tried("chosen", "guess", "203.0.113.7")
	}
	w.engine.Before = counted.count
	before := len(counted.operations)
	w.wantStatus(w.tried("service", "guess", "203.0.113.7"), http.StatusTooManyRequests)
	w.wantStatus(w.tried("chosen", "guess", "203.0.113.7"), http.StatusTooManyRequests)
	if len(counted.operations) != before {
		t.Errorf("a caller who has to wait cost %v", counted.operations[before:])
	}
}

func TestAnotherInstanceLearnsOfTheFailuresByOne(t *testing.T) {
	w := behindProxy(t)
	other := w.secondInstance()
	for range 25 {
		w.tried("chosen", "guess", "198.51.100.1")
	}
	other.wantStatus(other.tried("chosen", "guess", "198.51.101.1"), http.StatusUnauthorized)
	other.wantStatus(other.tried("chosen", "guess", "198.51.102.1"), http.StatusTooManyRequests)
}

func TestOneDirectorysFailuresAreNotAnothers(t *testing.T) {
	w := behindProxy(t)
	w.twoDirectories()
	w.addService("service", func(c *storage.Client) { c.Directory = "acme" })
	for range 30 {
		w.tried("service", "guess", "198.51.100.1")
	}
	a := w.send("/d/acme/oauth2/token", "grant_type=client_credentials", "Authorization", basic("service", secretOfMini), "X-Forwarded-For", "198.51.100.1")
	w.wantStatus(a, http.StatusOK)
}

func TestAnAuthenticatedClientIsLimitedByItselfAndNotByItsAddress(t *testing.T) {
	w := newWorld(t).with(func(c *server.Config) { c.ClientRate, c.ClientBurst = 2, 5 })
	w.addService("service", func(*storage.Client) {})
	w.addService("other", func(*storage.Client) {})
	w.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	for range 5 {
		w.wantStatus(w.credentials("service"), http.StatusOK)
	}
	a := w.credentials("service")
	w.wantStatus(a, http.StatusTooManyRequests)
	if a.text("reason") != "rate_limited" || a.header.Get("Retry-After") != "1" {
		t.Errorf("got %v %s", a.header, a.raw)
	}
	w.wantStatus(w.introspect("service", "x"), http.StatusTooManyRequests)
	w.wantStatus(w.credentials("other"), http.StatusOK)
	w.wantStatus(w.send("/oauth2/revoke", "client_id=public&token=x"), http.StatusOK)
	w.clock.Advance(500 * time.Millisecond)
	w.wantStatus(w.credentials("service"), http.StatusOK)
	w.wantStatus(w.credentials("service"), http.StatusTooManyRequests)
}

func TestAPublicClientIsLimitedAtEachAddressForItself(t *testing.T) {
	w := behindProxy(t).with(func(c *server.Config) { c.ClientRate, c.ClientBurst = 1, 2 })
	w.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	ask := func(address string) answer {
		return w.send("/oauth2/revoke", "client_id=public&token=x", "X-Forwarded-For", address)
	}
	w.wantStatus(ask("203.0.113.7"), http.StatusOK)
	w.wantStatus(ask("203.0.113.7"), http.StatusOK)
	w.wantStatus(ask("203.0.113.7"), http.StatusTooManyRequests)
	w.wantStatus(ask("203.0.113.8"), http.StatusOK)
}

func TestAWeChatUserWithTooManyWrongProofsHasToWait(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	try := func() answer {
		return w.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("mallory"), "phone_code": "made-up"})
	}
	for range 6 {
		a := try()
		w.wantStatus(a, http.StatusBadRequest)
		if a.text("reason") != "new_phone_code" {
			t.Errorf("got %s", a.raw)
		}
	}
	a := try()
	w.wantStatus(a, http.StatusTooManyRequests)
	if a.text("reason") != "rate_limited" || a.header.Get("Retry-After") != "1" {
		t.Errorf("got %v %s", a.header, a.raw)
	}
	// Others bind, and the user registers without such a proof.
	w.wantStatus(w.bindUser("binder", map[string]any{"method": "register", "code": app.Login("mallory")}), http.StatusOK)
	w.wantStatus(w.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": "made-up"}), http.StatusBadRequest)
	for _, count := range list[storage.Throttle](w) {
		if text := fmt.Sprintf("%+v", count); strings.Contains(text, string(app.OpenID("mallory"))) {
			t.Errorf("a count names the OpenID: %s", text)
		}
	}
}

func TestARateThatIsNoneIsAWrongConfiguration(t *testing.T) {
	w := newWorld(t)
	for _, edit := range []func(*server.Config){
		func(c *server.Config) { c.ClientRate = -1 },
		func(c *server.Config) { c.ClientRate = 2_000_000 },
		func(c *server.Config) { c.ClientBurst = -1 },
	} {
		config := w.config
		edit(&config)
		if _, err := server.New(config); err == nil {
			t.Errorf("accepted: %d, %d", config.ClientRate, config.ClientBurst)
		}
	}
}
