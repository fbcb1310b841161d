package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

const acceptOfABrowser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestNotFound_IsPageOrJSONByAccept(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addDirectory(teaDirectory())
	ts.addDirectory(storage.Directory{ID: "closed", Disabled: true})
	for path, brand := range map[string]string{
		"/nothing": "Default", "/oauth2/nothing": "Default", "/d/tea/nothing": "Tea", "/d/nowhere/login": "Default", "/d/closed/login": "Default",
	} {
		page := ts.get(ts.url+path, "Accept", acceptOfABrowser)
		if page.status != http.StatusNotFound || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") ||
			!strings.Contains(page.raw, "Page not found") || !strings.Contains(page.raw, brand) {
			t.Errorf("%s: %d %s without %q\n%s", path, page.status, page.header.Get("Content-Type"), brand, page.raw)
		}
		for _, accept := range []string{"", "*/*", "application/json"} {
			got := ts.get(ts.url+path, "Accept", accept)
			if got.status != http.StatusNotFound || got.member("error") == "" || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
				t.Errorf("%s for %q: %d %s", path, accept, got.status, got.raw)
			}
		}
	}
	chinese := ts.get(ts.url+"/nothing", "Accept", acceptOfABrowser, "Accept-Language", "zh-CN")
	if !strings.Contains(chinese.raw, "页面不存在") {
		t.Errorf("in Chinese: %s", chinese.raw)
	}
	// A path that is not plain gets no page either: a page would repeat it in its links.
	if got := ts.get(ts.url+"//evil.example/", "Accept", acceptOfABrowser); got.member("error") == "" {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestRFC6797_HTTPSIsPromisedWhereTheIssuerIsAtHTTPS(t *testing.T) {
	ts := newServerWithHost(t) // The public URL is http on loopback, the directory shop is at its own https host.
	for host, want := range map[string]bool{shopHost: true, strings.TrimPrefix(ts.url, "http://"): false, "10.0.0.7": false} {
		for _, path := range []string{"/oauth2/jwks", "/nothing", "/login"} {
			if got := ts.requestAtHost(host, http.MethodGet, path, nil).header.Get("Strict-Transport-Security") != ""; got != want {
				t.Errorf("%s%s: %v, want %v", host, path, got, want)
			}
		}
	}
}

func TestPAR_ExpiredRequestShowsPage(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	b.get(ts.url + "/oauth2/authorize?client_id=shop&request_uri=urn:ietf:params:oauth:request_uri:unknown")
	b.wantAt(t, "/oauth2/authorize", http.StatusBadRequest, "This link has expired")
	if !strings.Contains(b.page.body, "invalid_request_uri") {
		t.Errorf("developers get no reason: %s", b.page.body)
	}
}
