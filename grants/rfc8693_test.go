package grants_test

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
)

// wantRejected checks that form gets status 400 (or the given one) with that error, and that WeChat never received the code.
func wantRejected(t *testing.T, s *server, form url.Values, status int, code, reason string) {
	t.Helper()
	got := s.post(t, t.Context(), form)
	if got.status != status || got.member("error") != code || got.member("reason") != reason {
		t.Errorf("response is %d %s, want %d %s %s", got.status, got.text, status, code, reason)
	}
	if got.member("error_description") == "" {
		t.Error("the response has no advice")
	}
	if calls := s.wechat.calls.Load(); calls != 0 {
		t.Errorf("WeChat was called %d times: a code was spent for a request that could be rejected before", calls)
	}
}

// wantGranted checks that form gets tokens.
func wantGranted(t *testing.T, s *server, form url.Values) tokenResponse {
	t.Helper()
	got := s.post(t, t.Context(), form)
	if got.status != 200 {
		t.Fatalf("response is %d %s, want tokens", got.status, got.text)
	}
	return got
}

func TestRFC8693_2_1_SmallestRequestIsEnough(t *testing.T) {
	got := wantGranted(t, newServer(t), exchange("good"))
	if got.member("access_token") == "" || got.member("id_token") == "" {
		t.Errorf("response lacks tokens: %s", got.text)
	}
}

func TestRFC8693_2_1_GrantTypeMustBeRegisteredForTheClient(t *testing.T) {
	s := newServer(t, func(s *server) { s.client.GrantTypes = []string{"refresh_token"} })
	wantRejected(t, s, exchange("good"), 400, "unauthorized_client", "")
}

func TestRFC8693_2_1_PublicClientIsRefused(t *testing.T) {
	s := newServer(t, func(s *server) { s.client.Public = true })
	wantRejected(t, s, exchange("good"), 400, "unauthorized_client", "")
}

func TestRFC8693_2_1_OtherGrantTypesAreNotTouched(t *testing.T) {
	s := newServer(t)
	got := s.post(t, t.Context(), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"ory_rt_unknown.unknown"}})
	if got.member("error") != "invalid_grant" {
		t.Errorf("refresh responses %s, want fosite's own invalid_grant", got.text)
	}
}

func TestRFC8693_2_1_SubjectToken(t *testing.T) {
	tests := []struct {
		name, token, reason string
	}{
		{"missing", "", ""},
		{"longer than any code", strings.Repeat("a", 513), grants.ReasonNewCode},
		{"with a control character", "good\x00code", grants.ReasonNewCode},
		{"with a line break", "good\ncode", grants.ReasonNewCode},
		{"not ASCII", "good码", grants.ReasonNewCode},
		{"not UTF-8", "good\xff", grants.ReasonNewCode},
		{"with a space", "good code", grants.ReasonNewCode},
		{"the mock of the developer tools", "the code is a mock one", grants.ReasonNewCode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantRejected(t, newServer(t), exchange(tt.token), 400, "invalid_request", tt.reason)
		})
	}
}

func TestRFC8693_2_1_SubjectTokenOfTheDeveloperToolsIsExplained(t *testing.T) {
	got := newServer(t).post(t, t.Context(), exchange("the code is a mock one"))
	if !strings.Contains(got.member("error_description"), "developer tools") {
		t.Errorf("the developer reads %q", got.member("error_description"))
	}
}

func TestRFC8693_2_1_SubjectTokenIsPassedOnUnchanged(t *testing.T) {
	const code = "goodAbC-_~!*'();:@&=+$,/?%#[]"
	s := newServer(t)
	wantGranted(t, s, exchange(code))
	if got := s.users.asked[0].Code; got != code {
		t.Errorf("code was received as %q, want %q", got, code)
	}
}

