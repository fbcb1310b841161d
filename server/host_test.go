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

// hostedWorld is a site with the directory "shop" at a host of its own, and a client "web" and a user "alice" in it too.
func hostedWorld(t *testing.T) *world {
	t.Helper()
	w := newSite(t)
	w.addDirectory(storage.Directory{ID: "shop", Issuer: shopURL})
	w.claim(shopHost, "shop")
	w.addClient("web", func(c *storage.Client) { c.Directory = "shop" })
	w.addUserIn("shop", "alice")
	return w
}

func (w *world) claim(host, directory string) {
	w.Helper()
	must(storage.Insert(w.Context(), w.engine, storage.IssuerHost{Host: host, Directory: directory, ClaimedAt: w.clock.Now()}))(w.T)
}

// at sends a request to a host, as a proxy in front hands it on. Headers come in pairs.
func (w *world) at(host, method, path string, form url.Values, headers ...string) answer {
	w.Helper()
	request := must(http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(form.Encode())))(w.T)
	request.Host = host
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return w.do(request)
}

// issuerAt is the issuer that the discovery document at a host names; empty for none.
func (w *world) issuerAt(host, path string, headers ...string) string {
	w.Helper()
	return w.at(host, http.MethodGet, path+"/.well-known/openid-configuration", nil, headers...).text("issuer")
}

func TestADirectoryWithAHostOfItsOwnIsIssuerThereAndNowhereElse(t *testing.T) {
	w := hostedWorld(t)
	public := strings.TrimPrefix(w.url, "http://")
	for _, row := range []struct{ host, path, issuer string }{
		{shopHost, "", shopURL},
		{"LOGIN.Shop.Example", "", shopURL},
		{shopHost + ":443", "", shopURL},
		{public, "", w.url},
		{public, "/d/shop", ""},
		{shopHost, "/d/shop", ""},
		{shopHost, "/d/default", ""},
		{"10.0.0.7", "", w.url}, // Health checks and callers within a cluster use whatever name leads here.
		{"10.0.0.7", "/d/shop", ""},
	} {
		if got := w.issuerAt(row.host, row.path); got != row.issuer {
			t.Errorf("%s%s: issuer %q, want %q", row.host, row.path, got, row.issuer)
		}
	}
	document := w.at(shopHost, http.MethodGet, "/.well-known/openid-configuration", nil)
	for member, value := range document.body {
		if text, ok := value.(string); ok && strings.HasSuffix(member, "_endpoint") && !strings.HasPrefix(text, shopURL+"/") {
			t.Errorf("%s is %s", member, text)
		}
	}
	if got := w.at(shopHost, http.MethodGet, "/.well-known/oauth-authorization-server", nil); got.raw != document.raw {
		t.Errorf("RFC 8414 document: %d %s", got.status, got.raw)
	}
	if got := w.at(shopHost, http.MethodGet, "/.well-known/oauth-authorization-server/d/shop", nil); got.status != http.StatusNotFound {
		t.Errorf("at the place of a path's issuer: %d %s", got.status, got.raw)
	}
}

func TestNoHeaderButHostSaysWhichHostIsMeant(t *testing.T) {
	w := hostedWorld(t)
	public := strings.TrimPrefix(w.url, "http://")
	w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	trusting := httptest.NewServer(w.ears.between(must(server.New(w.config))(t)))
	t.Cleanup(trusting.Close)
	direct := w.url
	for _, address := range []string{direct, trusting.URL} {
		w.url = address
		for _, header := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Server", "X-HTTP-Host-Override"} {
			value := shopHost
			if header == "Forwarded" {
				value = "host=" + shopHost
			}
			if got := w.issuerAt(public, "", header, value); got != direct {
				t.Errorf("%s: issuer %q", header, got)
			}
			if got := w.issuerAt(shopHost, "", header, strings.Replace(value, shopHost, public, 1)); got != shopURL {
				t.Errorf("%s at the own host: issuer %q", header, got)
			}
		}
	}
}

