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

// wantDocumentError opens an authorization request, and asserts that the page shows an error of documents.
func (b *browser) wantDocumentError(what, address, reason string) {
	b.Helper()
	b.get(address)
	b.wantPage(b.T, http.StatusBadRequest, "")
	line := b.logLine(b.page.header.Get("X-Request-Id"))
	if !strings.Contains(line, reason) || b.page.callback != "" {
		b.Errorf("%s: %q is not in the log line %s", what, reason, line)
	}
}

func TestClientDocument_AdmissionByPolicy(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.DocumentHosts = []string{"trusted.example.com", "trusted.example.com:8443"} })
	const trusted, port = "https://trusted.example.com/client", "https://trusted.example.com:8443/client"
	for _, id := range []string{agentID, trusted, port} {
		host.publish(id)
	}
	b := ts.newBrowser()
	for _, row := range []struct {
		policy   storage.DocumentPolicy
		id       string
		admitted bool
	}{
		{"", agentID, false},
		{"", trusted, false},
		{storage.DocumentsOff, trusted, false},
		{storage.DocumentsHosts, trusted, true},
		{storage.DocumentsHosts, port, true},
		{storage.DocumentsHosts, agentID, false},
		{storage.DocumentsAny, agentID, true},
	} {
		ts.changeDirectory(func(d *storage.Directory) { d.Policy.Documents = row.policy })
		metadata := ts.get(ts.url + "/.well-known/oauth-authorization-server")
		if supported := metadata.body["client_id_metadata_document_supported"] == true; supported != (row.policy == storage.DocumentsHosts || row.policy == storage.DocumentsAny) {
			t.Errorf("policy %q: the metadata says %v", row.policy, supported)
		}
		b.get(ts.agentURL(row.id))
		if admitted := b.page.status == http.StatusOK; admitted != row.admitted {
			t.Errorf("policy %q, %s: %d", row.policy, row.id, b.page.status)
		}
	}
}

func TestClientDocument_RejectsOtherURLs(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	b := ts.newBrowser()
	own := must(url.Parse(ts.url))(t)
	for _, id := range []string{
		"https://agent.example.com", "https://agent.example.com/", "https://agent.example.com/a#b", "https://user@agent.example.com/c", "https://u:p@agent.example.com/c",
		"https://agent.example.com/../c", "https://agent.example.com/a/./c", "https://agent.example.com/%2e%2e/c", "https://agent.example.com/a%2fc",
		"https://Agent.example.com/c", "https://agent.example.com./c", "https://agent.example.com:/c", "https:///c", "https://93.184.215.14/c",
		"https://[2606:2800:21f:cb07::1]/c", "https://[::1]/c", "https://[::ffff:127.0.0.1]/c", "https://127.0.0.1/c", `https://agent.example.com\c`,
		"https://agent.example.com/" + strings.Repeat("c", 256), "https://agent.example.com/c d", "https://agent.example.com/\u4e2d",
		"https://" + own.Host + "/oauth2/jwks",
	} {
		b.get(ts.agentURL(id))
		if b.page.status != http.StatusBadRequest || b.page.callback != "" {
			t.Errorf("%s: %d", id, b.page.status)
		}
	}
	if n := host.count(); n != 0 || ts.outside.lookups != 0 {
		t.Errorf("%d fetches, %d lookups", n, ts.outside.lookups)
	}
}

func TestClientDocument_CallsNoPrivateAddress(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	b := ts.newBrowser()
	for i, address := range []string{
		"127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "::1", "::", "fe80::1", "fd00:ec2::254",
		"::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::127.0.0.1",
	} {
		name := "h" + string(rune('a'+i)) + ".example.com"
		ts.outside.at(name, address) // As after DNS rebinding: the name was public when the operator looked.
		id := "https://" + name + "/client"
		host.publish(id)
		b.wantDocumentError(address, ts.agentURL(id), "client_document_unusable")
	}
	if n := host.count(); n != 0 || len(ts.outside.dialled) != 0 {
		t.Errorf("%d fetches, dialled %v", n, ts.outside.dialled)
	}
}