func TestRFC8693_2_1_ParametersOfTheExchange(t *testing.T) {
	tests := []struct {
		name   string
		change func(url.Values)
	}{
		{"subject_token_type missing", func(f url.Values) { f.Del("subject_token_type") }},
		{"subject_token_type unknown", func(f url.Values) {
			f.Set("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")
		}},
		{"subject_token_type in other case", func(f url.Values) {
			f.Set("subject_token_type", strings.ToUpper(grants.SubjectTokenType))
		}},
		{"requested_token_type refresh_token", func(f url.Values) {
			f.Set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")
		}},
		{"actor_token", func(f url.Values) { f.Set("actor_token", "x") }},
		{"actor_token_type", func(f url.Values) { f.Set("actor_token_type", "x") }},
		{"nonce too short for fosite", func(f url.Values) { f.Set("nonce", "1234567") }},
		{"nonce too long", func(f url.Values) { f.Set("nonce", strings.Repeat("n", 513)) }},
		{"nonce with a control character", func(f url.Values) { f.Set("nonce", "12345678\x01") }},
		{"phone_code too long", func(f url.Values) { f.Set("phone_code", strings.Repeat("p", 513)) }},
		{"phone_code with a line break", func(f url.Values) { f.Set("phone_code", "p\r\n") }},
		{"subject_token twice", func(f url.Values) { f.Add("subject_token", "good") }},
		{"scope twice", func(f url.Values) { f["scope"] = []string{"openid", "profile"} }},
		{"nonce twice", func(f url.Values) { f["nonce"] = []string{"12345678", "12345678"} }},
		{"an unknown parameter twice", func(f url.Values) { f["x"] = []string{"1", ""} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := exchange("good")
			tt.change(form)
			wantRejected(t, newServer(t), form, 400, "invalid_request", "")
		})
	}
}

func TestRFC8693_2_1_RequestedTokenTypeAccessTokenIsAccepted(t *testing.T) {
	wantGranted(t, newServer(t), exchange("good", "requested_token_type", grants.AccessTokenType))
}

// RFC 6749 §3.2: parameters sent without a value are treated as if they were omitted.
func TestRFC8693_2_1_EmptyParametersCountAsOmitted(t *testing.T) {
	s := newServer(t)
	got := wantGranted(t, s, exchange("good", "requested_token_type", "", "actor_token", "", "actor_token_type", "", "scope", "",
		"audience", "", "resource", "", "nonce", "", "phone_code", ""))
	if got.member("scope") != "openid" {
		t.Errorf("scope is %q, want the default", got.member("scope"))
	}
	if asked := s.users.asked[0]; len(asked.Audience) != 0 {
		t.Errorf("audience is %q, want none", asked.Audience)
	}
}

func TestRFC8693_2_1_Scope(t *testing.T) {
	defaults := func(scopes ...string) func(*server) {
		return func(s *server) {
			s.grant.DefaultScopes = func(context.Context, fosite.Client) []string { return scopes }
		}
	}
	tests := []struct {
		name   string
		adjust func(*server)
		scope  string
		want   string
	}{
		{"as requested", func(*server) {}, "openid profile", "openid profile"},
		{"requested twice", func(*server) {}, "openid openid", "openid"},
		{"openid when nothing is requested", func(*server) {}, "", "openid"},
		{"nothing when the client may not use openid", func(s *server) { s.client.Scopes = []string{"profile"} }, "", ""},
		{"the server's defaults", defaults("openid", "profile", "offline_access"), "", "openid profile offline_access"},
		{"those of the server's defaults that the client may use", defaults("openid", "admin"), "", "openid"},
		{"less than the defaults", defaults("openid", "profile"), "profile", "profile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := exchange("good")
			if tt.scope != "" {
				form.Set("scope", tt.scope)
			}
			got := wantGranted(t, newServer(t, tt.adjust), form)
			if scope, ok := got.body["scope"]; !ok || scope != tt.want {
				t.Errorf("scope is %v, want %q", scope, tt.want)
			}
			if _, ok := got.body["id_token"]; ok != strings.Contains(tt.want, "openid") {
				t.Errorf("ID token: %v, granted scope %q", ok, tt.want)
			}
		})
	}
}

