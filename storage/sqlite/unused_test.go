package sqlite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/minifed/minifed/storage"
)

// usedFile returns a closed file whose pages have copies of moved cells in their unused space, and free pages that were not overwritten.
func usedFile(t *testing.T) string {
	t.Helper()
	e := openTest(t, Options{})
	random := rand.New(rand.NewPCG(3, 4))
	entries := make([]*storage.Entry[storage.User], people)
	all := random.Perm(people)
	changeUsers(t, all, func(n int) (err error) {
		entries[n], err = storage.Insert(t.Context(), e, person(n))
		return err
	})
	changeUsers(t, all, func(n int) (err error) {
		next := entries[n].Record
		next.SignIns = fmt.Appendf(nil, "%q", bytes.Repeat([]byte{'s'}, 37*n%4500))
		_, err = entries[n].Replace(t.Context(), e, next)
		return err
	})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := connect(t.Context(), e.path, fileURL(e.path, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE former (body BLOB)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO former SELECT 'formerly' || hex(zeroblob(2000)) FROM n",
		"CREATE TABLE partly (body TEXT)", "INSERT INTO partly VALUES ('remains'), ('formerly'), ('remains')", "DELETE FROM partly WHERE body = 'formerly'",
		"DROP TABLE former", "PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		if _, err := raw.exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	return e.path
}

// unusedBytes returns how many pages of a file have other bytes than zeros in their unused space.
func unusedBytes(t *testing.T, path string) (pages int) {
	t.Helper()
	const size = 4096
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 || len(content)%size != 0 {
		t.Fatalf("%d bytes, %v", len(content), err)
	}
	for at := 0; at < len(content); at += size {
		if slices.ContainsFunc(unusedSpace(content[at:at+size], at == 0, int(content[reservedAt])), hasData) {
			pages++
		}
	}
	return pages
}

// checkWhole fails unless a file is intact and has all users.
func checkWhole(t *testing.T, path string) {
	t.Helper()
	raw, err := connect(t.Context(), path, fileURL(path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var result string
	var users int64
	if err := raw.value(&result, "PRAGMA integrity_check"); err != nil || result != "ok" {
		t.Errorf("integrity_check: %s, %v", result, err)
	}
	if err := raw.value(&users, "SELECT count(*) FROM users"); err != nil || users != people {
		t.Errorf("%d users, %v", users, err)
	}
}

// A crash after any step leaves an intact file, and the last step leaves no byte of what was deleted or moved.
func TestOverwriting_LeavesNoUnusedBytes(t *testing.T) {
	t.Parallel()
	path := usedFile(t)
	if pages := unusedBytes(t, path); pages == 0 || !bytes.Contains(fileOf(t, path), []byte("formerly")) {
		t.Fatalf("%d pages with unused bytes", pages)
	}
	conn, err := dialPages(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o := &overwriting{conn: conn}
	for step, more := 0, true; more; step++ {
		var writes int
		if more, writes, err = o.step(); err != nil || writes > overwriteWrites+1 {
			t.Fatalf("step %d: %d writes, %v", step, writes, err)
		}
		if step%4 == 0 {
			crashed := filepath.Join(t.TempDir(), "crashed.db")
			for _, suffix := range []string{"", "-wal"} {
				content, err := os.ReadFile(path + suffix)
				if err == nil {
					err = os.WriteFile(crashed+suffix, content, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			checkWhole(t, crashed)
		}
	}
	if _, err := conn.truncateLog(); err != nil {
		t.Fatal(err)
	}
	if pages := unusedBytes(t, path); pages != 0 {
		t.Errorf("%d pages with unused bytes", pages)
	}
	if bytes.Contains(fileOf(t, path), []byte("formerly")) {
		t.Error("a free page has what was deleted")
	}
	checkWhole(t, path)
	// A second time writes nothing.
	o = &overwriting{conn: conn}
	for more := true; more; {
		var writes int
		if more, writes, err = o.step(); err != nil || writes > 0 {
			t.Fatalf("%d writes, %v", writes, err)
		}
	}
}

func FuzzUnusedSpace(f *testing.F) {
	f.Add(bytes.Repeat([]byte{13, 0, 0, 0, 1, 15, 200, 0}, 64), true, 0)
	f.Add(bytes.Repeat([]byte{5}, 512), false, 8)
	f.Add(bytes.Repeat([]byte{0, 0, 0, 1}, 128), false, 255)
	f.Fuzz(func(t *testing.T, page []byte, first bool, reserved int) {
		if len(page) < fileHeader+innerHeader || reserved < 0 || reserved > 255 {
			return
		}
		if unused := bytes.Join(unusedSpace(page, first, reserved), nil); len(unused) > max(0, len(page)-reserved-leafHeader) {
			t.Errorf("%d of %d bytes are unused", len(unused), len(page))
		}
		if pages, rest, _ := freePages(page, reserved); 8+4*len(pages)+len(rest) > len(page) {
			t.Errorf("%d free pages and %d bytes in %d bytes", len(pages), len(rest), len(page))
		}
	})
}
