package discovery_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/discovery"
)

var update = flag.Bool("update", false, "write the golden files anew")

// complete returns a provider that has registered everything.
func complete() discovery.Provider {
	return discovery.Provider{
		Issuer: "https://id.example.com/d/acme",
		Endpoints: discovery.Endpoints{
			Authorization: "/oauth2/authorize", Token: "/oauth2/token", UserInfo: "/oauth2/userinfo", JWKS: "/oauth2/jwks",
			Revocation: "/oauth2/revoke", Introspection: "/oauth2/introspect", PushedAuthorization: "/oauth2/par",
			Registration: "/oauth2/register", EndSession: "/oauth2/logout",
		},
		Scopes:                   []string{"profile", "openid", "offline_access", "openid"},
		Claims:                   []string{"sub", "name", "auth_time"},
		ResponseTypes:            []string{"code"},
		ResponseModes:            []string{"query", "form_post"},
		GrantTypes:               []string{"refresh_token", "authorization_code"},
		SubjectTypes:             []string{"public", "pairwise"},
		ACRValues:                []string{"1"},
		PromptValues:             []string{"none", "login"},
		CodeChallengeMethods:     []string{"S256"},
		DisplayValues:            []string{"page"},
		ClaimTypes:               []string{"normal"},
		UILocales:                []string{"zh-CN", "en", "zh-Hans-CN"},
		IDTokenAlgorithms:        []string{"RS256", "ES256"},
		UserInfoAlgorithms:       []string{"RS256"},
		AuthMethods:              []string{"private_key_jwt", "client_secret_basic", "none"},
		AuthAlgorithms:           []string{"EdDSA", "ES256"},
		IntrospectionAuthMethods: []string{"client_secret_basic"},

		ClaimsParameter: true, RequirePushedAuthorization: true, AuthorizationResponseIss: true, ClientIDMetadataDocument: true,
		BackchannelLogout: true, FrontchannelLogout: true,
		Documentation: "https://example.com/docs", PolicyURL: "https://example.com/privacy", TermsURL: "https://example.com/terms",
	}
}

