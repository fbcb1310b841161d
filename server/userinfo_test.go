package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestRFC6750_2_TheThreeWaysToSendATokenAreOneAtATime(t *testing.T) {
	ts := newTestServer(t)
	token := ts.login("mini", "alice").member("access_token")
	const path = "/oauth2/userinfo"
	ask := func(method, query, body string, headers ...string) response {
		request := must(http.NewRequestWithContext(t.Context(), method, ts.url+path+query, strings.NewReader(body)))(t)
		for i := 0; i < len(headers); i += 2 {
			request.Header.Add(headers[i], headers[i+1])
		}
		return ts.do(request)
	}
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	bearer := []string{"Authorization", "Bearer " + token}
	for _, row := range []struct {
		name   string
		answer response
		status int
		code   string
	}{
		{"GET with the header", ask("GET", "", "", bearer...), 200, ""},
		{"POST with the header", ask("POST", "", "", bearer...), 200, ""},
		{"POST with the header and an empty form", ask("POST", "", "", append(form, bearer...)...), 200, ""},
		{"POST with the body", ask("POST", "", "access_token="+token, form...), 200, ""},
		{"the scheme in lower case", ask("GET", "", "", "Authorization", "bearer "+token), 200, ""},
		{"both at once", ask("POST", "", "access_token="+token, append(form, bearer...)...), 400, "invalid_request"},
		{"the URL", ask("GET", "?access_token="+token, ""), 400, "invalid_request"},
		{"the header and the URL", ask("GET", "?access_token="+token, "", bearer...), 400, "invalid_request"},
		{"two headers", ask("GET", "", "", append(bearer, bearer...)...), 400, "invalid_request"},
		{"twice in the body", ask("POST", "", "access_token="+token+"&access_token="+token, form...), 400, "invalid_request"},
		{"an empty header", ask("GET", "", "", "Authorization", "Bearer "), 400, "invalid_request"},
		{"nothing", ask("GET", "", ""), 401, ""},
		{"Basic", ask("GET", "", "", "Authorization", basic("mini", secretOfMini)), 401, ""},
		{"GET with a body", ask("GET", "", "access_token="+token, form...), 401, ""},
		{"POST with JSON", ask("POST", "", `{"access_token":"`+token+`"}`, "Content-Type", "application/json"), 401, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.answer.status != row.status || row.answer.member("error") != row.code {
				t.Fatalf("got %d %s", row.answer.status, row.answer.raw)
			}
			challenge := row.answer.header.Get("WWW-Authenticate")
			if row.status != 200 && !strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
			if row.code == "" && strings.Contains(challenge, "error") {
				t.Errorf("a request without token gets an error code: %q", challenge)
			}
			if row.answer.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control is %q", row.answer.header.Get("Cache-Control"))
			}
		})
	}
}

