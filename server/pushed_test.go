package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// push sends a pushed authorization request of a confidential client.
func (ts *testServer) push(client string, further ...string) response {
	ts.Helper()
	return ts.post(client, "/oauth2/par", ts.authorizeForm(client, further...))
}

func (ts *testServer) pushedURL(client, uri string) string {
	return ts.url + "/oauth2/authorize?" + url.Values{"client_id": {client}, "request_uri": {uri}}.Encode()
}

func TestRFC9126_2_PushingAnAuthorizationRequest(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("strict", func(c *storage.Client) { c.RequirePAR = true })
	a := ts.push("strict", "state", longState, "nonce", strings.Repeat("n", 384))
	if a.status != http.StatusCreated || a.body["expires_in"] != 60.0 || !strings.HasPrefix(a.member("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", a.header.Get("Cache-Control"))
	}
	b := ts.newBrowser()
	// Parameters next to the request_uri are ignored.
	b.get(ts.pushedURL("strict", a.member("request_uri")) + "&state=outside&nonce=outside&scope=bogus&redirect_uri=https%3A%2F%2Fevil.example")
	b.signIn("alice")
	b.allow()
	tokens := ts.redeem("strict", b.code())
	if b.page.sent.Get("state") != longState || claims(t, tokens.member("id_token"))["nonce"] != strings.Repeat("n", 384) {
		t.Errorf("got %v and %s", b.page.sent, tokens.raw)
	}
	// The stored request is the form without credentials.
	ts.push("web")
	for _, pushed := range list[storage.PushedRequest](ts) {
		if strings.Contains(pushed.Form, secretOfWeb) || strings.Contains(pushed.Form, "client_secret") || strings.Contains(a.member("request_uri"), pushed.ID) {
			t.Errorf("stored is %+v", pushed)
		}
	}
}

