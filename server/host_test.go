package server_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const (
	shopHost = "login.shop.example"
	shopURL  = "https://" + shopHost
)

// newServerWithHost returns a populated server with the directory "shop" at its own host, and a client "web" and a user "alice"
// in it too.
func newServerWithHost(t *testing.T) *testServer {
	t.Helper()
	ts := newPopulatedServer(t)
	ts.addDirectory(storage.Directory{ID: "shop", Issuer: shopURL})
	ts.claimHost(shopHost, "shop")
	ts.addClient("web", func(c *storage.Client) { c.Directory = "shop" })
	ts.addUserIn("shop", "alice")
	return ts
}

func (ts *testServer) claimHost(host, directory string) {
	ts.Helper()
	must(storage.Insert(ts.Context(), ts.engine, storage.IssuerHost{Host: host, Directory: directory, ClaimedAt: ts.clock.Now()}))(ts.T)
}

// requestAtHost sends a request to a host, as a proxy in front forwards it. Headers come in pairs.
func (ts *testServer) requestAtHost(host, method, path string, form url.Values, headers ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), method, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Host = host
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return ts.do(request)
}

// issuerAt returns the issuer of the discovery document at a host, or "" if there is none.
func (ts *testServer) issuerAt(host, path string, headers ...string) string {
	ts.Helper()
	return ts.requestAtHost(host, http.MethodGet, path+"/.well-known/openid-configuration", nil, headers...).member("issuer")
}

func TestIssuerHost_DirectoryIsIssuerOnlyThere(t *testing.T) {
	ts := newServerWithHost(t)
	public := strings.TrimPrefix(ts.url, "http://")
	for _, row := range []struct{ host, path, issuer string }{
		{shopHost, "", shopURL},
		{"LOGIN.Shop.Example", "", shopURL},
		{shopHost + ":443", "", shopURL},
		{public, "", ts.url},
		{public, "/d/shop", ""},
		{shopHost, "/d/shop", ""},
		{shopHost, "/d/default", ""},
		{"10.0.0.7", "", ts.url}, // Health checks and callers within a cluster use any name that leads here.
		{"10.0.0.7", "/d/shop", ""},
	} {
		if got := ts.issuerAt(row.host, row.path); got != row.issuer {
			t.Errorf("%s%s: issuer %q, want %q", row.host, row.path, got, row.issuer)
		}
	}
	document := ts.requestAtHost(shopHost, http.MethodGet, "/.well-known/openid-configuration", nil)
	for member, value := range document.body {
		if text, ok := value.(string); ok && strings.HasSuffix(member, "_endpoint") && !strings.HasPrefix(text, shopURL+"/") {
			t.Errorf("%s is %s", member, text)
		}
	}
	if got := ts.requestAtHost(shopHost, http.MethodGet, "/.well-known/oauth-authorization-server", nil); got.raw != document.raw {
		t.Errorf("RFC 8414 document: %d %s", got.status, got.raw)
	}
	if got := ts.requestAtHost(shopHost, http.MethodGet, "/.well-known/oauth-authorization-server/d/shop", nil); got.status != http.StatusNotFound {
		t.Errorf("at the place of a path's issuer: %d %s", got.status, got.raw)
	}
}

func TestIssuerHost_IgnoresForwardedHeaders(t *testing.T) {
	ts := newServerWithHost(t)
	public := strings.TrimPrefix(ts.url, "http://")
	ts.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	trusting := httptest.NewServer(ts.leakChecker.wrap(must(server.New(ts.config))(t)))
	t.Cleanup(trusting.Close)
	direct := ts.url
	for _, address := range []string{direct, trusting.URL} {
		ts.url = address
		for _, header := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Server", "X-HTTP-Host-Override"} {
			value := shopHost
			if header == "Forwarded" {
				value = "host=" + shopHost
			}
			if got := ts.issuerAt(public, "", header, value); got != direct {
				t.Errorf("%s: issuer %q", header, got)
			}
			if got := ts.issuerAt(shopHost, "", header, strings.Replace(value, shopHost, public, 1)); got != shopURL {
				t.Errorf("%s at the own host: issuer %q", header, got)
			}
		}
	}
}

