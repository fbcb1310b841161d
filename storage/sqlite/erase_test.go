package sqlite

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	people       = 400
	deletedUsers = 100
)

// person is a user with personal data that is found in a file byte by byte.
func person(n int) storage.User {
	return storage.User{
		Directory: "default", ID: fmt.Sprintf("id%08d", n), Status: storage.UserActive,
		Username: fmt.Sprintf("user%08dx", n), Email: fmt.Sprintf("mail%08dx@example.com", n), Phone: phoneOf(n),
		Profile:   storage.Profile{Name: fmt.Sprintf("Name%08dx", n), Nickname: string(bytes.Repeat([]byte{'n'}, n%300))},
		CreatedAt: time.UnixMilli(int64(n)).UTC(),
	}
}

func phoneOf(n int) string { return fmt.Sprintf("+86138%08d", n) }

func linkOf(n int) storage.Identity {
	return storage.Identity{Directory: "default", Type: storage.IdentityPhone, Value: phoneOf(n), User: person(n).ID}
}

// fileOf returns the database and its log.
func fileOf(t *testing.T, path string) []byte {
	t.Helper()
	var all []byte
	for _, name := range []string{path, path + "-wal"} {
		content, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return bytes.ToLower(all)
}

// traced returns how many of some users the file has personal data of.
func traced(t *testing.T, path string, users []int) (found int) {
	t.Helper()
	file := fileOf(t, path)
	for _, n := range users {
		user := person(n)
		for _, text := range []string{user.Username, user.Email, user.Phone, user.Profile.Name} {
			if bytes.Contains(file, bytes.ToLower([]byte(text))) {
				found++
				break
			}
		}
	}
	return found
}

// changeUsers does the same with several users, concurrently, so that they share commits.
func changeUsers(t *testing.T, users []int, do func(n int) error) {
	t.Helper()
	var group sync.WaitGroup
	for part := range 40 {
		group.Go(func() {
			for i := part; i < len(users); i += 40 {
				if err := do(users[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// The bytes of a deleted user's name, address and number leave the database and its log: free pages and slots, indexes, and the
// remains of earlier versions of a record. Without secure_delete, nearly all users leave some.
func TestDelete_OverwritesBytesInTheFileAndTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openTest(t, Options{Serve: true, Now: time.Now})
		random := rand.New(rand.NewPCG(1, 2))
		all := random.Perm(people)
		entries := make([]*storage.Entry[storage.User], people)
		changeUsers(t, all, func(n int) (err error) {
			_, linked := storage.Insert(t.Context(), e, linkOf(n))
			entries[n], err = storage.Insert(t.Context(), e, person(n))
			return errors.Join(linked, err)
		})
		sizes := make([]int, people) // Records that grow and shrink move between pages.
		for i := range sizes {
			sizes[i] = random.IntN(4500)
		}
		changeUsers(t, all, func(n int) (err error) {
			next := entries[n].Record
			next.SignIns = fmt.Appendf(nil, "%q", bytes.Repeat([]byte{'s'}, sizes[n]))
			entries[n], err = entries[n].Replace(t.Context(), e, next)
			return err
		})
		gone := all[:deletedUsers]
		if traced(t, e.path, gone) != deletedUsers {
			t.Fatal("the file does not have what is searched")
		}
		changeUsers(t, gone, func(n int) error {
			released := linkOf(n)
			err := e.Delete(t.Context(), storage.KindIdentity, released.Document().ID)
			if n%2 == 0 {
				return errors.Join(err, e.Delete(t.Context(), storage.KindUser, entries[n].Record.Document().ID))
			}
			_, replaced := entries[n].Replace(t.Context(), e, storage.User{Directory: "default", ID: person(n).ID, Status: storage.UserDeleted})
			return errors.Join(err, replaced)
		})
		time.Sleep(truncateEvery + 4*sweepEvery)
		synctest.Wait()
		if found := traced(t, e.path, gone); found != 0 {
			t.Errorf("the file has data of %d deleted users", found)
		}
		backup := filepath.Join(t.TempDir(), "backup.db")
		if err := e.Backup(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		if found := traced(t, backup, gone); found != 0 {
			t.Errorf("the backup has data of %d deleted users", found)
		}
		if found := traced(t, e.path, all[deletedUsers:]); found != people-deletedUsers {
			t.Errorf("the file has data of %d users, want %d", found, people-deletedUsers)
		}
	})
}

// A reader of the log delays that it is emptied, and no request waits for the reader.
func TestTruncateLog_WaitsForNoReader(t *testing.T) {
	e := openTest(t, Options{Serve: true, Now: time.Now})
	mustInsert(t, e, userDocument("a"))
	reading, err := dialReader(t.Context(), e.path)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	for _, statement := range []string{"BEGIN", "SELECT count(*) FROM users"} {
		if _, err := reading.row(make([]driver.Value, 1), statement); err != nil {
			t.Fatal(err)
		}
	}
	mustInsert(t, e, userDocument("b"))
	e.writer.inTurn(func() {
		if emptied, err := e.writer.conn.truncateLog(); emptied || err != nil {
			t.Errorf("emptied %t, error %v", emptied, err)
		}
	})
	mustInsert(t, e, userDocument("c"))
}