func TestRFC9126_2_1_PublicClientsPushToo(t *testing.T) {
	ts := newPopulatedServer(t)
	a := ts.postPublic("/oauth2/par", ts.authorizeForm("spa"))
	if a.status != http.StatusCreated {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	b := ts.newBrowser()
	b.get(ts.pushedURL("spa", a.member("request_uri")))
	b.signIn("alice")
	b.allow()
	if tokens := ts.redeem("spa", b.code()); tokens.status != http.StatusOK {
		t.Errorf("got %d %s", tokens.status, tokens.raw)
	}
}

func TestRFC9126_2_3_WhatCannotBePushed(t *testing.T) {
	ts := newPopulatedServer(t)
	without := func(names ...string) url.Values {
		form := ts.authorizeForm("web")
		for _, name := range names {
			form.Del(name)
		}
		return form
	}
	with := func(name, value string) url.Values {
		form := ts.authorizeForm("web")
		form.Set(name, value)
		return form
	}
	twice := ts.authorizeForm("web")
	twice.Add("state", "another")
	for name, test := range map[string]struct {
		form   url.Values
		status int
		want   string
	}{
		"no redirect_uri":      {without("redirect_uri"), 400, "invalid_request"},
		"other redirect_uri":   {with("redirect_uri", "https://evil.example/"), 400, "invalid_request"},
		"a request_uri":        {with("request_uri", "urn:ietf:params:oauth:request_uri:x"), 400, "invalid_request"},
		"a request object":     {with("request", "x.y.z"), 400, "request_not_supported"},
		"another client":       {with("client_id", "spa"), 400, "invalid_request"},
		"another confidential": {with("client_id", "mini"), 400, "invalid_request"},
		"hybrid":               {with("response_type", "code id_token"), 400, "unsupported_response_type"},
		"bad scope":            {with("scope", "bogus"), 400, "invalid_scope"},
		"plain PKCE":           {with("code_challenge", challenge), 400, "invalid_request"},
		"bad resource":         {with("resource", "https://evil.example"), 400, "invalid_target"},
		"twice":                {twice, 400, "invalid_request"},
		"too long":             {with("login_hint", strings.Repeat("x", 5000)), 400, "invalid_request"},
	} {
		if a := ts.post("web", "/oauth2/par", test.form); a.status != test.status || a.member("error") != test.want {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
	if a := ts.postPublic("/oauth2/par", ts.authorizeForm("web")); a.status != http.StatusBadRequest || a.member("error") != "invalid_client" {
		t.Errorf("without secret: %d %s", a.status, a.raw)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		request := must(http.NewRequestWithContext(t.Context(), method, ts.url+"/oauth2/par", nil))(t)
		if a := ts.do(request); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d", method, a.status)
		}
	}
	if n := len(list[storage.PushedRequest](ts)); n != 0 {
		t.Errorf("%d requests were stored", n)
	}
}

func TestRFC9126_4_ARequestURIIsOneClientsAndNotForLong(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("other", func(*storage.Client) {})
	uri := ts.push("web").member("request_uri")
	b := ts.newBrowser()
	for name, address := range map[string]string{
		"another client":    ts.pushedURL("other", uri),
		"no client":         ts.url + "/oauth2/authorize?" + url.Values{"request_uri": {uri}}.Encode(),
		"unknown":           ts.pushedURL("web", uri+"A"),
		"empty":             ts.pushedURL("web", "urn:ietf:params:oauth:request_uri:"),
		"another directory": strings.Replace(ts.pushedURL("web", uri), ts.url, ts.url+"/d/acme", 1),
	} {
		if name == "another directory" {
			ts.addDirectory(storage.Directory{ID: "acme"})
			ts.addClient("web", func(c *storage.Client) { c.Directory = "acme" })
		}
		b.get(address)
		b.wantPage(t, http.StatusBadRequest, "")
	}
	ts.clock.Advance(60 * time.Second)
	b.get(ts.pushedURL("web", uri))
	b.wantPage(t, http.StatusBadRequest, "invalid_request_uri")
}

// TestRFC9126_4_AReloadOpensItAgainAndTheCodeIsGivenOnce: the first request begins an interaction with its own lifetime.
func TestRFC9126_4_AReloadOpensItAgainAndTheCodeIsGivenOnce(t *testing.T) {
	ts := newPopulatedServer(t)
	uri := ts.push("web").member("request_uri")
	b := ts.newBrowser()
	b.get(ts.pushedURL("web", uri))
	b.get(ts.pushedURL("web", uri)) // A reload before the sign-in.
	login := b.page.url
	ts.clock.Advance(10 * time.Minute)
	b.get(login) // A reload of the page, long after the request_uri expired.
	b.signIn("alice")
	b.allow()
	ts.redeem("web", b.code())
	b.get(strings.Replace(login, "/login", "/oauth2/authorize", 1)) // The back button.
	b.wantError(t, "invalid_request_uri", "state-1")
}

func TestRFC9126_4_AnotherTabDoesNotGetASecondCode(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.pushedURL("web", ts.push("web").member("request_uri")))
	other := b.page.url
	b.signIn("alice")
	b.allow()
	b.code()
	ts.clock.Advance(29 * time.Minute) // It was not redeemed.
	b.get(strings.Replace(other, "/login", "/oauth2/authorize", 1))
	b.wantError(t, "invalid_request_uri", "state-1")
}

func TestRFC9126_4_AUsedRequestURIIsRefused(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("short", func(c *storage.Client) { c.Lifetimes.Code = 5 })
	b := ts.newBrowser()
	b.flow("short")
	uri := ts.push("short").member("request_uri")
	b.get(ts.pushedURL("short", uri))
	b.code()
	ts.clock.Advance(30 * time.Second) // The code has expired, the request_uri has not.
	b.get(ts.pushedURL("short", uri))
	b.wantError(t, "invalid_request_uri", "state-1")
}

func TestPAR_ConcurrentRequestsGetOneCode(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	uri := ts.push("web").member("request_uri")
	codes := make([]string, 16)
	var visits sync.WaitGroup
	for i := range codes {
		visits.Go(func() {
			other := &browser{testServer: ts, cookies: map[string]string{"mf-default": b.cookies["mf-default"]}}
			codes[i] = other.get(ts.pushedURL("web", uri)).sent.Get("code")
		})
	}
	visits.Wait()
	slices.Sort(codes)
	if codes = slices.Compact(codes); len(codes) != 1 || codes[0] == "" {
		t.Errorf("the codes are %q", codes)
	}
}
