//go:build interop

package main

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
	"github.com/minifed/minifed/internal/chromiumtest"
)

// agent is an MCP client with one of the official SDKs. No operator registers it.
type agent struct {
	name, sdk string
	// install installs the SDK, and command starts the agent. Both run in the folder.
	folder           string
	install, command []string
	// cannotStepUp says why the SDK does not ask its user for a further scope.
	cannotStepUp string
	// server starts a server with the same SDK, which protects itself without package resource.
	server []string
}

func agents(t *testing.T) []agent {
	t.Helper()
	environment := filepath.Join(t.TempDir(), "python")
	return []agent{
		{name: "go", sdk: "go-sdk v1.8.0", folder: "interop/go", command: []string{"go", "run", "."}},
		{
			name: "typescript1", sdk: "@modelcontextprotocol/sdk 1.32.2", folder: "interop/typescript1", install: []string{"npm", "ci", "--no-audit", "--no-fund"},
			command: []string{"node", "agent.mjs"}, cannotStepUp: "this version requests what it had",
		},
		{
			name: "typescript2", sdk: "@modelcontextprotocol/client 2.4.0", folder: "interop/typescript2", install: []string{"npm", "ci", "--no-audit", "--no-fund"},
			command: []string{"node", "agent.mjs"},
		},
		{
			name: "python", sdk: "mcp 2.3.0 with FastMCP 4.2.3", folder: "interop/python",
			install: []string{"sh", "-c", "python3 -m venv " + environment + " && " + environment + "/bin/pip install --quiet -r requirements.txt"},
			command: []string{environment + "/bin/python", "agent.py"}, server: []string{environment + "/bin/python", "interop/python/server.py"},
		},
	}
}

const username, password = "lin", "correct horse battery staple"

// TestInterop_AgentsOfSDKsSignIn runs agents with the official SDKs against the sample server: discovery from the challenge, a metadata
// document or registration, sign-in and consent in Chromium, a tool, a refresh with rotation, and a further scope. With
// RECORD=folder it writes what the SDKs sent, which the tests of package server repeat.
func TestInterop_AgentsOfSDKsSignIn(t *testing.T) {
	documents := serveDocuments(t)
	t.Setenv("GOFLAGS", "-tags=interop")
	proxy := startRecorder(t)
	minifed := exampletest.StartMinifed(t, exampletest.StartWeChat(t).API, "MINIFED_PUBLIC_URL="+proxy.url, "INTEROP_HOSTS="+documents.address, "SSL_CERT_FILE="+documents.certificate)
	proxy.forward(t, minifed.Issuer)
	minifed.CLI(t, "", "directory", "create", "team", "--name", "Team")
	servers := map[string]string{}
	for directory, issuer := range map[string]string{"default": proxy.url, "team": proxy.url + "/d/team"} {
		minifed.CLI(t, "", "directory", "update", directory, "--documents", "any", "--registration", "open")
		minifed.CLI(t, password, "user", "create", username, "--password-stdin", "--directory", directory)
		servers[issuer] = startServer(t, issuer) + "/mcp"
		minifed.CLI(t, "", "resource", "create", servers[issuer], "--directory", directory, "--name", "Sample tools", "--asked-by", "any",
			"--scope", "*tools Use the tools | 使用工具", "--scope", "notes Add notes | 添加备注", "--token-lifetime", "12s")
	}
	browser := chromiumtest.Start(t)
	for _, agent := range agents(t) {
		t.Run(agent.name, func(t *testing.T) {
			if agent.install != nil {
				install(t, agent.folder, agent.install...)
			}
			if agent.server != nil {
				useOwnServer(t, agent, minifed, proxy, browser)
			}
			for issuer, server := range servers {
				for _, document := range []string{"", documents.publish(agent.name)} {
					started := startAgent(t, agent, server, document)
					proxy.start()
					opened := started.follow(t, browser.Open(browser.Profile(), "about:blank"), proxy)
					proxy.check(t, opened, document != "", agent.cannotStepUp == "")
					if folder := os.Getenv("RECORD"); folder != "" && issuer == proxy.url {
						proxy.write(t, folder, agent, server, document)
					}
				}
			}
		})
	}
}

