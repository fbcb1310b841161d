package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBackup_ServerTakesThemAndOneCommandRestores has a server whose last backup is years old, so that it takes one at its start.
func TestBackup_ServerTakesThemAndOneCommandRestores(t *testing.T) {
	t.Parallel()
	s := newCLIWithStore(t)
	folder := filepath.Join(s.folder, "backups")
	old, killed := filepath.Join(folder, "minifed-20200101T000000Z.db"), filepath.Join(folder, "minifed-20200102T000000Z.db.unfinished.1")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, old, "old")
	writeFile(t, killed, "unfinished")
	s.run(t, "user", "create", "alice")
	running := s.startServer(t, "MINIFED_BACKUP_EVERY=1m", "MINIFED_BACKUP_KEEP=1")
	waitFor(t, running.err, "the store is backed up")
	list := s.runJSON(t, "backup", "list")["items"].([]any)
	taken, _ := list[len(list)-1].(map[string]any)["file"].(string)
	if len(list) > 2 || taken == old {
		t.Errorf("the list is %v", list)
	}
	if _, err := os.Stat(killed); err == nil {
		t.Error("an unfinished backup stays")
	}
	if _, metrics := get(t, running.adminURL+"/metrics"); !regexp.MustCompile(`minifed_backup_last_success_timestamp_seconds [1-9]`).MatchString(metrics) {
		t.Error("no metric of the last backup")
	}
	if s.exitCode(t, "doctor"); !strings.Contains(s.out.String(), taken) { // WeChat cannot be reached here.
		t.Errorf("doctor prints\n%s", s.out)
	}
	s.mustFail(t, exitFailed, []string{"another `minifed serve` uses this store"}, "backup", "restore", taken)
	running.stop(t)

	s.run(t, "user", "create", "bob")
	s.run(t, "backup", "verify", taken)
	if printed := s.run(t, "backup", "restore", taken); !strings.Contains(printed, "minifed.db.before-restore") {
		t.Errorf("restore prints %q", printed)
	}
	if printed := s.run(t, "user", "list"); !strings.Contains(printed, "alice") || strings.Contains(printed, "bob") {
		t.Errorf("the restored store has the users\n%s", printed)
	}
}

func TestBackup_CommandsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newCLIWithStore(t)
	good := filepath.Join(t.TempDir(), "good.db")
	s.run(t, "backup", good)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.db")
	writeFile(t, cut, string(content[:len(content)/2]))
	empty := filepath.Join(t.TempDir(), "empty.db")
	writeFile(t, empty, "")
	for _, command := range []string{"verify", "restore"} {
		s.mustFail(t, exitFailed, []string{"damaged"}, "backup", command, cut)
		s.mustFail(t, exitFailed, []string{"the file contains no store of a server"}, "backup", command, empty)
		s.mustFail(t, exitUsage, []string{"the file of a backup"}, "backup", command)
		other := s.with("MINIFED_KEYS_MASTER_KEY=" + anotherMasterKey(t, s))
		other.mustFail(t, exitFailed, []string{"is needed, and was not given"}, "backup", command, good)
		mongo := s.with("MINIFED_STORAGE_URI=mongodb://127.0.0.1:1/minifed?replicaSet=rs0")
		mongo.mustFail(t, exitFailed, []string{"mongodump"}, "backup", command, good)
	}
	s.run(t, "user", "list") // Nothing was replaced.
	if s.with("MINIFED_BACKUP_EVERY=0s").exitCode(t, "doctor"); !strings.Contains(s.out.String(), "backup.every is 0s") {
		t.Errorf("doctor prints %s", s.out)
	}
}

// anotherMasterKey returns a master key that no store was sealed with.
func anotherMasterKey(t *testing.T, s *cliHarness) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "master.key")
	s.run(t, "keys", "master", "new", "--file", file)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _ := strings.Cut(string(content), " ")
	return key
}