func TestClientDocument_RejectsOtherResponses(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	b := ts.newBrowser()
	json := func(status int, contentType, text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Location", agentID)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		}
	}
	document := func(id, further string) string {
		return `{"client_id":"` + id + `","client_name":"Agent","redirect_uris":["` + agentRedirect + `"],"token_endpoint_auth_method":"none"` + further + `}`
	}
	host.publish(agentID)
	i := 0
	for what, respond := range map[string]func(id string) func(http.ResponseWriter){
		"a redirect":    func(id string) func(http.ResponseWriter) { return json(302, "application/json", document(id, "")) },
		"404":           func(id string) func(http.ResponseWriter) { return json(404, "application/json", document(id, "")) },
		"201":           func(id string) func(http.ResponseWriter) { return json(201, "application/json", document(id, "")) },
		"HTML":          func(id string) func(http.ResponseWriter) { return json(200, "text/html", document(id, "")) },
		"no media type": func(id string) func(http.ResponseWriter) { return json(200, "", document(id, "")) },
		"more than 5 KB": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", document(id, `,"x":"`+strings.Repeat("x", 5<<10)+`"`))
		},
		"no JSON":           func(string) func(http.ResponseWriter) { return json(200, "application/json", "{") },
		"an array":          func(string) func(http.ResponseWriter) { return json(200, "application/json", "[]") },
		"null":              func(string) func(http.ResponseWriter) { return json(200, "application/json", "null") },
		"another client_id": func(string) func(http.ResponseWriter) { return json(200, "application/json", document(agentID, "")) },
		"client_id twice": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", document(id, `,"client_id":"`+agentID+`"`))
		},
		"a secret": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", document(id, `,"client_secret":"x"`))
		},
		"an end of a secret": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", document(id, `,"client_secret_expires_at":0`))
		},
		"a wrong redirect": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, ""), agentRedirect, "http://agent.example.com/callback", 1))
		},
		"a script": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, ""), agentRedirect, "javascript:alert(1)//x", 1))
		},
		"no name": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, ""), `"Agent"`, `""`, 1))
		},
		"a secret's method": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, ""), `"none"`, `"client_secret_basic"`, 1))
		},
		"no method": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, ""), `"none"`, `"client_secret_jwt"`, 1))
		},
		"keys without https": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, `,"jwks_uri":"http://127.0.0.1/jwks"`), `"none"`, `"private_key_jwt"`, 1))
		},
		"client credentials": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", document(id, `,"grant_types":["client_credentials"]`))
		},
		"the name of a control": func(id string) func(http.ResponseWriter) {
			return json(200, "application/json", strings.Replace(document(id, ""), "Agent", `A\u202egent`, 1))
		},
	} {
		i++
		id := "https://r" + string(rune('a'+i)) + ".example.com/client"
		host.respond(id, respond(id))
		b.wantDocumentError(what, ts.agentURL(id), "client_document_unusable")
	}
	if stored := ts.storedUnknown(); len(stored) != 0 {
		t.Errorf("stored %+v", stored)
	}
	// A failure is not remembered: the next request fetches the document again.
	id := "https://later.example.com/client"
	b.wantDocumentError("away", ts.agentURL(id), "client_document_unusable")
	host.publish(id)
	b.get(ts.agentURL(id))
	b.wantPage(t, http.StatusOK, "<h1>login</h1>")
}

func TestClientDocument_FetchesOfOneHostAreBounded(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	b := ts.newBrowser()
	path := func(i int) string { return agentID + "?" + string(rune('a'+i)) }
	for i := range 15 {
		host.publish(path(i))
		b.get(ts.agentURL(path(i)))
		if want := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[i < 10]; b.page.status != want {
			t.Errorf("document %d: %d", i, b.page.status)
		}
	}
	if n := host.count(); n != 10 {
		t.Errorf("%d fetches", n)
	}
	ts.clock.Advance(time.Minute)
	b.get(ts.agentURL(path(12)))
	b.wantPage(t, http.StatusOK, "<h1>login</h1>")
	// Many requests for one document at a time are one fetch.
	ts.clock.Advance(time.Minute)
	host.publish("https://busy.example.com/client")
	host.count()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { ts.get(ts.agentURL("https://busy.example.com/client")) })
	}
	all.Wait()
	if n := host.count(); n > 10 {
		t.Errorf("%d fetches of one document", n)
	}
}

