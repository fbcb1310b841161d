package server_test

import (
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// browser is a browser without scripts: it stores cookies, follows redirects within the provider, and submits forms.
type browser struct {
	*testServer
	cookies map[string]string
	// set are the Set-Cookie lines of the last response that had any.
	set map[string]string
	// page is the current page.
	page *page
	// agent is the User-Agent; empty is that of package http. header is what a proxy adds.
	agent  string
	header http.Header
}

// page is the result of a navigation: a page of the provider, or a response to a client.
type page struct {
	url    string
	status int
	header http.Header
	body   string
	// callback is the URL outside the provider to which the browser was sent; sent holds its parameters, posted reports whether
	// a form posted them.
	callback string
	sent     url.Values
	posted   bool
	// hops are the URLs of the redirects.
	hops []string
}

func (ts *testServer) newBrowser() *browser {
	return &browser{testServer: ts, cookies: map[string]string{}}
}

// get opens a URL, as a click on a link does.
func (b *browser) get(address string) *page {
	b.Helper()
	return b.open(must(http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil))(b.T), true)
}

// post submits a form. A form of another site sends no cookies, because all cookies are Lax.
func (b *browser) post(address string, form url.Values, sameSite bool) *page {
	b.Helper()
	request := must(http.NewRequestWithContext(b.Context(), http.MethodPost, address, strings.NewReader(form.Encode())))(b.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.open(request, sameSite)
}

func (b *browser) open(request *http.Request, sameSite bool) *page {
	b.Helper()
	var hops []string
	for range 12 {
		hops = append(hops, request.URL.String())
		if b.agent != "" {
			request.Header.Set("User-Agent", b.agent)
		}
		if request.Method == http.MethodGet || sameSite {
			for name, value := range b.cookies {
				request.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
		response := b.send(request)
		location := response.header.Get("Location")
		onward, refreshed := strings.CutPrefix(response.header.Get("Refresh"), "0; url=")
		if refreshed {
			location = onward
		}
		if location == "" || response.status/100 != 3 && !refreshed {
			response.hops = hops
			b.page = response
			response.readFormPost(b.url)
			return response
		}
		next := must(request.URL.Parse(location))(b.T)
		if !strings.HasPrefix(next.String(), b.url+"/") {
			response.callback, response.sent, response.hops = location, next.Query(), hops
			b.page = response
			return response
		}
		if response.status != http.StatusSeeOther && !refreshed {
			b.Fatalf("redirect by %d to %s", response.status, location)
		}
		request = must(http.NewRequestWithContext(b.Context(), http.MethodGet, next.String(), nil))(b.T)
	}
	b.Fatalf("too many redirects: %s", strings.Join(hops, "\n"))
	return nil
}

func (b *browser) send(request *http.Request) *page {
	b.Helper()
	maps.Copy(request.Header, b.header)
	client := &http.Client{Transport: b.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response := must(client.Do(request))(b.T)
	defer response.Body.Close()
	body := string(must(io.ReadAll(response.Body))(b.T))
	if set := response.Header.Values("Set-Cookie"); len(set) > 0 {
		b.set = map[string]string{}
		for _, line := range set {
			cookie := must(http.ParseSetCookie(line))(b.T)
			b.set[cookie.Name] = line
			b.cookies[cookie.Name] = cookie.Value
			if cookie.MaxAge < 0 {
				delete(b.cookies, cookie.Name)
			}
		}
	}
	return &page{url: request.URL.String(), status: response.StatusCode, header: response.Header, body: body}
}

// readFormPost finds the form of a page that posts itself to a client.
func (p *page) readFormPost(provider string) {
	form := regexp.MustCompile(`<form method="post" action="([^"]*)">`).FindStringSubmatch(p.body)
	if form == nil || strings.HasPrefix(form[1], "/") || strings.HasPrefix(html.UnescapeString(form[1]), provider+"/") {
		return
	}
	p.callback, p.sent, p.posted = html.UnescapeString(form[1]), url.Values{}, true
	for _, field := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(p.body, -1) {
		p.sent.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
}

// submit fills in the form of the page and presses the button of that value.
func (b *browser) submit(decision string, fields ...string) *page {
	b.Helper()
	form := url.Values{"decision": {decision}}
	for _, box := range regexp.MustCompile(`type="checkbox"[^>]* name="([^"]*)" value="([^"]*)" checked`).FindAllStringSubmatch(b.page.body, -1) {
		form.Add(html.UnescapeString(box[1]), html.UnescapeString(box[2]))
	}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(b.page.body, -1) {
		form.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2])) // A page may have it in several forms.
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.post(b.page.url, form, true)
}

// signIn submits the login page for a user.
func (b *browser) signIn(user string) *page {
	b.Helper()
	if !strings.Contains(b.page.body, `name="username"`) {
		b.Fatalf("not a login page: %d %s %s", b.page.status, b.page.url, b.page.body)
	}
	return b.submit("go", "username", user, "password", passwordOf(user))
}

// allow gives consent if the consent page is shown.
func (b *browser) allow() *page {
	b.Helper()
	if b.page.callback == "" && (strings.Contains(b.page.body, "<h1>consent</h1>") || strings.Contains(b.page.body, `id="consent-form"`)) {
		b.submit("allow")
	}
	return b.page
}

// code returns the code that the client received.
func (b *browser) code() string {
	b.Helper()
	if b.page.callback == "" || b.page.sent.Get("code") == "" {
		b.Fatalf("no code: %d %s %v\n%s", b.page.status, b.page.url, b.page.sent, b.page.body)
	}
	return b.page.sent.Get("code")
}

// wantError asserts that the client received an error, and its state.
func (b *browser) wantError(t *testing.T, code, state string) {
	t.Helper()
	if b.page.callback == "" || b.page.sent.Get("error") != code || b.page.sent.Get("state") != state || b.page.sent.Has("code") {
		t.Errorf("got %d %s %q %v, want the error %s with state %q\n%s", b.page.status, b.page.url, b.page.callback, b.page.sent, code, state, b.page.body)
	}
	wantErrorMembers(t, b.page.sent)
	if iss := b.page.sent.Get("iss"); iss == "" {
		t.Error("no iss (RFC 9207)")
	}
}

// wantPage asserts that the browser stays at the provider, on a page with that status.
func (b *browser) wantPage(t *testing.T, status int, text string) {
	t.Helper()
	if b.page.callback != "" || b.page.status != status || !strings.Contains(b.page.body, text) {
		t.Errorf("got %d %s %q, want a page with %d and %q\n%s", b.page.status, b.page.url, b.page.callback, status, text, b.page.body)
	}
	if !strings.HasPrefix(b.page.header.Get("Content-Type"), "text/html") {
		t.Errorf("Content-Type is %q", b.page.header.Get("Content-Type"))
	}
}

// wantErrorMembers asserts what the conformance suite requires of every error response.
func wantErrorMembers(t *testing.T, sent url.Values) {
	t.Helper()
	for name, values := range sent {
		switch name {
		case "error", "error_description", "error_uri", "state", "iss":
		default:
			t.Errorf("unexpected parameter %s", name)
		}
		if len(values) != 1 {
			t.Errorf("%s is there %d times", name, len(values))
		}
	}
	if strings.ContainsAny(sent.Get("error_description"), "\r\n\t\"\\") {
		t.Errorf("error_description has characters that it must not have: %q", sent.Get("error_description"))
	}
}

const (
	webRedirect  = "https://rp.example/callback"
	spaRedirect  = "https://spa.example/callback"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge    = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	longState    = "s-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
	allScopes    = "openid profile email address phone offline_access"
	secretOfWeb  = secretOfMini
	nativeScheme = "com.example.app:/callback"
)

// newPopulatedServer returns a test server with plain pages, the clients "web" (confidential), "spa" and "native" (public), and
// the users alice and bob.
func newPopulatedServer(t *testing.T) *testServer {
	t.Helper()
	return populateWithPlainPages(newTestServer(t))
}

// populateWithPlainPages adds clients and users, and replaces the pages by minimal ones: tests of flows then do not depend on
// pages.
func populateWithPlainPages(ts *testServer) *testServer {
	ts.Helper()
	ts.server.MountPlainPages()
	return populate(ts)
}

// populate adds the clients and users.
func populate(ts *testServer) *testServer {
	ts.Helper()
	ts.addClient("web", func(*storage.Client) {})
	ts.addClient("spa", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets, c.RedirectURIs = storage.ClientSPA, "none", nil, []string{spaRedirect}
	})
	ts.addClient("native", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets = storage.ClientNative, "none", nil
		c.RedirectURIs = []string{"http://127.0.0.1/callback", "http://[::1]:7777/callback", "http://localhost:8000/callback", nativeScheme, "https://app.example/callback"}
	})
	ts.addUser("alice")
	ts.addUser("bob")
	return ts
}

// addClient registers a client of kind web at the default directory.
func (ts *testServer) addClient(id string, edit func(*storage.Client)) {
	ts.Helper()
	client := storage.Client{
		Directory: "default", ID: id, Kind: storage.ClientWeb, Name: "Client " + id, AuthMethod: "client_secret_basic",
		Secrets: []string{fastHash(secretOfWeb)}, RedirectURIs: []string{webRedirect}, Scopes: strings.Fields(allScopes),
		Audiences: []string{"https://api.example", "https://files.example"}, IDTokenAlgorithm: "ES256", CreatedAt: ts.clock.Now(),
	}
	edit(&client)
	must(storage.Insert(ts.Context(), ts.engine, client))(ts.T)
}

// addUser creates a user who has every claim.
func (ts *testServer) addUser(id string) { ts.addUserIn("default", id) }

func (ts *testServer) addUserIn(directory, id string) {
	ts.Helper()
	now := ts.clock.Now()
	must(storage.Insert(ts.Context(), ts.engine, storage.Identity{
		Directory: directory, Type: storage.IdentityUsername, Value: id, User: id, CreatedAt: now,
	}))(ts.T)
	must(storage.Insert(ts.Context(), ts.engine, storage.User{
		Directory: directory, ID: id, Status: storage.UserActive, Username: id, Password: cheapHash(passwordOf(id)), PasswordChangedAt: now,
		Email: id + "@example.com", EmailVerified: true,
		Phone: "+8613800138000", PhoneVerifiedAt: now, CreatedAt: now, UpdatedAt: now,
		Profile: storage.Profile{
			Name: "Name of " + id, GivenName: id, FamilyName: "Example", MiddleName: "M", Nickname: id, Profile: "https://example.com/" + id,
			Picture: "https://example.com/p.png", Website: "https://example.com", Gender: "female", Birthdate: "1990-01-01",
			Zoneinfo: "Asia/Shanghai", Locale: "zh-CN", Address: &storage.Address{Formatted: "1 Example Road", Country: "CN"},
		},
	}))(ts.T)
}

func passwordOf(user string) string { return "password of " + user }

// cheapHash returns the hash of a password with the least work that is possible.
func cheapHash(password string) string {
	hash := identity.PasswordHash{Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1}, Salt: make([]byte, 16)}
	hash.Hash = argon2.IDKey([]byte(password), hash.Salt, hash.Time, hash.Memory, hash.Threads, 32)
	return hash.String()
}

