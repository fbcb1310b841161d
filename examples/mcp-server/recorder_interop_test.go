//go:build interop

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
)

// exchange is a request of an SDK, and what its response contained.
type exchange struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header,omitempty"`
	Form   url.Values        `json:"form,omitempty"`
	JSON   json.RawMessage   `json:"json,omitempty"`
	Status int               `json:"status,omitempty"`
	// Members are the names in the response, if it is a JSON object.
	Members []string `json:"members,omitempty"`

	received map[string]any
}

// recorder is a proxy in front of minifed, which records what agents send. The requests of the browser and
// of the sample server, which reads the other discovery document, are not recorded.
type recorder struct {
	url     string
	mu      sync.Mutex
	proxy   http.Handler
	entries []*exchange
}

func startRecorder(t *testing.T) *recorder {
	t.Helper()
	address := porttest.Address(t)
	r := &recorder{url: "http://" + address}
	exampletest.Serve(t, address, r)
	return r
}

func (p *recorder) forward(t *testing.T, origin string) {
	t.Helper()
	target, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	p.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
}

// start forgets what was recorded.
func (p *recorder) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries = nil
}

func (p *recorder) add(e *exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries = append(p.entries, e)
}

// opened records a URL that an agent opens in a browser.
func (p *recorder) opened(address string) {
	parsed, err := url.Parse(address)
	if err != nil {
		return
	}
	p.add(&exchange{Method: "BROWSER", Path: parsed.Path, Form: parsed.Query()})
}

// ServeHTTP implements http.Handler.
func (p *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.UserAgent(), "Mozilla") || strings.HasSuffix(r.URL.Path, "/authorize") || strings.HasSuffix(r.URL.Path, "/jwks") || strings.Contains(r.URL.Path, "openid-configuration") {
		p.proxy.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	e := &exchange{Method: r.Method, Path: r.URL.Path, Header: map[string]string{}}
	for _, name := range []string{"Accept", "Content-Type", "Authorization", "Mcp-Protocol-Version", "Origin"} {
		if value := r.Header.Get(name); value != "" {
			e.Header[name] = value
		}
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		e.JSON = body
	} else if len(body) > 0 {
		e.Form, _ = url.ParseQuery(string(body))
	}
	kept := &copyingWriter{ResponseWriter: w, status: http.StatusOK}
	p.proxy.ServeHTTP(kept, r)
	e.Status = kept.status
	_ = json.Unmarshal(kept.body.Bytes(), &e.received) // Not every response is JSON.
	for name := range e.received {
		if r.Method != http.MethodGet || slices.Contains(metadataMembers(), name) {
			e.Members = append(e.Members, name)
		}
	}
	slices.Sort(e.Members)
	p.add(e)
}

// metadataMembers are the names in the metadata of the issuer that the SDKs read or require.
func metadataMembers() []string {
	return strings.Fields(`authorization_endpoint authorization_response_iss_parameter_supported client_id_metadata_document_supported
		code_challenge_methods_supported grant_types_supported id_token_signing_alg_values_supported issuer jwks_uri registration_endpoint
		response_types_supported scopes_supported subject_types_supported token_endpoint token_endpoint_auth_methods_supported`)
}

type copyingWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *copyingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *copyingWriter) Write(text []byte) (int, error) {
	w.body.Write(text)
	return w.ResponseWriter.Write(text)
}

// check asserts what every agent must have done.
func (p *recorder) check(t *testing.T, opened []string, byDocument, stepsUp bool) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	count := map[string]int{}
	for _, e := range p.entries {
		count[e.Method+" "+e.Path[strings.LastIndex(e.Path, "/")+1:]]++
		if e.Form.Get("grant_type") != "refresh_token" {
			continue
		}
		count["refresh"]++
		if next, _ := e.received["refresh_token"].(string); e.Status != http.StatusOK || next == "" || next == e.Form.Get("refresh_token") {
			t.Errorf("a refresh without a new refresh token: %d %v", e.Status, e.Members)
		}
	}
	// The Go SDK registers at each authorization.
	if registered := count["POST register"]; byDocument && registered != 0 || !byDocument && (registered < 1 || registered > len(opened)) {
		t.Errorf("%d registrations", registered)
	}
	if count["refresh"] == 0 {
		t.Error("no refresh")
	}
	if stepsUp && len(opened) != 2 {
		t.Errorf("the browser was opened %d times", len(opened))
	}
}

// write writes what was recorded to a file of the folder. Codes, tokens and secrets become placeholders.
func (p *recorder) write(t *testing.T, folder string, agent agent, server, document string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, err := json.MarshalIndent(map[string]any{"sdk": agent.sdk, "document": document, "exchanges": p.entries}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(server, "{resource}", p.url, "{issuer}", url.QueryEscape(server), "{resource}").Replace(string(raw))
	for _, e := range p.entries {
		for _, secret := range []string{"client_id", "client_secret", "code", "code_verifier", "code_challenge", "refresh_token", "state"} {
			for _, from := range []string{e.Form.Get(secret), member(e.received, secret)} {
				if from != "" && from != document {
					text = strings.ReplaceAll(text, `"`+from+`"`, `"{`+secret+`}"`)
				}
			}
		}
	}
	text = regexp.MustCompile(`Basic [A-Za-z0-9+/=]+`).ReplaceAllString(text, "Basic {credentials}")
	text = regexp.MustCompile(`localhost:\d+/callback`).ReplaceAllString(text, "localhost:{port}/callback")
	name := agent.name + "-registration.json"
	if document != "" {
		name = agent.name + "-document.json"
	}
	if err := os.WriteFile(filepath.Join(folder, name), append([]byte(text), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

func member(object map[string]any, name string) string {
	text, _ := object[name].(string)
	return text
}