func TestAStrangeHostChangesNothingInTheAnswers(t *testing.T) {
	w := hostedWorld(t)
	for _, host := range []string{
		"evil.example", "login.shop.example.evil.example", "evil.example:443", "login.shop.example.", "login.shop.example:8443", "x@login.shop.example",
		"[::1]", "default", "shop", strings.Repeat("a", 300),
	} {
		page := w.at(host, http.MethodGet, "/oauth2/authorize?"+w.authorizeForm("web").Encode(), nil)
		if location := page.header.Get("Location"); page.status/100 == 3 && !strings.HasPrefix(location, w.url+"/login?") {
			t.Errorf("%s: redirected to %s", host, location)
		}
		if host != "" && strings.Contains(page.raw, "evil.example") {
			t.Errorf("%s is in the page: %s", host, page.raw)
		}
		if got := w.issuerAt(host, ""); got != w.url && got != "" {
			t.Errorf("%s: issuer %q", host, got)
		}
	}
}

// hosted is a browser that is sent from page to page of the directory at its own host.
func (b *browser) hosted(method, address string, form url.Values) answer {
	b.Helper()
	var cookies []string
	for name, value := range b.cookies {
		cookies = append(cookies, name+"="+value)
	}
	a := b.at(shopHost, method, strings.TrimPrefix(address, shopURL), form, "Cookie", strings.Join(cookies, "; "))
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
	a := b.hosted(http.MethodGet, "/oauth2/authorize?"+b.authorizeForm("web").Encode(), nil)
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
		a = b.hosted(http.MethodGet, location, nil)
		if a.status != http.StatusOK {
			continue
		}
		form := url.Values{"decision": {"go"}, "username": {"alice"}, "scope": {"openid"}}
		a = b.hosted(http.MethodPost, location, form)
	}
	b.Fatalf("no code: %d %s", a.status, a.raw)
	return ""
}

func TestWhatADirectoryAtItsOwnHostIssuedIsWorthNothingAtAnother(t *testing.T) {
	w := hostedWorld(t)
	b := w.newBrowser()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {b.codeAtShop()}, "redirect_uri": {webRedirect}}
	basic := func(request *http.Request) string {
		request.SetBasicAuth("web", secretOfWeb)
		return request.Header.Get("Authorization")
	}(httptest.NewRequest(http.MethodGet, "/", nil))
	public := strings.TrimPrefix(w.url, "http://")
	// 1. The code.
	if got := w.at(public, http.MethodPost, "/oauth2/token", form, "Authorization", basic); got.text("error") != "invalid_grant" {
		t.Errorf("code: %d %s", got.status, got.raw)
	}
	home := w.at(shopHost, http.MethodPost, "/oauth2/token", form, "Authorization", basic)
	if home.status != http.StatusOK || claims(t, home.text("id_token"))["iss"] != shopURL || claims(t, home.text("access_token"))["aud"] != shopURL {
		t.Fatalf("at home: %d %s", home.status, home.raw)
	}
	// 2. The access token.
	bearer := "Bearer " + home.text("access_token")
	if got := w.at(public, http.MethodGet, "/oauth2/userinfo", nil, "Authorization", bearer); got.status != http.StatusUnauthorized {
		t.Errorf("access token: %d %s", got.status, got.raw)
	}
	if got := w.at(shopHost, http.MethodGet, "/oauth2/userinfo", nil, "Authorization", bearer); got.text("sub") != "alice" {
		t.Errorf("at home: %d %s", got.status, got.raw)
	}
	// 3. The session, under whichever name.
	session := b.cookies["__Host-mf-shop"]
	silent := w.authorizeForm("web", "prompt", "none").Encode()
	for _, name := range []string{"mf-default", "__Host-mf-default", "mf-shop", "__Host-mf-shop"} {
		got := w.at(public, http.MethodGet, "/oauth2/authorize?"+silent, nil, "Cookie", name+"="+session)
		if location := got.header.Get("Location"); !strings.Contains(location, "error=login_required") {
			t.Errorf("cookie %s: %d %s", name, got.status, location)
		}
	}
	got := w.at(shopHost, http.MethodGet, "/oauth2/authorize?"+silent, nil, "Cookie", "__Host-mf-shop="+session)
	if location := got.header.Get("Location"); !strings.Contains(location, "code=") {
		t.Errorf("at home: %d %s", got.status, location)
	}
}

