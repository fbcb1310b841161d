package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAuthorize_RequestObjectResponseModeIsUsedForError: the mode applies, and nothing else in the object does.
func TestAuthorize_RequestObjectResponseModeIsUsedForError(t *testing.T) {
	ts := newPopulatedServer(t)
	object := func(mode string) string {
		return unsignedObject(map[string]any{"response_mode": mode, "state": "inside", "redirect_uri": "https://evil.example/"})
	}
	for name, test := range map[string]struct {
		further []string
		posted  bool
	}{
		"form_post in the object":              {[]string{"request", object("form_post")}, true},
		"query in the object, not outside":     {[]string{"request", object("query"), "response_mode", "form_post"}, false},
		"unknown in the object, known outside": {[]string{"request", object("fragment"), "response_mode", "form_post"}, true},
		"unknown in the object":                {[]string{"request", object("web_message")}, false},
		"no object at all":                     {[]string{"request", "x.y.z"}, false},
		"an object that is too long":           {[]string{"request", unsignedObject(map[string]any{"response_mode": "form_post", "x": strings.Repeat("x", 9000)})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := ts.newBrowser()
			b.get(ts.authorizeURL("web", test.further...))
			b.wantError(t, "request_not_supported", "state-1")
			if b.page.posted != test.posted {
				t.Errorf("posted is %v", b.page.posted)
			}
		})
	}
}

// TestAuthorize_MalformedParameterIsReported to the client where client and redirect URI are valid, and on a page otherwise.
func TestAuthorize_MalformedParameterIsReported(t *testing.T) {
	ts := newPopulatedServer(t)
	for suffix, named := range map[string]string{
		"&login_hint=a;b": "login_hint", "&login_hint=100%": "login_hint", "&nonce=%zz": "nonce", "&ui_locales=%u4e2d": "ui_locales",
		"&utm_source=50%": "utm_source", "&%zz=1": "unreadable", "&nonce=1;nonce=2": "nonce",
	} {
		t.Run(suffix, func(t *testing.T) {
			for _, mode := range []string{"query", "form_post"} {
				b := ts.newBrowser()
				b.get(ts.authorizeURL("web", "nonce", "", "response_mode", mode) + suffix)
				b.wantError(t, "invalid_request", "state-1")
				if got := b.page.sent.Get("error_description"); !strings.Contains(got, named) || b.page.posted != (mode == "form_post") {
					t.Errorf("posted %v, %q", b.page.posted, got)
				}
			}
			b := ts.newBrowser()
			b.get(ts.authorizeURL("nobody") + suffix)
			b.wantPage(t, http.StatusBadRequest, named)
		})
	}
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "state", "") + "&state=a;b")
	b.wantError(t, "invalid_request", "")
	b.get(ts.url + "/oauth2/logout?state=a;b")
	b.wantPage(t, http.StatusBadRequest, "parameter state is malformed")
	a := ts.postRaw("/oauth2/par", ts.authorizeForm("web").Encode()+"&login_hint=50%")
	if a.status != http.StatusBadRequest || !strings.Contains(a.member("error_description"), "login_hint") {
		t.Errorf("PAR: %d %s", a.status, a.raw)
	}
	a = ts.postRaw("/oauth2/token", "grant_type=x&code=a;b")
	if a.status != http.StatusBadRequest || !strings.Contains(a.member("error_description"), "parameter code is") {
		t.Errorf("token: %d %s", a.status, a.raw)
	}
}

// postRaw posts a form unchanged, as web.
func (ts *testServer) postRaw(path, body string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(body)))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("web", secretOfWeb)
	return ts.do(request)
}

// TestAuthorize_CountsDecodedSize: Chinese text takes three times its bytes in a URL.
func TestAuthorize_CountsDecodedSize(t *testing.T) {
	ts := newPopulatedServer(t)
	form := ts.authorizeForm("web", "state", "")
	room := 4096 - len("state")
	for name, values := range form {
		room -= len(name) + len(values[0])
	}
	states := map[string]string{
		"700 Chinese characters":  strings.Repeat("码", 700),
		"as much as there may be": strings.Repeat("码", room/3) + strings.Repeat("x", room%3),
		"percent signs":           strings.Repeat("%", room),
		"quotes":                  strings.Repeat(`"`, room),
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			b := ts.newBrowser()
			b.get(ts.authorizeURL("web", "state", state))
			b.signIn("alice")
			b.allow()
			if b.code(); b.page.sent.Get("state") != state {
				t.Error("the state was not returned")
			}
			for _, hop := range b.page.hops {
				if len(hop) > 8000 {
					t.Errorf("a URL has %d bytes", len(hop))
				}
			}
			c := ts.newBrowser()
			c.post(ts.url+"/oauth2/authorize", ts.authorizeForm("web", "state", state), false)
			c.signIn("alice")
			if c.code(); c.page.sent.Get("state") != state {
				t.Error("the state of a POST was not returned")
			}
			pushed := ts.post("web", "/oauth2/par", ts.authorizeForm("web", "state", state))
			if pushed.status != http.StatusCreated {
				t.Fatalf("PAR: %d %s", pushed.status, pushed.raw)
			}
			c.get(ts.url + "/oauth2/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {pushed.member("request_uri")}}.Encode())
			if c.code(); c.page.sent.Get("state") != state {
				t.Error("the state of a pushed request was not returned")
			}
		})
	}
	for name, further := range map[string][]string{
		"4096": {"state", strings.Repeat("x", room+1)}, "12288": {"id_token_hint", strings.Repeat("x", 12<<10+1)}, "512": {"nonce", strings.Repeat("码", 513)},
	} {
		b := ts.newBrowser()
		state := "state-1"
		if further[0] == "state" {
			state = further[1]
		}
		b.get(ts.authorizeURL("web", further...))
		b.wantError(t, "invalid_request", state)
		if !strings.Contains(b.page.sent.Get("error_description"), name) {
			t.Errorf("%s: %q", name, b.page.sent.Get("error_description"))
		}
		b.post(ts.url+"/oauth2/authorize", ts.authorizeForm("web", further...), false)
		b.wantError(t, "invalid_request", state)
		if a := ts.post("web", "/oauth2/par", ts.authorizeForm("web", further...)); a.status != http.StatusBadRequest || !strings.Contains(a.member("error_description"), name) {
			t.Errorf("PAR %s: %d %s", name, a.status, a.raw)
		}
	}
}
