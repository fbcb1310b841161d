package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// newRegistrationServer returns a test server that registers clients by a policy.
func newRegistrationServer(t *testing.T, policy storage.RegistrationPolicy) *testServer {
	t.Helper()
	ts := newPopulatedServer(t)
	ts.changeDirectory(func(d *storage.Directory) { d.Policy.Registration = policy })
	return ts
}

// register sends client metadata, with header fields in pairs.
func (ts *testServer) register(body string, headers ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+registerPath, strings.NewReader(body)))(ts.T)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return ts.do(request)
}

const registerPath = "/oauth2/register"

const webBody = `{"redirect_uris":["https://app.example.com/callback"],"client_name":"App"}`

// The bodies that real clients send, and what they are registered as.
func TestRFC7591_3_1_BodiesOfRealClients(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, storage.RegistrationOpen)
	const all = "openid profile email offline_access"
	for _, row := range []struct {
		client, body, kind, method, scope string
		grants                            []string
	}{
		{
			"TypeScript SDK 1", `{"redirect_uris":["http://localhost:8090/callback"],"client_name":"Simple OAuth MCP Client","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post","scope":""}`,
			"native", "client_secret_post", all,
			[]string{"authorization_code", "refresh_token"},
		},
		{
			"TypeScript SDK 2", `{"redirect_uris":["http://localhost:3118/callback"],"client_name":"MCP","application_type":"native","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			"native", "none", all,
			[]string{"authorization_code", "refresh_token"},
		},
		{"Go SDK", `{"redirect_uris":["http://localhost:3142"],"client_name":"Go","application_type":"native"}`, "native", "client_secret_basic", all, []string{"authorization_code", "refresh_token"}},
		{
			"FastMCP", `{"redirect_uris":["http://localhost:54321/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"openid profile email phone address offline_access","client_name":"FastMCP Client"}`,
			"native", "none", all,
			[]string{"authorization_code", "refresh_token"},
		},
		{
			"mcp-remote", `{"redirect_uris":["http://localhost:3335/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"MCP CLI Proxy","client_uri":"https://github.com/modelcontextprotocol/mcp-cli","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.15.1"}`,
			"native", "none", all,
			[]string{"authorization_code", "refresh_token"},
		},
		{
			"Inspector", `{"redirect_uris":["http://127.0.0.1:6274/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"MCP Inspector","client_uri":"https://github.com/modelcontextprotocol/inspector","scope":""}`,
			"native", "none", all,
			[]string{"authorization_code", "refresh_token"},
		},
		{
			"VS Code", `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"scope":"openid","token_endpoint_auth_method":"none","application_type":"native"}`,
			"native", "none", "openid",
			[]string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		},
		{
			"Cursor", `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-retrieval/oauth/user-example/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			"native", "none", all,
			[]string{"authorization_code", "refresh_token"},
		},
		{
			"claude.ai", `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"openid offline_access"}`,
			"spa", "none", "openid offline_access",
			[]string{"authorization_code", "refresh_token"},
		},
		{
			"oidc-agent", `{"application_type":"web","client_name":"oidc-agent","response_types":["code","token","id_token"],"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:device_code","password","implicit"],"redirect_uris":["edu.kit.data.oidc-agent:/redirect","http://localhost:8080","http://localhost:4242"],"scope":"openid profile"}`,
			"native", "client_secret_basic", "openid profile",
			[]string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"},
		},
		{"a web server", webBody, "web", "client_secret_basic", all, []string{"authorization_code", "refresh_token"}},
		{
			"unknown and null members", `{"redirect_uris":["https://app.example.com/callback"],"token_endpoint_auth_method":null,"x":{"y":[1]},"client_name#ja":"x","scope":"orders urn:minifed:link"}`,
			"web", "client_secret_basic", all,
			[]string{"authorization_code", "refresh_token"},
		},
	} {
		t.Run(row.client, func(t *testing.T) {
			ts.clock.Advance(time.Hour)
			a := ts.register(row.body)
			if a.status != http.StatusCreated || a.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			stored := must(storage.Get[storage.Client](ts.Context(), ts.engine.Engine, storage.Key("default", a.member("client_id"))))(t).Record
			if string(stored.Kind) != row.kind || a.member("token_endpoint_auth_method") != row.method || a.member("scope") != row.scope {
				t.Errorf("kind %s, %s", stored.Kind, a.raw)
			}
			if !slices.Equal(stored.GrantTypes, row.grants) || stored.Origin != storage.OriginRegistered || !stored.RequirePKCE || stored.FirstParty {
				t.Errorf("stored %+v", stored)
			}
			hasSecret := a.member("client_secret") != ""
			if _, ends := a.body["client_secret_expires_at"]; hasSecret != (row.method != "none") || ends != hasSecret || a.body["client_id_issued_at"] == nil {
				t.Errorf("RFC 7591 §3.2.1: %s", a.raw)
			}
		})
	}
}

func TestRFC7591_3_2_1_ResponseHasRegisteredMetadata(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, storage.RegistrationOpen)
	const common = `"redirect_uris":["https://app.example.com/callback"],"token_endpoint_auth_method":"private_key_jwt"`
	for _, members := range []string{
		`"jwks":` + string(jwks(signers()["ES256"])) + `,"token_endpoint_auth_signing_alg":"ES256"`,
		`"jwks_uri":"https://app.example.com/jwks","application_type":"web","client_name":"App","scope":"openid profile","id_token_signed_response_alg":"ES256"`,
		`"jwks_uri":"https://app.example.com/jwks","post_logout_redirect_uris":["https://app.example.com/out"],"policy_uri":"https://app.example.com/privacy","tos_uri":"https://app.example.com/terms"`,
	} {
		body := "{" + common + "," + members + "}"
		var sent map[string]any
		check(t, json.Unmarshal([]byte(body), &sent))
		a := ts.register(body)
		for name, value := range sent {
			if !reflect.DeepEqual(a.body[name], value) {
				t.Errorf("%s: sent %v, registered %v", name, value, a.body[name])
			}
		}
		if a.status != http.StatusCreated || a.member("subject_type") != "public" || a.body["client_secret"] != nil {
			t.Errorf("%d %s", a.status, a.raw)
		}
	}
}

func TestRFC7591_3_2_2_Errors(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, storage.RegistrationOpen)
	for body, code := range map[string]string{
		``: "invalid_client_metadata", `[]`: "invalid_client_metadata", `{"redirect_uris":["https://a.example.com/"],"redirect_uris":[]}`: "invalid_client_metadata",
		`{}`: "invalid_redirect_uri", `{"redirect_uris":[]}`: "invalid_redirect_uri", `{"redirect_uris":"https://a.example.com/"}`: "invalid_client_metadata",
		`{"redirect_uris":["http://a.example.com/"]}`: "invalid_redirect_uri", `{"redirect_uris":["https://a.example.com/#x"]}`: "invalid_redirect_uri",
		`{"redirect_uris":["javascript:alert(1)"]}`: "invalid_redirect_uri", `{"redirect_uris":["data:text/html,x"]}`: "invalid_redirect_uri",
		`{"redirect_uris":["weixin://dl/business/"]}`: "invalid_redirect_uri", `{"redirect_uris":["https://user@a.example.com/"]}`: "invalid_redirect_uri",
		`{"redirect_uris":["https://a.example.com/cb?code=x"]}`: "invalid_redirect_uri", `{"redirect_uris":["http://127.0.0.1.evil.example/"]}`: "invalid_redirect_uri",
		`{"redirect_uris":["https://a.example.com/"],"token_endpoint_auth_method":"tls_client_auth"}`:         "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"token_endpoint_auth_method":"private_key_jwt"}`:         "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}}`:             "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"grant_types":["client_credentials"]}`:                   "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"response_types":["token"]}`:                             "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"client_name":"` + strings.Repeat("x", 300) + `"}`:       "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"logo_uri":"http://169.254.169.254/"}`:                   "invalid_client_metadata",
		`{"redirect_uris":["https://a.example.com/"],"x":"` + strings.Repeat("x", 9<<10) + `"}`:               "invalid_client_metadata",
		`{"redirect_uris":["` + strings.Repeat(`https://a.example.com/","`, 21) + `https://a.example.com/"]}`: "invalid_redirect_uri",
	} {
		if a := ts.register(body); a.status != http.StatusBadRequest || a.member("error") != code {
			t.Errorf("%.100s: %d %s", body, a.status, a.raw)
		}
	}
	if a := ts.register(webBody, "Content-Type", "application/x-www-form-urlencoded"); a.member("error") != "invalid_client_metadata" {
		t.Errorf("a form: %d %s", a.status, a.raw)
	}
	if stored := ts.storedUnknown(); len(stored) != 0 {
		t.Errorf("stored %+v", stored)
	}
}

func TestRegistration_PolicyAndToken(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, "")
	ts.addDirectory(storage.Directory{ID: "other", Name: "Other", Policy: storage.Policy{Registration: storage.RegistrationToken}})
	addToken := func(directory string) string {
		token := "id" + directory + ".secret-of-the-token"
		sum := sha256.Sum256([]byte(token))
		must(storage.Insert(ts.Context(), ts.engine, storage.InitialToken{
			Directory: directory, ID: "id" + directory, Hash: base64.RawURLEncoding.EncodeToString(sum[:]), ExpiresAt: ts.clock.Now().Add(24 * time.Hour),
		}))(t)
		return token
	}
	token, foreign := addToken("default"), addToken("other")
	offered := func() bool {
		_, found := ts.get(ts.url + "/.well-known/openid-configuration").body["registration_endpoint"]
		return found
	}
	if a := ts.register(webBody, "Authorization", "Bearer "+token); a.status != http.StatusNotFound || offered() {
		t.Errorf("off: %d %s", a.status, a.raw)
	}
	ts.changeDirectory(func(d *storage.Directory) { d.Policy.Registration = storage.RegistrationToken })
	if !offered() {
		t.Error("the metadata has no registration_endpoint")
	}
	for authorization, status := range map[string]int{
		"": 401, "Bearer": 401, "Bearer x": 401, "Bearer " + token + "x": 401, "Bearer " + foreign: 401, "Basic " + token: 401, "Bearer ../x": 401,
		"Bearer " + token: 201, "bearer " + token: 201,
	} {
		a := ts.register(webBody, "Authorization", authorization)
		if a.status != status || status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: %d %s", authorization, a.status, a.raw)
		}
	}
	for _, client := range ts.storedUnknown() {
		if !client.UnusedUntil.IsZero() {
			t.Errorf("a client of a token ends: %+v", client)
		}
	}
	ts.clock.Advance(25 * time.Hour)
	if a := ts.register(webBody, "Authorization", "Bearer "+token); a.status != 401 {
		t.Errorf("expired: %d %s", a.status, a.raw)
	}
}

func TestRegistration_OpenIsBounded(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, storage.RegistrationOpen)
	var made sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	register := func(ts *testServer) {
		a := ts.register(webBody)
		mu.Lock()
		defer mu.Unlock()
		count[a.status]++
		if a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", a.raw)
		}
	}
	other := ts.secondInstance()
	for i := range 30 {
		made.Go(func() { register([]*testServer{ts, other}[i%2]) })
	}
	made.Wait()
	if count[http.StatusCreated] != 20 || count[http.StatusTooManyRequests] != 10 {
		t.Errorf("an hour: %v", count)
	}
	ts.clock.Advance(2 * time.Hour)
	ts.changeDirectory(func(d *storage.Directory) { d.Policy.UnknownClientsDaily = 25 })
	if ts.clock.Now().Unix()/86400 == ts.clock.Now().Add(-2*time.Hour).Unix()/86400 { // The same day.
		for range 10 {
			register(ts)
		}
		if count[http.StatusCreated] != 25 {
			t.Errorf("a day: %v", count)
		}
	}
}

func TestRegistration_SignsInAfterConsentAlways(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, storage.RegistrationOpen)
	a := ts.register(`{"redirect_uris":["http://localhost:4000/callback"],"client_name":"Agent","token_endpoint_auth_method":"none"}`, "Origin", "http://localhost:5173")
	id := a.member("client_id")
	if a.header.Get("Access-Control-Allow-Origin") != "http://localhost:5173" {
		t.Errorf("CORS: %v", a.header)
	}
	redirect := "http://localhost:51111/callback"
	ask := func(b *browser, further ...string) {
		b.get(ts.authorizeURL("spa", append([]string{"client_id", id, "redirect_uri", redirect, "scope", "openid offline_access"}, further...)...))
	}
	b := ts.newBrowser()
	ask(b)
	b.signIn("alice")
	b.allow()
	tokens := ts.redeemAgent(id, b.code(), "redirect_uri", redirect)
	if tokens.status != http.StatusOK {
		t.Fatalf("%d %s", tokens.status, tokens.raw)
	}
	ask(b)
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	ask(b, "prompt", "none")
	if b.page.sent.Get("error") != "consent_required" {
		t.Errorf("silent: %v", b.page.sent)
	}
	// The client was used, so it stays after a day; another one does not.
	unused := ts.register(webBody).member("client_id")
	ts.clock.Advance(25 * time.Hour)
	if a := ts.refreshAgent(id, tokens.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("refresh after a day: %d %s", a.status, a.raw)
	}
	ts.newBrowser().getStatus(ts.authorizeURL("web", "client_id", unused, "redirect_uri", "https://app.example.com/callback"), http.StatusBadRequest)
}

func TestRegistration_SecretWorksByBothMethods(t *testing.T) {
	t.Parallel()
	ts := newRegistrationServer(t, storage.RegistrationOpen)
	a := ts.register(webBody)
	id, secret := a.member("client_id"), a.member("client_secret")
	grant := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "code_verifier": {verifier}, "client_id": {id}, "client_secret": {secret}}
	if a := ts.postPublic("/oauth2/token", grant); a.member("error") != "invalid_grant" {
		t.Errorf("in the body: %d %s", a.status, a.raw)
	}
	if a := ts.postPublic("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}); a.member("error") != "unauthorized_client" {
		t.Errorf("client credentials: %d %s", a.status, a.raw)
	}
	if a := ts.postPublic("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {"wrong"}}); a.member("error") != "invalid_client" {
		t.Errorf("a wrong secret: %d %s", a.status, a.raw)
	}
}

// The documents of products, as their vendors publish them, on a host of the test.
func TestClientDocument_DocumentsOfProducts(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	key := signers()["RS256"]
	const base = "https://product.example.com"
	host.publishText(base+"/jwks", string(jwks(key)))
	b := ts.newBrowser()
	for i, row := range []struct{ name, document, redirect, sent, auth string }{
		{
			"Claude Code", `{"client_id":%q,"client_name":"Claude Code","client_uri":"https://claude.ai","redirect_uris":["http://localhost/callback","http://127.0.0.1/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			"", "http://localhost:54545/callback", "none",
		},
		{
			"claude.ai", `{"client_id":%q,"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			"", "https://claude.ai/api/mcp/auth_callback", "none",
		},
		{
			"ChatGPT", `{"client_id":%q,"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"RS256","jwks_uri":"` + base + `/jwks"}`,
			"", "https://chatgpt.com/connector/oauth/abc", "key",
		},
		{
			"ChatGPT, newer, by key", `{"client_id":%q,"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc"],"token_endpoint_auth_methods_supported":["none","private_key_jwt"],"jwks_uri":"` + base + `/jwks"}`,
			"", "https://chatgpt.com/connector/oauth/abc", "key",
		},
		{
			"ChatGPT, newer, public", `{"client_id":%q,"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc"],"token_endpoint_auth_methods_supported":["none","private_key_jwt"],"jwks_uri":"` + base + `/jwks"}`,
			"", "https://chatgpt.com/connector/oauth/abc", "none",
		},
		{
			"VS Code", `{"client_id":%q,"client_name":"Visual Studio Code","client_uri":"https://vscode.dev/product","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://vscode.dev/redirect","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native"}`,
			"", "http://127.0.0.1:33418/", "none",
		},
		{"Gemini CLI", `{"client_id":%q,"client_name":"Gemini CLI","redirect_uris":["http://localhost:7777/oauth/callback"],"token_endpoint_auth_method":"none"}`, "", "http://localhost:7777/oauth/callback", "none"},
	} {
		id := fmt.Sprintf("%s/%d/client.json", base, i)
		host.publishText(id, fmt.Sprintf(row.document, id))
		b.get(ts.agentURL(id, "redirect_uri", row.sent, "scope", "openid offline_access"))
		if strings.Contains(b.page.body, "<h1>login</h1>") {
			b.signIn("alice")
		}
		b.allow()
		form := url.Values{"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {row.sent}, "code_verifier": {verifier}}
		var a response
		if row.auth == "key" {
			a = ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims(id), nil), form)
		} else {
			form.Set("client_id", id)
			a = ts.postPublic("/oauth2/token", form)
		}
		if a.status != http.StatusOK || a.member("refresh_token") == "" {
			t.Errorf("%s: %d %s", row.name, a.status, a.raw)
		}
		if row.name == "ChatGPT" { // Its key is needed.
			if a := ts.refreshAgent(id, a.member("refresh_token")); a.member("error") != "invalid_client" {
				t.Errorf("%s without a key: %d %s", row.name, a.status, a.raw)
			}
		}
		ts.clock.Advance(time.Minute)
	}
}
