package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// A test of this file is a module of the certification plans "Basic" and "Form Post" of the OpenID Foundation's conformance
// suite, and has its name. It sends what the module sends. It also fails where the module only warns.

// certificationSuite is the conformance suite in one run of a module.
type certificationSuite struct {
	*browser
	t *testing.T
	// mode is the response_mode of the plan; empty for Basic.
	mode   string
	client string
}

// certifyClient runs a module in both plans.
func certifyClient(t *testing.T, module func(t *testing.T, s *certificationSuite)) {
	t.Helper()
	for plan, mode := range map[string]string{"basic": "", "formpost": "form_post"} {
		t.Run(plan, func(t *testing.T) { module(t, newSuite(t, mode)) })
	}
}

// newSuite returns a suite whose static clients have no signing algorithm, so that they get RS256. Each has an incarnation, as
// clients that an operator creates.
func newSuite(t *testing.T, mode string) *certificationSuite {
	t.Helper()
	ts := populate(newTestServer(t)) // With the pages that users get.
	for id, method := range map[string]string{"suite": "client_secret_basic", "suite2": "client_secret_basic", "suitepost": "client_secret_post"} {
		ts.addClient(id, func(c *storage.Client) {
			c.AuthMethod, c.IDTokenAlgorithm, c.Incarnation = method, "", "abcdefghijklmnop"
		})
	}
	return &certificationSuite{browser: ts.newBrowser(), t: t, mode: mode, client: "suite"}
}

// authorize sends the authorization request of the module.
func (s *certificationSuite) authorize(further ...string) *page {
	s.t.Helper()
	return s.get(s.request(further...))
}

func (s *certificationSuite) request(further ...string) string {
	if s.mode != "" {
		further = append([]string{"response_mode", s.mode}, further...)
	}
	return s.authorizeURL(s.client, further...)
}

// signInAndAllow does what the suite's browser does on the pages.
func (s *certificationSuite) signInAndAllow() *page {
	s.t.Helper()
	if s.page.callback == "" && strings.Contains(s.page.body, `name="username"`) {
		s.signIn("alice")
	}
	return s.allow()
}

// callback checks that the response came in the required response mode and returns it.
func (s *certificationSuite) callback(state string) url.Values {
	s.t.Helper()
	if s.page.callback == "" {
		s.t.Fatalf("not at the callback: %d %s\n%s", s.page.status, s.page.url, s.page.body)
	}
	if s.page.posted != (s.mode == "form_post") {
		s.t.Errorf("posted is %v in mode %q", s.page.posted, s.mode)
	}
	if s.mode == "form_post" && strings.ContainsAny(s.page.callback, "?#") {
		s.t.Errorf("the callback has a query: %s", s.page.callback)
	}
	if s.mode == "" && strings.Contains(s.page.callback, "#") {
		s.t.Errorf("the callback has a fragment: %s", s.page.callback)
	}
	if got := s.page.sent.Get("state"); got != state {
		s.t.Errorf("state is %q, want %q", got, state)
	}
	if got := s.page.sent.Get("iss"); got != s.url {
		s.t.Errorf("iss is %q, want %q", got, s.url)
	}
	return s.page.sent
}

// codeOf returns the code of a successful response, which must be hard to guess.
func (s *certificationSuite) codeOf() string {
	s.t.Helper()
	sent := s.callback("state-1")
	code := sent.Get("code")
	if sent.Has("error") || len(code)*8 < 128 || shannonEntropy(code) < 96 {
		s.t.Fatalf("code %q has %.0f bits of entropy: %v", code, shannonEntropy(code), sent)
	}
	return code
}

func shannonEntropy(text string) (bits float64) {
	counts := map[rune]float64{}
	for _, r := range text {
		counts[r]++
	}
	for _, n := range counts {
		bits -= n * math.Log2(n/float64(len(text)))
	}
	return bits
}

