package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestOpen_FileAndFolderArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	e := openTest(t, Options{Serve: true})
	mustInsert(t, e, testDocument("a"))
	folder := filepath.Dir(e.path)
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < 4 {
		t.Fatalf("files: %v, %v", entries, err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
}

func TestOpen_AcceptsAnyPath(t *testing.T) {
	for _, name := range []string{"a b.db", "a?b=c&d.db", "a#b.db", "a%20b.db", "数据.db"} {
		path := filepath.Join(t.TempDir(), "x & y", name)
		e := openTest(t, Options{Path: path, Serve: true})
		mustInsert(t, e, testDocument("a"))
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(files) != 2 {
			t.Errorf("after closing there are %q", files)
		}
	}
}

func TestOpen_SyncsEveryCommit(t *testing.T) {
	e := openTest(t, Options{})
	c, err := dialWriter(t.Context(), e.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var mode string
	var synchronous, full int64
	for query, to := range map[string]any{"PRAGMA journal_mode": &mode, "PRAGMA synchronous": &synchronous, "PRAGMA fullfsync": &full} {
		if err := c.value(to, query); err != nil {
			t.Fatal(err)
		}
	}
	if mode != "wal" || synchronous != 2 || full != 1 {
		t.Errorf("journal_mode %s, synchronous %d, fullfsync %d", mode, synchronous, full)
	}
}

func TestOpen_RejectsSecondServer(t *testing.T) {
	first := openTest(t, Options{Serve: true})
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(first.path, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{first.path, link} {
		if _, err := Open(t.Context(), Options{Path: path, Serve: true}); !errors.Is(err, ErrServed) || !strings.Contains(err.Error(), first.path) {
			t.Errorf("a second server on %s: %v", path, err)
		}
	}
	tool := openTest(t, Options{Path: first.path})
	doc := mustInsert(t, tool, testDocument("a"))
	if _, err := first.Replace(t.Context(), doc); err != nil {
		t.Errorf("the server does not see what the tool wrote: %v", err)
	}
	if _, err := tool.Replace(t.Context(), doc); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("the tool does not see what the server wrote: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, Options{Path: first.path, Serve: true})
}

func TestOpen_ConcurrentCreation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	var open sync.WaitGroup
	for i := range 8 {
		open.Go(func() {
			e, err := Open(context.Background(), Options{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			defer e.Close()
			if _, err := e.Insert(context.Background(), testDocument(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	open.Wait()
	if n := rows(t, path, storage.KindGrant); n != 8 {
		t.Errorf("%d documents, want 8", n)
	}
}

func TestOpen_NamesTheReason(t *testing.T) {
	for name, want := range map[string]FileReason{"other": FileForeign, "text": FileDamaged, "folder": FileUnopened} {
		path := filepath.Join(t.TempDir(), name)
		switch want {
		case FileForeign:
			execute(t, path, []string{"CREATE TABLE notes (text)"})
		case FileDamaged:
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		var got *FileError
		if _, err := Open(t.Context(), Options{Path: path}); !errors.As(err, &got) || got.Reason != want || filepath.Base(got.Path) != name {
			t.Errorf("%s: %v, want reason %d", name, err, want)
		}
	}
}

func TestOpen_RejectsForeignFile(t *testing.T) {
	statements := map[string][]string{
		"of another program":   {"CREATE TABLE notes (text)", "INSERT INTO notes VALUES ('mine')"},
		"of a newer version":   append(creation(schema(tables())), fmt.Sprintf("PRAGMA user_version = %d", schemaVersion+1)),
		"that is no database":  nil,
		"that is a directory":  nil,
		"in a missing mount":   nil,
		"of a damaged version": {"PRAGMA user_version = 1", "CREATE TABLE grants (x)"},
	}
	for name, prepare := range statements {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			switch name {
			case "that is no database":
				if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
					t.Fatal(err)
				}
			case "that is a directory":
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			case "in a missing mount":
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				path = filepath.Join(path, "other.db")
			}
			if prepare != nil {
				execute(t, path, prepare)
			}
			before, _ := os.ReadFile(path)
			e, err := Open(t.Context(), Options{Path: path, Serve: true})
			if err == nil {
				_ = e.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("the error names no file: %v", err)
			}
			if errors.Is(err, storage.ErrNewerVersion) != (name == "of a newer version") {
				t.Errorf("got error %v", err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

// execute runs statements on a file of its own.
func execute(t *testing.T, path string, statements []string) {
	t.Helper()
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, statement := range statements {
		if _, err := c.exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestOpen_AddsTablesToAnEarlierFile(t *testing.T) {
	e := openTest(t, Options{})
	doc := mustInsert(t, e, testDocument("a"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, e.path, []string{"DROP TABLE sessions", "DROP INDEX users_created_at"})
	again := openTest(t, Options{Path: e.path})
	if _, err := again.Replace(t.Context(), doc); err != nil {
		t.Error(err)
	}
	for _, doc.Kind = range []storage.Kind{storage.KindSession, storage.KindUser} {
		mustInsert(t, again, doc)
	}
	if page, err := again.List(t.Context(), storage.Query{Kind: storage.KindUser, Order: storage.ByCreated, Owner: "owner"}); err != nil || len(page.Documents) != 1 {
		t.Errorf("%v, %v", page, err)
	}
}

// A file of a version whose index of creation times had the ID as well loses no documents, and gets the narrower index from the
// next server, while another process has the file open.
func TestOpen_RecreatesOutdatedIndex(t *testing.T) {
	const old, current = "CREATE INDEX users_created_at ON users (owner, created_at, id)", "CREATE INDEX users_created_at ON users (owner, created_at)"
	e := openTest(t, Options{})
	mustInsert(t, e, userDocument("a"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, e.path, []string{"DROP INDEX users_created_at", old})
	tool := openTest(t, Options{Path: e.path})
	doc := mustInsert(t, tool, userDocument("b"))
	if got := definition(t, e.path, "users_created_at"); got != old {
		t.Errorf("a tool made it %q", got)
	}
	server := openTest(t, Options{Path: e.path, Serve: true})
	if got := definition(t, e.path, "users_created_at"); got != current {
		t.Errorf("the server made it %q", got)
	}
	if _, err := tool.Replace(t.Context(), doc); err != nil {
		t.Errorf("the tool cannot write any more: %v", err)
	}
	query := storage.Query{Kind: storage.KindUser, Order: storage.ByCreated, Owner: "owner"}
	for name, engine := range map[string]*Engine{"server": server, "tool": tool} {
		if page, err := engine.List(t.Context(), query); err != nil || len(page.Documents) != 2 {
			t.Errorf("the %s lists %v, %v", name, page, err)
		}
	}
}

func TestOpen_CreatesCompleteFile(t *testing.T) {
	e := openTest(t, Options{Serve: true})
	c, err := dialWriter(t.Context(), e.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if outdated, err := c.outdated(schema(tables()), true); err != nil || len(outdated) > 0 {
		t.Errorf("every start would make anew %v, %v", outdated, err)
	}
}

// definition returns the stored statement of a table or an index.
func definition(t *testing.T, path, name string) string {
	t.Helper()
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var text string
	if err := c.value(&text, "SELECT sql FROM sqlite_schema WHERE name = '"+name+"'"); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestList_UsesIndexes(t *testing.T) {
	e := openTest(t, Options{})
	db, err := openLists(e.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for kind, indexes := range storage.Kinds() {
		if kind == storage.KindGrant {
			continue // TestGrants_ListsFollowTheirIndexes
		}
		for order, indexed := range map[storage.Order]bool{
			storage.ByID: true, storage.ByCreated: indexes.Created, storage.ByCreatedDescending: indexes.Created,
			storage.ByName: indexes.Name, storage.ByDue: indexes.Due,
		} {
			if !indexed {
				continue
			}
			query := storage.Query{Kind: kind, Order: order, Owner: "o", Prefix: "p"}
			for _, query.After = range []string{"", order.Cursor(storage.Position{ID: "x", Name: "pq"})} {
				text, args, err := e.tables[kind].list(query, 1)
				if err != nil {
					t.Fatal(err)
				}
				var plan string
				if err := db.QueryRow("EXPLAIN QUERY PLAN "+text, args...).Scan(new(int), new(int), new(int), &plan); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(plan, "USING INDEX") || strings.Contains(plan, "TEMP B-TREE") {
					t.Errorf("%s in order %d: %s", kind, order, plan)
				}
			}
		}
	}
}
