package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// The documents of products, as their vendors publish them, on hosts of the tests.
const (
	agentID       = "https://agent.example.com/client.json"
	agentRedirect = "https://agent.example.com/callback"
)

// documentHost serves metadata documents by their URL, and counts the requests.
type documentHost struct {
	mu       sync.Mutex
	ts       *testServer
	serve    map[string]func(w http.ResponseWriter)
	requests int
}

// newDocumentServer returns a test server that accepts documents by a policy, and their host.
func newDocumentServer(t *testing.T, edit func(*storage.Policy)) (*testServer, *documentHost) {
	t.Helper()
	ts := newPopulatedServer(t)
	ts.changeDirectory(func(d *storage.Directory) {
		d.Policy.Documents = storage.DocumentsAny
		edit(&d.Policy)
	})
	host := &documentHost{ts: ts, serve: map[string]func(http.ResponseWriter){}}
	ts.outside.serve(t, host)
	return ts, host
}

func (ts *testServer) changeDirectory(edit func(*storage.Directory)) {
	ts.Helper()
	entry := must(storage.Get[storage.Directory](ts.Context(), ts.engine.Engine, "default"))(ts.T)
	next := entry.Record
	edit(&next)
	must(entry.Replace(ts.Context(), ts.engine.Engine, next))(ts.T)
	ts.clock.Advance(6 * time.Second) // The old one is in memory.
}

// ServeHTTP implements http.Handler.
func (h *documentHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests++
	respond := h.serve["https://"+r.Host+r.URL.RequestURI()]
	h.mu.Unlock()
	if respond == nil {
		http.NotFound(w, r)
		return
	}
	respond(w)
}

// count returns the number of requests since the last call.
func (h *documentHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.requests
	h.requests = 0
	return n
}

// respond sets the response for a URL.
func (h *documentHost) respond(id string, respond func(http.ResponseWriter)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serve[id] = respond
}

// publish publishes the document of a public client with changes in pairs; nil removes a member.
func (h *documentHost) publish(id string, changes ...any) {
	h.ts.Helper()
	document := map[string]any{"client_id": id, "client_name": "Agent", "redirect_uris": []string{agentRedirect}, "token_endpoint_auth_method": "none"}
	for i := 0; i < len(changes); i += 2 {
		name, _ := changes[i].(string)
		if document[name] = changes[i+1]; changes[i+1] == nil {
			delete(document, name)
		}
	}
	h.publishText(id, string(must(json.Marshal(document))(h.ts.T)))
}

func (h *documentHost) publishText(id, text string) {
	h.respond(id, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	})
}

// remove takes a document away.
func (h *documentHost) remove(id string) { h.respond(id, nil) }

// agentURL is an authorization request of a client with a document.
func (ts *testServer) agentURL(id string, further ...string) string {
	return ts.authorizeURL("spa", append([]string{"client_id", id, "redirect_uri", agentRedirect}, further...)...)
}

// redeemAgent redeems the code of a public client.
func (ts *testServer) redeemAgent(id, code string, further ...string) response {
	ts.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {code}, "redirect_uri": {agentRedirect}, "code_verifier": {verifier}}
	for i := 0; i < len(further); i += 2 {
		form.Set(further[i], further[i+1])
	}
	return ts.postPublic("/oauth2/token", form)
}

func (ts *testServer) refreshAgent(id, token string) response {
	ts.Helper()
	return ts.postPublic("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {token}})
}

// signInAgent signs alice in to a client with a document, and returns the tokens.
func (b *browser) signInAgent(id string, further ...string) response {
	b.Helper()
	b.get(b.agentURL(id, further...))
	if strings.Contains(b.page.body, "<h1>login</h1>") {
		b.signIn("alice")
	}
	b.allow()
	a := b.redeemAgent(id, b.code(), further...)
	if a.status != http.StatusOK {
		b.Fatalf("tokens: %d %s", a.status, a.raw)
	}
	return a
}

// storedClients returns the records of clients that no operator registered.
func (ts *testServer) storedUnknown() (found []storage.Client) {
	for _, client := range list[storage.Client](ts) {
		if client.Origin != storage.OriginOperator {
			found = append(found, client)
		}
	}
	return found
}

func TestClientDocument_SignsInAndIsStoredAtConsent(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	host.publish(agentID)
	b := ts.newBrowser()
	b.get(ts.agentURL(agentID, "scope", "openid offline_access"))
	b.signIn("alice")
	if stored := ts.storedUnknown(); len(stored) != 0 {
		t.Fatalf("stored before consent: %+v", stored)
	}
	b.submit("allow", "scope", "offline_access")
	tokens := ts.redeemAgent(agentID, b.code())
	if tokens.status != http.StatusOK || tokens.member("id_token") == "" {
		t.Fatalf("%d %s", tokens.status, tokens.raw)
	}
	stored := ts.storedUnknown()
	if len(stored) != 1 || stored[0].ID != agentID || stored[0].Origin != storage.OriginDocument || stored[0].Incarnation == "" || stored[0].Kind != storage.ClientSPA {
		t.Fatalf("stored %+v", stored)
	}
	if a := ts.refreshAgent(agentID, tokens.member("refresh_token")); a.status != http.StatusOK || a.member("refresh_token") == tokens.member("refresh_token") {
		t.Errorf("refresh: %d %s", a.status, a.raw)
	}
	if n := host.count(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	// The consent is remembered, and a silent sign-in works.
	b.get(ts.agentURL(agentID, "scope", "openid", "prompt", "none"))
	if b.page.sent.Get("code") == "" {
		t.Errorf("silent: %v", b.page.sent)
	}
}
