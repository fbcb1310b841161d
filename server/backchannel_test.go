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

// told is a site whose clients web and spa each have a relying party to tell of logouts.
func told(t *testing.T) (w *world, web, spa *relyingParty) {
	t.Helper()
	web, spa = newRelyingParty(t), newRelyingParty(t)
	w = newSite(t).reaching(web, spa)
	w.server.MountPlainPages()
	for client, party := range map[string]*relyingParty{"web": web, "spa": spa} {
		w.change(client, func(c *storage.Client) {
			c.BackchannelLogoutURI, c.PostLogoutRedirectURIs = party.URL+"/bye", []string{postLogout}
		})
	}
	return w, web, spa
}

// look does what is due now.
func (w *world) look() {
	w.Helper()
	check(w.T, w.server.Look(w.Context()))
}

// ended is the session of a browser as it is stored.
func (b *browser) stored() storage.Session {
	b.Helper()
	id, _, _ := strings.Cut(b.cookies["mf-default"], ".")
	return must(storage.Get[storage.Session](b.Context(), b.engine.Engine, storage.Key("default", id)))(b.T).Record
}

func (p *relyingParty) want(t *testing.T, when string, count int) []string {
	t.Helper()
	tokens := p.tokens()
	if len(tokens) != count {
		t.Errorf("%s: %d logout tokens, want %d", when, len(tokens), count)
	}
	return tokens
}

func TestBackChannelLogout_2_EveryClientOfTheSessionIsTold(t *testing.T) {
	w, web, spa := told(t)
	b, other := w.newBrowser(), w.newBrowser()
	b.flow("web")
	token := b.flow("spa").text("id_token")
	b.flow("native") // It wants to hear of nothing.
	other.flow("web")
	session := b.stored().ID
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	for client, party := range map[string]*relyingParty{"web": web, "spa": spa} {
		tokens := party.want(t, client, 1)
		if got := claims(t, tokens[0]); got["aud"] != client || got["sid"] != session || got["sub"] != "alice" || got["nonce"] != nil {
			t.Errorf("%s was told %v", client, got)
		}
		if header := jwtHeader(t, tokens[0]); header["alg"] != "ES256" || header["typ"] != "logout+jwt" {
			t.Errorf("%s: header %v", client, header)
		}
	}
	w.clock.Advance(24 * time.Hour)
	w.look()
	web.want(t, "once is enough", 1)
}

func TestBackChannelLogout_2_4_ALogoutTokenPassesForNothingElse(t *testing.T) {
	w, web, _ := told(t)
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	b.get(w.logoutURL("id_token_hint", token))
	logoutToken := web.want(t, "logout", 1)[0]
	if got := w.userinfo(logoutToken); got.status != http.StatusUnauthorized {
		t.Errorf("as access token: %d %s", got.status, got.raw)
	}
	b.flow("web")
	b.get(w.logoutURL("id_token_hint", logoutToken))
	b.wantAsked(t)
	b.get(w.authorizeURL("web", "id_token_hint", logoutToken))
	b.wantError(t, "invalid_request", "state-1")
}

