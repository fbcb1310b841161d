package server_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// newLogoutTokenServer returns a populated server whose clients web and spa each have a relying party that receives logout
// tokens.
func newLogoutTokenServer(t *testing.T) (ts *testServer, web, spa *relyingParty) {
	t.Helper()
	web, spa = newRelyingParty(t), newRelyingParty(t)
	ts = newPopulatedServer(t).reaching(web, spa)
	ts.server.MountPlainPages()
	for client, party := range map[string]*relyingParty{"web": web, "spa": spa} {
		ts.change(client, func(c *storage.Client) {
			c.BackchannelLogoutURI, c.PostLogoutRedirectURIs = party.URL+"/bye", []string{postLogout}
		})
	}
	return ts, web, spa
}

// deliverDue delivers the logout tokens that are due.
func (ts *testServer) deliverDue() {
	ts.Helper()
	check(ts.T, ts.server.Look(ts.Context()))
}

// storedSession returns the stored session of a browser.
func (b *browser) storedSession() storage.Session {
	b.Helper()
	id, _, _ := strings.Cut(b.cookies["mf-default"], ".")
	return must(storage.Get[storage.Session](b.Context(), b.engine.Engine, storage.Key("default", id)))(b.T).Record
}

func (p *relyingParty) wantLogoutTokens(t *testing.T, when string, count int) []string {
	t.Helper()
	tokens := p.tokens()
	if len(tokens) != count {
		t.Errorf("%s: %d logout tokens, want %d", when, len(tokens), count)
	}
	return tokens
}

func TestBackChannelLogout_2_NotifiesEveryClientOfTheSession(t *testing.T) {
	ts, web, spa := newLogoutTokenServer(t)
	b, other := ts.newBrowser(), ts.newBrowser()
	b.flow("web")
	token := b.flow("spa").member("id_token")
	b.flow("native") // It has no back-channel logout URI.
	other.flow("web")
	session := b.storedSession().ID
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	for client, party := range map[string]*relyingParty{"web": web, "spa": spa} {
		tokens := party.wantLogoutTokens(t, client, 1)
		if got := claims(t, tokens[0]); got["aud"] != client || got["sid"] != session || got["sub"] != "alice" || got["nonce"] != nil {
			t.Errorf("%s received %v", client, got)
		}
		if header := jwtHeader(t, tokens[0]); header["alg"] != "ES256" || header["typ"] != "logout+jwt" {
			t.Errorf("%s: header %v", client, header)
		}
	}
	ts.clock.Advance(24 * time.Hour)
	ts.deliverDue()
	web.wantLogoutTokens(t, "once is enough", 1)
}

func TestBackChannelLogout_2_4_LogoutTokenIsNoOtherToken(t *testing.T) {
	ts, web, _ := newLogoutTokenServer(t)
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	b.get(ts.logoutURL("id_token_hint", token))
	logoutToken := web.wantLogoutTokens(t, "logout", 1)[0]
	if got := ts.userinfo(logoutToken); got.status != http.StatusUnauthorized {
		t.Errorf("as access token: %d %s", got.status, got.raw)
	}
	b.flow("web")
	b.get(ts.logoutURL("id_token_hint", logoutToken))
	b.wantAsked(t)
	b.get(ts.authorizeURL("web", "id_token_hint", logoutToken))
	b.wantError(t, "invalid_request", "state-1")
}