func encode(t *testing.T, provider discovery.Provider) []byte {
	t.Helper()
	metadata, err := discovery.New(provider)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.MarshalIndent(metadata, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(body, '\n')
}

func TestMetadata_IsGoldenDocument(t *testing.T) {
	got := encode(t, complete())
	const golden = "testdata/openid-configuration.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMetadata_IsIndependentOfOrder(t *testing.T) {
	shuffled := complete()
	slices.Reverse(shuffled.Scopes)
	slices.Reverse(shuffled.GrantTypes)
	slices.Reverse(shuffled.AuthMethods)
	before := slices.Clone(shuffled.Scopes)
	if got, want := encode(t, shuffled), encode(t, complete()); string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !slices.Equal(shuffled.Scopes, before) {
		t.Error("the provider's own list was sorted")
	}
}

func TestMetadata_OmitsMissingFeatures(t *testing.T) {
	small := discovery.Provider{
		Issuer:            "http://127.0.0.1:8080",
		Endpoints:         discovery.Endpoints{Token: "/oauth2/token", JWKS: "/oauth2/jwks"},
		GrantTypes:        []string{"refresh_token"},
		SubjectTypes:      []string{"public"},
		IDTokenAlgorithms: []string{"RS256"},
		AuthMethods:       []string{"client_secret_basic"},
	}
	want := `{
  "issuer": "http://127.0.0.1:8080",
  "token_endpoint": "http://127.0.0.1:8080/oauth2/token",
  "jwks_uri": "http://127.0.0.1:8080/oauth2/jwks",
  "response_types_supported": [],
  "grant_types_supported": [
    "refresh_token"
  ],
  "subject_types_supported": [
    "public"
  ],
  "id_token_signing_alg_values_supported": [
    "RS256"
  ],
  "token_endpoint_auth_methods_supported": [
    "client_secret_basic"
  ],
  "claims_parameter_supported": false,
  "request_parameter_supported": false,
  "request_uri_parameter_supported": false
}
`
	if got := string(encode(t, small)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRFC8414_2_AuthSigningAlgorithmsGoWithAssertionMethodsOnly(t *testing.T) {
	metadata, err := discovery.New(complete())
	if err != nil {
		t.Fatal(err)
	}
	if got := metadata.RevocationEndpointAuthSigningAlgValuesSupported; !slices.Equal(got, []string{"ES256", "EdDSA"}) {
		t.Errorf("revocation, with private_key_jwt: got %q", got)
	}
	if got := metadata.IntrospectionEndpointAuthSigningAlgValuesSupported; got != nil {
		t.Errorf("introspection, with client_secret_basic only: got %q", got)
	}
}

func TestNew_ReportsEveryProblem(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*discovery.Provider)
		want   string
	}{
		{"issuer is http", func(p *discovery.Provider) { p.Issuer = "http://id.example.com" }, "is not https"},
		{"issuer is not a URL", func(p *discovery.Provider) { p.Issuer = "id.example.com" }, "not a URL with a host"},
		{"issuer ends with a slash", func(p *discovery.Provider) { p.Issuer += "/" }, "ends with a slash"},
		{"issuer has a query", func(p *discovery.Provider) { p.Issuer += "?x=1" }, "query or fragment"},
		{"issuer has an empty fragment", func(p *discovery.Provider) { p.Issuer += "#" }, "query or fragment"},
		{"issuer has a user", func(p *discovery.Provider) { p.Issuer = "https://me@id.example.com" }, "user, query or fragment"},
		{"no token endpoint", func(p *discovery.Provider) { p.Endpoints.Token = "" }, "token_endpoint is required"},
		{"no JWK Set", func(p *discovery.Provider) { p.Endpoints.JWKS = "" }, "jwks_uri is required"},
		{"code without authorization endpoint", func(p *discovery.Provider) { p.Endpoints.Authorization = "" }, "authorization_endpoint is required"},
		{"code without response types", func(p *discovery.Provider) { p.ResponseTypes = nil }, "response_types_supported is required"},
		{"endpoint is a URL", func(p *discovery.Provider) { p.Endpoints.UserInfo = "https://x" }, `userinfo_endpoint: "https://x" is not a path`},
		{"endpoint has a query", func(p *discovery.Provider) { p.Endpoints.EndSession = "/a?b" }, `end_session_endpoint: "/a?b"`},
		{"no grant types", func(p *discovery.Provider) { p.GrantTypes = nil }, "grant_types_supported is empty"},
		{"no subject types", func(p *discovery.Provider) { p.SubjectTypes = nil }, "subject_types_supported is empty"},
		{"no authentication methods", func(p *discovery.Provider) { p.AuthMethods = nil }, "auth_methods_supported is empty"},
		{"no RS256", func(p *discovery.Provider) { p.IDTokenAlgorithms = []string{"ES256"} }, "lacks RS256"},
		{"unsigned ID tokens", func(p *discovery.Provider) { p.IDTokenAlgorithms = []string{"RS256", "none"} }, "id_token_signing_alg_values_supported has none"},
		{"unsigned assertions", func(p *discovery.Provider) { p.AuthAlgorithms = []string{"none"} }, "token_endpoint_auth_signing_alg_values_supported has none"},
		{"assertions without algorithms", func(p *discovery.Provider) { p.AuthAlgorithms = nil }, "is required by the methods"},
		{"no openid", func(p *discovery.Provider) { p.Scopes = []string{"profile"} }, "lacks openid"},
		{"scope with a space", func(p *discovery.Provider) { p.Scopes = []string{"openid", "a b"} }, `"a b" is not a scope`},
		{"locale in the wrong case", func(p *discovery.Provider) { p.UILocales = []string{"zh-cn"} }, `"zh-cn" is not a canonical`},
		{"locale with a wrong script", func(p *discovery.Provider) { p.UILocales = []string{"zh-hans"} }, `"zh-hans"`},
		{"locale with more", func(p *discovery.Provider) { p.UILocales = []string{"en-US-x"} }, `"en-US-x"`},
		{"locale without a language", func(p *discovery.Provider) { p.UILocales = []string{""} }, `"" is not a canonical`},
		{"pushed requests without their endpoint", func(p *discovery.Provider) { p.Endpoints.PushedAuthorization = "" }, "needs pushed_authorization_request_endpoint"},
		{"logout without its endpoint", func(p *discovery.Provider) { p.Endpoints.EndSession = "" }, "backchannel_logout_supported needs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			provider := complete()
			test.change(&provider)
			_, err := discovery.New(provider)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestCheckIssuer_AcceptsHTTPOnLoopbackOnly(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true, "https://id.example.com": true,
		"http://localhost.example.com": false, "http://10.0.0.1": false, "ftp://localhost": false, "https://": false, "": false,
	} {
		if err := discovery.CheckIssuer(issuer); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", issuer, err, ok)
		}
	}
}

func TestRFC8414_3_1_WellKnownStandsBetweenHostAndPath(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://example.com":           "https://example.com/.well-known/oauth-authorization-server",
		"https://example.com/issuer1":   "https://example.com/.well-known/oauth-authorization-server/issuer1",
		"https://example.com:8443/d/id": "https://example.com:8443/.well-known/oauth-authorization-server/d/id",
	} {
		if got := discovery.AuthorizationServerURL(issuer); got != want {
			t.Errorf("%s: got %s, want %s", issuer, got, want)
		}
	}
}

// allowedMembers returns the members of which the certification suite does not warn.
func allowedMembers(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/certification-members.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func TestMetadata_MembersAreKnownToCertification(t *testing.T) {
	allowed := allowedMembers(t)
	for field := range fields(reflect.TypeFor[discovery.Metadata]()) {
		if !slices.Contains(allowed, field) {
			t.Errorf("%s is not in the list", field)
		}
	}
}

func fields(typ reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// TestOIDCC_DiscoveryEndpointVerification asserts the same as the certification module oidcc-discovery-endpoint-verification.
func TestOIDCC_DiscoveryEndpointVerification(t *testing.T) {
	body := encode(t, complete())
	server := httptest.NewTLSServer(serve(body, time.Minute))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %q", response.StatusCode, response.Header.Get("Content-Type"))
	}
	var document map[string]any
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	allowed := allowedMembers(t)
	for member, value := range document {
		if !slices.Contains(allowed, member) {
			t.Errorf("%s is unexpected", member)
		}
		if strings.HasSuffix(member, "_endpoint") || member == "jwks_uri" || member == "issuer" {
			text, _ := value.(string)
			if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
				t.Errorf("%s is %q", member, value)
			}
		}
		if strings.HasSuffix(member, "_parameter_supported") {
			if _, ok := value.(bool); !ok {
				t.Errorf("%s is %T", member, value)
			}
			continue
		}
		if list, ok := value.([]any); ok && len(list) == 0 {
			t.Errorf("%s is empty", member)
		}
	}
	for member, value := range map[string]string{
		"response_types_supported": "code", "subject_types_supported": "public", "scopes_supported": "openid",
		"id_token_signing_alg_values_supported": "RS256", "grant_types_supported": "authorization_code",
		"code_challenge_methods_supported": "S256", "claims_supported": "sub",
	} {
		if list, _ := document[member].([]any); !slices.Contains(list, any(value)) {
			t.Errorf("%s lacks %s: %v", member, value, list)
		}
	}
	for _, member := range []string{"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"} {
		if document[member] == nil {
			t.Errorf("%s is absent", member)
		}
	}
}

func TestGoOIDC_ReadsMetadata(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	provider := complete()
	provider.Issuer = server.URL + "/d/acme"
	body := encode(t, provider)
	mux.Handle("/d/acme/.well-known/openid-configuration", serve(body, time.Minute))
	if discovery.ConfigurationURL(provider.Issuer) != provider.Issuer+"/.well-known/openid-configuration" {
		t.Error("go-oidc looks elsewhere")
	}
	found, err := oidc.NewProvider(t.Context(), provider.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if got := found.Endpoint().TokenURL; got != provider.Issuer+"/oauth2/token" {
		t.Errorf("token endpoint: got %s", got)
	}
	if got := found.UserInfoEndpoint(); got != provider.Issuer+"/oauth2/userinfo" {
		t.Errorf("userinfo endpoint: got %s", got)
	}
}

func serve(body []byte, maxAge time.Duration) discovery.Handler {
	return discovery.Handler{
		Source: func(context.Context) (discovery.Document, error) {
			return discovery.Document{Body: body, MaxAge: maxAge}, nil
		},
		ContentType: discovery.ContentTypeMetadata,
		Failed:      func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) },
	}
}
