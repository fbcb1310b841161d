package layout

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnit_IsValidAndHardened lets systemd read the unit, with a program that exists here.
func TestUnit_IsValidAndHardened(t *testing.T) {
	unit := filepath.Join(t.TempDir(), "minifed.service")
	content := strings.Replace(read(t, "deploy/minifed.service"), "/usr/local/bin/minifed serve", "/bin/true serve", 1)
	if err := os.WriteFile(unit, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", unit}, {"security", "--offline=yes", "--threshold=15", unit}} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
	stop := regexp.MustCompile(`TimeoutStopSec=(\d+)s`).FindStringSubmatch(content)
	if stop == nil || stop[1] <= "20" { // listen.shutdown_timeout
		t.Errorf("requests in progress are killed after %v", stop)
	}
}