func TestBackChannelLogout_NotifiesForEveryCause(t *testing.T) {
	for name, row := range map[string]struct {
		end func(ts *testServer, b *browser)
		// everywhere reports that the session of the other browser ends, too.
		everywhere bool
	}{
		"logout that the user confirms": {func(_ *testServer, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout")
		}, false},
		"logout everywhere": {func(_ *testServer, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout", "everywhere", "1")
		}, true},
		"the account page": {func(_ *testServer, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out", map[string][]string{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, false},
		"the account page, everywhere": {func(_ *testServer, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out-everywhere", map[string][]string{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, true},
		"another user signs in": {func(ts *testServer, b *browser) {
			b.get(ts.authorizeURL("web", "prompt", "login"))
			b.signIn("bob")
		}, false},
		"an operator signs the user out": {func(ts *testServer, _ *browser) {
			check(ts.T, ts.identityService().SignOutEverywhere(ts.Context(), "default", "alice", identity.Operator("bob")))
		}, true},
		"an operator disables the user": {func(ts *testServer, _ *browser) {
			check(ts.T, ts.identityService().Disable(ts.Context(), "default", "alice", identity.Operator("bob")))
		}, true},
		"the user is deleted": {func(ts *testServer, _ *browser) {
			check(ts.T, ts.identityService().Delete(ts.Context(), "default", "alice", identity.Operator("bob")))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ts, web, spa := newLogoutTokenServer(t)
			b, other := ts.newBrowser(), ts.newBrowser()
			b.flow("web")
			other.flow("spa")
			mine, theirs := b.storedSession().ID, other.storedSession().ID
			row.end(ts, b)
			ts.deliverDue()
			if got := claims(t, web.wantLogoutTokens(t, "of this browser", 1)[0]); got["sid"] != mine || got["sub"] != "alice" {
				t.Errorf("sent %v", got)
			}
			if !row.everywhere {
				spa.wantLogoutTokens(t, "of the other browser", 0)
				return
			}
			if got := claims(t, spa.wantLogoutTokens(t, "of the other browser", 1)[0]); got["sid"] != theirs {
				t.Errorf("sent %v", got)
			}
			ts.deliverDue()
			web.wantLogoutTokens(t, "once is enough", 1)
			for _, user := range list[storage.User](ts) {
				if !user.SessionsDueAt.IsZero() {
					t.Errorf("user %s is still due", user.ID)
				}
			}
		})
	}
}

func TestBackChannelLogout_NewSessionIsUnaffectedBySignOutEverywhere(t *testing.T) {
	ts, web, _ := newLogoutTokenServer(t)
	b := ts.newBrowser()
	b.flow("web")
	check(t, ts.identityService().SignOutEverywhere(t.Context(), "default", "alice", identity.Operator("bob")))
	again := ts.newBrowser()
	again.flow("web")
	ts.deliverDue()
	web.wantLogoutTokens(t, "the earlier session alone", 1)
	again.wantSilent(t, "the new session", "")
}

// TestBackChannelLogout_LogsTheReceiversResponse: the log has one bounded line of it, without anything that could be a token.
func TestBackChannelLogout_LogsTheReceiversResponse(t *testing.T) {
	ts, web, _ := newLogoutTokenServer(t)
	web.respondWith(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = rw.Write([]byte("iss does\n not match: " + strings.Repeat("t", 40) + strings.Repeat(" x", 500)))
	})
	ts.change("web", func(c *storage.Client) { c.Incarnation = "abcdefghijklmnop" })
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	ts.deliverDue()
	line := ts.log.String()
	if _, line, _ = strings.Cut(line, "back-channel logout failed"); !strings.Contains(line, "status 400: iss does not match: (hidden)") {
		t.Errorf("logged %s", line)
	}
	if !strings.Contains(line, `"client":"web"`) {
		t.Errorf("the client's ID is not logged: %s", line)
	}
	if strings.Count(line, " x") > 100 {
		t.Error("the whole body is logged")
	}
}

func TestBackChannelLogout_RetriesAndThenStops(t *testing.T) {
	ts, web, spa := newLogoutTokenServer(t)
	web.respondWith(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadRequest) })
	b := ts.newBrowser()
	b.flow("spa")
	token := b.flow("web").member("id_token")
	session := b.storedSession()
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout) // The user is signed out even if the clients fail.
	for i, wait := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour} {
		ts.clock.Advance(wait - time.Millisecond)
		ts.deliverDue()
		web.wantLogoutTokens(t, "before "+wait.String(), i+1)
		ts.clock.Advance(time.Millisecond)
		ts.deliverDue()
		web.wantLogoutTokens(t, "after "+wait.String(), i+2)
	}
	ts.clock.Advance(10 * time.Hour)
	ts.deliverDue()
	tokens := web.wantLogoutTokens(t, "after the last time", 7)
	spa.wantLogoutTokens(t, "who has heard is not told again", 1)
	ids := map[any]bool{}
	for _, token := range tokens {
		ids[claims(t, token)["jti"]] = true
	}
	if len(ids) != 7 || claims(t, tokens[6])["iat"] == claims(t, tokens[0])["iat"] {
		t.Errorf("the tokens are not fresh: %v", ids)
	}
	kept := must(storage.Get[storage.Session](t.Context(), ts.engine, storage.Key("default", session.ID)))(t).Record
	if !kept.DeliverAt.IsZero() || !slices.Equal(slices.Collect(maps.Keys(kept.Clients)), []string{"web"}) {
		t.Errorf("remaining: %+v", kept)
	}
	if log := ts.log.String(); !strings.Contains(log, `"attempt":7,"of":7`) || strings.Contains(log, "/bye") || strings.Contains(log, tokens[0]) {
		t.Errorf("log: %s", log)
	}
}