func TestRFC6750_3_1_WhatIsNoAccessTokenIsRefused(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	parts := strings.Split(a.member("access_token"), ".")
	for name, token := range map[string]string{
		"an ID token":             a.member("id_token"),
		"a refresh token":         a.member("refresh_token"),
		"no JWT":                  "x",
		"a changed payload":       parts[0] + "." + strings.Replace(parts[1], "e", "f", 1) + "." + parts[2],
		"a changed signature":     parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"no signature":            parts[0] + "." + parts[1] + ".",
		"alg none":                "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + ".",
		"something very long":     strings.Repeat("x", 20<<10),
		"an unknown opaque token": "mf_at_" + strings.Repeat("A", 100),
	} {
		got := ts.userinfo(token)
		if got.status != http.StatusUnauthorized || got.member("error") != "invalid_token" || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	ts.clock.Advance(11 * time.Minute)
	if got := ts.userinfo(a.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("expired: got %d %s", got.status, got.raw)
	}
}

func TestOpenIDConnectCore_5_4_EachScopeAsksForItsClaims(t *testing.T) {
	ts := newTestServer(t)
	first := ts.login("mini", "alice", "phone_code", ts.app("mini").TapPhone("alice"))
	sub := ts.sub(first)
	entry := must(storage.Get[storage.User](t.Context(), ts.engine.Engine, storage.Key("default", sub)))(t)
	full := entry.Record
	full.Username, full.Email, full.EmailVerified = "alice", "alice@example.com", true
	full.Profile = storage.Profile{
		Name: "Alice Wang", GivenName: "Alice", FamilyName: "Wang", MiddleName: "Q", Nickname: "Al", Profile: "https://p.example",
		Picture: "https://i.example/a.png", Website: "https://w.example", Gender: "female", Birthdate: "1990-01-02", Zoneinfo: "Asia/Shanghai", Locale: "zh-CN",
		Address: &storage.Address{Formatted: "1 Road\nShanghai", Country: "CN"},
	}
	must(entry.Replace(t.Context(), ts.engine.Engine, full))(t)
	for scope, want := range map[string][]string{
		"openid":         {"sub"},
		"openid email":   {"sub", "email", "email_verified"},
		"openid phone":   {"sub", "phone_number", "phone_number_verified"},
		"openid address": {"sub", "address"},
		"openid profile": {
			"sub", "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
			"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
		},
	} {
		info := ts.userinfo(ts.login("mini", "alice", "scope", scope).member("access_token"))
		if len(info.body) != len(want) {
			t.Errorf("%s: got %s", scope, info.raw)
		}
		for _, name := range want {
			if info.body[name] == nil {
				t.Errorf("%s: %s is missing", scope, name)
			}
		}
		if info.body["sub"] != sub {
			t.Errorf("%s: sub is %v", scope, info.body["sub"])
		}
	}
}

func TestUserInfo_AcceptsOpaqueAccessTokens(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	a := ts.login("mini", "alice", "scope", "openid profile offline_access")
	if strings.Contains(a.member("access_token"), ".") {
		t.Fatalf("not opaque: %s", a.member("access_token"))
	}
	if info := ts.userinfo(a.member("access_token")); info.status != http.StatusOK || info.body["sub"] != ts.sub(a) {
		t.Errorf("got %d %s", info.status, info.raw)
	}
	narrow := ts.refresh("mini", a.member("refresh_token"), "scope", "openid")
	if info := ts.userinfo(narrow.member("access_token")); info.status != http.StatusOK || len(info.body) != 1 {
		t.Errorf("got %d %s", info.status, info.raw)
	}
}

func TestUserInfo_IsJSON(t *testing.T) {
	ts := newTestServer(t)
	info := ts.userinfo(ts.login("mini", "alice").member("access_token"))
	if got := info.header.Get("Content-Type"); got != "application/json" || !json.Valid([]byte(info.raw)) {
		t.Errorf("got %q %s", got, info.raw)
	}
}

// TestRFC9068_4_UserInfoWantsTheIssuerInAud prevents an API that received a token from reading its user's profile.
func TestRFC9068_4_UserInfoWantsTheIssuerInAud(t *testing.T) {
	ts := newTestServer(t)
	const api = "https://api.example.com"
	ts.change("mini", func(c *storage.Client) { c.Audiences = []string{api} })
	ts.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens, c.Audiences = true, []string{api} })
	for _, client := range []string{"mini", "opaque"} {
		for _, parameter := range []string{"audience", "resource"} {
			foreign := ts.login(client, "alice", parameter, api)
			got := ts.userinfo(foreign.member("access_token"))
			if got.status != http.StatusUnauthorized || got.member("error") != "invalid_token" {
				t.Errorf("%s, %s of an API only: %d %s", client, parameter, got.status, got.raw)
			}
			both := ts.login(client, "alice", parameter, api, parameter, ts.url)
			if got := ts.userinfo(both.member("access_token")); got.status != http.StatusOK {
				t.Errorf("%s, %s of both: %d %s", client, parameter, got.status, got.raw)
			}
		}
	}
}
