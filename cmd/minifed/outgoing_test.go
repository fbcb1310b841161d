//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOutgoing_ProgramConnectsOnlyToWhatTheGuideLists traces the connections of the program: of a server while a user signs in and a client
// authenticates with its keys, and of doctor. The list of docs/operations.md is compared with the source by another test.
func TestOutgoing_ProgramConnectsOnlyToWhatTheGuideLists(t *testing.T) {
	called := make(chan string, 64)
	listen := func(name, response string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			called <- name
			_, _ = w.Write([]byte(response))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	keySet, webhook, receiver := listen("jwks", `{"keys":[]}`), listen("mail", ""), listen("audit", "")
	t.Setenv("MINIFED_CLIENTS_FETCH", "any") // The addresses of this test are private.
	t.Setenv("MINIFED_AUDIT_WEBHOOK_URL", receiver)
	t.Setenv("MINIFED_AUDIT_WEBHOOK_SECRET", "a secret of the test")
	t.Setenv("MINIFED_AUDIT_WEBHOOK_FETCH", "any")
	t.Setenv("MINIFED_MAIL_SENDER", "webhook")
	t.Setenv("MINIFED_MAIL_WEBHOOK_URL", webhook)
	t.Setenv("MINIFED_MAIL_WEBHOOK_SECRET", "a secret of the test")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "")
	}
	binary, trace := buildProgram(t, "."), filepath.Join(t.TempDir(), "trace")
	p := newProcessHarness(t, binary, strace(t, trace, "-e", "trace=connect")...)
	api := ""
	for _, entry := range p.environment {
		if value, ok := strings.CutPrefix(entry, "MINIFED_WECHAT_BASE_URL="); ok {
			api = value
		}
	}
	runProgram(t, p.environment, "", binary, "client", "create", "--kind", "service", "--id", "robot", "--auth-method", "private_key_jwt", "--jwks-uri", keySet+"/")
	signedIn := p.exchange(p.app.Login("alice"))
	if signedIn.status != http.StatusOK {
		t.Fatalf("login: %d %s", signedIn.status, signedIn.raw)
	}
	response, err := p.http.PostForm(p.issuer+"/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"robot"}, "client_assertion": {unknownAssertion(p.issuer)},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	awaitCalls(t, called, "jwks", "audit")
	p.kill()
	if got, want := connections(t, trace), []string{hostOf(api), hostOf(keySet), hostOf(receiver)}; !equalSets(got, want) {
		t.Errorf("the server connects to %q, want %q", got, want)
	}

	trace = filepath.Join(t.TempDir(), "doctor")
	traced := strace(t, trace, "-e", "trace=connect")
	doctor := exec.CommandContext(t.Context(), traced[0], append(traced[1:], binary, "doctor")...)
	doctor.Env = p.environment
	if out, err := doctor.CombinedOutput(); err != nil {
		t.Fatalf("doctor: %v\n%s", err, out)
	}
	if got, want := connections(t, trace), []string{hostOf(api), hostOf(webhook), hostOf(receiver)}; !equalSets(got, want) {
		t.Errorf("doctor connects to %q, want %q", got, want)
	}
}

// unknownAssertion returns an assertion whose key the server must look for.
func unknownAssertion(issuer string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iss":"robot","sub":"robot","aud":%q,"jti":"1","exp":%d}`, issuer, time.Now().Add(time.Minute).Unix())
	return encode([]byte(`{"alg":"ES256","kid":"unknown"}`)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, 64))
}

// awaitCalls waits until all of these listeners were called.
func awaitCalls(t *testing.T, called <-chan string, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	for len(names) > 0 {
		select {
		case name := <-called:
			names = slices.DeleteFunc(names, func(one string) bool { return one == name })
		case <-ctx.Done():
			t.Fatalf("%q were not called", names)
		}
	}
}

// connections returns the addresses to which a traced program connected, each once.
func connections(t *testing.T, trace string) []string {
	t.Helper()
	content, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for line := range strings.Lines(string(content)) {
		if !strings.Contains(line, "connect(") || strings.Contains(line, "sa_family=AF_UNSPEC") {
			continue
		}
		port := regexp.MustCompile(`sin6?_port=htons\((\d+)\)`).FindStringSubmatch(line)
		host := regexp.MustCompile(`inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]*)"`).FindStringSubmatch(line)
		if port == nil || host == nil {
			all = append(all, strings.TrimSpace(line)) // no address of the Internet
			continue
		}
		all = append(all, net.JoinHostPort(host[1], port[1]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return err.Error()
	}
	return parsed.Host
}

func equalSets(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
