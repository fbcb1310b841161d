package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

const (
	oneApp     = "wx0123456789abcdef"
	anotherApp = "wxfedcba9876543210"
)

func (s *cliHarness) createMiniProgram(t *testing.T, id, appID string) {
	t.Helper()
	s.typed = []string{anAppSecret}
	s.run(t, "client", "create", "--kind", "wechat_miniapp", "--id", id, "--app-id", appID)
}

func TestClientCreate_RejectsAnAppIDOfAnotherClient(t *testing.T) {
	s := newCLIWithStore(t)
	s.createMiniProgram(t, "mini", oneApp)
	s.typed = []string{anAppSecret}
	s.mustFail(t, exitFailed, []string{`--app-id: is the AppID of client "mini"`}, "client", "create", "--kind", "wechat_miniapp", "--id", "twin", "--app-id", oneApp)
	s.createMiniProgram(t, "twin", anotherApp)
	s.mustFail(t, exitFailed, []string{`--app-id: is the AppID of client "mini"`}, "client", "update", "twin", "--app-id", oneApp)
}

func TestImport_RejectsTwoClientsOfOneAppID(t *testing.T) {
	s := newCLIWithStore(t).with("MINIFED_WECHAT_BASE_URL=http://127.0.0.1:1")
	s.createMiniProgram(t, "mini", oneApp)
	file := filepath.Join(t.TempDir(), "good.export")
	s.run(t, "export", file)

	// 1. Into a store where another client has the AppID.
	key := "MINIFED_KEYS_MASTER_KEY_FILE=" + filepath.Join(s.folder, "master.key")
	other := newCLI(t, key)
	other.run(t, "import", file)
	other.run(t, "client", "delete", "mini", "--yes")
	other.createMiniProgram(t, "twin", oneApp)
	other.mustFail(t, exitFailed, []string{"client twin of directory default", "client mini in the file"}, "import", file, "--force")
	other.run(t, "client", "delete", "twin", "--yes")
	other.run(t, "import", file, "--force")

	// 2. In the file itself, written by a version that allowed it; doctor names it.
	s.createMiniProgram(t, "twin", anotherApp)
	s.rewriteClient(t, "twin", func(c *storage.Client) { c.Federation.AppID = oneApp })
	said := diagnoseUnchecked(t, s)["client twin of default"]
	if !strings.HasPrefix(said, "warn has the AppID of client mini") || !strings.Contains(said, "minifed client delete twin") {
		t.Errorf("doctor: %q", said)
	}
	bad := filepath.Join(t.TempDir(), "bad.export")
	s.run(t, "export", bad)
	newCLI(t, key).mustFail(t, exitFailed, []string{"clients mini and twin", oneApp}, "import", bad)
}

// diagnoseUnchecked is diagnose without a check of the exit code.
func diagnoseUnchecked(t *testing.T, s *cliHarness) map[string]string {
	t.Helper()
	s.out.Reset()
	s.exitCode(t, "doctor", "--output", "json")
	said := map[string]string{}
	for _, one := range decode(t, s.out.String())["findings"].([]any) {
		found := one.(map[string]any)
		remedy, _ := found["remedy"].(string)
		said[found["check"].(string)] = strings.TrimSpace(found["verdict"].(string) + " " + found["detail"].(string) + " " + remedy)
	}
	return said
}

func TestClient_HasNoLifetimesOfBrowserSessions(t *testing.T) {
	s := newCLIWithStore(t)
	for _, flag := range []string{"--session-idle-lifetime", "--session-absolute-lifetime"} {
		s.mustFail(t, exitUsage, []string{flag}, "client", "create", "--kind", "spa", "--redirect-uri", "https://shop.example.com/cb", flag, "1h")
		s.run(t, "directory", "update", "default", flag, "1h")
	}
}