// tokens exchanges a code and checks the response as every module does. It returns the claims of the ID token.
func (s *certificationSuite) tokens(code string) (response, map[string]any) {
	s.t.Helper()
	a := s.redeem(s.client, code)
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		s.t.Fatalf("token endpoint: %d %s %s", a.status, a.header.Get("Content-Type"), a.raw)
	}
	return a, s.checkTokens(a, "nonce-1")
}

func (s *certificationSuite) checkTokens(a response, nonce string) map[string]any {
	s.t.Helper()
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
		s.t.Errorf("Cache-Control %q, Pragma %q", a.header.Get("Cache-Control"), a.header.Get("Pragma"))
	}
	if !strings.EqualFold(a.member("token_type"), "bearer") || shannonEntropy(a.member("access_token")) < 96 {
		s.t.Errorf("token_type %q, access token %q", a.member("token_type"), a.member("access_token"))
	}
	if expires, ok := a.body["expires_in"].(float64); !ok || expires < 1 || expires > 365*24*3600 || expires != math.Trunc(expires) {
		s.t.Errorf("expires_in is %v", a.body["expires_in"])
	}
	all := s.checkIDToken(a.member("id_token"))
	if got, _ := all["nonce"].(string); got != nonce {
		s.t.Errorf("nonce is %q, want %q", got, nonce)
	}
	sum := sha256.Sum256([]byte(a.member("access_token")))
	if want := base64.RawURLEncoding.EncodeToString(sum[:16]); all["at_hash"] != want {
		s.t.Errorf("at_hash is %v, want %s", all["at_hash"], want)
	}
	return all
}

// checkIDToken verifies an ID token with another library, and looks for claims that were not requested.
func (s *certificationSuite) checkIDToken(token string) map[string]any {
	s.t.Helper()
	provider := must(oidc.NewProvider(s.Context(), s.url))(s.t)
	verifier := provider.Verifier(&oidc.Config{ClientID: s.client, Now: s.clock.Now})
	verified, err := verifier.Verify(s.Context(), token)
	if err != nil {
		s.t.Fatalf("ID token: %v", err)
	}
	if header := jwtHeader(s.t, token); header["alg"] != "RS256" || header["kid"] == nil {
		s.t.Errorf("header is %v", header)
	}
	var all map[string]any
	check(s.t, verified.Claims(&all))
	for name := range all {
		if !slices.Contains(strings.Fields("iss sub aud exp iat auth_time nonce acr amr azp at_hash c_hash nbf jti sid s_hash txn"), name) {
			s.t.Errorf("ID token has the claim %s, which was not requested", name)
		}
	}
	now := s.clock.Now()
	authTime, ok := all["auth_time"].(float64)
	if !ok || int64(authTime) > now.Unix() || int64(authTime) < now.AddDate(-1, 0, 0).Unix() {
		s.t.Errorf("auth_time is %v", all["auth_time"])
	}
	if acr, _ := all["acr"].(string); acr == "" || all["sub"] == "" || all["azp"] != s.client {
		s.t.Errorf("acr %v, sub %v, azp %v", all["acr"], all["sub"], all["azp"])
	}
	if now.Sub(verified.IssuedAt).Abs() > 5*time.Minute {
		s.t.Errorf("iat is %v, now is %v", verified.IssuedAt, now)
	}
	return all
}

// happyFlow is a complete sign-in, from the authorization request to the UserInfo response.
func (s *certificationSuite) happyFlow(further ...string) (response, map[string]any) {
	s.t.Helper()
	s.authorize(further...)
	s.signInAndAllow()
	a, all := s.tokens(s.codeOf())
	if info := s.userinfo(a.member("access_token")); info.status != http.StatusOK || info.member("sub") != all["sub"] {
		s.t.Errorf("UserInfo: %d %s", info.status, info.raw)
	}
	return a, all
}

func TestOIDCC_oidcc_server(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.happyFlow() })
}

func TestOIDCC_oidcc_response_type_missing(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("response_type", "", "state", longState)
		sent := s.callback(longState)
		if sent.Get("error") != "invalid_request" || sent.Has("code") {
			t.Errorf("got %v", sent)
		}
		wantErrorMembers(t, sent)
	})
}

