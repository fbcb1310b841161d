package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// recordedAgent is what an MCP client with one of the official SDKs sent to sign its user in. make interop runs the SDKs, and writes
// these files with RECORD: see examples/mcp-server.
type recordedAgent struct {
	SDK       string             `json:"sdk"`
	Document  string             `json:"document"`
	Exchanges []recordedExchange `json:"exchanges"`
}

// recordedExchange is a request of the SDK, or with the method BROWSER a URL that it opened, and what it received.
type recordedExchange struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Header  map[string]string `json:"header"`
	Form    url.Values        `json:"form"`
	JSON    json.RawMessage   `json:"json"`
	Status  int               `json:"status"`
	Members []string          `json:"members"`
}

const agentTools = "https://tools.example.com/mcp"

// TestAgents_RecordedSDKsSignIn repeats what the SDKs sent, at the issuer of the default directory and at another one.
func TestAgents_RecordedSDKsSignIn(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.Registration = storage.RegistrationOpen })
	tea := teaDirectory()
	tea.Policy.Documents, tea.Policy.Registration = storage.DocumentsAny, storage.RegistrationOpen
	ts.addDirectory(tea)
	ts.addUserIn("tea", "tea-alice")
	for _, directory := range []string{"default", "tea"} {
		ts.addResource(agentTools, "tools", func(r *storage.Resource) {
			r.Directory, r.AskedBy, r.Scopes = directory, storage.AskedByAny, []storage.ResourceScope{{Name: "tools", Default: true}, {Name: "notes"}}
		})
	}
	files := must(filepath.Glob("testdata/agents/*.json"))(t)
	if len(files) != 8 {
		t.Fatalf("recordings: %v", files)
	}
	for _, file := range files {
		var recorded recordedAgent
		check(t, json.Unmarshal(must(os.ReadFile(file))(t), &recorded))
		if recorded.Document != "" {
			host.publish(recorded.Document, "redirect_uris", []string{"http://localhost/callback", "http://127.0.0.1/callback"})
		}
		for issuer, user := range map[string]string{"": "alice", "/d/tea": "tea-alice"} {
			t.Run(filepath.Base(file)+issuer, func(t *testing.T) {
				of := *ts
				of.T = t
				repeated := &repeatedAgent{testServer: &of, browser: of.newBrowser(), issuer: issuer, user: user, values: map[string]string{
					"resource": agentTools, "issuer": ts.url + issuer, "port": "43210", "state": "state-of-the-agent",
					"code_verifier": verifier, "code_challenge": challenge, "client_id": recorded.Document,
				}}
				for _, exchange := range recorded.Exchanges {
					repeated.send(exchange)
				}
				if repeated.refreshed == 0 {
					t.Errorf("%s: no refresh", recorded.SDK)
				}
			})
		}
	}
}

// repeatedAgent repeats the requests of an agent with the values of this run.
type repeatedAgent struct {
	*testServer
	browser      *browser
	issuer, user string
	values       map[string]string
	refreshed    int
}

// expand replaces the placeholders in a text.
func (a *repeatedAgent) expand(text string) string {
	for name, value := range a.values {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return strings.ReplaceAll(text, "{credentials}", strings.TrimPrefix(basic(a.values["client_id"], a.values["client_secret"]), "Basic "))
}

func (a *repeatedAgent) send(e recordedExchange) {
	a.Helper()
	form := url.Values{}
	for name := range e.Form {
		form.Set(name, a.expand(e.Form.Get(name)))
	}
	address := a.url + a.issuer + e.Path
	if strings.HasPrefix(e.Path, "/.well-known/") {
		address = a.url + e.Path + a.issuer
	}
	if e.Method == "BROWSER" {
		a.authorize(address + "?" + form.Encode())
		return
	}
	body := form.Encode()
	if len(e.JSON) > 0 {
		body = a.expand(string(e.JSON))
	}
	request := must(http.NewRequestWithContext(a.Context(), e.Method, address, strings.NewReader(body)))(a.T)
	for name, value := range e.Header {
		request.Header.Set(name, a.expand(value))
	}
	a.receive(e, form, a.do(request))
}

// authorize signs the user in, and allows what the agent asks for.
func (a *repeatedAgent) authorize(address string) {
	a.Helper()
	a.browser.get(address)
	if strings.Contains(a.browser.page.body, "<h1>login</h1>") {
		a.browser.signIn(a.user)
	}
	if !strings.Contains(a.browser.page.body, "<h1>consent</h1>") {
		a.Errorf("no consent page: %d %s", a.browser.page.status, a.browser.page.body)
	}
	a.browser.allow()
	a.values["code"] = a.browser.code()
	sent := a.browser.page.sent
	if sent.Get("iss") != a.values["issuer"] || sent.Get("state") != a.values["state"] {
		a.Errorf("the response has iss %q and state %q", sent.Get("iss"), sent.Get("state"))
	}
}

// receive asserts that a response has what the SDK received, and takes its values.
func (a *repeatedAgent) receive(e recordedExchange, form url.Values, received response) {
	a.Helper()
	if received.status != e.Status {
		a.Errorf("%s %s: %d, recorded %d: %s", e.Method, e.Path, received.status, e.Status, received.raw)
	}
	for _, member := range e.Members {
		if _, found := received.body[member]; !found {
			a.Errorf("%s %s: the response has no %s: %s", e.Method, e.Path, member, received.raw)
		}
	}
	if issuer, found := received.body["issuer"]; found && issuer != a.values["issuer"] {
		a.Errorf("issuer %v", issuer)
	}
	switch {
	case strings.HasSuffix(e.Path, "/register"):
		a.values["client_id"], a.values["client_secret"] = received.member("client_id"), received.member("client_secret")
	case received.status == http.StatusOK && received.member("access_token") != "":
		a.takeTokens(form, received)
	}
}

func (a *repeatedAgent) takeTokens(form url.Values, received response) {
	a.Helper()
	if form.Get("grant_type") == "refresh_token" {
		a.refreshed++
		if received.member("refresh_token") == form.Get("refresh_token") {
			a.Error("the refresh token was not rotated")
		}
	}
	a.values["refresh_token"] = received.member("refresh_token")
	granted, token := strings.Fields(received.member("scope")), claims(a.T, received.member("access_token"))
	if !slices.Contains(granted, "tools") || token["aud"] != agentTools || token["iss"] != a.values["issuer"] {
		a.Errorf("scope %v, aud %v, iss %v", granted, token["aud"], token["iss"])
	}
}
