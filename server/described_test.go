package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// These tests cause each failure that openapi.json describes for an endpoint and that no other test of the endpoint causes:
// what all endpoints have in common, and what they share with another one. TestMain finds those that are missing.

// requestOperation sends a form: as mini by Basic, or with a bearer token to the protected resources.
func (ts *testServer) requestOperation(method, path, body string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), method, ts.url+concrete(path), strings.NewReader(body)))(ts.T)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if isBearer(path) {
		request.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 20))
	} else {
		request.SetBasicAuth("mini", secretOfMini)
	}
	return ts.do(request)
}

// concrete returns a described path with the client "mini".
func concrete(path string) string {
	return strings.NewReplacer("{client}", "mini", "{id}", "x").Replace(path)
}

// isBearer reports whether an operation needs an access token.
func isBearer(path string) bool {
	return strings.HasSuffix(path, "/userinfo") || strings.HasSuffix(path, "/password") || strings.HasPrefix(path, accountAPI)
}

// forEachOperation calls visit for every described operation.
func forEachOperation(visit func(method, path string)) {
	for path, operations := range openAPI().Paths {
		for method := range operations {
			visit(strings.ToUpper(method), path)
		}
	}
}

func TestOpenAPI_UnknownDirectoryIsNotFound(t *testing.T) {
	ts := newTestServer(t)
	forEachOperation(func(method, path string) {
		there := "/d/nowhere" + path
		if path == "/.well-known/oauth-authorization-server" {
			there = path + "/d/nowhere"
		}
		ts.wantStatus(ts.requestOperation(method, there, ""), http.StatusNotFound)
	})
}

func TestOpenAPI_StoreDownReturnsRetryAfter(t *testing.T) {
	ts := newTestServer(t)
	for status, failure := range map[int]error{
		http.StatusServiceUnavailable: storage.ErrUnavailable, http.StatusInternalServerError: errors.New("secret of the inside"),
	} {
		forEachOperation(func(method, path string) {
			cold := ts.withConfig(func(*server.Config) {})
			ts.engine.Before = func(context.Context, storagetest.Operation) error { return failure }
			a := cold.requestOperation(method, path, "token=x")
			ts.engine.Before = nil
			ts.wantStatus(a, status)
			if strings.Contains(a.raw, "inside") {
				t.Errorf("%s %s: %s", method, path, a.raw)
			}
		})
	}
}

func TestOpenAPI_RejectsLargeBody(t *testing.T) {
	ts := newServerWithLinkScope(t)
	ts.change("mini", ts.setPushKeys)
	token := ts.login("mini", "alice", "scope", "openid "+linkScope)
	forEachOperation(func(method, path string) {
		switch {
		case method != http.MethodPost:
			return
		case path == registerPath, strings.HasPrefix(path, accountAPI): // Their own tests send large bodies.
			return
		}
		request := must(http.NewRequestWithContext(t.Context(), method, ts.url+concrete(path), strings.NewReader("x="+strings.Repeat("y", 70<<10))))(t)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth("mini", secretOfMini)
		if strings.HasSuffix(path, "/userinfo") || strings.HasSuffix(path, "/password") {
			request.Header.Set("Authorization", "Bearer "+token.member("access_token"))
		}
		ts.wantStatus(ts.do(request), http.StatusRequestEntityTooLarge)
	})
}

func TestOpenAPI_ClientEndpointsAreRateLimited(t *testing.T) {
	ts := newTestServer(t).withConfig(func(c *server.Config) { c.ClientRate, c.ClientBurst = 1, 1 })
	forEachOperation(func(method, path string) {
		if _, limited := openAPI().Paths[path][strings.ToLower(method)].Responses["429"]; !limited || path == setPasswordPath || path == registerPath { // They have no client: they limit guesses of passwords, and new clients.
			return
		}
		body := url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "token": {"x"}, "code": {"x"}, "method": {"register"}, "response_type": {"code"},
		}
		for range 2 {
			if a := ts.requestOperation(method, path, body.Encode()); a.status == http.StatusTooManyRequests {
				return
			}
		}
		t.Errorf("%s %s: the second request at once was served", method, path)
	})
}

const linkScope = "urn:minifed:link"

// newServerWithLinkScope returns a test server whose client "mini" may request tokens that change how users sign in, and may
// bind by password.
func newServerWithLinkScope(t *testing.T) *testServer {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.AccountLinking, c.Scopes = true, append(c.Scopes, linkScope)
		c.FirstParty, c.Federation.PasswordBinding = true, true
	})
	return ts
}

func TestFederation_RejectsWhatTokenEndpointRejects(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("limited", func(c *storage.Client) { c.GrantTypes = []string{"refresh_token"} })
	for _, path := range []string{profilePath, bindUserPath} {
		for _, row := range []struct {
			client  string
			further map[string]any
			code    string
		}{
			{"mini", map[string]any{"scope": "admin"}, "invalid_scope"},
			{"mini", map[string]any{"audience": "https://other.example"}, "invalid_target"},
			{"limited", nil, "unauthorized_client"},
		} {
			code := ts.app(row.client).Login("alice")
			body := map[string]any{"code": code, "method": "register"}
			for name, value := range row.further {
				body[name] = value
			}
			if a := ts.postJSON(row.client, path, body); a.status != http.StatusBadRequest || a.member("error") != row.code {
				t.Errorf("%s: got %d %s, want %s", path, a.status, a.raw, row.code)
			}
			if ts.sim.TimesSent(code) != 0 {
				t.Errorf("%s: the code was spent", path)
			}
		}
	}
}