func TestOIDCC_oidcc_idtoken_signature(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		a, _ := s.happyFlow()
		if header := jwtHeader(t, a.member("id_token")); header["alg"] != "RS256" || header["kid"] == nil {
			t.Errorf("header is %v", header)
		}
	})
}

// TestOIDCC_oidcc_idtoken_unsigned is skipped by the suite where the discovery document does not offer unsigned ID tokens.
func TestOIDCC_oidcc_idtoken_unsigned(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		algorithms, _ := s.testServer.get(s.url + "/.well-known/openid-configuration").body["id_token_signing_alg_values_supported"].([]any)
		if len(algorithms) == 0 || slices.Contains(algorithms, any("none")) {
			t.Errorf("algorithms are %v", algorithms)
		}
	})
}

func TestOIDCC_oidcc_userinfo_get(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		a, all := s.happyFlow()
		info := s.userinfo(a.member("access_token"))
		if info.status != http.StatusOK || !strings.HasPrefix(info.header.Get("Content-Type"), "application/json") || info.member("sub") != all["sub"] {
			t.Errorf("got %d %s", info.status, info.raw)
		}
	})
}

func TestOIDCC_oidcc_userinfo_post_header(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		a, all := s.happyFlow()
		request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/oauth2/userinfo", nil))(t)
		request.Header.Set("Authorization", "Bearer "+a.member("access_token"))
		if info := s.do(request); info.status != http.StatusOK || info.member("sub") != all["sub"] {
			t.Errorf("got %d %s", info.status, info.raw)
		}
	})
}

func TestOIDCC_oidcc_userinfo_post_body(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		a, all := s.happyFlow()
		info := s.postPublic("/oauth2/userinfo", url.Values{"access_token": {a.member("access_token")}})
		if info.status != http.StatusOK || info.member("sub") != all["sub"] {
			t.Errorf("got %d %s", info.status, info.raw)
		}
	})
}

func TestOIDCC_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		s.authorize("nonce", "")
		s.signInAndAllow()
		s.checkTokens(s.redeem(s.client, s.codeOf()), "")
	})
}

// claimsOf returns the claims of a scope (OpenID Connect Core §5.4).
func claimsOf(scope string) []string {
	return strings.Fields(map[string]string{
		"profile": "name given_name family_name middle_name nickname profile picture website gender birthdate zoneinfo locale updated_at preferred_username",
		"email":   "email email_verified", "address": "address", "phone": "phone_number phone_number_verified",
	}[scope])
}

func (s *certificationSuite) wantScope(scopes ...string) {
	s.t.Helper()
	a, _ := s.happyFlow("scope", "openid "+strings.Join(scopes, " "))
	s.wantClaims(a, scopes...)
}

// wantClaims asserts that UserInfo has exactly the claims of scopes, each of its type.
func (s *certificationSuite) wantClaims(a response, scopes ...string) {
	s.t.Helper()
	info := s.userinfo(a.member("access_token"))
	want := []string{"sub"}
	for _, scope := range scopes {
		want = append(want, claimsOf(scope)...)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(info.body)); !slices.Equal(got, want) {
		s.t.Errorf("UserInfo has %v, want %v", got, want)
	}
	for name, value := range info.body {
		var good bool
		switch name {
		case "email_verified", "phone_number_verified":
			_, good = value.(bool)
		case "updated_at":
			_, good = value.(float64)
		case "address":
			_, good = value.(map[string]any)
		case "birthdate":
			text, _ := value.(string)
			good = regexp.MustCompile(`^\d{4}(-\d{2}-\d{2})?$`).MatchString(text)
		default:
			text, ok := value.(string)
			good = ok && text != ""
		}
		if !good {
			s.t.Errorf("%s is %v", name, value)
		}
	}
}

func TestOIDCC_oidcc_scope_profile(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.wantScope("profile") })
}

func TestOIDCC_oidcc_scope_email(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.wantScope("email") })
}

func TestOIDCC_oidcc_scope_address(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.wantScope("address") })
}

func TestOIDCC_oidcc_scope_phone(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.wantScope("phone") })
}

