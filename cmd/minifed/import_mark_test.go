package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// interrupt leaves a new store as an import of file leaves it that is killed after its first document.
func (s *station) interrupt(t *testing.T, store, file, digest string) {
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

func TestImport_UnfinishedIsRefusedUntilTheSameCommandFinishesIt(t *testing.T) {
	s := made(t)
	s.must(t, "client", "create", "--kind", "service", "--id", "part", "--name", "whole")
	file := filepath.Join(t.TempDir(), "store.export")
	digest, _ := s.json(t, "export", file)["digest"].(string)
	other := filepath.Join(t.TempDir(), "other.export")
	s.must(t, "client", "create", "--kind", "service", "--id", "more")
	s.must(t, "export", other)

	store := filepath.Join(t.TempDir(), "new.db")
	s = s.at("MINIFED_STORAGE_URI=sqlite:"+store, "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
	s.interrupt(t, store, file, digest)
	for _, command := range [][]string{{"serve"}, {"client", "list"}, {"export", filepath.Join(t.TempDir(), "x")}} {
		s.fails(t, exitFailed, []string{"has not finished", "minifed import " + file}, command...)
	}
	s.fails(t, exitFailed, nil, "doctor")
	if said := s.out.String(); !strings.Contains(said, "minifed import "+file) {
		t.Errorf("doctor says %s", said)
	}
	s.fails(t, exitFailed, []string{"another file", file}, "import", other)

	s.must(t, "import", file)
	s.must(t, "import", file, "--force")
	if shown := s.json(t, "client", "show", "part"); shown["name"] != "whole" {
		t.Errorf("the client is %v", shown)
	}
}
