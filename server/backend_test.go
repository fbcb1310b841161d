package server_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// backendFixture is the situation that docs/security.md describes under "What a mini-program's backend may do to a user". There
// are the mini-programs "mall" and "evil" and the relying party "site", with the defaults of `client create` and one Open
// Platform account. The victim has a complete account and opened both mini-programs once. mallory controls the backend of evil.
type backendFixture struct {
	*pageTestServer
	victim storage.User
	// mall and evil are the victim's tokens at these clients; mallory has a token of her own at evil.
	mall, evil, mallory response
}

func newBackendFixture(t *testing.T) *backendFixture {
	t.Helper()
	s := &backendFixture{pageTestServer: newPageTestServer(t)}
	service := must(admin.New(admin.Config{
		Engine: s.engine, Audit: s.config.Audit, Master: s.master, Keys: s.ring, Secrets: s.secret, Identity: s.identities, Now: s.clock.Now, Random: rand.Reader,
		PublicURL: "https://id.example.com", DefaultDirectory: "default", Actor: admin.LocalActor("alice"),
	}))(t)
	create := func(asked admin.NewClient) {
		asked.Directory = "default"
		must(storage.Get[storage.Directory](t.Context(), s.engine, "default"))(t)
		if _, _, err := service.CreateClient(t.Context(), asked); err != nil {
			t.Fatal(err)
		}
		s.change(asked.ID, func(c *storage.Client) {
			if len(c.Secrets) > 0 {
				c.Secrets = []string{fastHash(secretOfMini)} // in the form of a generated secret, but known to the tests
			}
		})
	}
	for _, id := range []string{"mall", "evil"} {
		app := must(s.sim.AddApp(wechat.App{ID: wechat.AppID("wxsim" + id + rand.Text()[:8])}))(t)
		app.BindOpenPlatform("platform")
		create(admin.NewClient{
			Client: storage.Client{ID: id, Kind: storage.ClientMiniapp, Federation: &storage.Federation{
				AppID: string(app.Credential().ID), OpenPlatform: "platform",
			}},
			AppSecret: app.Credential().Secret,
		})
	}
	create(admin.NewClient{Client: storage.Client{ID: "site", Kind: storage.ClientWeb, RedirectURIs: []string{"https://site.example.com/cb"}}})

	s.mall = s.post("mall", profilePath, url.Values{
		"code": {s.app("mall").Login("victim")}, "phone_code": {s.app("mall").TapPhone("victim")},
		"scope": {"openid profile email phone offline_access"}, "user": {`{"nickname":"Victim"}`},
	})
	sub := s.sub(s.mall)
	must(s.identities.SetUsername(t.Context(), "default", sub, "victim", identity.System))(t)
	must(s.identities.SetEmail(t.Context(), "default", sub, "victim@example.com", identity.System))(t)
	s.victim = must(s.identities.SetPassword(t.Context(), "default", sub, goodPassword, identity.System))(t).Record
	s.evil = s.login("evil", "victim", "scope", "openid profile offline_access")
	s.mallory = s.login("evil", "mallory", "scope", "openid profile offline_access")
	if s.sub(s.evil) != sub || s.sub(s.mallory) == sub {
		t.Fatal("the victim is not one user of both mini-programs, or mallory is the victim")
	}
	return s
}

// bearer sends a form to a protected resource.
func (s *backendFixture) bearer(path, token string, form url.Values) response {
	s.Helper()
	request := must(http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+path, strings.NewReader(form.Encode())))(s.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "Bearer "+token)
	return s.do(request)
}

// links returns the user of each WeChat user, number and name.
func (s *backendFixture) links() map[string]string {
	all := map[string]string{}
	for _, link := range list[storage.Identity](s.testServer) {
		all[link.Document().ID] = link.User
	}
	return all
}

// backendAttempt is one "may not" of the table in docs/security.md, as the backend of evil would try it.
type backendAttempt struct {
	// row is its row in the table.
	row string
	try func(s *backendFixture) response
	// allowed are responses that are not errors and disclose nothing.
	allowed func(s *backendFixture, a response) bool
}

// withoutScope reports whether a scope was not granted.
func withoutScope(scope string) func(*backendFixture, response) bool {
	return func(_ *backendFixture, a response) bool {
		return !slices.Contains(strings.Fields(a.member("scope")), scope)
	}
}