func TestAClaimCountsForNothingWhenItsDirectoryIsElsewhere(t *testing.T) {
	w := hostedWorld(t)
	w.addDirectory(storage.Directory{ID: "acme"})
	w.addDirectory(storage.Directory{ID: "moved", Issuer: "https://new.example"})
	w.claim("acme.example", "acme")
	w.claim("old.example", "moved")
	w.claim("gone.example", "gone")
	for _, host := range []string{"acme.example", "old.example", "gone.example"} {
		if got := w.issuerAt(host, ""); got != "" {
			t.Errorf("%s: issuer %q", host, got)
		}
	}
	if got := w.issuerAt("acme.example", "/d/acme"); got != "" {
		t.Errorf("issuer %q", got)
	}
}

func TestAHostIsLookedUpOnceInAWhileAndSurvivesTheStore(t *testing.T) {
	w := hostedWorld(t)
	for _, host := range []string{shopHost, "inside.example"} {
		w.issuerAt(host, "")
	}
	counted := &tally{}
	w.engine.Before = counted.count
	for range 3 {
		w.issuerAt(shopHost, "")
		w.issuerAt("inside.example", "")
	}
	if counted.reads > 0 {
		t.Errorf("%d reads: %v", counted.reads, counted.operations)
	}
	w.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	w.clock.Advance(time.Minute)
	if got := w.issuerAt(shopHost, ""); got != shopURL {
		t.Errorf("with the store down: issuer %q", got)
	}
	if got := w.issuerAt("inside.example", ""); got != w.url {
		t.Errorf("with the store down: issuer %q", got)
	}
	if got := w.at("never.example", http.MethodGet, "/oauth2/jwks", nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("a host that was never seen: %d", got.status)
	}
}

// hostSession is what a browser and its client hold after a sign-in at one host.
type hostSession struct {
	issuer, cookie, code, access, refresh, idToken string
}

// signInAtHost signs alice in at the directory that has a host to itself, and leaves a second code unused.
func (w *world) signInAtHost(directory, host string) hostSession {
	w.Helper()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("web:"+secretOfWeb))
	found := hostSession{issuer: "https://" + host}
	cookies := map[string]string{}
	authorize := func() string {
		address, method, form := "/oauth2/authorize?"+w.authorizeForm("web", "scope", "openid offline_access").Encode(), http.MethodGet, url.Values(nil)
		for range 8 {
			var sent []string
			for name, value := range cookies {
				sent = append(sent, name+"="+value)
			}
			a := w.at(host, method, address, form, "Cookie", strings.Join(sent, "; "))
			for _, line := range a.header.Values("Set-Cookie") {
				cookie := must(http.ParseSetCookie(line))(w.T)
				cookies[cookie.Name] = cookie.Value
			}
			location := a.header.Get("Location")
			if strings.HasPrefix(location, webRedirect) {
				return must(url.Parse(location))(w.T).Query().Get("code")
			}
			if location != "" {
				address, method, form = strings.TrimPrefix(location, found.issuer), http.MethodGet, nil
				continue
			}
			method, form = http.MethodPost, url.Values{"decision": {"go"}, "username": {"alice"}, "scope": {"openid", "offline_access"}}
		}
		w.Fatal("no code")
		return ""
	}
	redeem := url.Values{"grant_type": {"authorization_code"}, "code": {authorize()}, "redirect_uri": {webRedirect}}
	tokens := w.at(host, http.MethodPost, "/oauth2/token", redeem, "Authorization", basic)
	found.access, found.refresh, found.idToken = tokens.text("access_token"), tokens.text("refresh_token"), tokens.text("id_token")
	found.code, found.cookie = authorize(), cookies["__Host-mf-"+directory]
	if found.access == "" || found.refresh == "" || found.code == "" || found.cookie == "" || claims(w.T, found.idToken)["iss"] != found.issuer {
		w.Fatalf("at %s: %d %s", host, tokens.status, tokens.raw)
	}
	return found
}

