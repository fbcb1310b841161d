package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
)

// eventReceiver is the endpoint of a client for security events.
type eventReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	down   bool
}

func newEventReceiver(t *testing.T) *eventReceiver {
	t.Helper()
	p := new(eventReceiver)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := must(io.ReadAll(r.Body))(t)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/secevent+jwt" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("RFC 8935 §2.1: %s %v", r.Method, r.Header)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p.tokens = append(p.tokens, string(body))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *eventReceiver) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// take returns the claims of the received events, and forgets them.
func (p *eventReceiver) take(t *testing.T) (received []map[string]any) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, token := range p.tokens {
		if header := jwtHeader(t, token); header["typ"] != "secevent+jwt" || header["alg"] != "ES256" {
			t.Errorf("header %v", header)
		}
		received = append(received, claims(t, token))
	}
	p.tokens = nil
	return received
}

// newEventServer is a server whose clients shop and mini receive events.
func newEventServer(t *testing.T) (ts *pageTestServer, shop, mini *eventReceiver) {
	t.Helper()
	shop, mini = newEventReceiver(t), newEventReceiver(t)
	ts = newPageTestServer(t, func(c *server.Config) {
		roots := shop.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs.Clone()
		roots.AddCert(mini.Certificate())
		c.Fetch = outbound.Config{AllowPrivate: true, Roots: roots}
	})
	ts.change("shop", func(c *storage.Client) { c.EventURI = shop.URL + "/events" })
	ts.change("mini", func(c *storage.Client) { c.EventURI = mini.URL + "/events" })
	return ts, shop, mini
}

func TestRFC8417_EventsOfUsersReachTheirClients(t *testing.T) {
	t.Parallel()
	ts, shop, mini := newEventServer(t)
	older := ts.sub(ts.login("mini", "wanda"))
	ts.clock.Advance(time.Minute)
	younger := ts.addEmailUser("bella").ID
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid offline_access")
	b.signInAs("bella")
	b.press("consent-form", "allow")
	ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)

	wantEvent := func(receiver *eventReceiver, audience, subject, event string, body map[string]string) {
		t.Helper()
		ts.deliverDue()
		received := receiver.take(t)
		if len(received) != 1 {
			t.Fatalf("%s: received %v", event, received)
		}
		got := received[0]
		about, _ := got["sub_id"].(map[string]any)
		events, _ := got["events"].(map[string]any)
		said, there := events["urn:minifed:event:"+event].(map[string]any)
		if got["iss"] != ts.url || got["aud"] != audience || got["sub"] != nil || got["exp"] != nil || got["jti"] == nil || got["toe"] == nil {
			t.Errorf("%s: claims %v", event, got)
		}
		if about["format"] != "iss_sub" || about["iss"] != ts.url || about["sub"] != subject || !there || len(events) != 1 {
			t.Errorf("%s: about %v: %v", event, about, events)
		}
		for name, value := range body {
			if said[name] != value {
				t.Errorf("%s: %v", event, said)
			}
		}
	}
	merged := must(ts.identities.Merge(t.Context(), "default", older, younger, identity.Operator("ann")))(t)
	pair := map[string]string{"from": younger, "into": older}
	shop.setDown(true)
	ts.deliverDue()
	wantEvent(mini, "mini", younger, "merged", pair)
	shop.setDown(false)
	ts.clock.Advance(2 * 24 * time.Hour) // The client was away for two days.
	wantEvent(shop, "shop", younger, "merged", pair)
	ts.clock.Advance(4 * 24 * time.Hour)
	ts.deliverDue()
	if again := append(shop.take(t), mini.take(t)...); len(again) != 0 {
		t.Errorf("once is enough: %v", again)
	}

	check(t, ts.identities.Unmerge(t.Context(), "default", merged.Audit, identity.Operator("ann")))
	wantEvent(shop, "shop", younger, "unmerged", pair)
	wantEvent(mini, "mini", younger, "unmerged", pair)
	check(t, ts.identities.Disable(t.Context(), "default", younger, identity.Operator("ann")))
	wantEvent(shop, "shop", younger, "disabled", nil)
	check(t, ts.identities.Delete(t.Context(), "default", younger, identity.Operator("ann")))
	wantEvent(shop, "shop", younger, "deleted", nil)
	mini.take(t)

	// A third-party client is not notified of users that it never had.
	check(t, ts.identities.Delete(t.Context(), "default", older, identity.Operator("ann")))
	wantEvent(mini, "mini", older, "deleted", nil)
	if received := shop.take(t); len(received) != 0 {
		t.Errorf("shop received %v", received)
	}
}

func TestSecurityEvent_EndsAfterThreeDays(t *testing.T) {
	t.Parallel()
	ts, _, mini := newEventServer(t)
	sub := ts.sub(ts.login("mini", "wanda"))
	mini.setDown(true)
	check(t, ts.identities.Disable(t.Context(), "default", sub, identity.Operator("ann")))
	ts.deliverDue()
	if stored := list[storage.SecurityEvent](ts.testServer); len(stored) != 1 || stored[0].Attempts != 1 {
		t.Fatalf("stored: %+v", stored)
	}
	ts.clock.Advance(3*24*time.Hour + time.Minute)
	mini.setDown(false)
	ts.deliverDue()
	if received := mini.take(t); len(received) != 0 {
		t.Errorf("received %v", received)
	}
}
