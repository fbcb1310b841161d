package ferretdb

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The demonstration on MongoDB prints the same steps, and the stored user.
func TestDemo_RunsOnMongoDB(t *testing.T) {
	t.Parallel()
	uri := ferret.ReplicaSet(t).URI(ferret.Database(t))
	demo := func() string {
		command := exec.CommandContext(t.Context(), must(minifed())(t), "demo", "--once", "--store", uri)
		command.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		printed, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		return string(printed)
	}
	first := demo()
	sub := regexp.MustCompile(`(?m)^\s*sub\s+(\S+)`).FindStringSubmatch(first)
	if !strings.Contains(first, "steps succeeded") || sub == nil {
		t.Fatalf("the story is another one:\n%s", first)
	}
	_, shadow, _ := strings.Cut(first, "shadow user")
	if !strings.Contains(shadow, sub[1]) {
		t.Errorf("it does not show the stored user %s:\n%s", sub[1], first)
	}
	// A second one finds what the first left.
	if second := demo(); !strings.Contains(second, "/d/demo-2") || !strings.Contains(second, "steps succeeded") {
		t.Errorf("the second time:\n%s", second)
	}
}