func TestRFC8693_2_1_ScopeRefused(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = strings.Repeat("s", i+1)
	}
	anyScope := func(s *server) {
		s.client.Scopes = append(many, strings.Repeat("s", 513), "open\"id", "openid\nprofile")
	}
	for name, scope := range map[string]string{
		"not the client's":           "openid admin",
		"in other case":              "OPENID",
		"with a quotation mark":      `open"id`,
		"with a line break":          "openid\nprofile",
		"longer than any":            strings.Repeat("s", 513),
		"more than can be requested": strings.Join(many, " "),
	} {
		t.Run(name, func(t *testing.T) {
			wantRejected(t, newServer(t, anyScope), exchange("good", "scope", scope), 400, "invalid_scope", "")
		})
	}
}

// With fosite's default wildcard strategy a client may hold "*"; a scope in other case is then granted, but it is not openid.
func TestRFC8693_2_1_ScopeOpenIDIsExact(t *testing.T) {
	s := newServer(t, func(s *server) {
		s.config.ScopeStrategy = fosite.WildcardScopeStrategy
		s.client.Scopes = []string{"*"}
	})
	got := wantGranted(t, s, exchange("good", "scope", "OPENID OFFLINE_ACCESS"))
	if got.member("id_token") != "" || got.member("refresh_token") != "" {
		t.Errorf("scope in other case gets tokens: %s", slices.Sorted(maps.Keys(got.body)))
	}
}

func TestRFC8693_2_1_AudienceAndResource(t *testing.T) {
	tests := []struct {
		name string
		form []string
		want []string
	}{
		{"audience", []string{"audience", api}, []string{api}},
		{"resource", []string{"resource", api}, []string{api}},
		{
			"both, repeated",
			[]string{"audience", api, "audience", issuer, "resource", api, "resource", "https://files.example/"},
			[]string{api, issuer, "https://files.example/"},
		},
		{"neither: the default", nil, []string{issuer}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, withJWTAccessTokens, func(s *server) {
				s.grant.DefaultAudience = func(context.Context, fosite.Client) []string { return []string{issuer} }
			})
			got := wantGranted(t, s, exchange("good", tt.form...))
			var aud []string
			for _, value := range claimsOf(t, got.member("access_token"))["aud"].([]any) {
				aud = append(aud, value.(string))
			}
			if !slices.Equal(aud, tt.want) {
				t.Errorf("aud is %q, want %q", aud, tt.want)
			}
		})
	}
}

func TestRFC8693_2_2_2_InvalidTarget(t *testing.T) {
	tests := []struct {
		name, parameter, value string
		malformed              bool
	}{
		{"audience of others", "audience", "https://bank.example", false},
		{"audience below one of ours", "audience", api + "/below", false},
		{"audience with a control character", "audience", api + "\x7f", true},
		{"resource of others", "resource", "https://bank.example", false},
		{"resource is relative", "resource", "/files", true},
		{"resource is no URI", "resource", "api.example", true},
		{"resource has no scheme", "resource", "//api.example", true},
		{"resource has a fragment", "resource", api + "#x", true},
		{"resource has an empty fragment", "resource", api + "#", true},
		{"resource cannot be parsed", "resource", "https://[::1", true},
		{"resource is too long", "resource", "https://api.example/" + strings.Repeat("a", 512), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			if tt.malformed {
				s.client.Audience = append(s.client.Audience, tt.value) // so that only its form can be the reason
			}
			wantRejected(t, s, exchange("good", tt.parameter, tt.value), 400, "invalid_target", "")
		})
	}
	t.Run("more than can be requested", func(t *testing.T) {
		form := exchange("good")
		form["resource"] = slices.Repeat([]string{api}, 33)
		wantRejected(t, newServer(t), form, 400, "invalid_target", "")
	})
}

