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

func (s *station) createMiniProgram(t *testing.T, id, appID string) {
	t.Helper()
	s.typed = []string{anAppSecret}
	s.must(t, "client", "create", "--kind", "wechat_miniapp", "--id", id, "--app-id", appID)
}

func TestClient_AnAppIDOfAnotherClientIsRefusedWithItsName(t *testing.T) {
	s := made(t)
	s.createMiniProgram(t, "mini", oneApp)
	s.typed = []string{anAppSecret}
	s.fails(t, exitFailed, []string{`--app-id: is the AppID of client "mini"`}, "client", "create", "--kind", "wechat_miniapp", "--id", "twin", "--app-id", oneApp)
	s.createMiniProgram(t, "twin", anotherApp)
	s.fails(t, exitFailed, []string{`--app-id: is the AppID of client "mini"`}, "client", "update", "twin", "--app-id", oneApp)
}

func TestImport_RefusesTwoClientsOfOneAppID(t *testing.T) {
	s := made(t).at("MINIFED_WECHAT_BASE_URL=http://127.0.0.1:1")
	s.createMiniProgram(t, "mini", oneApp)
	file := filepath.Join(t.TempDir(), "good.export")
	s.must(t, "export", file)

	// 1. Over a store where another client has the AppID.
	key := "MINIFED_KEYS_MASTER_KEY_FILE=" + filepath.Join(s.folder, "master.key")
	other := newStation(t, key)
	other.must(t, "import", file)
	other.must(t, "client", "delete", "mini", "--yes")
	other.createMiniProgram(t, "twin", oneApp)
	other.fails(t, exitFailed, []string{"client twin of directory default", "client mini in the file"}, "import", file, "--force")
	other.must(t, "client", "delete", "twin", "--yes")
	other.must(t, "import", file, "--force")

	// 2. In the file itself, of a version that allowed it; doctor names it.
	s.createMiniProgram(t, "twin", anotherApp)
	s.rewrite(t, "twin", func(c *storage.Client) { c.Federation.AppID = oneApp })
	said := diagnoseAny(t, s)["client twin of default"]
	if !strings.HasPrefix(said, "warn has the AppID of client mini") || !strings.Contains(said, "minifed client delete twin") {
		t.Errorf("doctor: %q", said)
	}
	bad := filepath.Join(t.TempDir(), "bad.export")
	s.must(t, "export", bad)
	newStation(t, key).fails(t, exitFailed, []string{"clients mini and twin", oneApp}, "import", bad)
}

// diagnoseAny is diagnose for a station whose health does not matter.
func diagnoseAny(t *testing.T, s *station) map[string]string {
	t.Helper()
	s.out.Reset()
	s.run(t, "doctor", "--output", "json")
	said := map[string]string{}
	for _, one := range decode(t, s.out.String())["findings"].([]any) {
		found := one.(map[string]any)
		remedy, _ := found["remedy"].(string)
		said[found["check"].(string)] = strings.TrimSpace(found["verdict"].(string) + " " + found["detail"].(string) + " " + remedy)
	}
	return said
}

func TestClient_HasNoLifetimesOfBrowserSessions(t *testing.T) {
	s := made(t)
	for _, flag := range []string{"--session-idle-lifetime", "--session-absolute-lifetime"} {
		s.fails(t, exitUsage, []string{flag}, "client", "create", "--kind", "spa", "--redirect-uri", "https://shop.example.com/cb", flag, "1h")
		s.must(t, "directory", "update", "default", flag, "1h")
	}
}