func TestOIDCC_oidcc_scope_all(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.wantScope("profile", "email", "address", "phone") })
}

func TestOIDCC_oidcc_alternate_happy_flow(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		parameters := strings.Split(strings.SplitN(s.request("scope", "email openid"), "?", 2)[1], "&")
		slices.Reverse(parameters)
		s.get(s.url + "/oauth2/authorize?" + strings.Join(parameters, "&"))
		s.signInAndAllow()
		a, _ := s.tokens(s.codeOf())
		s.wantClaims(a, "email")
	})
}

// TestOIDCC_oidcc_ensure_other_scope_order_succeeds is in older versions of the suite instead of the previous module.
func TestOIDCC_oidcc_ensure_other_scope_order_succeeds(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		a, _ := s.happyFlow("scope", "email openid")
		s.wantClaims(a, "email")
	})
}

func TestOIDCC_oidcc_display_page(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.happyFlow("display", "page") })
}

func TestOIDCC_oidcc_display_popup(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.happyFlow("display", "popup") })
}

func authTime(claims map[string]any) float64 { at, _ := claims["auth_time"].(float64); return at }

func TestOIDCC_oidcc_prompt_login(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		_, first := s.happyFlow()
		s.clock.Advance(time.Second)
		s.authorize("prompt", "login")
		s.wantPage(t, http.StatusOK, `name="username"`)
		s.signInAndAllow()
		_, second := s.tokens(s.codeOf())
		if authTime(second) <= authTime(first) || second["sub"] != first["sub"] {
			t.Errorf("auth_time went from %v to %v", first["auth_time"], second["auth_time"])
		}
	})
}

func TestOIDCC_oidcc_prompt_none_not_logged_in(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("prompt", "none", "state", longState)
		sent := s.callback(longState)
		if sent.Get("error") != "login_required" || sent.Has("code") {
			t.Errorf("got %v", sent)
		}
		wantErrorMembers(t, sent)
	})
}

// authorizeAgain sends a second request that needs no page. It must belong to the same sign-in.
func (s *certificationSuite) authorizeAgain(first map[string]any, further ...string) {
	s.t.Helper()
	s.clock.Advance(time.Second)
	s.authorize(further...)
	_, second := s.tokens(s.codeOf())
	if second["sub"] != first["sub"] || authTime(second) != authTime(first) {
		s.t.Errorf("went from %v, %v to %v, %v", first["sub"], first["auth_time"], second["sub"], second["auth_time"])
	}
}

func TestOIDCC_oidcc_prompt_none_logged_in(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		_, first := s.happyFlow()
		s.authorizeAgain(first, "prompt", "none")
	})
}

func TestOIDCC_oidcc_max_age_1(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		_, first := s.happyFlow()
		s.clock.Advance(2 * time.Second)
		s.authorize("max_age", "1")
		s.wantPage(t, http.StatusOK, `name="username"`)
		s.signInAndAllow()
		_, second := s.tokens(s.codeOf())
		if authTime(second) <= authTime(first) || s.clock.Now().Sub(time.Unix(int64(authTime(second)), 0)) > 5*time.Second {
			t.Errorf("auth_time went from %v to %v", first["auth_time"], second["auth_time"])
		}
	})
}

func TestOIDCC_oidcc_max_age_10000(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		_, first := s.happyFlow("max_age", "15000")
		s.authorizeAgain(first, "max_age", "10000")
	})
}

func TestOIDCC_oidcc_ensure_request_with_unknown_parameter_succeeds(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.happyFlow("extra", "foobar") })
}

func TestOIDCC_oidcc_id_token_hint(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		a, first := s.happyFlow()
		s.authorizeAgain(first, "prompt", "none", "id_token_hint", a.member("id_token"))
	})
}

func TestOIDCC_oidcc_login_hint(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("login_hint", "buffy@id.example")
		s.wantPage(t, http.StatusOK, `value="buffy@id.example"`)
		s.signInAndAllow()
		s.tokens(s.codeOf())
	})
}

