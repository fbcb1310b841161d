package miniprogram_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	miniprogram "github.com/minifed/minifed/sdk/go"
)

// minifed records the last request and returns a fixed response.
type minifed struct {
	server   *httptest.Server
	path     string
	user     string
	password string
	body     any
	calls    int
}

func newMinifed(t *testing.T, respond http.HandlerFunc) *minifed {
	t.Helper()
	m := new(minifed)
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.calls++
		m.path = r.URL.Path
		m.user, m.password, _ = r.BasicAuth()
		content, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") == "application/json" {
			m.body = map[string]any{}
			_ = json.Unmarshal(content, &m.body)
		} else {
			m.body, _ = url.ParseQuery(string(content))
		}
		respond(w, r)
	}))
	t.Cleanup(m.server.Close)
	return m
}

func (m *minifed) handler(t *testing.T, change func(*miniprogram.Config)) http.Handler {
	t.Helper()
	config := miniprogram.Config{Issuer: m.server.URL + "/d/shop/", ClientID: "shop app", ClientSecret: "s:e/c&r+et"}
	if change != nil {
		change(&config)
	}
	handler, err := miniprogram.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func signedIn(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"access_token":"a","expires_in":600,"profile":{"sub":"lin"}}`)
}

func post(handler http.Handler, path, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	return recorder
}

type sentCase struct {
	path   string
	choice map[string]any
	called string
	sent   any
}

func sentCases() []sentCase {
	const federation = "/d/shop/federation/wechat/miniapp/"
	type m = map[string]any
	return []sentCase{
		{"login", nil, federation + "profile", m{"code": "c", "user": m{"nickname": "Lin"}, "terms_version": "2"}},
		{"phone", nil, federation + "profile", m{"code": "c", "phone_code": "p", "scope": "openid profile phone offline_access", "terms_version": "2"}},
		{"refresh", nil, "/d/shop/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}}},
		{"bind", m{"method": "register"}, federation + "bindUser", m{"method": "register", "code": "c", "bind_ticket": "t", "user": m{"nickname": "Lin"}, "terms_version": "2"}},
		{"bind", m{"method": "phone"}, federation + "bindUser", m{"method": "phone", "code": "c", "bind_ticket": "t", "phone_code": "p", "terms_version": "2"}},
		{"bind", m{"method": "password"}, federation + "bindUser", m{"method": "password", "code": "c", "bind_ticket": "t", "username": "lin", "password": "pw", "terms_version": "2"}},
		{"bind", m{"method": "session"}, federation + "bindUser", m{"method": "session", "code": "c", "bind_ticket": "t", "access_token": "a", "terms_version": "2"}},
		{"scan", m{"action": "seen"}, federation + "scan/seen", m{"scene": "s", "attempt": "n"}},
		{"scan", m{"action": "approve"}, federation + "scan/approve", m{"scene": "s", "code": "c", "number": "42", "confirmed": true}},
		{"scan", m{"action": "deny"}, federation + "scan/deny", m{"scene": "s"}},
		{"hand-off", nil, federation + "hand-off", m{"access_token": "a", "target_client_id": "web", "state": "x"}},
	}
}

func TestHandler_SendsMembersOfEachPathAndNoOthers(t *testing.T) {
	minifed := newMinifed(t, signedIn)
	handler := minifed.handler(t, nil)
	for _, c := range sentCases() {
		everything := map[string]any{
			"code": "c", "user": map[string]any{"nickname": "Lin"}, "refresh_token": "r", "bind_ticket": "t", "phone_code": "p", "username": "lin", "terms_version": "2",
			"password": "pw", "access_token": "a", "scene": "s", "attempt": "n", "country": "XX", "number": "42", "confirmed": true, "target_client_id": "web", "state": "x",
			"scope": "admin", "audience": "z", "grant_type": "client_credentials",
		}
		maps.Copy(everything, c.choice)
		content, err := json.Marshal(everything)
		if err != nil {
			t.Fatal(err)
		}
		if response := post(handler, "/auth/"+c.path, string(content)); response.Code != http.StatusOK {
			t.Errorf("%s %v: %d %s", c.path, c.choice, response.Code, response.Body)
		}
		if minifed.path != c.called || !reflect.DeepEqual(minifed.body, c.sent) {
			t.Errorf("%s %v sends %s %v, want %s %v", c.path, c.choice, minifed.path, minifed.body, c.called, c.sent)
		}
		// RFC 6749 §2.3.1: the parts are form-encoded.
		if minifed.user != "shop+app" || minifed.password != "s%3Ae%2Fc%26r%2Bet" {
			t.Errorf("%s authenticates as %q, %q", c.path, minifed.user, minifed.password)
		}
	}
}

func TestHandler_HasThePathsOfTheOpenAPIDocument(t *testing.T) {
	content, err := os.ReadFile("../miniprogram/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	handled := map[string]bool{}
	for _, c := range sentCases() {
		handled["/"+c.path] = true
	}
	described, want := slices.Sorted(maps.Keys(document.Paths)), slices.Sorted(maps.Keys(handled))
	if !slices.Equal(described, want) {
		t.Errorf("the document describes %v, the handler has %v", described, want)
	}
}

func TestHandler_RejectsOtherRequestsWithoutACall(t *testing.T) {
	minifed := newMinifed(t, signedIn)
	handler := minifed.handler(t, nil)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/auth/admin", "{}", http.StatusNotFound},
		{"/auth/login", "[]", http.StatusBadRequest},
		{"/auth/login", "null", http.StatusBadRequest},
		{"/auth/login", "{", http.StatusBadRequest},
		{"/auth/login", `{"code":"` + strings.Repeat("x", 70000) + `"}`, http.StatusBadRequest},
		{"/auth/refresh", "{}", http.StatusBadRequest},
		{"/auth/bind", `{"method":"unknown"}`, http.StatusBadRequest},
		{"/auth/scan", `{"action":"../token"}`, http.StatusBadRequest},
		{"/auth/scan", `{"action":["seen"]}`, http.StatusBadRequest},
	} {
		if response := post(handler, c.path, c.body); response.Code != c.status {
			t.Errorf("%s %.30s: status %d, want %d", c.path, c.body, response.Code, c.status)
		}
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/auth/login", http.NoBody))
	if recorder.Code != http.StatusMethodNotAllowed || recorder.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: status %d, Allow %q", recorder.Code, recorder.Header().Get("Allow"))
	}
	if minifed.calls != 0 {
		t.Errorf("minifed got %d calls", minifed.calls)
	}
}

func TestHandler_PassesErrorsOn(t *testing.T) {
	minifed := newMinifed(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":"temporarily_unavailable","reason":"rate_limited"}`)
	})
	response := post(minifed.handler(t, nil), "/login", `{"code":"c"}`)
	if response.Code != http.StatusTooManyRequests || response.Header().Get("Retry-After") != "60" || !strings.Contains(response.Body.String(), `"rate_limited"`) {
		t.Errorf("status %d, Retry-After %q, %s", response.Code, response.Header().Get("Retry-After"), response.Body)
	}
}

