package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// send posts a form with the headers of the pairs.
func (ts *testServer) send(path, body string, headers ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(body)))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return ts.do(request)
}

func basic(client, secret string) string {
	request := http.Request{Header: http.Header{}}
	request.SetBasicAuth(client, secret)
	return request.Header.Get("Authorization")
}

func TestRFC6749_2_3_ClientsAuthenticateByTheirMethods(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("poster", func(c *storage.Client) { c.AuthMethod = "client_secret_post" })
	must(storage.Insert(t.Context(), ts.engine, storage.Client{
		Directory: "default", ID: "spa", Kind: storage.ClientSPA, AuthMethod: "none", Scopes: []string{"openid"}, GrantTypes: []string{"refresh_token"},
	}))(t)
	must(storage.Insert(t.Context(), ts.engine, storage.Client{
		Directory: "default", ID: "keyed", Kind: storage.ClientService, AuthMethod: "private_key_jwt", Secrets: []string{fastHash(secretOfMini)}, GrantTypes: []string{"refresh_token"},
	}))(t)
	ts.addMiniProgram("either", func(c *storage.Client) { c.AuthMethod = "" })
	ts.addMiniProgram("off", func(c *storage.Client) { c.Disabled = true })
	ts.addMiniProgram("secretless", func(c *storage.Client) { c.Secrets = nil })
	const grant = "grant_type=refresh_token&refresh_token=x"
	body := func(client, secret string) string {
		return grant + "&client_id=" + url.QueryEscape(client) + "&client_secret=" + url.QueryEscape(secret)
	}
	for _, row := range []struct {
		name    string
		body    string
		headers []string
		code    string
	}{
		{"basic", grant, []string{"Authorization", basic("mini", secretOfMini)}, "invalid_grant"},
		{"basic with the same client_id in the body", grant + "&client_id=mini", []string{"Authorization", basic("mini", secretOfMini)}, "invalid_grant"},
		{"post", body("poster", secretOfMini), nil, "invalid_grant"},
		{"none", grant + "&client_id=spa", nil, "invalid_grant"},

		{"basic with a wrong secret", grant, []string{"Authorization", basic("mini", "wrong")}, "invalid_client"},
		{"basic with an empty secret", grant, []string{"Authorization", basic("mini", "")}, "invalid_client"},
		{"basic of an unknown client", grant, []string{"Authorization", basic("nobody", secretOfMini)}, "invalid_client"},
		{"basic of a disabled client", grant, []string{"Authorization", basic("off", secretOfMini)}, "invalid_client"},
		{"basic of a client without secrets", grant, []string{"Authorization", basic("secretless", secretOfMini)}, "invalid_client"},
		{"basic where post is registered", grant, []string{"Authorization", basic("poster", secretOfMini)}, "invalid_client"},
		{"post where basic is registered", body("mini", secretOfMini), nil, "invalid_client"},
		{"a secret where none is registered", body("spa", secretOfMini), nil, "invalid_client"},
		{"no secret where one is registered", grant + "&client_id=mini", nil, "invalid_client"},
		{"an empty secret in the body", body("poster", ""), nil, "invalid_client"},
		{"a secret where a key is registered", grant, []string{"Authorization", basic("keyed", secretOfMini)}, "invalid_client"},
		{"nothing", grant, nil, "invalid_client"},

		{"basic of a client that named no method", grant, []string{"Authorization", basic("either", secretOfMini)}, "invalid_grant"},
		{"post of a client that named no method", body("either", secretOfMini), nil, "invalid_grant"},
		{"a wrong secret of a client that named no method", body("either", "wrong"), nil, "invalid_client"},
		{"no secret of a client without a method", grant + "&client_id=either", nil, "invalid_client"},
		{"both at once", body("either", secretOfMini), []string{"Authorization", basic("either", secretOfMini)}, "invalid_request"},
		{"a secret in the body where a key is registered", body("keyed", secretOfMini), nil, "invalid_client"},

		{"basic that is no base64", grant, []string{"Authorization", "Basic ???"}, "invalid_client"},
		{"basic without colon", grant, []string{"Authorization", "Basic bWluaQ=="}, "invalid_client"},
		{"basic with a bad escape", grant, []string{"Authorization", basic("mini", "%zz")}, "invalid_client"},
		{"a bearer token", grant, []string{"Authorization", "Bearer x"}, "invalid_client"},
		{"two Authorization headers", grant, []string{"Authorization", basic("mini", secretOfMini), "Authorization", basic("mini", secretOfMini)}, "invalid_client"},
		{"a client of another directory's name", grant, []string{"Authorization", basic("default/mini", secretOfMini)}, "invalid_client"},
		{"a very long client", grant, []string{"Authorization", basic(strings.Repeat("x", 2000), "x")}, "invalid_client"},

		{"two methods at once", body("mini", secretOfMini), []string{"Authorization", basic("mini", secretOfMini)}, "invalid_request"},
		{"two clients at once", grant + "&client_id=poster", []string{"Authorization", basic("mini", secretOfMini)}, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := ts.send("/oauth2/token", row.body, row.headers...)
			if a.member("error") != row.code {
				t.Fatalf("got %d %s, want %s", a.status, a.raw, row.code)
			}
			status, challenge := http.StatusBadRequest, ""
			if row.code == "invalid_client" && row.headers != nil {
				status, challenge = http.StatusUnauthorized, `Basic realm="minifed", charset="UTF-8"`
			}
			if a.status != status || a.header.Get("WWW-Authenticate") != challenge {
				t.Errorf("status %d, WWW-Authenticate %q", a.status, a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

// TestRFC6749_5_2_AChallengeIsForTheAuthorizationHeader: libraries treat a challenge as part of the HTTP layer, and discard the
// body with the error.
func TestRFC6749_5_2_AChallengeIsForTheAuthorizationHeader(t *testing.T) {
	ts := newTestServer(t)
	for path, body := range map[string]string{
		"/oauth2/token": "grant_type=client_credentials&", "/oauth2/par": "", "/oauth2/revoke": "", "/oauth2/introspect": "",
		"/federation/wechat/miniapp/profile": "code=x&", "/federation/wechat/miniapp/bindUser": "method=register&code=x&", "/federation/wechat/miniapp/hand-off": "access_token=x&target_client_id=web&",
	} {
		byHeader := ts.send(path, body, "Authorization", basic("mini", "wrong"))
		if byHeader.status != http.StatusUnauthorized || !strings.HasPrefix(byHeader.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s by the header: %d %v", path, byHeader.status, byHeader.header)
		}
		status, challenged := http.StatusBadRequest, false
		if path == "/oauth2/introspect" { // RFC 7662 §2.3.
			status, challenged = http.StatusUnauthorized, true
		}
		inBody := ts.send(path, body+"client_id=mini&client_secret=wrong")
		if inBody.status != status || (inBody.header.Get("WWW-Authenticate") != "") != challenged {
			t.Errorf("%s in the body: %d %v", path, inBody.status, inBody.header)
		}
		for _, a := range []response{byHeader, inBody} {
			if a.member("error") != "invalid_client" || a.member("error_description") == "" {
				t.Errorf("%s: %s", path, a.raw)
			}
		}
	}
}

// TestInvalidClient_LogNamesCause and the remedy, each in its own sentence. The client gets the same response for all causes.
func TestInvalidClient_LogNamesCause(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("poster", func(c *storage.Client) { c.AuthMethod = "client_secret_post" })
	ts.addMiniProgram("off", func(c *storage.Client) { c.Disabled = true })
	ts.addMiniProgram("secretless", func(c *storage.Client) { c.Secrets = nil })
	ts.addService("public", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	ts.addPrivateKeyClient("keyed", signers()["ES256"])
	key := signers()["ES256"]
	form := func(client, secret string) func() response {
		return func() response {
			return ts.send("/oauth2/token", "grant_type=client_credentials&client_id="+client+"&client_secret="+secret)
		}
	}
	header := func(client, secret string) func() response {
		return func() response {
			return ts.send("/oauth2/token", "grant_type=client_credentials", "Authorization", basic(client, secret))
		}
	}
	asserted := func(client string, by signer, further ...any) func() response {
		return func() response {
			return ts.postWithAssertion("/oauth2/token", by.sign(t, ts.assertionClaims(client, further...), nil), ownGrant())
		}
	}
	seen, told := map[string]string{}, map[string]bool{}
	for name, row := range map[string]struct {
		ask   func() response
		cause string
	}{
		"unknown client":         {header("nobody", secretOfMini), "no client of this directory has this client_id"},
		"disabled":               {header("off", secretOfMini), "is disabled, or has expired: enable it"},
		"wrong secret":           {header("mini", "wrong"), "secret is wrong"},
		"no secret registered":   {header("secretless", "wrong"), "has no secret"},
		"post, Basic only":       {form("mini", secretOfMini), "sent in the body, and the client is restricted to client_secret_basic"},
		"Basic, post only":       {header("poster", secretOfMini), "sent by Basic, and the client is restricted to client_secret_post"},
		"no credentials":         {form("mini", ""), "no secret or assertion"},
		"secret of a public one": {form("public", secretOfMini), "is public"},
		"secret of a keyed one":  {form("keyed", secretOfMini), "authenticates by private_key_jwt"},
		"assertion for a secret": {asserted("poster", key), "authenticates by a secret"},
		"another key":            {asserted("keyed", newSigner("ES256", "key-ES256")), "no key that the client registered"},
		"expired assertion":      {asserted("keyed", key, "exp", ts.clock.Now().Add(-time.Minute).Unix()), "it has expired"},
		"malformed header": {func() response {
			return ts.send("/oauth2/token", "grant_type=client_credentials", "Authorization", "Bearer x")
		}, "is not one of HTTP Basic"},
	} {
		before := len(ts.log.String())
		a := row.ask()
		line := ts.log.String()[before:]
		if a.member("error") != "invalid_client" || !strings.Contains(line, `"cause":"`) || !strings.Contains(line, row.cause) {
			t.Errorf("%s: got %s, logged %s", name, a.raw, line)
		}
		if strings.Contains(a.raw, row.cause) && name != "expired assertion" {
			t.Errorf("%s: the client gets %s", name, a.raw)
		}
		if other := seen[row.cause]; other != "" {
			t.Errorf("%s and %s are logged in the same way", name, other)
		}
		seen[row.cause] = name
		if name != "expired assertion" {
			told[a.member("error_description")] = true
		}
	}
	if len(told) != 1 {
		t.Errorf("clients are distinguishable: %v", told)
	}
}

func TestInvalidClient_HidesWhetherClientExists(t *testing.T) {
	ts := newTestServer(t)
	const grant = "grant_type=refresh_token&refresh_token=x"
	unknown := ts.send("/oauth2/token", grant, "Authorization", basic("nobody", secretOfMini))
	wrong := ts.send("/oauth2/token", grant, "Authorization", basic("mini", "wrong"))
	if unknown.member("error_description") != wrong.member("error_description") || unknown.status != wrong.status {
		t.Errorf("%s and %s", unknown.raw, wrong.raw)
	}
}

func TestRFC6749_2_3_1_BasicCredentialsAreFormEncoded(t *testing.T) {
	ts := newTestServer(t)
	const chosen = "a +b%c/d=e"
	ts.addMiniProgram("odd:name", func(c *storage.Client) { c.Secrets = []string{fastHash(chosen)} })
	encoded := basic(url.QueryEscape("odd:name"), url.QueryEscape(chosen))
	if a := ts.send("/oauth2/token", "grant_type=refresh_token&refresh_token=x", "Authorization", encoded); a.member("error") != "invalid_grant" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestClientAuth_AcceptsChosenAndRotatedSecrets(t *testing.T) {
	ts := newTestServer(t)
	params := identity.Argon2{Memory: 64, Time: 1, Threads: 1}
	salt := []byte("0123456789abcdef")
	hash := identity.PasswordHash{Argon2: params, Salt: salt, Hash: argon2.IDKey([]byte("chosen-by-a-person"), salt, 1, 64, 1, 32)}
	ts.addMiniProgram("many", func(c *storage.Client) { c.Secrets = []string{fastHash("newest"), hash.String(), fastHash("oldest")} })
	for secret, code := range map[string]string{
		"newest": "invalid_grant", "chosen-by-a-person": "invalid_grant", "oldest": "invalid_grant", "chosen-by-nobody": "invalid_client",
	} {
		for range 2 {
			a := ts.send("/oauth2/token", "grant_type=refresh_token&refresh_token=x", "Authorization", basic("many", secret))
			if a.member("error") != code {
				t.Errorf("%s: got %d %s", secret, a.status, a.raw)
			}
		}
	}
}

func TestClientCache_LoadsNewAtOnceAndChangesWithinFiveSeconds(t *testing.T) {
	ts := newTestServer(t)
	ask := func() string {
		return ts.send("/oauth2/token", "grant_type=refresh_token&refresh_token=x", "Authorization", basic("late", secretOfMini)).member("error")
	}
	if got := ask(); got != "invalid_client" {
		t.Errorf("before it exists: %s", got)
	}
	ts.addMiniProgram("late", func(*storage.Client) {})
	if got := ask(); got != "invalid_grant" {
		t.Errorf("once it exists: %s", got)
	}
	ts.change("late", func(c *storage.Client) { c.Disabled = true })
	if got := ask(); got != "invalid_client" {
		t.Errorf("some seconds after it was disabled: %s", got)
	}
}
