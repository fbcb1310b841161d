package server_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// newPairwiseServer returns a populated server whose client spa has pairwise subjects.
func newPairwiseServer(t *testing.T) *testServer {
	t.Helper()
	ts := newPopulatedServer(t)
	ts.change("spa", func(c *storage.Client) { c.Pairwise = true })
	return ts
}

// subOf returns the subject of a JWT.
func subOf(t *testing.T, token string) string {
	t.Helper()
	sub, _ := claims(t, token)["sub"].(string)
	return sub
}

func TestOIDCCore_8_1_PairwiseSubjectIsConsistent(t *testing.T) {
	for name, opaque := range map[string]bool{"access tokens that are JWTs": false, "opaque ones": true} {
		t.Run(name, func(t *testing.T) {
			party := newRelyingParty(t)
			ts := newPopulatedServer(t).reaching(party)
			ts.server.MountPlainPages()
			ts.change("web", func(c *storage.Client) {
				c.Pairwise, c.OpaqueAccessTokens, c.BackchannelLogoutURI = true, opaque, party.URL+"/bye"
			})
			b := ts.newBrowser()
			first := b.flow("web", "scope", "openid profile")
			sub := subOf(t, first.member("id_token"))
			if sub == "" || strings.Contains(sub, "alice") || strings.Trim(sub, "abcdefghijklmnopqrstuvwxyz234567") != "" || len(sub) != 32 {
				t.Fatalf("sub is %q", sub)
			}
			refreshed := ts.refresh("web", first.member("refresh_token"))
			again := b.flow("web", "prompt", "none")
			got := map[string]string{
				"refreshed ID token": subOf(t, refreshed.member("id_token")),
				"next ID token":      subOf(t, again.member("id_token")),
				"UserInfo":           ts.userinfo(first.member("access_token")).member("sub"),
				"introspection":      ts.introspect("web", first.member("access_token")).member("sub"),
				"... of the refresh": ts.introspect("web", refreshed.member("refresh_token")).member("sub"),
			}
			if !opaque {
				got["at+jwt"] = subOf(t, first.member("access_token"))
				got["refreshed at+jwt"] = subOf(t, refreshed.member("access_token"))
			}
			// A hint or a claims request with it means the user; those of another user do not.
			for what, parameters := range map[string][]string{
				"id_token_hint": {"id_token_hint", first.member("id_token")},
				"claims":        {"claims", `{"id_token":{"sub":{"value":"` + sub + `"}}}`},
			} {
				got[what] = subOf(t, b.flow("web", append(parameters, "prompt", "none")...).member("id_token"))
			}
			b.get(ts.authorizeURL("web", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"alice"}}}`))
			b.wantError(t, "login_required", "state-1")
			// The logout token.
			b.get(ts.logoutURL("id_token_hint", again.member("id_token")))
			told := claims(t, party.wantLogoutTokens(t, "logout", 1)[0])
			got["logout token"], _ = told["sub"].(string)
			if told["sid"] != claims(t, first.member("id_token"))["sid"] {
				t.Errorf("the logout token has sid %v, the ID token %v", told["sid"], claims(t, first.member("id_token"))["sid"])
			}
			for where, is := range got {
				if is != sub {
					t.Errorf("%s: sub is %q, want %q", where, is, sub)
				}
			}
		})
	}
}

func TestOIDCCore_8_1_SectorsHaveDifferentSubjects(t *testing.T) {
	ts := newPopulatedServer(t)
	redirects := map[string][]string{
		"one":     {"https://one.example/callback"},
		"sibling": {"https://ONE.example:8443/other", "https://one.example/a"},
		"named":   {"https://x.example/callback", "https://y.example/callback"},
		"two":     {"https://two.example/callback"},
	}
	signIn := func(client, user string) string {
		b := ts.newBrowser()
		b.get(ts.authorizeURL(client, "redirect_uri", redirects[client][0]))
		b.signIn(user)
		return subOf(t, ts.redeem(client, b.code(), "redirect_uri", redirects[client][0]).member("id_token"))
	}
	subjects := map[string]string{}
	for client, uris := range redirects {
		ts.addClient(client, func(c *storage.Client) {
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

// The session is shared, and its ID would reveal to two clients that they have the same user.
func TestPairwise_ClientsShareNoSessionID(t *testing.T) {
	ts := newPairwiseServer(t)
	ts.change("spa", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{postLogout} })
	b := ts.newBrowser()
	web, spa := b.flow("web"), b.flow("spa")
	if one, two := claims(t, web.member("id_token"))["sid"], claims(t, spa.member("id_token"))["sid"]; one == two || two == "" || one != b.storedSession().ID {
		t.Errorf("sid %v and %v, session %s", one, two, b.storedSession().ID)
	}
	// Its ID token proves the session nevertheless, and no confirmation is needed.
	b.get(ts.logoutURL("id_token_hint", spa.member("id_token"), "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	// An ID token of another session proves nothing.
	other := b.flow("spa")
	b.flow("spa", "prompt", "none")
	next := ts.newBrowser()
	next.flow("web")
	next.get(ts.logoutURL("id_token_hint", other.member("id_token")))
	next.wantAsked(t)
}

// The mini-program's backend creates the users: it knows them by their public subject. The settings of other clients do not
// matter.
func TestPairwise_FederatedClientHasPublicSubject(t *testing.T) {
	ts := newPairwiseServer(t)
	ts.change("mini", func(c *storage.Client) { c.Pairwise, c.RedirectURIs = true, []string{spaRedirect} })
	login := ts.login("mini", "carol", "scope", "openid profile offline_access")
	user := list[storage.User](ts)
	id := user[slices.IndexFunc(user, func(u storage.User) bool { return u.ID != "alice" && u.ID != "bob" })].ID
	refreshed := ts.refresh("mini", login.member("refresh_token"))
	profile := ts.profile("mini", map[string]any{"code": ts.app("mini").Login("carol")})
	for where, sub := range map[string]string{
		"ID token": ts.sub(login), "access token": subOf(t, login.member("access_token")), "refreshed": ts.sub(refreshed),
		"UserInfo": ts.userinfo(login.member("access_token")).member("sub"), "introspection": ts.introspect("mini", login.member("access_token")).member("sub"),
		"profile": profile.body["profile"].(map[string]any)["sub"].(string),
	} {
		if sub != id {
			t.Errorf("%s: sub is %q, want %q", where, sub, id)
		}
	}
}

func TestPairwise_SubjectSurvivesRotation(t *testing.T) {
	ts := newPairwiseServer(t)
	before := subOf(t, ts.newBrowser().flow("spa").member("id_token"))
	for _, algorithm := range []string{"ES256", "RS256"} {
		must(ts.ring.Rotate(t.Context(), "default", algorithm))(t)
	}
	_, useAt, err := ts.secret.Rotate(t.Context(), "default")
	check(t, err)
	ts.clock.Advance(useAt.Sub(ts.clock.Now()))
	check(t, ts.ring.Load(t.Context()))
	check(t, ts.secret.Load(t.Context()))
	if after := subOf(t, ts.newBrowser().flow("spa").member("id_token")); after != before {
		t.Errorf("sub was %q and is %q", before, after)
	}
}

func TestPairwise_DirectoriesShareNoSubjects(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addDirectory(storage.Directory{ID: "other", Name: "Other"})
	ts.addUserIn("other", "alice")
	subjects := map[string]string{}
	for _, directory := range []string{"default", "other"} {
		ts.addClient("paired", func(c *storage.Client) { c.Directory, c.Pairwise, c.FirstParty = directory, true, true })
		home := ts.url
		if directory == "other" {
			home += "/d/other"
		}
		b := ts.newBrowser()
		b.get(home + strings.TrimPrefix(ts.authorizeURL("paired"), ts.url))
		b.signIn("alice")
		a := ts.post("paired", strings.TrimPrefix(home, ts.url)+"/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {webRedirect},
		})
		subjects[directory] = subOf(t, a.member("id_token"))
	}
	if subjects["default"] == subjects["other"] {
		t.Errorf("both know alice as %q", subjects["default"])
	}
}

// Hints of a user who was merged later mean the surviving user.
func TestPairwise_HintOfMergedUserMeansSurvivor(t *testing.T) {
	ts := newPairwiseServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("spa"))
	b.signIn("bob")
	b.allow()
	hint := ts.redeem("spa", b.code()).member("id_token")
	ts.changeUser("alice", func(u *storage.User) { u.Aliases = []string{"bob"} })
	own := ts.newBrowser()
	own.flow("spa")
	if got := own.flow("spa", "prompt", "none", "id_token_hint", hint); subOf(t, got.member("id_token")) == subOf(t, hint) {
		t.Error("the user who is left has the subject of the other one")
	}
}

func TestOIDCDiscovery_3_SubjectTypesSupported(t *testing.T) {
	ts := newTestServer(t)
	var types []string
	raw := must(json.Marshal(ts.get(ts.url + "/.well-known/openid-configuration").body["subject_types_supported"]))(t)
	check(t, json.Unmarshal(raw, &types))
	if !slices.Equal(types, []string{"pairwise", "public"}) {
		t.Errorf("subject_types_supported is %v", types)
	}
}

// Registration rejects such a client. A stored one gets no tokens instead of wrong subjects.
func TestPairwise_RequiresSector(t *testing.T) {
	ts := newPairwiseServer(t)
	ts.change("spa", func(c *storage.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://elsewhere.example/callback") })
	b := ts.newBrowser()
	b.get(ts.authorizeURL("spa"))
	b.signIn("alice")
	b.allow()
	b.wantError(t, "server_error", "state-1")
}