func TestHandler_LetsTheMiniProgramRepeatWithoutAResponse(t *testing.T) {
	gateway := newMinifed(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	elsewhere := newMinifed(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://other.example/", http.StatusFound)
	})
	down := newMinifed(t, signedIn)
	down.server.Close()
	for name, minifed := range map[string]*minifed{"a page": gateway, "a redirect": elsewhere, "no server": down} {
		response := post(minifed.handler(t, nil), "/login", `{"code":"c"}`)
		if response.Code != http.StatusBadGateway || !strings.Contains(response.Body.String(), `"reason":"retry"`) {
			t.Errorf("%s: status %d, %s", name, response.Code, response.Body)
		}
	}
}

func TestHandler_AddsTheSessionOfTheApp(t *testing.T) {
	minifed := newMinifed(t, signedIn)
	var failure error
	handler := minifed.handler(t, func(config *miniprogram.Config) {
		config.SignedIn = func(_ context.Context, tokens miniprogram.Tokens) (map[string]any, error) {
			return map[string]any{"session": "of " + tokens.Profile["sub"].(string)}, failure
		}
	})
	if response := post(handler, "/login", `{"code":"c"}`); !strings.Contains(response.Body.String(), `"session":"of lin"`) {
		t.Errorf("the response is %s", response.Body)
	}
	if response := post(handler, "/scan", `{"action":"seen","scene":"s"}`); strings.Contains(response.Body.String(), "session") {
		t.Errorf("a response without tokens has a session: %s", response.Body)
	}
	failure = errors.New("the database is down")
	if response := post(handler, "/login", `{"code":"c"}`); response.Code != http.StatusInternalServerError || strings.Contains(response.Body.String(), "access_token") {
		t.Errorf("status %d, %s", response.Code, response.Body)
	}
}

func TestHandler_SendsTheCountryThatTheBackendKnows(t *testing.T) {
	minifed := newMinifed(t, signedIn)
	handler := minifed.handler(t, func(config *miniprogram.Config) { config.Country = func(*http.Request) string { return "CN" } })
	post(handler, "/scan", `{"action":"seen","scene":"s","country":"XX"}`)
	if want := (map[string]any{"scene": "s", "country": "CN"}); !reflect.DeepEqual(minifed.body, want) {
		t.Errorf("sends %v, want %v", minifed.body, want)
	}
}

func TestNew_RequiresTheClient(t *testing.T) {
	for _, config := range []miniprogram.Config{{}, {Issuer: "https://id.example", ClientID: "shop"}, {ClientID: "shop", ClientSecret: "s"}} {
		if _, err := miniprogram.New(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
}