func TestOIDCC_oidcc_ui_locales(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.happyFlow("ui_locales", "se") })
}

func TestOIDCC_oidcc_claims_locales(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) { s.happyFlow("claims_locales", "se") })
}

func TestOIDCC_oidcc_ensure_request_with_acr_values_succeeds(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		offered, _ := s.testServer.get(s.url + "/.well-known/openid-configuration").body["acr_values_supported"].([]any)
		for _, values := range []string{"1 2", joined(offered)} {
			_, all := s.happyFlow("acr_values", values)
			if acr, _ := all["acr"].(string); !slices.Contains(strings.Fields(values), acr) {
				t.Errorf("acr is %q, want one of %s", acr, values)
			}
		}
	})
}

func joined(values []any) string {
	var texts []string
	for _, value := range values {
		text, _ := value.(string)
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func (s *certificationSuite) wantCodeSpent(code string, first response) {
	s.t.Helper()
	s.wantInvalidGrant(s.redeem(s.client, code))
	info := s.userinfo(first.member("access_token"))
	if challenge := info.header.Get("WWW-Authenticate"); info.status != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_token"`) {
		s.t.Errorf("the first access token: %d %s", info.status, challenge)
	}
}

// wantInvalidGrant asserts what the suite requires of an error of the token endpoint (RFC 6749 §5.2).
func (s *certificationSuite) wantInvalidGrant(a response) {
	s.t.Helper()
	description := a.member("error_description")
	if a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") ||
		!regexp.MustCompile(`^[\x20-\x21\x23-\x5b\x5d-\x7e]+$`).MatchString(description) {
		s.t.Errorf("got %d %s %s, want invalid_grant", a.status, a.header.Get("Content-Type"), a.raw)
	}
}

func TestOIDCC_oidcc_codereuse(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		s.authorize()
		s.signInAndAllow()
		code := s.codeOf()
		first, _ := s.tokens(code)
		s.wantCodeSpent(code, first)
	})
}

func TestOIDCC_oidcc_codereuse_30seconds(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		s.authorize()
		s.signInAndAllow()
		code := s.codeOf()
		first, _ := s.tokens(code)
		s.clock.Advance(30 * time.Second)
		s.wantCodeSpent(code, first)
	})
}

func TestOIDCC_oidcc_ensure_registered_redirect_uri(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("redirect_uri", webRedirect+"/x7f3k2q9")
		s.wantPage(t, http.StatusBadRequest, "redirect_uri")
	})
}

// TestOIDCC_oidcc_redirect_uri_query_added is a module of the comprehensive plan only.
func TestOIDCC_oidcc_redirect_uri_query_added(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("redirect_uri", webRedirect+"?foo=bar")
		s.wantPage(t, http.StatusBadRequest, "redirect_uri")
	})
}

func TestOIDCC_oidcc_ensure_post_request_succeeds(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		parsed := must(url.Parse(s.request()))(s.t)
		s.post(s.url+"/oauth2/authorize", parsed.Query(), false)
		s.signInAndAllow()
		s.tokens(s.codeOf())
	})
}

func TestOIDCC_oidcc_server_client_secret_post(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.client = "suitepost"
		s.authorize()
		s.signInAndAllow()
		a := s.postPublic("/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {s.codeOf()}, "redirect_uri": {webRedirect},
			"client_id": {s.client}, "client_secret": {secretOfWeb},
		})
		if a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
		s.checkTokens(a, "nonce-1")
		document := s.testServer.get(s.url + "/.well-known/openid-configuration")
		if methods, _ := document.body["token_endpoint_auth_methods_supported"].([]any); !slices.Contains(methods, any("client_secret_post")) {
			t.Errorf("methods are %v", methods)
		}
	})
}

// wantUnsupported asserts that a request with request or request_uri is rejected as unsupported, which skips the module.
func (s *certificationSuite) wantUnsupported(code string, further ...string) {
	s.t.Helper()
	s.authorize(further...)
	if sent := s.callback(s.page.sent.Get("state")); sent.Get("error") != code {
		s.t.Errorf("got %v, want %s", sent, code)
	}
	wantErrorMembers(s.t, s.page.sent)
}