func TestClientsHearOfEverySessionThatEnds(t *testing.T) {
	for name, row := range map[string]struct {
		end func(w *world, b *browser)
		// everywhere says that the session of the other browser ends, too.
		everywhere bool
	}{
		"logout that the user confirms": {func(_ *world, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout")
		}, false},
		"logout everywhere": {func(_ *world, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout", "everywhere", "1")
		}, true},
		"the account page": {func(_ *world, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out", map[string][]string{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, false},
		"the account page, everywhere": {func(_ *world, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out-everywhere", map[string][]string{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, true},
		"somebody else signs in": {func(w *world, b *browser) {
			b.get(w.authorizeURL("web", "prompt", "login"))
			b.signIn("bob")
		}, false},
		"an operator signs the user out": {func(w *world, _ *browser) {
			check(w.T, w.people().SignOutEverywhere(w.Context(), "default", "alice", identity.Operator("bob")))
		}, true},
		"an operator disables the user": {func(w *world, _ *browser) {
			check(w.T, w.people().Disable(w.Context(), "default", "alice", identity.Operator("bob")))
		}, true},
		"the user is deleted": {func(w *world, _ *browser) {
			check(w.T, w.people().Delete(w.Context(), "default", "alice", identity.Operator("bob")))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, web, spa := told(t)
			b, other := w.newBrowser(), w.newBrowser()
			b.flow("web")
			other.flow("spa")
			mine, theirs := b.stored().ID, other.stored().ID
			row.end(w, b)
			w.look()
			if got := claims(t, web.want(t, "of this browser", 1)[0]); got["sid"] != mine || got["sub"] != "alice" {
				t.Errorf("told %v", got)
			}
			if !row.everywhere {
				spa.want(t, "of the other browser", 0)
				return
			}
			if got := claims(t, spa.want(t, "of the other browser", 1)[0]); got["sid"] != theirs {
				t.Errorf("told %v", got)
			}
			w.look()
			web.want(t, "once is enough", 1)
			for _, user := range list[storage.User](w) {
				if !user.SessionsDueAt.IsZero() {
					t.Errorf("user %s is still due", user.ID)
				}
			}
		})
	}
}

func TestAUserWhoSignsInAgainAfterSigningOutEverywhereStaysSignedIn(t *testing.T) {
	w, web, _ := told(t)
	b := w.newBrowser()
	b.flow("web")
	check(t, w.people().SignOutEverywhere(t.Context(), "default", "alice", identity.Operator("bob")))
	again := w.newBrowser()
	again.flow("web")
	w.look()
	web.want(t, "the earlier session alone", 1)
	again.wantSilent(t, "the new session", "")
}

// TestBackChannelLogout_TheLogSaysWhatTheReceiverAnswered, bounded, on one line, and without what could be a token.
func TestBackChannelLogout_TheLogSaysWhatTheReceiverAnswered(t *testing.T) {
	w, web, _ := told(t)
	web.answers(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = rw.Write([]byte("iss does\n not match: " + strings.Repeat("t", 40) + strings.Repeat(" x", 500)))
	})
	w.change("web", func(c *storage.Client) { c.Incarnation = "abcdefghijklmnop" })
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	w.look()
	line := w.log.String()
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

func TestAClientThatDoesNotHearIsToldAgainAndGivenUpInTheEnd(t *testing.T) {
	w, web, spa := told(t)
	web.answers(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadRequest) })
	b := w.newBrowser()
	b.flow("spa")
	token := b.flow("web").text("id_token")
	session := b.stored()
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout) // The user is signed out whatever clients say.
	for i, wait := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour} {
		w.clock.Advance(wait - time.Millisecond)
		w.look()
		web.want(t, "before "+wait.String(), i+1)
		w.clock.Advance(time.Millisecond)
		w.look()
		web.want(t, "after "+wait.String(), i+2)
	}
	w.clock.Advance(10 * time.Hour)
	w.look()
	tokens := web.want(t, "after the last time", 7)
	spa.want(t, "who has heard is not told again", 1)
	ids := map[any]bool{}
	for _, token := range tokens {
		ids[claims(t, token)["jti"]] = true
	}
	if len(ids) != 7 || claims(t, tokens[6])["iat"] == claims(t, tokens[0])["iat"] {
		t.Errorf("the tokens are not fresh: %v", ids)
	}
	kept := must(storage.Get[storage.Session](t.Context(), w.engine, storage.Key("default", session.ID)))(t).Record
	if !kept.TellAt.IsZero() || !slices.Equal(slices.Collect(maps.Keys(kept.Clients)), []string{"web"}) {
		t.Errorf("what is left is %+v", kept)
	}
	if log := w.log.String(); !strings.Contains(log, `"attempt":7,"of":7`) || strings.Contains(log, "/bye") || strings.Contains(log, tokens[0]) {
		t.Errorf("log: %s", log)
	}
}

func TestAClientThatHearsLaterHearsOfASessionThatWouldHaveExpired(t *testing.T) {
	w, web, _ := told(t)
	web.answers(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) })
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	w.clock.Advance(12*time.Hour - time.Second) // The session was about to end of itself.
	b.get(w.logoutURL("id_token_hint", token))
	web.answers(nil)
	w.clock.Advance(time.Hour)
	w.look()
	web.want(t, "an hour later", 2)
	b.wantSilent(t, "meanwhile", "login_required")
}