func TestIssuerHost_UnknownHostChangesNoResponse(t *testing.T) {
	ts := newServerWithHost(t)
	for _, host := range []string{
		"evil.example", "login.shop.example.evil.example", "evil.example:443", "login.shop.example.", "login.shop.example:8443", "x@login.shop.example",
		"[::1]", "default", "shop", strings.Repeat("a", 300),
	} {
		page := ts.requestAtHost(host, http.MethodGet, "/oauth2/authorize?"+ts.authorizeForm("web").Encode(), nil)
		if location := page.header.Get("Location"); page.status/100 == 3 && !strings.HasPrefix(location, ts.url+"/login?") {
			t.Errorf("%s: redirected to %s", host, location)
		}
		if host != "" && strings.Contains(page.raw, "evil.example") {
			t.Errorf("%s is in the page: %s", host, page.raw)
		}
		if got := ts.issuerAt(host, ""); got != ts.url && got != "" {
			t.Errorf("%s: issuer %q", host, got)
		}
	}
}

// openAtShop follows the redirects between pages of the directory at its own host.
func (b *browser) openAtShop(method, address string, form url.Values) response {
	b.Helper()
	var cookies []string
	for name, value := range b.cookies {
		cookies = append(cookies, name+"="+value)
	}
	a := b.requestAtHost(shopHost, method, strings.TrimPrefix(address, shopURL), form, "Cookie", strings.Join(cookies, "; "))
	for _, line := range a.header.Values("Set-Cookie") {
		cookie := must(http.ParseSetCookie(line))(b.T)
		if !cookie.Secure || cookie.Path != "/" || cookie.Domain != "" || !strings.HasPrefix(cookie.Name, "__Host-mf-shop") {
			b.Errorf("cookie %s", line)
		}
		b.cookies[cookie.Name] = cookie.Value
	}
	return a
}

// codeAtShop signs alice in at the directory with its own host and returns the code of the client.
func (b *browser) codeAtShop() string {
	b.Helper()
	a := b.openAtShop(http.MethodGet, "/oauth2/authorize?"+b.authorizeForm("web").Encode(), nil)
	for range 6 {
		location := a.header.Get("Location")
		switch {
		case strings.HasPrefix(location, webRedirect):
			sent := must(url.Parse(location))(b.T).Query()
			if sent.Get("iss") != shopURL {
				b.Errorf("iss is %q", sent.Get("iss"))
			}
			return sent.Get("code")
		case !strings.HasPrefix(location, shopURL+"/"):
			b.Fatalf("sent to %q: %d %s", location, a.status, a.raw)
		}
		a = b.openAtShop(http.MethodGet, location, nil)
		if a.status != http.StatusOK {
			continue
		}
		form := url.Values{"decision": {"go"}, "username": {"alice"}, "scope": {"openid"}}
		a = b.openAtShop(http.MethodPost, location, form)
	}
	b.Fatalf("no code: %d %s", a.status, a.raw)
	return ""
}

func TestIssuerHost_TokensAreRejectedAtOtherHosts(t *testing.T) {
	ts := newServerWithHost(t)
	b := ts.newBrowser()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {b.codeAtShop()}, "redirect_uri": {webRedirect}}
	basic := func(request *http.Request) string {
		request.SetBasicAuth("web", secretOfWeb)
		return request.Header.Get("Authorization")
	}(httptest.NewRequest(http.MethodGet, "/", nil))
	public := strings.TrimPrefix(ts.url, "http://")
	// 1. The code.
	if got := ts.requestAtHost(public, http.MethodPost, "/oauth2/token", form, "Authorization", basic); got.member("error") != "invalid_grant" {
		t.Errorf("code: %d %s", got.status, got.raw)
	}
	home := ts.requestAtHost(shopHost, http.MethodPost, "/oauth2/token", form, "Authorization", basic)
	if home.status != http.StatusOK || claims(t, home.member("id_token"))["iss"] != shopURL || claims(t, home.member("access_token"))["aud"] != shopURL {
		t.Fatalf("at home: %d %s", home.status, home.raw)
	}
	// 2. The access token.
	bearer := "Bearer " + home.member("access_token")
	if got := ts.requestAtHost(public, http.MethodGet, "/oauth2/userinfo", nil, "Authorization", bearer); got.status != http.StatusUnauthorized {
		t.Errorf("access token: %d %s", got.status, got.raw)
	}
	if got := ts.requestAtHost(shopHost, http.MethodGet, "/oauth2/userinfo", nil, "Authorization", bearer); got.member("sub") != "alice" {
		t.Errorf("at home: %d %s", got.status, got.raw)
	}
	// 3. The session, under each cookie name.
	session := b.cookies["__Host-mf-shop"]
	silent := ts.authorizeForm("web", "prompt", "none").Encode()
	for _, name := range []string{"mf-default", "__Host-mf-default", "mf-shop", "__Host-mf-shop"} {
		got := ts.requestAtHost(public, http.MethodGet, "/oauth2/authorize?"+silent, nil, "Cookie", name+"="+session)
		if location := got.header.Get("Location"); !strings.Contains(location, "error=login_required") {
			t.Errorf("cookie %s: %d %s", name, got.status, location)
		}
	}
	got := ts.requestAtHost(shopHost, http.MethodGet, "/oauth2/authorize?"+silent, nil, "Cookie", "__Host-mf-shop="+session)
	if location := got.header.Get("Location"); !strings.Contains(location, "code=") {
		t.Errorf("at home: %d %s", got.status, location)
	}
}

