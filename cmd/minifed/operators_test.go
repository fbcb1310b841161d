package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOperator_CreateListUpdateDelete(t *testing.T) {
	s := newCLIWithStore(t)
	created := s.runJSON(t, "operator", "create", "alice", "--role", "owner", "--name", "Alice")
	if password, _ := created["password"].(string); len(password) < 16 || created["username"] != "alice" {
		t.Errorf("created %v", created)
	}
	bob := s.run(t, "operator", "create", "bob", "--role", "admin:default", "--role", "auditor", "--email", "bob@example.com")
	if !strings.Contains(bob, "roles") || !strings.Contains(bob, "auditor admin:default") || !strings.Contains(bob, "password") {
		t.Errorf("printed\n%s", bob)
	}
	s.mustFail(t, exitFailed, []string{"root", "is not a role"}, "operator", "create", "carol", "--role", "root")
	s.mustFail(t, exitFailed, []string{"directory \"gone\" does not exist"}, "operator", "update", "bob", "--role", "admin:gone")
	s.mustFail(t, exitFailed, []string{"at least one role"}, "operator", "update", "bob")
	if shown := s.run(t, "operator", "update", "bob", "--role", "support:default"); !strings.Contains(shown, "support:default") || strings.Contains(shown, "auditor") {
		t.Errorf("updated\n%s", shown)
	}
	if listed := s.run(t, "operator", "list"); !strings.Contains(listed, "alice") || !strings.Contains(listed, "support:default") {
		t.Errorf("listed\n%s", listed)
	}
	for _, act := range []string{"disable", "delete"} {
		s.mustFail(t, exitFailed, []string{"last owner"}, append([]string{"operator", act, "alice"}, map[string][]string{"delete": {"--yes"}}[act]...)...)
	}
	s.run(t, "operator", "disable", "bob")
	if shown := s.runJSON(t, "operator", "show", "bob@example.com"); shown["status"] != "disabled" {
		t.Errorf("shown %v", shown)
	}
	s.run(t, "operator", "enable", "bob")
	s.run(t, "operator", "delete", "bob", "--yes")
	s.mustFail(t, exitFailed, []string{"operator \"bob\" does not exist"}, "operator", "show", "bob")
	if listed := s.run(t, "directory", "list"); strings.Contains(listed, "_admin") {
		t.Errorf("the directory of operators is listed:\n%s", listed)
	}
}

func TestOperatorClient_UsesAPI(t *testing.T) {
	running := newCLIWithStore(t).startServer(t)
	created := running.runJSON(t, "operator", "client", "create", "ci", "--role", "admin:default", "--expires", "90d")
	secret, _ := created["client_secret"].(string)
	if secret == "" || created["expires_at"] == nil {
		t.Fatalf("created %v", created)
	}
	for _, wrong := range []string{"0d", "-1h", "yesterday", "2020-13-01"} {
		running.mustFail(t, exitUsage, []string{"--expires"}, "operator", "client", "create", "x", "--role", "auditor", "--expires", wrong)
	}
	running.mustFail(t, exitFailed, []string{"--expires"}, "operator", "client", "create", "x", "--role", "auditor", "--expires", "2020-01-01")
	token := func() int {
		response, err := http.PostForm(running.adminURL+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {secret}})
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if code := token(); code != http.StatusOK {
		t.Errorf("a token: %d", code)
	}
	if listed := running.run(t, "operator", "client", "list"); !strings.Contains(listed, "admin:default") {
		t.Errorf("listed\n%s", listed)
	}
	if updated := running.run(t, "operator", "client", "update", "ci", "--role", "auditor", "--name", "CI"); !strings.Contains(updated, "auditor") {
		t.Errorf("updated\n%s", updated)
	}
	if again := running.runJSON(t, "operator", "client", "rotate-secret", "ci"); again["client_secret"] == secret {
		t.Error("the secret is the same")
	}
	running.run(t, "operator", "client", "delete", "ci", "--yes")
}

func TestConsoleLink_OnTerminalOrInFile(t *testing.T) {
	running := newCLI(t).startServer(t)
	path := filepath.Join(running.folder, "console-link")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, running.err)
	}
	link := strings.TrimSpace(string(content))
	if !strings.HasPrefix(link, running.adminURL+"/first-owner#") {
		t.Errorf("link %q", link)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_, secret, _ := strings.Cut(link, "#")
	if said := running.out.String() + running.err.String(); strings.Contains(said, secret) || !strings.Contains(said, path) {
		t.Errorf("the log has the secret, or not the path:\n%s", said)
	}
	if code, body := get(t, running.adminURL+"/first-owner"); code != http.StatusOK || !strings.Contains(body, `name="link_secret"`) {
		t.Errorf("the page: %d %s", code, body)
	}
	running.Terminal = true
	printed := running.run(t, "console", "link")
	if !strings.Contains(printed, running.adminURL+"/first-owner#") || strings.Contains(printed, secret) {
		t.Errorf("printed\n%s", printed)
	}
	running.stop(t)
	// A second start has no link to give, and with an owner there is none.
	running.Terminal = false
	again := running.startServer(t)
	if said := again.err.String(); !strings.Contains(said, "a link was created before") {
		t.Errorf("the second start says\n%s", said)
	}
	again.run(t, "operator", "create", "alice", "--role", "owner")
	again.mustFail(t, exitFailed, []string{"an owner exists"}, "console", "link")
	again.stop(t)
	running.startServer(t).stop(t)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file of the link remains: %v", err)
	}
}

func TestDoctor_ChecksTheConsole(t *testing.T) {
	s := newCLIWithStore(t)
	diagnose := func(variables ...string) string {
		s.out.Reset()
		s.with(append(variables, "MINIFED_WECHAT_BASE_URL=http://127.0.0.1:1")...).exitCode(t, "doctor")
		return s.out.String()
	}
	for _, test := range []struct{ variable, want string }{
		{"MINIFED_LISTEN_ADMIN_ADDRESS=off", "listen.admin_address is off"},
		{"MINIFED_LISTEN_ADMIN_ADDRESS=127.0.0.1:8081", "console: http://localhost:8081"},
		{"MINIFED_ADMIN_PUBLIC_URL=http://localhost:9000", "another port"},
		{"MINIFED_ADMIN_PUBLIC_URL=https://console.example.com", "rejects every request"},
		{"MINIFED_ADMIN_PUBLIC_URL=https://console.example.com", "no active owner"},
		{"MINIFED_PUBLIC_URL=https://id.example.com MINIFED_ADMIN_PUBLIC_URL=https://id.example.com:8443", "has the host of the issuer https://id.example.com"},
		{"MINIFED_ADMIN_PUBLIC_URL=http://localhost:8081", "keys of _admin"},
	} {
		if said := diagnose(strings.Fields(test.variable)...); !strings.Contains(said, test.want) {
			t.Errorf("%s: no %q in\n%s", test.variable, test.want, said)
		}
	}
	s.run(t, "operator", "create", "alice", "--role", "owner")
	s.run(t, "operator", "client", "create", "ci", "--role", "auditor", "--expires", "3d")
	said := diagnose()
	for _, want := range []string{"1, owners among them: 1", "the service client ci expires at"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}