func TestBindUser_ReportsInvalidProofs(t *testing.T) {
	ts := newServerWithLinkScope(t)
	ts.addUser("bob")
	app := ts.app("mini")
	for name, row := range map[string]struct {
		body   map[string]any
		status int
		code   string
		reason string
	}{
		"a wrong password":       {map[string]any{"method": "password", "username": "bob", "password": "wrong"}, 400, "invalid_grant", "wrong_password"},
		"a token without a user": {map[string]any{"method": "session", "access_token": "x"}, 400, "invalid_grant", "session_token"},
	} {
		row.body["code"] = app.Login("carol")
		if a := ts.bindUser("mini", row.body); a.status != row.status || a.member("error") != row.code || a.member("reason") != row.reason {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
	ts.login("mini", "dave")
	a := ts.bindUser("mini", map[string]any{"method": "password", "username": "bob", "password": passwordOf("bob"), "code": app.Login("dave")})
	if a.status != http.StatusConflict || a.member("error") != "already_bound" {
		t.Errorf("a user who has an account: got %d %s", a.status, a.raw)
	}
}

func TestSetPassword_ReportsInvalidRequests(t *testing.T) {
	ts := newServerWithLinkScope(t)
	ts.addUser("taken")
	link := ts.login("mini", "alice", "scope", "openid profile "+linkScope).member("access_token")
	plain := ts.login("mini", "alice").member("access_token")
	const path = "/federation/wechat/miniapp/password"
	for _, row := range []struct {
		name, token, body string
		status            int
		code              string
		reason            string
	}{
		{"no token", "", "username=alice1&password=correct+horse+battery", 401, "", ""},
		{"an unknown token", "x", "username=alice1&password=correct+horse+battery", 401, "invalid_token", ""},
		{"no scope", plain, "username=alice1&password=correct+horse+battery", 403, "insufficient_scope", ""},
		{"no password", link, "username=alice1", 400, "invalid_request", ""},
		{"no username", link, "password=correct+horse+battery", 400, "invalid_request", ""},
		{"a bad username", link, "username=%00&password=correct+horse+battery", 400, "invalid_request", "username_unacceptable"},
		{"a short password", link, "username=alice1&password=x", 400, "invalid_request", "password_unacceptable"},
		{"another's username", link, "username=taken&password=correct+horse+battery", 409, "invalid_request", "username_taken"},
	} {
		request := []string{}
		if row.token != "" {
			request = []string{"Authorization", "Bearer " + row.token}
		}
		if a := ts.send(path, row.body, request...); a.status != row.status || a.member("error") != row.code || a.member("reason") != row.reason {
			t.Errorf("%s: got %d %s", row.name, a.status, a.raw)
		}
	}
	a := ts.send(path, "username=alice1&password=correct+horse+battery", "Authorization", "Bearer "+link)
	if a.status != http.StatusOK || a.member("preferred_username") != "alice1" {
		t.Errorf("a valid one: got %d %s", a.status, a.raw)
	}
	late := ts.login("mini", "alice", "scope", "openid "+linkScope).member("access_token")
	ts.clock.Advance(6 * time.Minute)
	if a := ts.send(path, "password=correct+horse+battery&current_password=x", "Authorization", "Bearer "+late); a.status != http.StatusUnauthorized || a.member("error") != "insufficient_user_authentication" {
		t.Errorf("too late: got %d %s", a.status, a.raw)
	}
}

func TestPAR_ReportsInvalidRequests(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("codeless", func(c *storage.Client) { c.GrantTypes = []string{"client_credentials"} })
	for _, row := range []struct{ client, further, code string }{
		{"web", "&registration=%7B%7D", "registration_not_supported"},
		{"codeless", "", "unauthorized_client"},
	} {
		body := ts.authorizeForm(row.client).Encode() + row.further
		if a := ts.send("/oauth2/par", body, "Authorization", basic(row.client, secretOfWeb)); a.status != http.StatusBadRequest || a.member("error") != row.code {
			t.Errorf("got %d %s, want %s", a.status, a.raw, row.code)
		}
	}
}

func TestUserInfo_POSTRejectsAsGET(t *testing.T) {
	ts := newTestServer(t)
	if a := ts.send("/oauth2/userinfo", "access_token=x"); a.status != http.StatusUnauthorized || a.member("error") != "invalid_token" {
		t.Errorf("an unknown token: got %d %s", a.status, a.raw)
	}
	bare := ts.login("mini", "alice", "scope", "orders").member("access_token")
	if a := ts.send("/oauth2/userinfo", "access_token="+bare); a.status != http.StatusForbidden || a.member("error") != "insufficient_scope" {
		t.Errorf("without openid: got %d %s", a.status, a.raw)
	}
}

func TestRFC9470_6_2_IntrospectionSaysHowTheUserSignedIn(t *testing.T) {
	ts := newPopulatedServer(t)
	a := ts.newBrowser().flow("web")
	answer := ts.send("/oauth2/introspect", url.Values{"token": {a.member("access_token")}}.Encode(), "Authorization", basic("web", secretOfWeb))
	claims := claims(t, a.member("access_token"))
	if answer.body["acr"] == nil || answer.body["acr"] != claims["acr"] || answer.body["auth_time"] != claims["auth_time"] {
		t.Errorf("got %s, the token says %v", answer.raw, claims)
	}
}
