//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	spaRedirect   = "https://spa.example/callback"
	spaVerifier   = "a-verifier-of-at-least-forty-three-characters"
	spaUser       = "bench"
	spaPassword   = "correct horse battery staple 42"
	spaScopes     = "openid profile"
	benchPlatform = "bench"
)

// signIn creates a user with a password, signs the user in with a browser, and returns the cookie of the session.
func (s *bench) signIn(b *testing.B) *http.Cookie {
	b.Helper()
	s.createUser(b, spaUser)
	browser, form := s.loginForm(b, spaUser)
	form.send(b, browser)
	address, err := url.Parse(s.issuer)
	if err != nil {
		b.Fatal(err)
	}
	for _, cookie := range browser.Jar.Cookies(address) {
		if cookie.Name == "mf-default" {
			return cookie
		}
	}
	b.Fatalf("the login left no session: %v", browser.Jar.Cookies(address))
	return nil
}

func (s *bench) createUser(b *testing.B, name string) {
	b.Helper()
	runProgram(b, s.environment, spaPassword, s.minifed, "user", "create", name, "--password-stdin")
}

// loginForm is a login page with values for its form.
type loginForm struct {
	page   string
	fields url.Values
}

// loginForm opens the login page for a user in a new browser.
func (s *bench) loginForm(b *testing.B, user string) (*http.Client, loginForm) {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: s.http.Transport, CheckRedirect: s.http.CheckRedirect}
	login := sendByBrowser(b, browser, newRequest(b, s.issuer+"/oauth2/authorize?"+spaRequest().Encode(), nil))
	page := s.issuer + strings.TrimPrefix(login.Header.Get("Location"), s.issuer)
	shown := sendByBrowser(b, browser, newRequest(b, page, nil))
	token := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(shown.text)
	if token == nil {
		b.Fatalf("no login form at %s: %s\n%s", page, shown.Status, shown.text)
	}
	return browser, loginForm{page, url.Values{"csrf": {token[1]}, "username": {user}, "password": {spaPassword}}}
}

func (f loginForm) send(b *testing.B, browser *http.Client) browserResponse {
	b.Helper()
	return sendByBrowser(b, browser, newRequest(b, f.page, f.fields))
}

// passwords are sign-ins with a password: each is the request that the login form sends. The pages before it are not measured.
// Every worker has its own user, because the attempts of one user are queued.
func (s *bench) passwords(b *testing.B, n, workers int) func(int, int) {
	for ; s.withPassword < workers; s.withPassword++ {
		s.createUser(b, spaUser+strconv.Itoa(s.withPassword))
	}
	browsers, forms := make([]*http.Client, n), make([]loginForm, n)
	for i := range n {
		browsers[i], forms[i] = s.loginForm(b, spaUser+strconv.Itoa(i%workers))
	}
	return func(_, i int) {
		if answer := forms[i].send(b, browsers[i]); answer.Header.Get("Refresh") == "" {
			b.Errorf("the password was not accepted: %s", answer.Status)
		}
	}
}

// browserResponse is the response that a browser got.
type browserResponse struct {
	*http.Response
	text string
}

func sendByBrowser(b *testing.B, browser *http.Client, request *http.Request) browserResponse {
	b.Helper()
	response, err := browser.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return browserResponse{response, string(body)}
}

func spaRequest() url.Values {
	challenge := sha256.Sum256([]byte(spaVerifier))
	return url.Values{
		"client_id": {"spa"}, "response_type": {"code"}, "scope": {spaScopes}, "state": {"state"}, "nonce": {"nonce"},
		"redirect_uri": {spaRedirect}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
}

// authorizations are authorization requests with a session: each ends with the redirect that has a code.
func (s *bench) authorizations(b *testing.B, _, _ int) func(int, int) {
	return func(int, int) { s.authorize(b) }
}

// ssoLogins are authorization requests with a session, each with its token request.
func (s *bench) ssoLogins(b *testing.B, _, _ int) func(int, int) {
	return func(int, int) {
		s.send(b, newRequest(b, s.issuer+"/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {s.authorize(b)},
			"redirect_uri": {spaRedirect}, "code_verifier": {spaVerifier},
		}))
	}
}

func (s *bench) authorize(b *testing.B) (code string) {
	request := newRequest(b, s.issuer+"/oauth2/authorize?"+spaRequest().Encode(), nil)
	request.AddCookie(s.browse)
	response, err := s.http.Do(request)
	if err != nil {
		b.Error(err)
		return ""
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
	location, err := response.Location()
	if err != nil || !location.Query().Has("code") {
		b.Errorf("authorize: %s %v", response.Status, response.Header)
		return ""
	}
	return location.Query().Get("code")
}

// pushes are pushed authorization requests.
func (s *bench) pushes(b *testing.B, _, _ int) func(int, int) {
	return func(int, int) { s.send(b, newRequest(b, s.issuer+"/oauth2/par", maps.Clone(spaRequest()))) }
}
