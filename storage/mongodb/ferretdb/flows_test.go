package ferretdb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const (
	webRedirect  = "https://rp.example/callback"
	userPassword = "correct horse battery staple"
)

// addWeb registers the relying party "web", and the user "ann" who has a password.
func (i *instance) addWeb() {
	i.Helper()
	i.addClient("web", storage.ClientWeb, func(c *storage.Client) { c.RedirectURIs, c.FirstParty = []string{webRedirect}, true })
	people := must(identity.New(identity.Config{
		Engine: i.engine, Now: i.now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		Argon2: identity.Argon2{Memory: 64, Time: 1, Threads: 1},
	}))(i.T)
	must(people.Create(i.Context(), "default", identity.Account{Username: "ann", Password: userPassword}, identity.Operator("test")))(i.T)
}

// authorize signs ann in to the relying party, by pages without scripts, and returns the code.
func (i *instance) authorize() string {
	i.Helper()
	page := i.url + "/oauth2/authorize?" + url.Values{
		"client_id": {"web"}, "response_type": {"code"}, "scope": {"openid offline_access"}, "state": {"s"}, "nonce": {"n"},
		"redirect_uri": {webRedirect}, "prompt": {"consent"},
	}.Encode()
	jar := must(cookiejar.New(nil))(i.T)
	browser := &http.Client{Jar: jar, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), webRedirect) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	request := must(http.NewRequestWithContext(i.Context(), http.MethodGet, page, nil))(i.T)
	for range 4 {
		response := must(browser.Do(request))(i.T)
		body := string(must(io.ReadAll(response.Body))(i.T))
		response.Body.Close()
		if location := response.Header.Get("Location"); location != "" {
			return must(url.Parse(location))(i.T).Query().Get("code")
		}
		form := url.Values{"username": {"ann"}, "password": {userPassword}, "decision": {"allow"}}
		for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(body, -1) {
			form.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
		}
		for _, box := range regexp.MustCompile(`type="checkbox"[^>]* name="([^"]*)" value="([^"]*)" checked`).FindAllStringSubmatch(body, -1) {
			form.Add(html.UnescapeString(box[1]), html.UnescapeString(box[2]))
		}
		request = must(http.NewRequestWithContext(i.Context(), http.MethodPost, response.Request.URL.String(), strings.NewReader(form.Encode())))(i.T)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", i.url)
	}
	i.Fatal("the pages lead nowhere")
	return ""
}

func (i *instance) redeem(code string) answer {
	i.Helper()
	return i.send("web", "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {webRedirect}})
}

func (i *instance) revoke(client, token string) answer {
	i.Helper()
	return i.send(client, "/oauth2/revoke", url.Values{"token": {token}})
}

// keyed is the private key of the service "keyed".
func (w *town) keyed() *ecdsa.PrivateKey {
	w.Helper()
	if w.key == nil {
		w.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(w.T)
	}
	return w.key
}

// addKeyed registers the service "keyed", which authenticates by private_key_jwt.
func (i *instance) addKeyed() {
	i.Helper()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.keyed().Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}}
	i.addClient("keyed", storage.ClientService, func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.JWKS, c.Scopes = "private_key_jwt", nil, must(json.Marshal(set))(i.T), []string{"read"}
	})
}

// assertion is a client assertion of the service "keyed", good for one use.
func (i *instance) assertion() string {
	i.Helper()
	now := i.now().Unix()
	payload := must(json.Marshal(map[string]any{
		"iss": "keyed", "sub": "keyed", "aud": i.url, "iat": now, "exp": now + int64(time.Minute/time.Second), "jti": rand.Text(),
	}))(i.T)
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.keyed(), KeyID: "1"}}, nil))(i.T)
	return must(must(signer.Sign(payload))(i.T).CompactSerialize())(i.T)
}

// asserted gets a token for the service itself.
func (i *instance) asserted(assertion string) answer {
	i.Helper()
	return i.send("", "/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
}
