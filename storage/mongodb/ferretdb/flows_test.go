package ferretdb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

const (
	webRedirect  = "https://rp.example/callback"
	userPassword = "correct horse battery staple"
)

// people is the service of users, with passwords that are cheap to check. Like a server's, it has directories in memory.
func (i *instance) people() *identity.Service {
	i.Helper()
	directories := endpoint.NewCatalog(endpoint.CatalogConfig{PublicURL: i.address, DefaultDirectory: "default", Engine: i.engine, Now: i.now})
	return must(identity.New(identity.Config{
		Engine: i.engine, Audit: i.audit, Directories: directories, Now: i.now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		Argon2: cheapArgon2(1),
	}))(i.T)
}

// cheapArgon2 returns cheap parameters of argon2id: tests have nothing to protect.
func cheapArgon2(time uint32) identity.Argon2 {
	return identity.Argon2{Memory: 64, Time: time, Threads: 1}
}

// addWeb registers the relying party "web", of the first party, and "partner", of a third; and the user "ann" who has a password.
func (i *instance) addWeb() {
	i.Helper()
	i.addClient("web", storage.ClientWeb, func(c *storage.Client) { c.RedirectURIs, c.FirstParty = []string{webRedirect}, true })
	i.addClient("partner", storage.ClientWeb, func(c *storage.Client) { c.RedirectURIs = []string{webRedirect} })
	i.addPerson("ann")
}

func (i *instance) addPerson(name string) storage.User {
	i.Helper()
	account := identity.Account{Username: name, Password: userPassword}
	return must(i.people().Create(i.Context(), "default", account, identity.Operator("test")))(i.T).Record
}

// authorize signs ann in to the relying party in a new browser, and returns the code.
func (i *instance) authorize() string {
	i.Helper()
	return i.newBrowser().code("web", "scope", "openid offline_access", "prompt", "consent")
}

func (i *instance) redeem(code string) apiResponse {
	i.Helper()
	return i.redeemAs("web", code)
}

func (i *instance) redeemAs(client, code string) apiResponse {
	i.Helper()
	return i.send(client, "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {webRedirect}})
}

func (i *instance) revoke(client, token string) apiResponse {
	i.Helper()
	return i.send(client, "/oauth2/revoke", url.Values{"token": {token}})
}

// keyed is the private key of the service "keyed".
func (w *deployment) keyed() *ecdsa.PrivateKey {
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

// assertion is a client assertion of the service "keyed", good for one use, by the clock of the instance's machine.
func (i *instance) assertion() string {
	i.Helper()
	return i.assertionAt(i.local())
}

// assertionAt returns an assertion issued at that time.
func (i *instance) assertionAt(made time.Time) string {
	i.Helper()
	now := made.Unix()
	payload := must(json.Marshal(map[string]any{
		"iss": "keyed", "sub": "keyed", "aud": i.url, "iat": now, "exp": now + int64(time.Minute/time.Second), "jti": rand.Text(),
	}))(i.T)
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.keyed(), KeyID: "1"}}, nil))(i.T)
	return must(must(signer.Sign(payload))(i.T).CompactSerialize())(i.T)
}

// asserted gets a token for the service itself.
func (i *instance) asserted(assertion string) apiResponse {
	i.Helper()
	return i.send("", "/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
}