// unsignedObject returns a request object of alg none.
func unsignedObject(claims map[string]any) string {
	body, _ := json.Marshal(claims)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(body) + "."
}

func TestOIDCC_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		s.wantUnsupported("request_uri_not_supported", "request_uri", "https://suite.example/request.jwt", "state", "", "nonce", "")
	})
}

func TestOIDCC_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(t *testing.T) {
	certifyClient(t, func(_ *testing.T, s *certificationSuite) {
		inside := map[string]any{"state": "inside", "nonce": "inside"}
		if s.mode != "" { // The suite moves response_mode into the object, too.
			inside["response_mode"] = s.mode
		}
		s.wantUnsupported("request_not_supported", "request", unsignedObject(inside), "state", "", "nonce", "", "response_mode", "")
	})
}

func TestOIDCC_oidcc_claims_essential(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		a, _ := s.happyFlow("claims", `{"userinfo":{"name":{"essential":true}}}`)
		if info := s.userinfo(a.member("access_token")); info.member("name") != "Name of alice" {
			t.Errorf("UserInfo is %s", info.raw)
		}
	})
}

func TestOIDCC_oidcc_ensure_request_object_with_redirect_uri(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("request", unsignedObject(map[string]any{"redirect_uri": webRedirect}), "redirect_uri", webRedirect+"/x")
		s.wantPage(t, http.StatusBadRequest, "redirect_uri")
	})
}

func TestOIDCC_oidcc_refresh_token(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("scope", "openid offline_access", "prompt", "consent")
		s.signInAndAllow()
		a, first := s.tokens(s.codeOf())
		// 1. A refresh.
		s.clock.Advance(2 * time.Second)
		b := s.refresh(s.client, a.member("refresh_token"), "scope", "openid offline_access")
		if b.status != http.StatusOK {
			t.Fatalf("refresh: %d %s", b.status, b.raw)
		}
		second := s.checkTokens(b, "")
		for _, name := range []string{"iss", "sub", "aud", "azp", "auth_time"} {
			if first[name] != second[name] {
				t.Errorf("%s went from %v to %v", name, first[name], second[name])
			}
		}
		if info := s.userinfo(b.member("access_token")); info.status != http.StatusOK || b.member("access_token") == a.member("access_token") {
			t.Errorf("UserInfo with the new access token: %d", info.status)
		}
		if iat(second) <= iat(first) {
			t.Errorf("iat went from %v to %v", first["iat"], second["iat"])
		}
		for _, token := range []string{a.member("refresh_token"), b.member("refresh_token")} {
			if len(token)*8 < 128 || shannonEntropy(token) < 96 || !regexp.MustCompile(`^[\x20-\x7e]+$`).MatchString(token) {
				t.Errorf("refresh token is %q", token)
			}
		}
		// 2. Another client's token.
		s.client = "suite2"
		s.authorize("scope", "openid offline_access", "prompt", "consent")
		s.signInAndAllow()
		other, _ := s.tokens(s.codeOf())
		s.client = "suite"
		s.wantInvalidGrant(s.refresh("suite", other.member("refresh_token"), "scope", "openid offline_access"))
	})
}

func iat(claims map[string]any) float64 { at, _ := claims["iat"].(float64); return at }

func TestOIDCC_oidcc_ensure_request_with_valid_pkce_succeeds(t *testing.T) {
	certifyClient(t, func(t *testing.T, s *certificationSuite) {
		s.authorize("code_challenge", challenge, "code_challenge_method", "S256")
		s.signInAndAllow()
		a := s.redeem(s.client, s.codeOf(), "code_verifier", verifier)
		if a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
		s.checkTokens(a, "nonce-1")
	})
}