func TestTwoDirectoriesAtHostsOfTheirOwnAreStrangers(t *testing.T) {
	w := hostedWorld(t)
	const teaHost = "login.tea.example"
	w.addDirectory(storage.Directory{ID: "tea", Issuer: "https://" + teaHost})
	w.claim(teaHost, "tea")
	w.addClient("web", func(c *storage.Client) { c.Directory = "tea" })
	w.addUserIn("tea", "alice")
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("web:"+secretOfWeb))
	sessions := map[string]hostSession{shopHost: w.signInAtHost("shop", shopHost), teaHost: w.signInAtHost("tea", teaHost)}
	for from, held := range sessions {
		for at := range sessions {
			foreign := at != from
			want := func(what string, got answer, good bool) {
				if good == foreign {
					t.Errorf("%s of %s at %s: %d %s %s", what, from, at, got.status, got.header.Get("Location"), got.raw)
				}
			}
			// 1. Tokens.
			got := w.at(at, http.MethodGet, "/oauth2/userinfo", nil, "Authorization", "Bearer "+held.access)
			want("access token", got, got.status == http.StatusOK)
			got = w.at(at, http.MethodPost, "/oauth2/introspect", url.Values{"token": {held.access}}, "Authorization", basic)
			want("introspected token", got, got.body["active"] == true)
			got = w.at(at, http.MethodPost, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held.refresh}}, "Authorization", basic)
			want("refresh token", got, got.status == http.StatusOK)
			// 2. The session, under the names of both.
			for _, name := range []string{"__Host-mf-shop", "__Host-mf-tea"} {
				got = w.at(at, http.MethodGet, "/oauth2/authorize?"+w.authorizeForm("web", "prompt", "none").Encode(), nil, "Cookie", name+"="+held.cookie)
				if signedIn := strings.Contains(got.header.Get("Location"), "code="); signedIn && (foreign || !strings.Contains(name, strings.Split(from, ".")[1])) {
					t.Errorf("cookie of %s at %s as %s signs in", from, at, name)
				} else if !signedIn && !foreign && strings.Contains(name, strings.Split(from, ".")[1]) {
					t.Errorf("cookie of %s at home: %s", from, got.header.Get("Location"))
				}
			}
			// 3. The hint.
			got = w.at(at, http.MethodGet, "/oauth2/authorize?"+w.authorizeForm("web", "id_token_hint", held.idToken, "prompt", "none").Encode(), nil)
			want("hint", got, strings.Contains(got.header.Get("Location"), "error=login_required"))
		}
	}
	// 4. The codes last, since a code that is shown at home is spent.
	for from, held := range sessions {
		for _, at := range []string{shopHost, teaHost} {
			if at == from {
				continue
			}
			redeem := url.Values{"grant_type": {"authorization_code"}, "code": {held.code}, "redirect_uri": {webRedirect}}
			if got := w.at(at, http.MethodPost, "/oauth2/token", redeem, "Authorization", basic); got.text("error") != "invalid_grant" {
				t.Errorf("code of %s at %s: %d %s", from, at, got.status, got.raw)
			}
			if got := w.at(from, http.MethodPost, "/oauth2/token", redeem, "Authorization", basic); got.status != http.StatusOK {
				t.Errorf("code of %s at home: %d %s", from, got.status, got.raw)
			}
		}
	}
}