func TestIssuerHost_StaleClaimIsIgnored(t *testing.T) {
	ts := newServerWithHost(t)
	ts.addDirectory(storage.Directory{ID: "acme"})
	ts.addDirectory(storage.Directory{ID: "moved", Issuer: "https://new.example"})
	ts.claimHost("acme.example", "acme")
	ts.claimHost("old.example", "moved")
	ts.claimHost("gone.example", "gone")
	for _, host := range []string{"acme.example", "old.example", "gone.example"} {
		if got := ts.issuerAt(host, ""); got != "" {
			t.Errorf("%s: issuer %q", host, got)
		}
	}
	if got := ts.issuerAt("acme.example", "/d/acme"); got != "" {
		t.Errorf("issuer %q", got)
	}
}

func TestIssuerHost_IsCachedAndSurvivesStoreOutage(t *testing.T) {
	ts := newServerWithHost(t)
	for _, host := range []string{shopHost, "inside.example"} {
		ts.issuerAt(host, "")
	}
	counted := &operationCounter{}
	ts.engine.Before = counted.count
	for range 3 {
		ts.issuerAt(shopHost, "")
		ts.issuerAt("inside.example", "")
	}
	if counted.reads > 0 {
		t.Errorf("%d reads: %v", counted.reads, counted.operations)
	}
	ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	ts.clock.Advance(time.Minute)
	if got := ts.issuerAt(shopHost, ""); got != shopURL {
		t.Errorf("with the store down: issuer %q", got)
	}
	if got := ts.issuerAt("inside.example", ""); got != ts.url {
		t.Errorf("with the store down: issuer %q", got)
	}
	if got := ts.requestAtHost("never.example", http.MethodGet, "/oauth2/jwks", nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("a host that was never seen: %d", got.status)
	}
}

// hostSession is what a browser and its client have after a sign-in at one host.
type hostSession struct {
	issuer, cookie, code, access, refresh, idToken string
}

// signInAtHost signs alice in at the directory with the host, and leaves a second code unused.
func (ts *testServer) signInAtHost(directory, host string) hostSession {
	ts.Helper()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("web:"+secretOfWeb))
	found := hostSession{issuer: "https://" + host}
	cookies := map[string]string{}
	authorize := func() string {
		address, method, form := "/oauth2/authorize?"+ts.authorizeForm("web", "scope", "openid offline_access").Encode(), http.MethodGet, url.Values(nil)
		for range 8 {
			var sent []string
			for name, value := range cookies {
				sent = append(sent, name+"="+value)
			}
			a := ts.requestAtHost(host, method, address, form, "Cookie", strings.Join(sent, "; "))
			for _, line := range a.header.Values("Set-Cookie") {
				cookie := must(http.ParseSetCookie(line))(ts.T)
				cookies[cookie.Name] = cookie.Value
			}
			location := a.header.Get("Location")
			if strings.HasPrefix(location, webRedirect) {
				return must(url.Parse(location))(ts.T).Query().Get("code")
			}
			if location != "" {
				address, method, form = strings.TrimPrefix(location, found.issuer), http.MethodGet, nil
				continue
			}
			method, form = http.MethodPost, url.Values{"decision": {"go"}, "username": {"alice"}, "scope": {"openid", "offline_access"}}
		}
		ts.Fatal("no code")
		return ""
	}
	redeem := url.Values{"grant_type": {"authorization_code"}, "code": {authorize()}, "redirect_uri": {webRedirect}}
	tokens := ts.requestAtHost(host, http.MethodPost, "/oauth2/token", redeem, "Authorization", basic)
	found.access, found.refresh, found.idToken = tokens.member("access_token"), tokens.member("refresh_token"), tokens.member("id_token")
	found.code, found.cookie = authorize(), cookies["__Host-mf-"+directory]
	if found.access == "" || found.refresh == "" || found.code == "" || found.cookie == "" || claims(ts.T, found.idToken)["iss"] != found.issuer {
		ts.Fatalf("at %s: %d %s", host, tokens.status, tokens.raw)
	}
	return found
}

