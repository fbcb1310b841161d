package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/server/admin/relyingparty"
	"github.com/minifed/minifed/storage"
)

// partyHarness is a server with a browser in which a user is signed in.
type partyHarness struct {
	*testing.T
	server  *testServer
	browser *http.Client
	issuer  *oidc.Provider
}

const (
	partyAddress  = "https://app.example.com"
	partyVerifier = "a-verifier-of-at-least-forty-three-characters"
)

// newPartyHarness starts a server and signs a user without a name and an e-mail address in, as most users of mini-programs are.
func newPartyHarness(t *testing.T) *partyHarness {
	t.Helper()
	cli := newCLIWithStore(t)
	cli.In = strings.NewReader("correct horse battery staple 42")
	cli.run(t, "user", "create", "bare", "--password-stdin")
	running := cli.startServer(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := oidc.NewProvider(t.Context(), running.url)
	if err != nil {
		t.Fatal(err)
	}
	h := &partyHarness{T: t, server: running, issuer: issuer, browser: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
	h.signIn("bare", "correct horse battery staple 42")
	return h
}

// signIn sends the form of the page that the account page redirects to.
func (h *partyHarness) signIn(username, password string) {
	h.Helper()
	login := h.open(h.server.url+"/account", nil)
	address := login.Header.Get("Location")
	if strings.HasPrefix(address, "/") {
		address = h.server.url + address
	}
	page := h.open(address, nil)
	form := url.Values{"username": {username}, "password": {password}}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page.text, -1) {
		form.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	if done := h.open(address, form); done.StatusCode >= 400 {
		h.Fatalf("sign-in: %s\n%s", done.Status, done.text)
	}
}

type partyResponse struct {
	*http.Response
	text string
}

func (h *partyHarness) open(address string, form url.Values) partyResponse {
	h.Helper()
	return h.send(address, form, func(*http.Request) {})
}

// send sends a request of the browser, or a form of a relying party.
func (h *partyHarness) send(address string, form url.Values, edit func(*http.Request)) partyResponse {
	h.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	request, err := http.NewRequestWithContext(h.Context(), method, address, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	edit(request)
	response, err := h.browser.Do(request)
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		h.Fatal(err)
	}
	return partyResponse{response, string(text)}
}

// createdParty is a client that the command line created for a relying party.
type createdParty struct {
	relyingparty.Party
	ClientID      string   `json:"client_id"`
	Secret        string   `json:"client_secret"`
	RedirectURIs  []string `json:"redirect_uris"`
	Issuer        string   `json:"issuer"`
	Configuration string   `json:"configuration"`
}

func (h *partyHarness) create(party relyingparty.Party) createdParty {
	h.Helper()
	args := []string{"client", "create", "--for", party.Name, "--url", partyAddress, "--output", "json"}
	if party.Kind != storage.ClientService {
		args = append(args, "--first-party")
	}
	if party.NeedsEmail {
		args = append(args, "--placeholder-email-domain", "users.example.com")
	}
	created := createdParty{Party: party}
	if err := json.Unmarshal([]byte(h.server.run(h.T, args...)), &created); err != nil {
		h.Fatal(err)
	}
	return created
}

// code sends the user through the authorization endpoint, as the relying party does, and returns the code.
func (h *partyHarness) code(client createdParty, pkce bool) string {
	h.Helper()
	query := url.Values{
		"client_id": {client.ClientID}, "response_type": {"code"}, "scope": {"openid profile email"}, "state": {"a state"},
		"redirect_uri": {client.RedirectURIs[0]},
	}
	if pkce {
		challenge := sha256.Sum256([]byte(partyVerifier))
		query.Set("code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:]))
		query.Set("code_challenge_method", "S256")
	}
	answer := h.open(h.server.url+"/oauth2/authorize?"+query.Encode(), nil)
	location, err := answer.Location()
	if err != nil || !strings.HasPrefix(location.String(), client.RedirectURIs[0]) {
		h.Fatalf("%s: authorize: %s %v\n%s", client.Name, answer.Status, answer.Header, answer.text)
	}
	return location.Query().Get("code")
}

// authenticate adds the credentials of a client to a request as the relying party does.
func (c createdParty) authenticate(form url.Values) func(*http.Request) {
	if c.Secret == "" || c.SecretInBody {
		form.Set("client_id", c.ClientID)
		if c.Secret != "" {
			form.Set("client_secret", c.Secret)
		}
		return func(*http.Request) {}
	}
	return func(request *http.Request) { request.SetBasicAuth(c.ClientID, c.Secret) }
}

// tokens exchanges a code.
func (h *partyHarness) tokens(client createdParty, code string) map[string]any {
	h.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {client.RedirectURIs[0]}}
	if client.SendsPKCE {
		form.Set("code_verifier", partyVerifier)
	}
	credentials := client.authenticate(form)
	answer := h.send(h.server.url+"/oauth2/token", form, credentials)
	if answer.StatusCode != http.StatusOK {
		h.Fatalf("%s: token: %s\n%s", client.Name, answer.Status, answer.text)
	}
	return decode(h.T, answer.text)
}

// TestClientCreateFor_EveryRowSignsAUserIn creates the client of every row and sends a user through the sign-in that the relying
// party does: its redirect URI, PKCE or none, and its way to send the secret.
func TestClientCreateFor_EveryRowSignsAUserIn(t *testing.T) {
	h := newPartyHarness(t)
	var accessToken string
	for _, party := range relyingparty.All() {
		if len(party.Redirects) == 0 {
			continue
		}
		client := h.create(party)
		if party.SendsPKCE {
			if code := h.code(client, false); code != "" {
				t.Errorf("%s: a request without PKCE is accepted", party.Name)
			}
		}
		tokens := h.tokens(client, h.code(client, party.SendsPKCE))
		accessToken, _ = tokens["access_token"].(string)
		raw, _ := tokens["id_token"].(string)
		verifier := h.issuer.VerifierContext(t.Context(), &oidc.Config{ClientID: client.ClientID, SupportedSigningAlgs: []string{oidc.RS256}})
		token, err := verifier.Verify(t.Context(), raw)
		if err != nil {
			t.Errorf("%s: %v", party.Name, err)
			continue
		}
		claims := struct {
			Username string `json:"preferred_username"`
			Email    string `json:"email"`
		}{}
		if err := token.Claims(&claims); err != nil || party.Kind != storage.ClientNative && claims.Username != "bare" {
			t.Errorf("%s: ID token with %+v, %v", party.Name, claims, err)
		}
		if placeholder := token.Subject + "@users.example.com"; party.NeedsEmail && claims.Email != placeholder {
			t.Errorf("%s: e-mail address %q, want %s", party.Name, claims.Email, placeholder)
		}
		h.checkConfiguration(client)
	}
	for _, party := range relyingparty.All() {
		if !party.Introspection {
			continue
		}
		client, form := h.create(party), url.Values{"token": {accessToken}}
		credentials := client.authenticate(form)
		answer := h.send(h.server.url+"/oauth2/introspect", form, credentials)
		if answer.StatusCode != http.StatusOK || decode(t, answer.text)["active"] != true {
			t.Errorf("%s: introspection: %s %s", party.Name, answer.Status, answer.text)
		}
		h.checkConfiguration(client)
	}
}

// checkConfiguration checks that the configuration text has the values of the client.
func (h *partyHarness) checkConfiguration(client createdParty) {
	h.Helper()
	for name, value := range map[string]string{"issuer": h.server.url, "client": client.ClientID, "secret": client.Secret} {
		if !strings.Contains(client.Configuration, value) {
			h.Errorf("%s: the configuration lacks the %s:\n%s", client.Name, name, client.Configuration)
		}
	}
	if client.Issuer != h.server.url {
		h.Errorf("%s: issuer %s", client.Name, client.Issuer)
	}
}

func TestClientCreateFor_PrintsTheConfiguration(t *testing.T) {
	cli := newCLIWithStore(t)
	printed := cli.run(t, "client", "create", "--for", "gitea", "--url", "https://git.example.com/", "--id", "git")
	for _, text := range []string{"https://git.example.com/user/oauth2/minifed/callback", "--key git", "--auto-discover-url http://localhost:8080/.well-known/openid-configuration", "minifed client update git --placeholder-email-domain"} {
		if !strings.Contains(printed, text) {
			t.Errorf("printed without %q:\n%s", text, printed)
		}
	}
	printed = cli.run(t, "client", "create", "--for", "spring-boot", "--redirect-uri", "http://localhost:9000/login/oauth2/code/minifed", "--require-pkce")
	if !strings.Contains(printed, "require_pkce") || !strings.Contains(printed, "issuer-uri: http://localhost:8080") {
		t.Errorf("printed\n%s", printed)
	}
	if listed := cli.run(t, "client", "create", "--for", "list"); !strings.Contains(listed, "mozilla-django-oidc") || !strings.Contains(listed, "/oidc/callback/") {
		t.Errorf("listed\n%s", listed)
	}
	cli.mustFail(t, exitUsage, []string{`"spring-boot"`}, "client", "create", "--for", "sprin-boot", "--url", "https://a.example.com")
	cli.mustFail(t, exitUsage, []string{"oidc-client-ts"}, "client", "create", "--for", "auth0-spa-js", "--url", "https://a.example.com")
	cli.mustFail(t, exitUsage, []string{"--url is missing"}, "client", "create", "--for", "spring-boot")
	cli.mustFail(t, exitUsage, []string{"--url https://a.example.com/?x"}, "client", "create", "--for", "spring-boot", "--url", "https://a.example.com/?x")
	cli.mustFail(t, exitUsage, []string{"exclude"}, "client", "create", "--for", "spring-boot", "--kind", "web")
	cli.mustFail(t, exitUsage, []string{"--for"}, "client", "create", "--kind", "web", "--url", "https://a.example.com")
}