// authorizeURL returns the URL of an authorization request of web, spa or native, with further parameters in pairs. An empty
// value removes a parameter.
func (ts *testServer) authorizeURL(client string, further ...string) string {
	return ts.url + "/oauth2/authorize?" + ts.authorizeForm(client, further...).Encode()
}

func (ts *testServer) authorizeForm(client string, further ...string) url.Values {
	form := url.Values{
		"client_id": {client}, "response_type": {"code"}, "scope": {"openid"}, "state": {"state-1"}, "nonce": {"nonce-1"},
		"redirect_uri": {webRedirect},
	}
	switch client {
	case "spa":
		form.Set("redirect_uri", spaRedirect)
		form.Set("code_challenge", challenge)
		form.Set("code_challenge_method", "S256")
	case "native":
		form.Set("redirect_uri", "http://127.0.0.1:51234/callback")
		form.Set("code_challenge", challenge)
		form.Set("code_challenge_method", "S256")
	}
	for i := 0; i < len(further); i += 2 {
		form.Set(further[i], further[i+1])
		if further[i+1] == "" {
			form.Del(further[i])
		}
	}
	return form
}

// redeem exchanges a code as web does, or as a public client does. Further parameters come in pairs.
func (ts *testServer) redeem(client, code string, further ...string) response {
	ts.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {webRedirect}}
	switch client {
	case "spa":
		form.Set("redirect_uri", spaRedirect)
		form.Set("code_verifier", verifier)
	case "native":
		form.Set("redirect_uri", "http://127.0.0.1:51234/callback")
		form.Set("code_verifier", verifier)
	}
	for i := 0; i < len(further); i += 2 {
		form.Set(further[i], further[i+1])
		if further[i+1] == "" {
			form.Del(further[i])
		}
	}
	return ts.tokenRequest(client, form)
}

// tokenRequest authenticates by Basic, or sends the client_id of a public client.
func (ts *testServer) tokenRequest(client string, form url.Values) response {
	ts.Helper()
	if client == "spa" || client == "native" {
		form.Set("client_id", client)
		return ts.postPublic("/oauth2/token", form)
	}
	return ts.post(client, "/oauth2/token", form)
}

func (ts *testServer) postPublic(path string, form url.Values) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return ts.do(request)
}

// flow is a complete sign-in of alice with a client: pages, consent and tokens.
func (b *browser) flow(client string, further ...string) response {
	b.Helper()
	b.get(b.authorizeURL(client, further...))
	if b.page.callback == "" && strings.Contains(b.page.body, `name="username"`) {
		b.signIn("alice")
	}
	b.allow()
	a := b.redeem(client, b.code())
	if a.status != http.StatusOK {
		b.Fatalf("tokens: %d %s", a.status, a.raw)
	}
	return a
}