func TestClientDocument_ChangesAskAgainAndEndNothing(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	host.publish(agentID)
	b := ts.newBrowser()
	tokens := b.signInAgent(agentID, "scope", "openid offline_access")
	remembered := func() bool {
		ts.clock.Advance(61 * time.Minute) // The document is fetched again.
		b.get(ts.agentURL(agentID, "scope", "openid offline_access"))
		return b.page.sent.Get("code") != ""
	}
	if !remembered() {
		t.Fatalf("the consent is not remembered: %s", b.page.body)
	}
	for what, changes := range map[string][]any{
		"name": {"client_name", "Another"}, "logo": {"logo_uri", "https://agent.example.com/logo.png"},
		"redirect host": {"redirect_uris", []string{agentRedirect, "https://evil.example.com/callback"}},
		"scheme":        {"redirect_uris", []string{agentRedirect, "com.example.agent:/callback"}},
		"keys":          {"jwks_uri", "https://agent.example.com/jwks"},
	} {
		host.publish(agentID, changes...)
		if remembered() {
			t.Errorf("%s: no consent page after the change", what)
		}
		if a := ts.refreshAgent(agentID, tokens.member("refresh_token")); a.status != http.StatusOK {
			t.Errorf("%s: refresh is %d %s", what, a.status, a.raw)
		} else {
			tokens = a
		}
	}
	// Another path at the same host is no change of what the user consented to, and what left the document is rejected at once.
	host.publish(agentID, "redirect_uris", []string{"https://agent.example.com/other"})
	ts.clock.Advance(61 * time.Minute)
	b.get(ts.agentURL(agentID))
	b.wantPage(t, http.StatusBadRequest, "")
	b.get(ts.agentURL(agentID, "redirect_uri", "https://agent.example.com/other", "scope", "openid offline_access"))
	if b.page.sent.Get("code") == "" {
		t.Errorf("another path: %s", b.page.body)
	}
}

func TestClientDocument_AwayForAWeek(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.DocumentHosts = []string{"agent.example.com"} })
	host.publish(agentID)
	b := ts.newBrowser()
	tokens := b.signInAgent(agentID, "scope", "openid offline_access")
	host.remove(agentID)
	start := ts.clock.Now()
	for _, row := range []struct {
		after              time.Duration
		authorized, tokens bool
	}{
		{23 * time.Hour, true, true}, {25 * time.Hour, false, true}, {6 * 24 * time.Hour, false, true}, {7*24*time.Hour + time.Hour, false, false},
	} {
		ts.clock.Advance(start.Add(row.after).Sub(ts.clock.Now()))
		fresh := ts.newBrowser()
		fresh.get(ts.agentURL(agentID))
		if ok := fresh.page.status == http.StatusOK; ok != row.authorized {
			t.Errorf("after %v: authorization is %d", row.after, fresh.page.status)
		}
		a := ts.refreshAgent(agentID, tokens.member("refresh_token"))
		if ok := a.status == http.StatusOK; ok != row.tokens {
			t.Errorf("after %v: refresh is %d %s", row.after, a.status, a.raw)
		} else if ok {
			tokens = a
		}
	}
	host.publish(agentID) // It is there again.
	ts.clock.Advance(2 * time.Minute)
	if a := ts.refreshAgent(agentID, tokens.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("after its return: %d %s", a.status, a.raw)
	}
}

func TestClientDocument_UnlistedHostsHaveOneHour(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	host.respond(agentID, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=31536000")
		_, _ = w.Write([]byte(`{"client_id":"` + agentID + `","client_name":"Agent","redirect_uris":["` + agentRedirect + `"],"token_endpoint_auth_method":"none"}`))
	})
	b := ts.newBrowser()
	b.signInAgent(agentID)
	host.remove(agentID)
	ts.clock.Advance(59 * time.Minute)
	ts.newBrowser().getStatus(ts.agentURL(agentID), http.StatusOK)
	ts.clock.Advance(2 * time.Minute)
	ts.newBrowser().getStatus(ts.agentURL(agentID), http.StatusBadRequest)
}