func TestBackChannelLogout_RetryOutlivesSession(t *testing.T) {
	ts, web, _ := newLogoutTokenServer(t)
	web.respondWith(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) })
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	ts.clock.Advance(12*time.Hour - time.Second) // The session was about to expire.
	b.get(ts.logoutURL("id_token_hint", token))
	web.respondWith(nil)
	ts.clock.Advance(time.Hour)
	ts.deliverDue()
	web.wantLogoutTokens(t, "an hour later", 2)
	b.wantSilent(t, "meanwhile", "login_required")
}

func TestBackChannelLogout_SurvivesCrash(t *testing.T) {
	for name, hears := range map[string]bool{"before the client heard": false, "before it was written that the client heard": true} {
		t.Run(name, func(t *testing.T) {
			ts, web, _ := newLogoutTokenServer(t)
			b := ts.newBrowser()
			token := b.flow("web").member("id_token")
			if !hears {
				web.respondWith(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			}
			writes := new(atomic.Int32)
			ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
				if o.Kind == storage.KindSession && o.Method == "Replace" && writes.Add(1) == 2 {
					return storage.ErrUnavailable // The first write ended the session; the second would store which clients were notified.
				}
				return nil
			}
			b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
			b.wantReturned(t, postLogout)
			ts.engine.Before = nil
			web.respondWith(nil)
			// Another instance delivers after the lease expired, and not before.
			other := ts.secondInstance()
			ts.clock.Advance(30*time.Second - time.Millisecond)
			other.deliverDue()
			web.wantLogoutTokens(t, "during the lease", 1)
			ts.clock.Advance(time.Millisecond)
			other.deliverDue()
			web.wantLogoutTokens(t, "after the lease", 2)
			ts.clock.Advance(time.Hour)
			other.deliverDue()
			web.wantLogoutTokens(t, "afterwards", 2)
		})
	}
}

func TestBackChannelLogout_OneInstanceDelivers(t *testing.T) {
	ts, web, _ := newLogoutTokenServer(t)
	for i := range 5 {
		b := ts.newBrowser()
		b.flow("web")
		ts.changeSession(b.storedSession().ID, func(s *storage.Session) { s.EndedAt, s.DeliverAt = ts.clock.Now(), ts.clock.Now() })
		instances := []*testServer{ts.secondInstance(), ts.secondInstance(), ts.secondInstance()}
		done := make(chan error, len(instances))
		for _, instance := range instances {
			go func() { done <- instance.server.Look(t.Context()) }()
		}
		for range instances {
			check(t, <-done)
		}
		web.wantLogoutTokens(t, "all instances", i+1)
	}
}

func TestBackChannelLogout_SkipsDeletedAndUnsubscribedClients(t *testing.T) {
	for name, edit := range map[string]func(*storage.Client){
		"disabled": func(c *storage.Client) { c.Disabled = true }, "without an address": func(c *storage.Client) { c.BackchannelLogoutURI = "" },
	} {
		t.Run(name, func(t *testing.T) {
			ts, web, _ := newLogoutTokenServer(t)
			b := ts.newBrowser()
			b.flow("web")
			id := b.storedSession().ID
			ts.change("web", edit)
			b.get(ts.logoutURL())
			b.submit("logout")
			web.wantLogoutTokens(t, name, 0)
			if left := must(storage.Get[storage.Session](t.Context(), ts.engine, storage.Key("default", id)))(t).Record; len(left.Clients) != 0 || !left.DeliverAt.IsZero() {
				t.Errorf("still to be notified: %+v", left)
			}
		})
	}
}

func TestBackChannelLogout_RequiresPublicAddress(t *testing.T) {
	party := newRelyingParty(t)
	ts := newPopulatedServer(t)
	ts.change("web", func(c *storage.Client) { c.BackchannelLogoutURI = party.URL + "/bye" })
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.logoutURL())
	b.submit("logout")
	b.wantPage(t, http.StatusOK, signedOutText)
	party.wantLogoutTokens(t, "a private address", 0)
	if !strings.Contains(ts.log.String(), "must not be called") {
		t.Errorf("log: %s", ts.log.String())
	}
}

func TestBackChannelLogout_DoesNotDelayUser(t *testing.T) {
	ts, web, spa := newLogoutTokenServer(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	web.respondWith(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // A return would send a response.
	})
	b := ts.newBrowser()
	b.flow("spa")
	token := b.flow("web").member("id_token")
	session := b.storedSession().ID
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	spa.wantLogoutTokens(t, "who answers at once", 1)
	left := must(storage.Get[storage.Session](t.Context(), ts.engine, storage.Key("default", session)))(t).Record
	if !slices.Equal(slices.Collect(maps.Keys(left.Clients)), []string{"web"}) || left.DeliverAt.IsZero() {
		t.Errorf("to be notified again: %+v", left)
	}
}