func notActive(_ *backendFixture, a response) bool { return a.body["active"] == false }

// anyResponse accepts any response: the test checks the effects itself.
func anyResponse(*backendFixture, response) bool { return true }

func backendAttempts() map[string]backendAttempt {
	bind := func(s *backendFixture, form ...string) response {
		values := url.Values{}
		for i := 0; i < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		return s.post("evil", bindUserPath, values)
	}
	const sessions, people, password, linking, phone, profile, tokens = "sign in", "identity", "password", "binding", "phone", "profile", "tokens"
	return map[string]backendAttempt{
		"the approval of a browser": {"browser sessions", func(s *backendFixture) response {
			return s.post("evil", approvePath, url.Values{"scene": {"AAAAAAAAAAAAAAAAAAAAAA"}, "code": {s.app("evil").Login("victim")}, "number": {"42"}})
		}, nil},
		"the approval of a device": {"devices", func(s *backendFixture) response {
			return s.post("evil", deviceBackendPath+"allow", url.Values{"user_code": {"BCDF-GHJK"}, "end": {"JK"}, "code": {s.app("evil").Login("victim")}})
		}, nil},
		"a code of another mini-program": {sessions, func(s *backendFixture) response { return s.exchange("evil", s.app("mall").Login("victim")) }, nil},
		"another's code that was used": {sessions, func(s *backendFixture) response {
			code := s.app("mall").Login("victim")
			s.exchange("mall", code)
			return s.exchange("evil", code)
		}, nil},
		"an OpenID in place of a code": {sessions, func(s *backendFixture) response { return s.exchange("evil", string(s.app("evil").OpenID("victim"))) }, nil},
		"the identity in other members": {sessions, func(s *backendFixture) response {
			return s.post("evil", profilePath, url.Values{
				"code": {s.app("evil").Login("mallory")}, "openid": {string(s.app("evil").OpenID("victim"))},
				"unionid": {string(s.app("evil").UnionID("victim"))}, "sub": {s.victim.ID}, "user_id": {s.victim.ID},
			})
		}, func(s *backendFixture, a response) bool { return s.sub(a) != s.victim.ID }},
		"a ticket of another client": {sessions, func(s *backendFixture) response {
			s.change("mall", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
			ticket := s.exchange("mall", s.app("mall").Login("somebody")).member("bind_ticket")
			return bind(s, "method", "register", "bind_ticket", ticket)
		}, nil},
		"a refresh token of another client": {sessions, func(s *backendFixture) response { return s.refresh("evil", s.mall.member("refresh_token")) }, nil},
		"an authorization request": {sessions, func(s *backendFixture) response {
			return s.get(s.url + "/oauth2/authorize?client_id=evil&response_type=code&scope=openid&redirect_uri=https%3A%2F%2Fevil.example.com%2F")
		}, nil},
		"a pushed authorization request": {sessions, func(s *backendFixture) response {
			return s.post("evil", "/oauth2/par", url.Values{"response_type": {"code"}, "redirect_uri": {"https://evil.example.com/"}, "scope": {"openid"}})
		}, nil},
		"an authorization code grant": {sessions, func(s *backendFixture) response {
			return s.post("evil", "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {"mf_ac_x"}})
		}, nil},
		"a token for itself": {sessions, func(s *backendFixture) response {
			return s.post("evil", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
		}, nil},

		"an access token of another client, introspected": {people, func(s *backendFixture) response { return s.introspect("evil", s.mall.member("access_token")) }, notActive},
		"a refresh token of another client, introspected": {people, func(s *backendFixture) response { return s.introspect("evil", s.mall.member("refresh_token")) }, notActive},
		"UserInfo with an ID token":                       {people, func(s *backendFixture) response { return s.userinfo(s.evil.member("id_token")) }, nil},
		"UserInfo with a refresh token":                   {people, func(s *backendFixture) response { return s.userinfo(s.evil.member("refresh_token")) }, nil},
		"a token for an API of others": {people, func(s *backendFixture) response {
			return s.exchange("evil", s.app("evil").Login("victim"), "audience", "https://api.example.com")
		}, nil},
		"a scope that is not registered": {people, func(s *backendFixture) response {
			return s.exchange("evil", s.app("evil").Login("victim"), "scope", "openid orders")
		}, withoutScope("orders")},

		"the scope that links": {password, func(s *backendFixture) response {
			return s.exchange("evil", s.app("evil").Login("victim"), "scope", "openid "+linkScope)
		}, withoutScope(linkScope)},
		"another password": {password, func(s *backendFixture) response {
			token := s.exchange("evil", s.app("evil").Login("victim"), "scope", "openid "+linkScope).member("access_token")
			if token == "" {
				token = s.evil.member("access_token")
			}
			return s.bearer(setPasswordPath, token, url.Values{"password": {"mallory's password"}})
		}, nil},
		"another username": {password, func(s *backendFixture) response {
			return s.bearer(setPasswordPath, s.evil.member("access_token"), url.Values{"username": {"mallory"}, "password": {"mallory's password"}})
		}, nil},
		"another password, with the old one guessed": {password, func(s *backendFixture) response {
			return s.bearer(setPasswordPath, s.evil.member("access_token"), url.Values{"password": {"mallory's password"}, "current_password": {goodPassword}})
		}, nil},
		"a first password for a user without one": {password, func(s *backendFixture) response {
			return s.bearer(setPasswordPath, s.mallory.member("access_token"), url.Values{"username": {"mallory"}, "password": {"mallory's password"}})
		}, nil},

		"WeChat to the account of a token": {linking, func(s *backendFixture) response {
			return bind(s, "method", "session", "code", s.app("evil").Login("accomplice"), "access_token", s.evil.member("access_token"))
		}, nil},
		"WeChat to the account of another client's token": {linking, func(s *backendFixture) response {
			return bind(s, "method", "session", "code", s.app("evil").Login("accomplice"), "access_token", s.mall.member("access_token"))
		}, nil},
		"WeChat to the account of a password": {linking, func(s *backendFixture) response {
			return bind(s, "method", "password", "code", s.app("evil").Login("accomplice"), "username", "victim", "password", goodPassword)
		}, nil},
		"WeChat to the account of a number": {linking, func(s *backendFixture) response {
			return bind(s, "method", "phone", "code", s.app("evil").Login("accomplice"), "phone_code", s.app("evil").TapPhone("victim"))
		}, nil},
		"the victim's WeChat to mallory's account": {linking, func(s *backendFixture) response {
			return bind(s, "method", "session", "code", s.app("evil").Login("victim"), "access_token", s.mallory.member("access_token"))
		}, nil},
		"the victim registered again": {linking, func(s *backendFixture) response {
			return bind(s, "method", "register", "code", s.app("evil").Login("victim"))
		}, func(s *backendFixture, a response) bool { return s.sub(a) == s.victim.ID }},
		"a ticket that attaches without proof": {linking, func(s *backendFixture) response {
			s.change("evil", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
			ticket := s.exchange("evil", s.app("evil").Login("accomplice")).member("bind_ticket")
			return bind(s, "method", "session", "bind_ticket", ticket, "access_token", s.evil.member("access_token"))
		}, nil},

		"another number for the victim": {phone, func(s *backendFixture) response {
			return s.post("evil", profilePath, url.Values{"code": {s.app("evil").Login("victim")}, "phone_code": {s.app("evil").TapPhone("mallory")}})
		}, func(_ *backendFixture, a response) bool { return a.member("phone_error") == "account_conflict" }},
		"another number for the victim, by bindUser": {phone, func(s *backendFixture) response {
			return bind(s, "method", "phone", "code", s.app("evil").Login("victim"), "phone_code", s.app("evil").TapPhone("mallory"))
		}, nil},
		"the victim's number for mallory": {phone, func(s *backendFixture) response {
			return s.post("evil", profilePath, url.Values{"code": {s.app("evil").Login("mallory")}, "phone_code": {s.app("evil").TapPhone("victim")}})
		}, func(_ *backendFixture, a response) bool { return a.member("phone_error") == "account_conflict" }},
		"the victim's number for mallory, by bindUser": {phone, func(s *backendFixture) response {
			return bind(s, "method", "phone", "code", s.app("evil").Login("mallory"), "phone_code", s.app("evil").TapPhone("victim"))
		}, nil},

		"another profile": {profile, func(s *backendFixture) response {
			return s.post("evil", profilePath, url.Values{"code": {s.app("evil").Login("victim")}, "user": {`{"nickname":"Changed","picture":"https://evil.example.com/"}`}})
		}, anyResponse},
		"proven members": {profile, func(s *backendFixture) response {
			return s.post("evil", bindUserPath, url.Values{
				"method": {"register"}, "code": {s.app("evil").Login("victim")},
				"user": {`{"email":"mallory@example.com","email_verified":true,"phone_number":"+8613900000000","preferred_username":"mallory"}`},
			})
		}, anyResponse},

		"another client's access token, revoked":  {tokens, func(s *backendFixture) response { return s.revoke("evil", s.mall.member("access_token")) }, nil},
		"another client's refresh token, revoked": {tokens, func(s *backendFixture) response { return s.revoke("evil", s.mall.member("refresh_token")) }, nil},
		"a logout by the hint of its own token": {tokens, func(s *backendFixture) response {
			return s.get(s.url + "/oauth2/logout?id_token_hint=" + url.QueryEscape(s.evil.member("id_token")))
		}, anyResponse},
		"a logout by the hint of its own token, in the victim's browser": {tokens, func(s *backendFixture) response {
			browser := s.newFormBrowser()
			browser.signInToAccount("victim")
			browser.get(s.url + "/oauth2/logout?id_token_hint=" + url.QueryEscape(s.evil.member("id_token")))
			browser.get(s.url + "/account")
			browser.wantAt(s.T, "/account", http.StatusOK, "Your account")
			return response{}
		}, anyResponse},
		"another client's refresh token, used until it is reused": {tokens, func(s *backendFixture) response {
			s.refresh("evil", s.mall.member("refresh_token"))
			return s.refresh("evil", s.mall.member("refresh_token"))
		}, nil},
	}
}

// TestBackend_MayNot tries every "may not" of the table in docs/security.md. Then it checks that the victim's account, sign-in
// methods and tokens elsewhere are unchanged.
func TestBackend_MayNot(t *testing.T) {
	for name, attempt := range backendAttempts() {
		t.Run(name, func(t *testing.T) {
			s := newBackendFixture(t)
			browser := s.newFormBrowser()
			browser.signInToAccount("victim")
			before, links := s.victim, s.links()
			got := attempt.try(s)
			if got.status < http.StatusBadRequest && (attempt.allowed == nil || !attempt.allowed(s, got)) {
				t.Errorf("allowed: %d %s", got.status, got.raw)
			}
			// 1. The account, except what the sign-in itself writes.
			after := must(s.identities.User(t.Context(), "default", before.ID))(t).Record
			after.UpdatedAt = before.UpdatedAt
			if !reflect.DeepEqual(after, before) {
				t.Errorf("the account changed:\n%+v\n%+v", before, after)
			}
			// 2. The users of WeChat users, numbers and names.
			for id, user := range s.links() {
				if was, known := links[id]; known && was != user || !known && user == before.ID {
					t.Errorf("a link leads to %s, was %q", user, was)
				}
			}
			// 3. The password, the browser, and the tokens of another client.
			if _, err := s.identities.VerifyPassword(t.Context(), "default", "victim", goodPassword); err != nil {
				t.Error(err)
			}
			browser.get(s.url + "/account")
			browser.wantAt(t, "/account", http.StatusOK, "Your account")
			if a := s.userinfo(s.mall.member("access_token")); a.status != http.StatusOK || a.member("sub") != before.ID {
				t.Errorf("the token at the other client: %d %s", a.status, a.raw)
			}
			if a := s.refresh("mall", s.mall.member("refresh_token")); a.status != http.StatusOK {
				t.Errorf("the refresh token at the other client: %d %s", a.status, a.raw)
			}
		})
	}
}

// TestBackend_SecurityTableListsEveryAttempt compares the test with docs/security.md.
func TestBackend_SecurityTableListsEveryAttempt(t *testing.T) {
	text := string(must(os.ReadFile("../docs/security.md"))(t))
	_, section, found := strings.Cut(text, "## What a mini-program's backend may do to a user")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("no such section")
	}
	tried := map[string]bool{}
	for _, attempt := range backendAttempts() {
		tried[attempt.row] = true
		if !strings.Contains(section, "\n| "+attempt.row+" |") {
			t.Errorf("no row %q", attempt.row)
		}
	}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "what" {
			continue
		}
		if row := strings.TrimSpace(cells[1]); !tried[row] {
			t.Errorf("nothing tries the row %q", row)
		}
	}
}
