package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// interruptImport creates the store of an import of file that was killed after its first document.
func (s *cliHarness) interruptImport(t *testing.T, store, file, digest string) {
	t.Helper()
	engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: store})
	if err != nil {
		t.Fatal(err)
	}
	mark := storage.Importing{File: file, Digest: digest, StartedAt: time.Now()}
	_, markErr := storage.Insert(t.Context(), engine, mark)
	_, clientErr := storage.Insert(t.Context(), engine, storage.Client{Directory: "default", ID: "part", Kind: storage.ClientService, Name: "a part"})
	if markErr != nil || clientErr != nil || engine.Close() != nil {
		t.Fatal(markErr, clientErr)
	}
}

func TestImport_UnfinishedBlocksTheStoreUntilItIsRepeated(t *testing.T) {
	s := newCLIWithStore(t)
	s.run(t, "client", "create", "--kind", "service", "--id", "part", "--name", "whole")
	file := filepath.Join(t.TempDir(), "store.export")
	digest, _ := s.runJSON(t, "export", file)["digest"].(string)
	other := filepath.Join(t.TempDir(), "other.export")
	s.run(t, "client", "create", "--kind", "service", "--id", "more")
	s.run(t, "export", other)

	store := filepath.Join(t.TempDir(), "new.db")
	s = s.with("MINIFED_STORAGE_URI=sqlite:"+store, "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
	s.interruptImport(t, store, file, digest)
	for _, command := range [][]string{{"serve"}, {"client", "list"}, {"export", filepath.Join(t.TempDir(), "x")}} {
		s.mustFail(t, exitFailed, []string{"has not finished", "minifed import " + file}, command...)
	}
	s.mustFail(t, exitFailed, nil, "doctor")
	if said := s.out.String(); !strings.Contains(said, "minifed import "+file) {
		t.Errorf("doctor says %s", said)
	}
	s.mustFail(t, exitFailed, []string{"another file", file}, "import", other)

	s.run(t, "import", file)
	s.run(t, "import", file, "--force")
	if shown := s.runJSON(t, "client", "show", "part"); shown["name"] != "whole" {
		t.Errorf("the client is %v", shown)
	}
}