func TestACrashLosesNoLogout(t *testing.T) {
	for name, hears := range map[string]bool{"before the client heard": false, "before it was written that the client heard": true} {
		t.Run(name, func(t *testing.T) {
			w, web, _ := told(t)
			b := w.newBrowser()
			token := b.flow("web").text("id_token")
			if !hears {
				web.answers(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			}
			writes := new(atomic.Int32)
			w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
				if o.Kind == storage.KindSession && o.Method == "Replace" && writes.Add(1) == 2 {
					return storage.ErrUnavailable // The first write ended the session; this one would say who has heard.
				}
				return nil
			}
			b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
			b.wantReturned(t, postLogout)
			w.engine.Before = nil
			web.answers(nil)
			// Another instance finds it when the lease is over, and not before.
			other := w.secondInstance()
			w.clock.Advance(30*time.Second - time.Millisecond)
			other.look()
			web.want(t, "during the lease", 1)
			w.clock.Advance(time.Millisecond)
			other.look()
			web.want(t, "after the lease", 2)
			w.clock.Advance(time.Hour)
			other.look()
			web.want(t, "afterwards", 2)
		})
	}
}

func TestOfTwoInstancesOneTells(t *testing.T) {
	w, web, _ := told(t)
	for i := range 5 {
		b := w.newBrowser()
		b.flow("web")
		w.changeSession(b.stored().ID, func(s *storage.Session) { s.EndedAt, s.TellAt = w.clock.Now(), w.clock.Now() })
		instances := []*world{w.secondInstance(), w.secondInstance(), w.secondInstance()}
		done := make(chan error, len(instances))
		for _, instance := range instances {
			go func() { done <- instance.server.Look(t.Context()) }()
		}
		for range instances {
			check(t, <-done)
		}
		web.want(t, "all instances", i+1)
	}
}

func TestAClientThatIsGoneOrWantsNothingAnyMoreIsNotTold(t *testing.T) {
	for name, edit := range map[string]func(*storage.Client){
		"disabled": func(c *storage.Client) { c.Disabled = true }, "without an address": func(c *storage.Client) { c.BackchannelLogoutURI = "" },
	} {
		t.Run(name, func(t *testing.T) {
			w, web, _ := told(t)
			b := w.newBrowser()
			b.flow("web")
			id := b.stored().ID
			w.change("web", edit)
			b.get(w.logoutURL())
			b.submit("logout")
			web.want(t, name, 0)
			if left := must(storage.Get[storage.Session](t.Context(), w.engine, storage.Key("default", id)))(t).Record; len(left.Clients) != 0 || !left.TellAt.IsZero() {
				t.Errorf("still to be told: %+v", left)
			}
		})
	}
}

func TestALogoutTokenIsSentToPublicAddressesAloneUnlessTheOperatorAllowsMore(t *testing.T) {
	party := newRelyingParty(t)
	w := newSite(t)
	w.change("web", func(c *storage.Client) { c.BackchannelLogoutURI = party.URL + "/bye" })
	b := w.newBrowser()
	b.flow("web")
	b.get(w.logoutURL())
	b.submit("logout")
	b.wantPage(t, http.StatusOK, signedOutText)
	party.want(t, "a private address", 0)
	if !strings.Contains(w.log.String(), "must not be called") {
		t.Errorf("log: %s", w.log.String())
	}
}

func TestAClientThatIsSlowDoesNotHoldUpItsUser(t *testing.T) {
	w, web, spa := told(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	web.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // To return would be to answer.
	})
	b := w.newBrowser()
	b.flow("spa")
	token := b.flow("web").text("id_token")
	session := b.stored().ID
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	spa.want(t, "who answers at once", 1)
	left := must(storage.Get[storage.Session](t.Context(), w.engine, storage.Key("default", session)))(t).Record
	if !slices.Equal(slices.Collect(maps.Keys(left.Clients)), []string{"web"}) || left.TellAt.IsZero() {
		t.Errorf("to be told again: %+v", left)
	}
}