// TestOIDCC_oidcc_discovery_endpoint_verification is the module of the plan "Config". It requires https everywhere, so the
// provider's public URL is one.
func TestOIDCC_oidcc_discovery_endpoint_verification(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.config.PublicURL = "https://id.example"
	provider := must(server.New(ts.config))(t)
	get := func(path string) (*httptest.ResponseRecorder, map[string]any) {
		recorder := httptest.NewRecorder()
		provider.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		var body map[string]any
		check(t, json.Unmarshal(recorder.Body.Bytes(), &body))
		return recorder, body
	}
	response, document := get("/.well-known/openid-configuration")
	if response.Code != http.StatusOK || !strings.HasPrefix(response.Header().Get("Content-Type"), "application/json") {
		t.Fatalf("got %d %s", response.Code, response.Header().Get("Content-Type"))
	}
	known := strings.Fields(string(must(os.ReadFile("../discovery/testdata/certification-members.txt"))(t)))
	for name, value := range document {
		if !slices.Contains(known, name) {
			t.Errorf("unexpected member %s", name)
		}
		address, isText := value.(string)
		if isText && (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") && !strings.HasPrefix(address, "https://id.example/") {
			t.Errorf("%s is %s", name, address)
		}
	}
	for name, want := range map[string][]any{
		"response_types_supported": {"code"}, "response_modes_supported": {"form_post", "query"}, "subject_types_supported": {"pairwise", "public"},
		"code_challenge_methods_supported": {"S256"}, "prompt_values_supported": {"consent", "login", "none", "select_account"},
		"acr_values_supported": {"1"},
	} {
		if got, _ := document[name].([]any); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, document[name], want)
		}
	}
	for name, some := range map[string][]any{
		"id_token_signing_alg_values_supported": {"RS256"}, "scopes_supported": {"openid", "offline_access"},
		"grant_types_supported": {"authorization_code", "refresh_token"}, "claims_supported": {"sub", "name", "email"},
	} {
		for _, value := range some {
			if got, _ := document[name].([]any); !slices.Contains(got, value) {
				t.Errorf("%s lacks %v", name, value)
			}
		}
	}
	for name, want := range map[string]any{
		"issuer": "https://id.example", "authorization_response_iss_parameter_supported": true, "claims_parameter_supported": true,
		"request_parameter_supported": false, "request_uri_parameter_supported": false,
		"userinfo_endpoint":                     "https://id.example/oauth2/userinfo",
		"pushed_authorization_request_endpoint": "https://id.example/oauth2/par",
	} {
		if document[name] != want {
			t.Errorf("%s is %v, want %v", name, document[name], want)
		}
	}
	response, set := get("/oauth2/jwks")
	if mediaType := response.Header().Get("Content-Type"); mediaType != "application/json" && mediaType != "application/jwk-set+json" {
		t.Errorf("the keys are %s", mediaType)
	}
	keys, _ := set["keys"].([]any)
	wantPublicKeys(t, keys)
	if len(keys) == 0 {
		t.Error("no keys")
	}
}

// wantPublicKeys asserts that keys have distinct IDs, are strong, and have no private members (RFC 7517, RFC 7518 §6).
func wantPublicKeys(t *testing.T, keys []any) {
	t.Helper()
	seen := map[any]bool{}
	members := map[any][]string{"RSA": {"n", "e"}, "EC": {"x", "y", "crv"}, "OKP": {"x", "crv"}}
	for _, value := range keys {
		key, _ := value.(map[string]any)
		kid, _ := key["kid"].(string)
		if kid == "" || seen[kid] || key["use"] != "sig" || key["alg"] == nil {
			t.Errorf("kid %v, use %v, alg %v", key["kid"], key["use"], key["alg"])
		}
		seen[kid] = true
		want := append([]string{"kty", "kid", "use", "alg"}, members[key["kty"]]...)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(key)); !slices.Equal(got, want) {
			t.Errorf("a key has the members %v, want %v", got, want)
		}
		for _, name := range slices.DeleteFunc(want, func(name string) bool { return len(name) > 1 }) {
			text, _ := key[name].(string)
			number, err := base64.RawURLEncoding.Strict().DecodeString(text)
			if err != nil || name == "n" && (len(number) < 256 || number[0] == 0) {
				t.Errorf("%s is %q", name, text)
			}
		}
	}
}
