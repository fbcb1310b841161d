package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/minifed/minifed/examples/exampletest"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// TestServer_AgentOnDeviceCallsTool signs an agent without a browser in by the device grant, and calls the tool with its token.
func TestServer_AgentOnDeviceCallsTool(t *testing.T) {
	const username, password = "lin", "correct horse battery staple"
	minifed := exampletest.StartMinifed(t, exampletest.StartWeChat(t).API)
	minifed.CLI(t, password, "user", "create", username, "--password-stdin")
	minifed.CLI(t, "", "directory", "update", "default", "--device-grant")
	address := startServer(t, minifed.Issuer)
	endpoint := address + "/mcp"
	agent := minifed.CreateClient(t, "", "--kind", "native", "--grant-type", deviceGrant, "--audience", endpoint,
		"--scope", "openid", "--scope", "tools", "--scope", "profile")

	// 1. Without a token, the challenge leads to the metadata, and that to the issuer.
	challenge := post(t, endpoint, nil, nil)
	if got := challenge.header.Get("WWW-Authenticate"); challenge.status != http.StatusUnauthorized ||
		got != `Bearer resource_metadata="`+address+`/.well-known/oauth-protected-resource/mcp", scope="tools"` {
		t.Fatalf("%d %s", challenge.status, got)
	}
	var metadata struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	get(t, address+"/.well-known/oauth-protected-resource/mcp", &metadata)
	if metadata.Resource != endpoint || len(metadata.Servers) != 1 || metadata.Servers[0] != minifed.Issuer {
		t.Fatalf("metadata %+v", metadata)
	}

	// 2. A token without the scope of the tools.
	lesser := signIn(t, minifed, agent, endpoint, "openid profile", username, password)
	if rejected := post(t, endpoint, nil, http.Header{"Authorization": {"Bearer " + lesser.Access}}); rejected.status != http.StatusForbidden ||
		!strings.Contains(rejected.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("without the scope: %d %v", rejected.status, rejected.header)
	}
	if rejected := post(t, endpoint, nil, http.Header{"Authorization": {"Bearer " + lesser.ID}}); rejected.status != http.StatusUnauthorized {
		t.Errorf("an ID token: %d", rejected.status)
	}

	// 3. A token for the tools.
	tokens := signIn(t, minifed, agent, endpoint, "openid tools", username, password)
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: &http.Client{Transport: bearer(tokens.Access)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "who_am_i"})
	if err != nil {
		t.Fatal(err)
	}
	var user struct {
		ID string `json:"id"`
	}
	decode(t, minifed.CLI(t, "", "user", "show", username, "--output", "json"), &user)
	if got, err := json.Marshal(result.StructuredContent); err != nil || user.ID == "" || !strings.Contains(string(got), `"`+user.ID+`"`) {
		t.Errorf("the tool returned %s for %s (%v)", got, user.ID, err)
	}

	// 4. The tool that writes needs a further scope, also in a batch, which the handler in front does not see.
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{"text":"tea"}}}`
	further := send(t, jsonRequest(t, endpoint, tokens.Access, "", call))
	if got := further.header.Get("WWW-Authenticate"); further.status != http.StatusForbidden || !strings.Contains(got, `scope="tools notes"`) {
		t.Errorf("without the scope: %d %s", further.status, got)
	}
	begun := send(t, jsonRequest(t, endpoint, tokens.Access, "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"agent","version":"1"}}}`))
	old := begun.header.Get("Mcp-Session-Id")
	send(t, jsonRequest(t, endpoint, tokens.Access, old, `{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	if batch := send(t, jsonRequest(t, endpoint, tokens.Access, old, "["+call+"]")); !strings.Contains(string(batch.body), "does not have the scope notes") {
		t.Errorf("a batch: %d %s", batch.status, batch.body)
	}
}

// startServer serves the sample until the test ends, and returns its address.
func startServer(t *testing.T, issuer string) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	address := "http://" + server.Listener.Addr().String()
	handler, err := routes(issuer, address+"/mcp")
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	return address
}

// bearer adds a token to requests.
type bearer string

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	own := r.Clone(r.Context())
	own.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(own)
}

// tokens are the tokens of an agent.
type tokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}

// signIn signs an agent in by the device grant. Its user allows it in a browser.
func signIn(t *testing.T, minifed *exampletest.Minifed, agent exampletest.Client, resource, scope, username, password string) tokens {
	t.Helper()
	var device struct {
		Code     string `json:"device_code"`
		User     string `json:"user_code"`
		Complete string `json:"verification_uri_complete"`
	}
	asked := post(t, minifed.Issuer+"/oauth2/device_authorization", url.Values{"client_id": {agent.ID}, "scope": {scope}, "resource": {resource}}, nil)
	decode(t, asked.body, &device)
	browser := exampletest.NewBrowser(t)
	page := browser.Submit(t, browser.Open(t, device.Complete), map[string]string{"end": device.User[len(device.User)-2:]}, "")
	page = browser.Submit(t, page, map[string]string{"username": username, "password": password}, "")
	page = browser.Submit(t, page, nil, "allow")
	if !strings.Contains(page.Body, "The device is connected") {
		t.Fatalf("the browser is at %s:\n%s", page.URL, page.Body)
	}
	var issued tokens
	issuing := post(t, minifed.Issuer+"/oauth2/token", url.Values{"client_id": {agent.ID}, "grant_type": {deviceGrant}, "device_code": {device.Code}}, nil)
	if decode(t, issuing.body, &issued); issued.Access == "" {
		t.Fatalf("%d %s", issuing.status, issuing.body)
	}
	return issued
}

type received struct {
	status int
	header http.Header
	body   []byte
}

func post(t *testing.T, address string, form url.Values, header http.Header) received {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, values := range header {
		request.Header[name] = values
	}
	return send(t, request)
}

// jsonRequest is a request of an old version of MCP, which has batches.
func jsonRequest(t *testing.T, endpoint, token, session, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Authorization": {"Bearer " + token},
		"Mcp-Protocol-Version": {"2025-03-26"},
	}
	if session != "" {
		request.Header.Set("Mcp-Session-Id", session)
	}
	return request
}

func get(t *testing.T, address string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, send(t, request).body, into)
}

func send(t *testing.T, request *http.Request) received {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return received{response.StatusCode, response.Header, body}
}

func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
}
