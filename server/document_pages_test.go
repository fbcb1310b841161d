package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// newDocumentPages is a page test server that accepts metadata documents and registrations, with the user wanda.
func newDocumentPages(t *testing.T) (*pageTestServer, *documentHost) {
	t.Helper()
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.editDirectory(func(d *storage.Directory) {
		d.Policy.Documents, d.Policy.Registration = storage.DocumentsAny, storage.RegistrationOpen
	})
	host := &documentHost{ts: ts.testServer, serve: map[string]func(http.ResponseWriter){}}
	ts.outside.serve(t, host)
	return ts, host
}

// TestConsent_ShowsWhereUnknownClientReturns by the documents of products: each names the host that the browser goes to, and warns of
// one on the user's device, which another program there can receive.
func TestConsent_ShowsWhereUnknownClientReturns(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentPages(t)
	b := ts.newFormBrowser()
	for i, row := range []struct {
		name, redirects, sent, shown string
		local                        bool
	}{
		{"Claude Code", `"http://localhost/callback","http://127.0.0.1/callback"`, "http://localhost:54545/callback", "localhost:54545", true},
		{"Claude", `"https://claude.ai/api/mcp/auth_callback"`, "https://claude.ai/api/mcp/auth_callback", "claude.ai", false},
		{"ChatGPT", `"https://chatgpt.com/connector/oauth/abc"`, "https://chatgpt.com/connector/oauth/abc", "chatgpt.com", false},
		{"Visual Studio Code", `"https://vscode.dev/redirect","http://127.0.0.1:33418/"`, "https://vscode.dev/redirect", "vscode.dev", false},
		{"Visual Studio Code", `"https://vscode.dev/redirect","http://127.0.0.1:33418/"`, "http://127.0.0.1:33418/", "127.0.0.1:33418", true},
		{"Cursor", `"cursor://anysphere.cursor-retrieval/oauth/callback"`, "cursor://anysphere.cursor-retrieval/oauth/callback", "cursor:", true},
		{"a scheme like a host", `"claude.ai:/callback"`, "claude.ai:/callback", "claude.ai:", true},
		{"another port", `"https://claude.ai:8443/callback"`, "https://claude.ai:8443/callback", "claude.ai:8443", false},
	} {
		publisher := fmt.Sprintf("h%d.example.com", i)
		id := "https://" + publisher + "/client.json"
		host.publish(id, "client_name", row.name, "redirect_uris", json.RawMessage("["+row.redirects+"]"), "token_endpoint_auth_method", "none")
		b.get(ts.agentURL(id, "redirect_uri", row.sent, "scope", "openid offline_access"))
		if strings.Contains(b.page.body, `name="username"`) {
			b.signInAs("wanda")
		}
		unknown, returned := b.textOfID("unknown"), textOf(b.document())
		if !strings.Contains(unknown, "It sends you to "+row.shown+".") || !strings.Contains(unknown, publisher) || !strings.Contains(returned, "you return to "+row.shown+".") {
			t.Errorf("%s, %s: the page says %q", row.name, row.sent, unknown)
		}
		if local := b.textOfID("local") != ""; local != row.local {
			t.Errorf("%s, %s: the warning of a program on the device: %v", row.name, row.sent, local)
		}
		b.press("consent-form", "allow")
		if code := b.code(); code == "" || !strings.HasPrefix(b.page.callback, row.sent) {
			t.Errorf("%s: returned to %s", row.name, b.page.callback)
		}
	}
}

// TestConsent_RedirectOfAnotherHostIsRejected at the request, and where a document or a registration names it.
func TestConsent_RedirectOfAnotherHostIsRejected(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentPages(t)
	host.publish(agentID, "redirect_uris", []string{"https://claude.ai/callback", "http://localhost/callback", "http://127.0.0.1/callback"})
	b := ts.newFormBrowser()
	b.get(ts.agentURL(agentID, "redirect_uri", "http://localhost:1/callback"))
	b.wantAt(t, "/login", http.StatusOK, "")
	for _, sent := range []string{
		"https://claude.ai/callback/../evil", "https://claude.ai/callback?next=https://evil.example", "https://claude.ai/callback#x", "https://CLAUDE.ai/callback",
		"https://claude.ai:443/callback", "https://claude.ai./callback", "https://claude.ai@evil.example/callback", "https://claude.ai.evil.example/callback",
		`https://claude.ai\@evil.example/callback`, "http://claude.ai/callback", "//claude.ai/callback", "https://claude.ai/callback ", "https://claude.ai/%63allback",
		"http://localhost.evil.example:1/callback", "http://localhost:1@evil.example/callback", "http://localhost:1.evil.example/callback", "http://127.0.0.1.evil.example/callback",
		"http://127.1:1/callback", "http://0.0.0.0:1/callback", "http://[::1]:1/callback", "http://localhost:99999/callback", "https://localhost:1/callback", "http://localhost:1/callback/",
		"http://user@localhost:1/callback", "http://2130706433/callback",
	} {
		b.get(ts.agentURL(agentID, "redirect_uri", sent))
		if b.page.status != http.StatusBadRequest || b.page.callback != "" {
			t.Errorf("%s: %d %s", sent, b.page.status, b.page.callback)
		}
	}
	for _, named := range []string{
		"https://cl\u0430ude.ai/callback", `https://claude.ai\\@evil.example/`, "https://claude.ai:443@evil.example/", "https://user@claude.ai/", "https://claude.ai/\u202e",
		"https://claude.ai%2eevil.example/", "http://evil.example/", "https:claude.ai/callback", "https:///claude.ai/callback", "http://localhost.evil.example/", "https://claude.ai /callback",
	} {
		if a := ts.register(`{"redirect_uris":["` + named + `"]}`); a.status != http.StatusBadRequest || a.member("error") != "invalid_redirect_uri" {
			t.Errorf("registered %s: %d %s", named, a.status, a.raw)
		}
		host.publish("https://other.example.com/client", "redirect_uris", []string{named})
		b.get(ts.agentURL("https://other.example.com/client", "redirect_uri", named))
		if b.page.status != http.StatusBadRequest || b.page.callback != "" {
			t.Errorf("a document with %s: %d %s", named, b.page.status, b.page.callback)
		}
		ts.clock.Advance(7e9)
	}
}

// textOfID returns the text of the element with an ID; empty without one.
func (b *formBrowser) textOfID(id string) string {
	b.Helper()
	for n := range b.document().Descendants() {
		if attribute(n, "id") == id {
			return textOf(n)
		}
	}
	return ""
}
