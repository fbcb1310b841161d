//go:build unix

package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/minifed/minifed/storage"
)

// unchecked is a check of a backup that accepts it.
func unchecked(*BackupFile) error { return nil }

// testStore returns the path of a closed database that has a document with this ID.
func testStore(t *testing.T, id string) (path string) {
	t.Helper()
	e := openTest(t, Options{})
	mustInsert(t, e, testDocument(id))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return e.path
}

// testBackup returns a backup of a database that has a document with this ID.
func testBackup(t *testing.T, id string) (file string) {
	t.Helper()
	e := openTest(t, Options{Path: testStore(t, id)})
	file = filepath.Join(t.TempDir(), "backup.db")
	if err := e.Backup(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	return file
}

// holds reports whether the database at path has a document.
func holds(t *testing.T, path, id string) bool {
	t.Helper()
	e := openTest(t, Options{Path: path, Serve: true})
	defer e.Close()
	_, err := e.Get(t.Context(), storage.KindGrant, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestRestore_ReplacesTheStoreAndLeavesTheOldOne(t *testing.T) {
	backup, path := testBackup(t, "backed up"), testStore(t, "later")
	replaced, err := Restore(t.Context(), path, backup, unchecked)
	if err != nil || replaced != path+replacedSuffix {
		t.Fatalf("%q, %v", replaced, err)
	}
	if !holds(t, path, "backed up") || holds(t, path, "later") || !holds(t, replaced, "later") {
		t.Error("the stores have other documents")
	}
	again, err := Restore(t.Context(), path, backup, unchecked)
	if err != nil || again != path+replacedSuffix+"-2" || !holds(t, replaced, "later") {
		t.Errorf("a second restore: %q, %v", again, err)
	}
}

func TestRestore_CreatesALostStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "minifed.db")
	replaced, err := Restore(t.Context(), path, testBackup(t, "backed up"), unchecked)
	if err != nil || replaced != "" || !holds(t, path, "backed up") {
		t.Errorf("%q, %v", replaced, err)
	}
}

// TestRestore_ReplacesADamagedStore restores over a file that is no database, next to the log of a store with other content. SQLite would
// copy that log into the restored store if it stayed where it is.
func TestRestore_ReplacesADamagedStore(t *testing.T) {
	backup := testBackup(t, "backed up")
	for name, cut := range map[string]int64{"no database": 0, "a part of one": 5000} {
		path := filepath.Join(t.TempDir(), "minifed.db")
		other := openTest(t, Options{})
		mustInsert(t, other, testDocument("later"))
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(other.path + suffix)
			if err == nil && suffix == "" {
				content = append(content[:min(cut, int64(len(content)))], strings.Repeat("no database ", 1000)...)
			}
			if err := errors.Join(err, os.WriteFile(path+suffix, content, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		replaced, err := Restore(t.Context(), path, backup, unchecked)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !holds(t, path, "backed up") || holds(t, path, "later") || size(replaced) == 0 {
			t.Errorf("%s: the store has other documents, or the damaged one is gone", name)
		}
	}
}

func TestRestore_RejectsARunningServerAndABadBackup(t *testing.T) {
	backup, path := testBackup(t, "backed up"), testStore(t, "current")
	other := errors.New("another master key")
	if _, err := Restore(t.Context(), path, backup, func(*BackupFile) error { return other }); !errors.Is(err, other) {
		t.Errorf("a backup that the check rejects: %v", err)
	}
	if _, err := Restore(t.Context(), path, filepath.Join(t.TempDir(), "missing"), unchecked); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing backup: %v", err)
	}
	server := openTest(t, Options{Path: path, Serve: true})
	if _, err := Restore(t.Context(), path, backup, unchecked); !errors.Is(err, ErrServed) {
		t.Errorf("beside a server: %v", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 2 || !holds(t, path, "current") { // the store and its -serve
		t.Errorf("left: %q, %v", files, err)
	}
}

// TestRestore_ProcessThatHadTheOldStoreOpenWritesNothing opens the file before the restore, and sets the mode of the log afterwards, as
// every connection of minifed does first. It must create no log under the name of the restored store's.
func TestRestore_ProcessThatHadTheOldStoreOpenWritesNothing(t *testing.T) {
	backup, path := testBackup(t, "backed up"), testStore(t, "current")
	waiting, err := connect(t.Context(), path, fileURL(path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := Restore(t.Context(), path, backup, unchecked); err != nil {
		t.Fatal(err)
	}
	_, modeError := waiting.exec("PRAGMA journal_mode = WAL")
	_, writeError := waiting.exec("DELETE FROM meta")
	if modeError == nil && writeError == nil {
		t.Error("it wrote")
	}
	if size(path+"-wal") > 0 {
		t.Error("it created a log")
	}
}

// TestRestore_KilledAtAnyTimeLosesNothing kills restores while they copy, check and rename, until one is finished. The store is always
// the old one or the restored one, whole.
func TestRestore_KilledAtAnyTimeLosesNothing(t *testing.T) {
	backup, path := testBackup(t, "backed up"), testStore(t, "current")
	if err := os.Rename(backup, path+".backup"); err != nil {
		t.Fatal(err)
	}
	for kills := 0; ; kills++ {
		child, answers := startChild(t, "restore", path)
		for range kills {
			answers.Scan()
		}
		_ = child.Process.Kill()
		finished := false
		for answers.Scan() {
			finished = finished || answers.Text() == "finished"
		}
		_ = child.Wait() // it was killed
		if holds(t, path, "backed up") {
			t.Logf("killed %d times; finished %v", kills, finished)
			break
		}
		if !holds(t, path, "current") {
			t.Fatal("the store has neither content")
		}
		if kills > 20 {
			t.Fatal("no restore succeeds")
		}
	}
	if !holds(t, path+replacedSuffix, "current") {
		t.Error("the replaced store is gone")
	}
}

// runRestore restores, prints a line before each step, and waits to be killed.
func runRestore(path string) {
	step := func(name string) { _, _ = os.Stdout.WriteString(name + "\n") }
	step("begins")
	options := Options{Path: path}
	_, err := Restore(context.Background(), options.Path, options.Path+".backup", func(b *BackupFile) error {
		step("copied")
		defer step("checked")
		return b.CheckIntegrity(context.Background())
	})
	if err != nil {
		step(err.Error())
		os.Exit(1)
	}
	step("finished")
	select {}
}

func TestOpenBackup_ChecksWhatTheFileIs(t *testing.T) {
	folder, good := t.TempDir(), testBackup(t, "a")
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	cut := write("cut.db", content[:len(content)/2])
	inUse := write("in-use.db", content)
	write("in-use.db-wal", []byte("log"))
	newer := write("newer.db", content)
	execute(t, newer, []string{"PRAGMA journal_mode = DELETE", "PRAGMA user_version = 99"})
	foreign := filepath.Join(folder, "foreign.db")
	execute(t, foreign, []string{"CREATE TABLE notes (text)"})
	for path, want := range map[string]error{
		good: nil, inUse: ErrInUse, newer: storage.ErrNewerVersion, write("empty.db", nil): ErrEmptyFile, filepath.Join(folder, "missing"): os.ErrNotExist,
	} {
		b, err := OpenBackup(t.Context(), path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", filepath.Base(path), err, want)
		}
		if err == nil {
			_, err := b.Get(t.Context(), storage.KindGrant, "a")
			if err := errors.Join(err, b.CheckIntegrity(t.Context()), b.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	for path, want := range map[string]FileReason{cut: FileDamaged, foreign: FileForeign, folder: FileUnopened} {
		b, err := OpenBackup(t.Context(), path)
		if err == nil {
			err = errors.Join(b.CheckIntegrity(t.Context()), b.Close())
		}
		if file, ok := errors.AsType[*FileError](err); !ok || file.Reason != want {
			t.Errorf("%s: %v, want reason %d", filepath.Base(path), err, want)
		}
	}
	if beside, err := filepath.Glob(good + "?*"); err != nil || len(beside) > 0 {
		t.Errorf("reading created %q, %v", beside, err)
	}
}

func TestCheckIntegrity_FindsAnyDamagedPage(t *testing.T) {
	file := testBackup(t, "a")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := 4096; at < len(content); at += 4096 {
		damagedCopy := append([]byte(nil), content...)
		for i := range 16 { // the header of the page
			damagedCopy[at+i] ^= 0xff
		}
		path := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(path, damagedCopy, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBackup(t.Context(), path)
		if err == nil {
			err = errors.Join(b.CheckIntegrity(t.Context()), b.Close())
		}
		if err == nil {
			t.Errorf("page %d is damaged, and the check passes", at/4096+1)
		}
	}
}

// TestRestore_GivesTheStoreToTheOwnerOfTheFolder restores as root, as an operator does on a machine whose server has a user of its own.
func TestRestore_GivesTheStoreToTheOwnerOfTheFolder(t *testing.T) {
	backup, path := testBackup(t, "backed up"), filepath.Join(t.TempDir(), "minifed.db")
	owner := os.Geteuid()
	if owner == 0 {
		owner = 65532
	}
	if err := os.Chown(filepath.Dir(path), owner, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), path, backup, unchecked); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + claimSuffix} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; int(got) != owner || info.Mode().Perm() != 0o600 {
			t.Errorf("%s belongs to user %d, %v", filepath.Base(name), got, info.Mode())
		}
	}
}
