package server_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// pairwiseSite is a site whose client spa knows its users by subjects of its own.
func pairwiseSite(t *testing.T) *world {
	t.Helper()
	w := newSite(t)
	w.change("spa", func(c *storage.Client) { c.Pairwise = true })
	return w
}

// subOf is the subject of a JWT.
func subOf(t *testing.T, token string) string {
	t.Helper()
	sub, _ := claims(t, token)["sub"].(string)
	return sub
}

func TestOIDCCore_8_1_APairwiseSubjectIsTheSameEverywhere(t *testing.T) {
	for name, opaque := range map[string]bool{"access tokens that are JWTs": false, "opaque ones": true} {
		t.Run(name, func(t *testing.T) {
			party := newRelyingParty(t)
			w := newSite(t).reaching(party)
			w.server.MountPlainPages()
			w.change("web", func(c *storage.Client) {
				c.Pairwise, c.OpaqueAccessTokens, c.BackchannelLogoutURI = true, opaque, party.URL+"/bye"
			})
			b := w.newBrowser()
			first := b.flow("web", "scope", "openid profile")
			sub := subOf(t, first.text("id_token"))
			if sub == "" || strings.Contains(sub, "alice") || strings.Trim(sub, "abcdefghijklmnopqrstuvwxyz234567") != "" || len(sub) != 32 {
				t.Fatalf("sub is %q", sub)
			}
			refreshed := w.refresh("web", first.text("refresh_token"))
			again := b.flow("web", "prompt", "none")
			got := map[string]string{
				"refreshed ID token": subOf(t, refreshed.text("id_token")),
				"next ID token":      subOf(t, again.text("id_token")),
				"UserInfo":           w.userinfo(first.text("access_token")).text("sub"),
				"introspection":      w.introspect("web", first.text("access_token")).text("sub"),
				"... of the refresh": w.introspect("web", refreshed.text("refresh_token")).text("sub"),
			}
			if !opaque {
				got["at+jwt"] = subOf(t, first.text("access_token"))
				got["refreshed at+jwt"] = subOf(t, refreshed.text("access_token"))
			}
			// A hint of it, and a demand for it, mean the user; those of somebody else's do not.
			for what, parameters := range map[string][]string{
				"id_token_hint": {"id_token_hint", first.text("id_token")},
				"claims":        {"claims", `{"id_token":{"sub":{"value":"` + sub + `"}}}`},
			} {
				got[what] = subOf(t, b.flow("web", append(parameters, "prompt", "none")...).text("id_token"))
			}
			b.get(w.authorizeURL("web", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"alice"}}}`))
			b.wantError(t, "login_required", "state-1")
			// The logout token.
			b.get(w.logoutURL("id_token_hint", again.text("id_token")))
			told := claims(t, party.want(t, "logout", 1)[0])
			got["logout token"], _ = told["sub"].(string)
			if told["sid"] != claims(t, first.text("id_token"))["sid"] {
				t.Errorf("the logout token has sid %v, the ID token %v", told["sid"], claims(t, first.text("id_token"))["sid"])
			}
			for where, is := range got {
				if is != sub {
					t.Errorf("%s: sub is %q, want %q", where, is, sub)
				}
			}
		})
	}
}

func TestOIDCCore_8_1_SectorsKnowUsersByDifferentSubjects(t *testing.T) {
	w := newSite(t)
	redirects := map[string][]string{
		"one":     {"https://one.example/callback"},
		"sibling": {"https://ONE.example:8443/other", "https://one.example/a"},
		"named":   {"https://x.example/callback", "https://y.example/callback"},
		"two":     {"https://two.example/callback"},
	}
	signIn := func(client, user string) string {
		b := w.newBrowser()
		b.get(w.authorizeURL(client, "redirect_uri", redirects[client][0]))
		b.signIn(user)
		return subOf(t, w.redeem(client, b.code(), "redirect_uri", redirects[client][0]).text("id_token"))
	}
	subjects := map[string]string{}
	for client, uris := range redirects {
		w.addClient(client, func(c *storage.Client) {
			c.Pairwise, c.RedirectURIs, c.FirstParty = true, uris, true
			if client == "named" {
				c.SectorIdentifier = "https://one.example/redirect_uris.json"
			}
		})
		subjects[client] = signIn(client, "alice")
	}
	if one := subjects["one"]; one == "" || one != subjects["sibling"] || one != subjects["named"] {
		t.Errorf("one sector, several subjects: %v", subjects)
	}
	if subjects["one"] == subjects["two"] {
		t.Errorf("two sectors, one subject: %v", subjects)
	}
	if signIn("two", "bob") == subjects["two"] {
		t.Error("two users, one subject")
	}
}

// The session is one, and its name would tell two clients that they have the same user.
func TestClientsWithPairwiseSubjectsShareNoSessionID(t *testing.T) {
	w := pairwiseSite(t)
	w.change("spa", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{postLogout} })
	b := w.newBrowser()
	web, spa := b.flow("web"), b.flow("spa")
	if one, two := claims(t, web.text("id_token"))["sid"], claims(t, spa.text("id_token"))["sid"]; one == two || two == "" || one != b.stored().ID {
		t.Errorf("sid %v and %v, session %s", one, two, b.stored().ID)
	}
	// Its ID token proves the session all the same, and nobody is asked.
	b.get(w.logoutURL("id_token_hint", spa.text("id_token"), "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	// One of another session proves nothing.
	other := b.flow("spa")
	b.flow("spa", "prompt", "none")
	next := w.newBrowser()
	next.flow("web")
	next.get(w.logoutURL("id_token_hint", other.text("id_token")))
	next.wantAsked(t)
}

// The mini-program's backend makes the users: it knows them by what they are called here, whatever other clients do.
func TestAFederatedClientKnowsItsUsersByThePublicSubject(t *testing.T) {
	w := pairwiseSite(t)
	w.change("mini", func(c *storage.Client) { c.Pairwise, c.RedirectURIs = true, []string{spaRedirect} })
	login := w.login("mini", "carol", "scope", "openid profile offline_access")
	user := list[storage.User](w)
	id := user[slices.IndexFunc(user, func(u storage.User) bool { return u.ID != "alice" && u.ID != "bob" })].ID
	refreshed := w.refresh("mini", login.text("refresh_token"))
	profile := w.profile("mini", map[string]any{"code": w.app("mini").Login("carol")})
	for where, sub := range map[string]string{
		"ID token": w.sub(login), "access token": subOf(t, login.text("access_token")), "refreshed": w.sub(refreshed),
		"UserInfo": w.userinfo(login.text("access_token")).text("sub"), "introspection": w.introspect("mini", login.text("access_token")).text("sub"),
		"profile": profile.body["profile"].(map[string]any)["sub"].(string),
	} {
		if sub != id {
			t.Errorf("%s: sub is %q, want %q", where, sub, id)
		}
	}
}

func TestAPairwiseSubjectOutlivesEveryRotation(t *testing.T) {
	w := pairwiseSite(t)
	before := subOf(t, w.newBrowser().flow("spa").text("id_token"))
	for _, algorithm := range []string{"ES256", "RS256"} {
		must(w.ring.Rotate(t.Context(), "default", algorithm))(t)
	}
	_, useAt, err := w.secret.Rotate(t.Context(), "default")
	check(t, err)
	w.clock.Advance(useAt.Sub(w.clock.Now()))
	check(t, w.ring.Load(t.Context()))
	check(t, w.secret.Load(t.Context()))
	if after := subOf(t, w.newBrowser().flow("spa").text("id_token")); after != before {
		t.Errorf("sub was %q and is %q", before, after)
	}
}

func TestDirectoriesShareNoPairwiseSubjects(t *testing.T) {
	w := newSite(t)
	w.addDirectory(storage.Directory{ID: "other", Name: "Other"})
	w.addUserIn("other", "alice")
	subjects := map[string]string{}
	for _, directory := range []string{"default", "other"} {
		w.addClient("paired", func(c *storage.Client) { c.Directory, c.Pairwise, c.FirstParty = directory, true, true })
		home := w.url
		if directory == "other" {
			home += "/d/other"
		}
		b := w.newBrowser()
		b.get(home + strings.TrimPrefix(w.authorizeURL("paired"), w.url))
		b.signIn("alice")
		a := w.post("paired", strings.TrimPrefix(home, w.url)+"/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {webRedirect},
		})
		subjects[directory] = subOf(t, a.text("id_token"))
	}
	if subjects["default"] == subjects["other"] {
		t.Errorf("both know alice as %q", subjects["default"])
	}
}

// A user who was merged into another one is meant by the hints that were given before (design of merging: the older survives).
func TestAPairwiseHintOfAMergedUserMeansTheUserWhoIsLeft(t *testing.T) {
	w := pairwiseSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("spa"))
	b.signIn("bob")
	b.allow()
	hint := w.redeem("spa", b.code()).text("id_token")
	w.changeUser("alice", func(u *storage.User) { u.Aliases = []string{"bob"} })
	own := w.newBrowser()
	own.flow("spa")
	if got := own.flow("spa", "prompt", "none", "id_token_hint", hint); subOf(t, got.text("id_token")) == subOf(t, hint) {
		t.Error("the user who is left has the subject of the other one")
	}
}

func TestOIDCDiscovery_3_SubjectTypesSupported(t *testing.T) {
	w := newWorld(t)
	var types []string
	raw := must(json.Marshal(w.get(w.url + "/.well-known/openid-configuration").body["subject_types_supported"]))(t)
	check(t, json.Unmarshal(raw, &types))
	if !slices.Equal(types, []string{"pairwise", "public"}) {
		t.Errorf("subject_types_supported is %v", types)
	}
}

// Registration refuses such a client; one that is in the store all the same gets no tokens, rather than wrong names.
func TestAPairwiseClientWithoutSectorGetsNoTokens(t *testing.T) {
	w := pairwiseSite(t)
	w.change("spa", func(c *storage.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://elsewhere.example/callback") })
	b := w.newBrowser()
	b.get(w.authorizeURL("spa"))
	b.signIn("alice")
	b.allow()
	b.wantError(t, "server_error", "state-1")
}