// fosite's default strategy matches audiences by path prefix and returns invalid_request; the grant returns invalid_target all
// the same.
func TestRFC8693_2_2_2_InvalidTargetWithFositesDefaultStrategy(t *testing.T) {
	s := newServer(t, func(s *server) { s.config.AudienceMatchingStrategy = fosite.DefaultAudienceMatchingStrategy })
	wantRejected(t, s, exchange("good", "audience", "https://bank.example"), 400, "invalid_target", "")
}

func TestRFC8693_2_2_1_Response(t *testing.T) {
	for name, adjust := range map[string]func(*server){
		"opaque access token": func(*server) {},
		"JWT access token":    withJWTAccessTokens,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, adjust, func(s *server) {
				s.users.subject.Response = map[string]any{"phone_error": "code", "expires_in": 1, "id_token": "x", "token_type": "x"}
			})
			got := wantGranted(t, s, exchange("good", "scope", "profile offline_access"))
			want := map[string]any{
				"issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
				"token_type":        "bearer",
				"expires_in":        600.0,
				"scope":             "profile offline_access",
				"phone_error":       "code",
			}
			for member, value := range want {
				if got.body[member] != value {
					t.Errorf("%s is %v, want %v", member, got.body[member], value)
				}
			}
			if got.member("access_token") == "" || got.member("refresh_token") == "" {
				t.Errorf("tokens are missing: %s", got.text)
			}
			if len(got.body) != len(want)+2 {
				t.Errorf("members are %q", slices.Sorted(maps.Keys(got.body)))
			}
			if cache := got.header.Get("Cache-Control"); cache != "no-store" {
				t.Errorf("Cache-Control is %q", cache)
			}
		})
	}
}

func TestRFC8693_2_2_1_RefreshTokenNeedsClientAndScope(t *testing.T) {
	tests := []struct {
		name   string
		adjust func(*server)
		scope  string
		want   bool
	}{
		{"client and scope", func(*server) {}, "openid offline_access", true},
		{"scope not granted", func(*server) {}, "openid", false},
		{"client may not refresh", func(s *server) { s.client.GrantTypes = []string{grants.GrantType} }, "offline_access", false},
		{"server requires no scope", func(s *server) { s.config.RefreshTokenScopes = []string{} }, "openid", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := wantGranted(t, newServer(t, tt.adjust), exchange("good", "scope", tt.scope))
			if _, ok := got.body["refresh_token"]; ok != tt.want {
				t.Errorf("refresh token: %v, want %v", ok, tt.want)
			}
		})
	}
}

func TestRFC8693_2_2_2_UnknownOrUsedCodeIsInvalidRequest(t *testing.T) {
	s := newServer(t)
	wantGranted(t, s, exchange("good"))
	for name, code := range map[string]string{"used": "good", "unknown": "bad"} {
		got := s.post(t, t.Context(), exchange(code))
		if got.status != 400 || got.member("error") != "invalid_request" || got.member("reason") != grants.ReasonNewCode {
			t.Errorf("%s code gets %d %s", name, got.status, got.text)
		}
	}
}

// The lifespans of a client apply to this grant too.
func TestRFC8693_2_2_1_ExpiresInFollowsTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // for a clock that stands still
		s := newServer(t)
		s.memory.Clients[clientID] = shortLived{s.client}
		got := wantGranted(t, s, exchange("good"))
		if got.body["expires_in"] != 60.0 {
			t.Errorf("expires_in is %v, want the client's 60", got.body["expires_in"])
		}
		claims := claimsOf(t, got.member("id_token"))
		if life := claims["exp"].(float64) - claims["iat"].(float64); life != 30 {
			t.Errorf("ID token lives %v s, want the client's 30", life)
		}
	})
}
