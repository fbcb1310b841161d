package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// oldFile writes a file with the layout of schema 1 and so many grants, users and links, and returns its documents.
func oldFile(t *testing.T, path string, n int) (documents []storage.Document) {
	t.Helper()
	var statements []string
	for kind, indexes := range storage.Kinds() {
		statements = append(statements, oldTable(string(kind), indexes)...)
	}
	statements = append(statements, fmt.Sprintf("PRAGMA application_id = %d", applicationID), "PRAGMA user_version = 1")
	execute(t, path, statements)
	c, err := dialWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for _, kind := range []storage.Kind{storage.KindGrant, storage.KindUser, storage.KindIdentity} {
			doc := benchmarkDocument(i)
			doc.Kind, doc.Rev = kind, formatRevision(int64(i+1))
			doc.CreatedAt, doc.ExpiresAt = storage.Instant(doc.CreatedAt), storage.Instant(doc.ExpiresAt)
			if _, err := c.exec("INSERT INTO "+string(kind)+" (id, rev, expires_at, owner, name, created_at, due_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				doc.ID, int64(i+1), nullable(doc.ExpiresAt), doc.Owner, doc.Name, doc.CreatedAt.UnixMilli(), nil, doc.Body); err != nil {
				t.Fatal(err)
			}
			documents = append(documents, doc)
		}
	}
	if _, err := c.exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	return documents
}

// oldTable returns the statements that created a table of schema 1.
func oldTable(name string, indexes storage.Indexes) []string {
	all := []string{
		`CREATE TABLE {t} (
			id TEXT NOT NULL UNIQUE, rev INTEGER NOT NULL, expires_at INTEGER, owner TEXT NOT NULL, name TEXT NOT NULL,
			created_at INTEGER NOT NULL, due_at INTEGER, body BLOB NOT NULL)`,
		`CREATE INDEX {t}_expires_at ON {t} (expires_at) WHERE expires_at IS NOT NULL`,
	}
	if indexes.Created {
		all = append(all, `CREATE INDEX {t}_created_at ON {t} (owner, created_at)`)
	}
	if indexes.Name {
		all = append(all, `CREATE INDEX {t}_name ON {t} (owner, name, id)`)
	}
	if indexes.Due {
		all = append(all, `CREATE INDEX {t}_due_at ON {t} (due_at, id) WHERE due_at IS NOT NULL`)
	}
	for i, statement := range all {
		all[i] = strings.ReplaceAll(statement, "{t}", name)
	}
	return all
}

func wantDocuments(t *testing.T, e *Engine, documents []storage.Document) {
	t.Helper()
	for _, want := range documents {
		got, err := e.Get(t.Context(), want.Kind, want.ID)
		if err != nil || got.Rev != want.Rev || string(got.Body) != string(want.Body) || got.Owner != want.Owner ||
			!got.CreatedAt.Equal(want.CreatedAt) || !got.ExpiresAt.Equal(want.ExpiresAt) {
			t.Fatalf("%s %s: got %v, %v", want.Kind, want.ID, got, err)
		}
	}
	query := storage.Query{Kind: storage.KindGrant, Order: storage.ByCreated, Owner: documents[0].Owner}
	if page, err := e.List(t.Context(), query); err != nil || len(page.Documents) != 2 {
		t.Errorf("the list of an owner: %v, %v", page, err)
	}
}

func TestUpgrade_ServerMovesDocumentsAndLeavesBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	documents := oldFile(t, path, 300)
	if _, err := Open(t.Context(), Options{Path: path}); !errors.Is(err, ErrOldSchema) {
		t.Fatalf("a tool: %v", err)
	}
	e := openTest(t, Options{Path: path, Serve: true})
	wantDocuments(t, e, documents)
	if _, err := e.Replace(t.Context(), documents[0]); err != nil {
		t.Errorf("Replace by the revision of before: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{path, path + "-serve", path + backupSuffix}; !slices.Equal(files, want) {
		t.Errorf("the folder has %v, want %v", files, want)
	}
	// The backup is the file as it was: in the place of the other, it is upgraded again.
	if err := os.Rename(path+backupSuffix, path); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, Options{Path: path, Serve: true})
	wantDocuments(t, again, documents)
	if indexed, last := indexedRows(t, path); indexed != last || last != 300 {
		t.Errorf("%d of %d rows are indexed", indexed, last)
	}
}

func TestUpgrade_LeavesFileWhenSpaceIsShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	documents := oldFile(t, path, 20)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	free := 2*uint64(info.Size()) - 1
	options := Options{Path: path, Serve: true, FreeSpace: func(string) (uint64, error) { return free, nil }}
	if _, err := Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("got %v", err)
	}
	if version, err := versionOf(t.Context(), path); version != 1 || err != nil {
		t.Errorf("schema %d, %v", version, err)
	}
	free++
	wantDocuments(t, openTest(t, options), documents)
}

func TestUpgrade_RejectedWhileAnotherProcessHasTheFileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	documents := oldFile(t, path, 20)
	other, err := dialReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.has("grants"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := Open(ctx, Options{Path: path, Serve: true}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	wantDocuments(t, openTest(t, Options{Path: path, Serve: true}), documents)
}

// An error at any statement leaves the old file, and the next start succeeds.
func TestUpgrade_FailureLeavesOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	documents := oldFile(t, path, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{Path: path, Serve: true}); err == nil {
		t.Fatal("no error after cancellation")
	}
	execute(t, path, []string{"UPDATE grants SET owner = 7 WHERE rowid = 20", "UPDATE grants SET body = 'text' WHERE rowid = 20"})
	if _, err := Open(t.Context(), Options{Path: path, Serve: true}); !errors.Is(err, errDamagedRow) {
		t.Errorf("a damaged row: %v", err)
	}
	if _, err := os.Stat(path + upgradeSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file: %v", err)
	}
	execute(t, path, []string{"DELETE FROM grants WHERE rowid = 20"})
	e := openTest(t, Options{Path: path, Serve: true})
	for _, doc := range documents[:len(documents)-3] {
		if _, err := e.Get(t.Context(), doc.Kind, doc.ID); err != nil {
			t.Errorf("%s: %v", doc.ID, err)
		}
	}
}