func (b *browser) getStatus(address string, status int) {
	b.Helper()
	if b.get(address); b.page.status != status {
		b.Errorf("%s: %d, want %d", address, b.page.status, status)
	}
}

func TestClientDocument_DisabledAndDeletedByOperator(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	host.publish(agentID)
	b := ts.newBrowser()
	tokens := b.signInAgent(agentID, "scope", "openid offline_access")
	before := ts.storedUnknown()[0]
	ts.change(agentID, func(c *storage.Client) { c.Disabled = true })
	ts.clock.Advance(2 * time.Hour) // A new copy does not enable it.
	b.getStatus(ts.agentURL(agentID), http.StatusBadRequest)
	if a := ts.refreshAgent(agentID, tokens.member("refresh_token")); a.member("error") != "invalid_client" {
		t.Errorf("disabled: %d %s", a.status, a.raw)
	}
	check(t, ts.engine.Delete(ts.Context(), storage.KindClient, storage.Key("default", agentID)))
	ts.clock.Advance(6 * time.Second)
	again := b.signInAgent(agentID)
	after := ts.storedUnknown()[0]
	if before.Incarnation == after.Incarnation || again.member("access_token") == "" {
		t.Errorf("incarnations %q and %q", before.Incarnation, after.Incarnation)
	}
	if a := ts.refreshAgent(agentID, tokens.member("refresh_token")); a.member("error") != "invalid_grant" {
		t.Errorf("a token of the deleted client: %d %s", a.status, a.raw)
	}
}

func TestClientDocument_OperatorRegistersTheURL(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(p *storage.Policy) { p.Documents = storage.DocumentsOff })
	ts.addClient(agentID, func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets, c.RedirectURIs = storage.ClientSPA, "none", nil, []string{agentRedirect}
	})
	ts.newBrowser().signInAgent(agentID)
	if n := host.count(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestClientDocument_WarmLoginReadsNothingMore(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	ts.addClient("registered", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets, c.RedirectURIs, c.RequirePKCE = storage.ClientSPA, "none", nil, []string{agentRedirect}, true
	})
	host.publish(agentID)
	b := ts.newBrowser()
	reads := map[string]*operationCounter{}
	for _, client := range []string{"registered", agentID} {
		b.signInAgent(client)
		counted := &operationCounter{}
		ts.engine.Before = counted.count
		b.get(ts.agentURL(client))
		a := ts.redeemAgent(client, b.code())
		ts.engine.Before = nil
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		reads[client] = counted
	}
	if one, other := reads["registered"], reads[agentID]; one.reads != other.reads || one.writes != other.writes || other.lists > 0 {
		t.Errorf("registered: %d reads, %d writes; document: %d and %d: %v", one.reads, one.writes, other.reads, other.writes, other.operations)
	}
	if n := host.count(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestClientDocument_TwoInstances(t *testing.T) {
	t.Parallel()
	ts, host := newDocumentServer(t, func(*storage.Policy) {})
	other := ts.secondInstance()
	other.server.MountPlainPages()
	host.publish(agentID)
	b := ts.newBrowser()
	tokens := b.signInAgent(agentID, "scope", "openid offline_access")
	if a := other.refreshAgent(agentID, tokens.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("refresh at the other instance: %d %s", a.status, a.raw)
	}
	if n := host.count(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	// One instance fetches the change, and the other one follows within five seconds.
	host.publish(agentID, "redirect_uris", []string{"https://agent.example.com/new"})
	ts.clock.Advance(2 * time.Hour)
	b.getStatus(ts.agentURL(agentID), http.StatusBadRequest)
	ts.clock.Advance(6 * time.Second)
	if a := other.get(strings.Replace(ts.agentURL(agentID), ts.url, other.url, 1)); a.status != http.StatusBadRequest {
		t.Errorf("the other instance: %d", a.status)
	}
	if n := host.count(); n != 1 {
		t.Errorf("%d fetches after the change", n)
	}
}
