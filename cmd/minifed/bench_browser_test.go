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

// signIn makes a user with a password, signs them in with a browser, and returns the cookie of the session.
func (s *bench) signIn(b *testing.B) *http.Cookie {
	b.Helper()
	runProgram(b, s.environment, spaPassword, s.minifed, "user", "create", spaUser, "--password-stdin")
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: s.http.Transport, CheckRedirect: s.http.CheckRedirect}
	login := visit(b, browser, newRequest(b, s.issuer+"/oauth2/authorize?"+spaRequest().Encode(), nil))
	page := s.issuer + strings.TrimPrefix(login.Header.Get("Location"), s.issuer)
	shown := visit(b, browser, newRequest(b, page, nil))
	token := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(shown.text)
	if token == nil {
		b.Fatalf("no login form at %s: %s\n%s", page, shown.Status, shown.text)
	}
	visit(b, browser, newRequest(b, page, url.Values{"csrf": {token[1]}, "username": {spaUser}, "password": {spaPassword}}))
	address, err := url.Parse(s.issuer)
	if err != nil {
		b.Fatal(err)
	}
	for _, cookie := range jar.Cookies(address) {
		if cookie.Name == "mf-default" {
			return cookie
		}
	}
	b.Fatalf("the login left no session: %v", jar.Cookies(address))
	return nil
}

// visited is what a browser got.
type visited struct {
	*http.Response
	text string
}

func visit(b *testing.B, browser *http.Client, request *http.Request) visited {
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
	return visited{response, string(body)}
}

func spaRequest() url.Values {
	challenge := sha256.Sum256([]byte(spaVerifier))
	return url.Values{
		"client_id": {"spa"}, "response_type": {"code"}, "scope": {spaScopes}, "state": {"state"}, "nonce": {"nonce"},
		"redirect_uri": {spaRedirect}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
}

// authorizations are authorization requests with a live session: each ends at the redirect that carries a code.
func (s *bench) authorizations(b *testing.B, _, _ int) func(int, int) {
	return func(int, int) { s.authorize(b) }
}

// ssoLogins are authorization requests with a live session, each with the token request that follows it.
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