// useOwnServer signs an agent in to a server with the same SDK, with a metadata document.
func useOwnServer(t *testing.T, agent agent, minifed *exampletest.Minifed, proxy *recorder, browser *chromiumtest.Browser) {
	t.Helper()
	_, port, _ := strings.Cut(porttest.Address(t), ":")
	server := exampletest.Start(t, []string{"ISSUER=" + proxy.url, "PORT=" + port}, agent.server...) + "/mcp"
	waitFor(t, server)
	minifed.CLI(t, "", "resource", "create", server, "--name", "Sample tools", "--asked-by", "any", "--scope", "*tools Use the tools", "--token-alg", "RS256")
	started := startAgent(t, agent, server, documentURL(agent.name))
	proxy.start()
	proxy.check(t, started.follow(t, browser.Open(browser.Profile(), "about:blank"), proxy), true, false)
}

// waitFor waits until a server listens.
func waitFor(t *testing.T, address string) {
	t.Helper()
	for t.Context().Err() == nil {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", address)
}

func install(t *testing.T, folder string, command ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Dir = folder
	if out, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

// documentHost serves metadata documents. The binary takes it for every public host.
type documentHost struct{ address, certificate string }

// documentURL is the client_id of an agent with a metadata document.
func documentURL(name string) string { return "https://agents.example.com/" + name + ".json" }

func (documentHost) publish(name string) string { return documentURL(name) }

func serveDocuments(t *testing.T) documentHost {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // The client sees an incomplete document.
			"client_id": "https://" + r.Host + r.URL.Path, "client_name": "Agent", "token_endpoint_auth_method": "none",
			"redirect_uris": []string{"http://localhost/callback", "http://127.0.0.1/callback"}, "grant_types": []string{"authorization_code", "refresh_token"},
		})
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return documentHost{server.Listener.Addr().String(), file}
}

// startedAgent is a running agent, and the lines that it prints.
type startedAgent struct {
	program *exec.Cmd
	lines   *bufio.Scanner
	errors  *strings.Builder
	agent   agent
	port    string
}

func startAgent(t *testing.T, agent agent, server, document string) *startedAgent {
	t.Helper()
	_, port, _ := strings.Cut(porttest.Address(t), ":")
	a := &startedAgent{program: exec.CommandContext(t.Context(), agent.command[0], agent.command[1:]...), errors: &strings.Builder{}, agent: agent, port: port}
	a.program.Dir, a.program.Stderr = agent.folder, a.errors
	a.program.Env = append(os.Environ(), "MCP_SERVER="+server, "CLIENT_DOCUMENT="+document, "REDIRECT_PORT="+port)
	out, err := a.program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.program.Start(); err != nil {
		t.Fatal(err)
	}
	a.lines = bufio.NewScanner(out)
	a.lines.Buffer(nil, 1<<20)
	return a
}

// follow does in a browser what the agent asks its user for, and asserts that the tools return. It returns the URLs that were opened.
func (a *startedAgent) follow(t *testing.T, tab *chromiumtest.Tab, proxy *recorder) []string {
	t.Helper()
	var opened, tools []string
	for a.lines.Scan() {
		word, rest, _ := strings.Cut(a.lines.Text(), " ")
		switch word {
		case "open":
			opened = append(opened, rest)
			proxy.opened(rest)
			signInInChromium(t, tab, rest, "http://localhost:"+a.port+"/callback", len(opened) == 1)
		case "tool":
			tools = append(tools, strings.Fields(rest)[0])
		}
	}
	want := "who_am_i who_am_i add_note"
	if err := a.program.Wait(); a.agent.cannotStepUp != "" {
		want = "who_am_i who_am_i"
	} else if err != nil {
		t.Errorf("%s: %v", a.agent.sdk, err)
	}
	if got := strings.Join(tools, " "); got != want {
		t.Errorf("%s: tools %q, want %q\n%s", a.agent.sdk, got, want, a.errors)
	}
	return opened
}

// signInInChromium opens an authorization request, signs the user in at the first one, and allows it.
func signInInChromium(t *testing.T, tab *chromiumtest.Tab, request, callback string, first bool) {
	t.Helper()
	tab.Navigate(request)
	if first {
		tab.Wait("#username")
		tab.Fill("username", username)
		tab.Fill("password", password)
		tab.Press("login")
	}
	tab.Wait("#allow")
	shown := tab.Evaluate("document.body.innerText")
	for _, text := range []string{"localhost", "Sample tools"} {
		if !strings.Contains(shown, text) {
			t.Errorf("the consent page does not show %q:\n%s", text, shown)
		}
	}
	tab.Press("allow")
	if !strings.Contains(tab.WaitForURL(callback), "code=") {
		t.Error("the browser returned without a code")
	}
}
