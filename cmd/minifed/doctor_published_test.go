package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/resource"
)

// publishedAPI is an API whose responses a test chooses.
type publishedAPI struct {
	url     string
	handler atomic.Pointer[http.Handler]
}

func newPublishedAPI(t *testing.T) *publishedAPI {
	t.Helper()
	api := new(publishedAPI)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*api.handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	api.url = server.URL
	return api
}

// serves sets the metadata and the challenge, in which URL stands for the address of the API.
func (a *publishedAPI) serves(status int, challenge, metadata string) {
	fill := strings.NewReplacer("URL", a.url)
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api" && challenge != "":
			w.Header().Set("WWW-Authenticate", fill.Replace(challenge))
			w.WriteHeader(status)
		case r.URL.Path == "/api":
			w.WriteHeader(status)
		case r.URL.Path == "/.well-known/oauth-protected-resource/api" && metadata != "":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, fill.Replace(metadata))
		default:
			http.NotFound(w, r)
		}
	})
	a.handler.Store(&handler)
}

// An API that the package resource protects is as its record says.
func TestDoctor_AcceptsAnAPIOfThePackage(t *testing.T) {
	s, _ := newDoctorHarness(t)
	api := newPublishedAPI(t)
	protected, err := resource.New(resource.Config{Issuer: "http://localhost:8080", Resource: api.url + "/api", Scopes: []string{"orders"}})
	if err != nil {
		t.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.Handle(protected.MetadataPath(), protected.Metadata())
	routes.Handle("/api", protected.Protect(resource.Requirement{Scopes: []string{"orders"}}, http.NotFoundHandler()))
	var handler http.Handler = routes
	api.handler.Store(&handler)
	s.run(t, "resource", "create", api.url+"/api", "--scope", "orders Your orders | 你的订单")
	if got := s.run(t, "doctor", "--resource", api.url+"/api"); !strings.Contains(got, "is as the record says") || strings.Contains(got, "warn") || strings.Contains(got, "mini-program") {
		t.Errorf("got %s", got)
	}
	s.mustFail(t, exitFailed, nil, "doctor", "--resource", api.url+"/other")
	if got := s.out.String(); !strings.Contains(got, "no directory has a resource") || !strings.Contains(got, api.url+"/api") {
		t.Errorf("an identifier without a record: %s", got)
	}
	s.mustFail(t, exitFailed, nil, "doctor", "--resource", "api")
}

func TestDoctor_SaysHowAnAPIDiffersFromItsRecord(t *testing.T) {
	const (
		challenge = `Bearer resource_metadata="URL/.well-known/oauth-protected-resource/api"`
		metadata  = `{"resource":"URL/api","authorization_servers":["http://localhost:8080"],"scopes_supported":["orders"]}`
	)
	s, _ := newDoctorHarness(t)
	api := newPublishedAPI(t)
	s.run(t, "resource", "create", api.url+"/api", "--scope", "orders Your orders | 你的订单")
	for _, test := range []struct {
		name      string
		status    int
		challenge string
		metadata  string
		healthy   bool
		says      []string
	}{
		{"no metadata", 401, challenge, "", false, []string{"find no metadata", "status 404", "RFC 9728"}},
		{"no JSON", 401, challenge, "<html>", false, []string{"no metadata"}},
		{"another issuer", 401, challenge, strings.Replace(metadata, "8080", "8080/", 1), false, []string{"authorization_servers", "http://localhost:8080/", "with a slash at the end"}},
		{"another identifier", 401, challenge, strings.Replace(metadata, "URL/api", "URL/api/", 1), false, []string{"clients reject it", "letter by letter"}},
		{"a scope of no record", 401, challenge, strings.Replace(metadata, `"orders"`, `"orders","pay","openid"`, 1), false, []string{"no token gets: pay", "--scope"}},
		{"control characters", 401, challenge, strings.Replace(metadata, `"orders"`, `"orders","a\u001b[2J"`, 1), false, []string{"no token gets: a\uFFFD[2J"}},
		{"a hidden scope", 401, challenge, strings.Replace(metadata, `"orders"`, "", 1), true, []string{"clients do not ask for them: orders"}},
		{"tokens in the body alone", 401, challenge, strings.Replace(metadata, "{", `{"bearer_methods_supported":["body","query"],`, 1), false, []string{"without header", "which logs and browsers store"}},
		{"DPoP", 401, challenge, strings.Replace(metadata, "{", `{"dpop_bound_access_tokens_required":true,`, 1), false, []string{"bound to a key"}},
		{"no signature", 401, challenge, strings.Replace(metadata, "{", `{"resource_signing_alg_values_supported":["none"],`, 1), false, []string{"forbids"}},
		{"no CORS", 401, challenge, metadata, true, []string{"in a browser", "Access-Control-Allow-Origin"}},
		{"an open API", 200, "", metadata, true, []string{"status 200, not 401"}},
		{"no challenge", 401, `Basic realm="x"`, metadata, false, []string{"no WWW-Authenticate: Bearer", "resource_metadata="}},
		{"a challenge without an address", 401, `Basic realm="x", Bearer error="invalid_token"`, metadata, true, []string{"does not name the metadata"}},
		{"another address", 401, `Bearer resource_metadata="URL/other"`, metadata, true, []string{"URL/other"}},
		{"a scope in the challenge", 401, challenge + `, scope="orders pay"`, metadata, false, []string{"asks for scopes that the record lacks: pay"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			api.serves(test.status, test.challenge, test.metadata)
			s.out.Reset()
			if code := s.exitCode(t, "doctor", "--resource", api.url+"/api"); (code == exitDone) != test.healthy {
				t.Errorf("exit code %d", code)
			}
			for _, want := range test.says {
				if want = strings.ReplaceAll(want, "URL", api.url); !strings.Contains(s.out.String(), want) {
					t.Errorf("no %q in:\n%s", want, s.out)
				}
			}
		})
	}
}

func TestDoctor_WarnsOfResourcesThatCannotBeUsed(t *testing.T) {
	s, _ := newDoctorHarness(t)
	s.run(t, "resource", "create", "https://api.example.com", "--scope", "orders", "--introspected-by", "nobody", "--token-format", "opaque")
	s.run(t, "resource", "create", "https://mcp.example.com", "--asked-by", "any")
	said := s.run(t, "doctor")
	for _, want := range []string{
		"no enabled client may ask for its tokens", `client "nobody" in introspected_by does not exist`, "its tokens are opaque",
		"no English or no Chinese text for orders", "the directory admits none",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in:\n%s", want, said)
		}
	}
	s.run(t, "client", "create", "--kind", "service", "--id", "nobody", "--resource", "https://api.example.com")
	s.run(t, "resource", "update", "https://api.example.com", "--scope", "orders Your orders | 你的订单")
	s.run(t, "directory", "update", "default", "--documents", "any")
	if said := s.run(t, "doctor"); strings.Contains(said, "resource https") {
		t.Errorf("warnings of what is right:\n%s", said)
	}
}