func TestIssuerHost_DirectoriesShareNothing(t *testing.T) {
	ts := newServerWithHost(t)
	const teaHost = "login.tea.example"
	ts.addDirectory(storage.Directory{ID: "tea", Issuer: "https://" + teaHost})
	ts.claimHost(teaHost, "tea")
	ts.addClient("web", func(c *storage.Client) { c.Directory = "tea" })
	ts.addUserIn("tea", "alice")
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("web:"+secretOfWeb))
	sessions := map[string]hostSession{shopHost: ts.signInAtHost("shop", shopHost), teaHost: ts.signInAtHost("tea", teaHost)}
	for from, held := range sessions {
		for at := range sessions {
			foreign := at != from
			want := func(what string, got response, good bool) {
				if good == foreign {
					t.Errorf("%s of %s at %s: %d %s %s", what, from, at, got.status, got.header.Get("Location"), got.raw)
				}
			}
			// 1. Tokens.
			got := ts.requestAtHost(at, http.MethodGet, "/oauth2/userinfo", nil, "Authorization", "Bearer "+held.access)
			want("access token", got, got.status == http.StatusOK)
			got = ts.requestAtHost(at, http.MethodPost, "/oauth2/introspect", url.Values{"token": {held.access}}, "Authorization", basic)
			want("introspected token", got, got.body["active"] == true)
			got = ts.requestAtHost(at, http.MethodPost, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held.refresh}}, "Authorization", basic)
			want("refresh token", got, got.status == http.StatusOK)
			// 2. The session, under the names of both.
			for _, name := range []string{"__Host-mf-shop", "__Host-mf-tea"} {
				got = ts.requestAtHost(at, http.MethodGet, "/oauth2/authorize?"+ts.authorizeForm("web", "prompt", "none").Encode(), nil, "Cookie", name+"="+held.cookie)
				if signedIn := strings.Contains(got.header.Get("Location"), "code="); signedIn && (foreign || !strings.Contains(name, strings.Split(from, ".")[1])) {
					t.Errorf("cookie of %s at %s as %s signs in", from, at, name)
				} else if !signedIn && !foreign && strings.Contains(name, strings.Split(from, ".")[1]) {
					t.Errorf("cookie of %s at home: %s", from, got.header.Get("Location"))
				}
			}
			// 3. The hint.
			got = ts.requestAtHost(at, http.MethodGet, "/oauth2/authorize?"+ts.authorizeForm("web", "id_token_hint", held.idToken, "prompt", "none").Encode(), nil)
			want("hint", got, strings.Contains(got.header.Get("Location"), "error=login_required"))
		}
	}
	// 4. The codes last, since a code is spent once its own directory sees it.
	for from, held := range sessions {
		for _, at := range []string{shopHost, teaHost} {
			if at == from {
				continue
			}
			redeem := url.Values{"grant_type": {"authorization_code"}, "code": {held.code}, "redirect_uri": {webRedirect}}
			if got := ts.requestAtHost(at, http.MethodPost, "/oauth2/token", redeem, "Authorization", basic); got.member("error") != "invalid_grant" {
				t.Errorf("code of %s at %s: %d %s", from, at, got.status, got.raw)
			}
			if got := ts.requestAtHost(from, http.MethodPost, "/oauth2/token", redeem, "Authorization", basic); got.status != http.StatusOK {
				t.Errorf("code of %s at home: %d %s", from, got.status, got.raw)
			}
		}
	}
}
