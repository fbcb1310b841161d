package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// TestOperatingGuide_RestoreTrialRunsBesideTheServer sets the variables of the guide, with paths and ports of the test, while a
// server runs with the same configuration.
func TestOperatingGuide_RestoreTrialRunsBesideTheServer(t *testing.T) {
	_, after, found := strings.Cut(pages(t)["docs/operations.md"], "Try a restore before you need one.")
	if !found {
		t.Fatal("the guide has no trial of a restore")
	}
	block := strings.Split(after, "```")[1]

	s := newCLIWithStore(t)
	running := s.startServer(t)
	s.run(t, "client", "create", "--kind", "service", "--id", "before")
	folder := t.TempDir()
	s.run(t, "backup", filepath.Join(folder, "backup.db"))
	content, err := os.ReadFile(filepath.Join(folder, "backup.db"))
	if err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(folder, "restore.db")
	writeFile(t, restored, string(content))

	variables := []string{"MINIFED_PUBLIC_URL=" + running.url}
	admin := ""
	for _, assignment := range regexp.MustCompile(`(MINIFED_[A-Z_]+)=(\S+)`).FindAllStringSubmatch(block, -1) {
		value := strings.Replace(assignment[2], "/var/tmp/restore.db", restored, 1)
		if strings.HasPrefix(value, "127.0.0.1:") {
			value = porttest.Address(t)
		}
		if assignment[1] == "MINIFED_LISTEN_ADMIN_ADDRESS" {
			admin = value
		}
		variables = append(variables, assignment[1]+"="+value)
	}
	// The configuration of the running server, then the variables of the guide.
	trial := s.with(variables...)
	logs := newOutputBuffer()
	trial.Err = logs
	runUntil(t, trial, logs)
	if code, body := get(t, "http://"+admin+"/readyz"); code != 200 || !strings.Contains(body, `"status":"ready"`) {
		t.Errorf("/readyz: %d %s", code, body)
	}
	trial.run(t, "user", "create", "alice")
	if printed := s.run(t, "user", "list"); strings.Contains(printed, "alice") {
		t.Errorf("the trial writes to the store of the running server: %s", printed)
	}
	if printed := trial.run(t, "client", "list"); !strings.Contains(printed, "before") {
		t.Errorf("the backup is not what the trial serves: %s", printed)
	}
}
