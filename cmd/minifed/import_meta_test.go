package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// withStore calls do with the store.
func (s *cliHarness) withStore(t *testing.T, do func(context.Context, storage.Engine) error) {
	t.Helper()
	engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(s.folder, "minifed.db")})
	if err != nil {
		t.Fatal(err)
	}
	doErr := do(t.Context(), engine)
	if closeErr := engine.Close(); doErr != nil || closeErr != nil {
		t.Fatal(doErr, closeErr)
	}
}

// bodyOf returns the stored body of one document.
func (s *cliHarness) bodyOf(t *testing.T, kind storage.Kind, id string) (body map[string]any) {
	t.Helper()
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		doc, err := engine.Get(ctx, kind, id)
		if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &body)
	})
	return body
}

func TestImport_PreservesServedIssuersAndAppIDClaims(t *testing.T) {
	s := newCLIWithStore(t).with("MINIFED_PUBLIC_URL=https://old.example.com")
	s.createMiniProgram(t, "mini", oneApp)
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		entry, err := storage.Get[storage.Served](ctx, engine, storage.ServedID)
		if err != nil {
			return err
		}
		_, err = entry.Replace(ctx, engine, storage.Served{
			PublicURL: "https://old.example.com", DefaultDirectory: "default", CreatedAt: entry.Record.CreatedAt,
			FormerPublicURL: "https://older.example.com", FormerDefaultDirectory: "default", ChangedAt: storage.Instant(time.Now()),
		})
		return err
	})
	s.run(t, "keys", "master", "new", "--append")
	s.run(t, "keys", "master", "rotate")
	file := filepath.Join(t.TempDir(), "store.export")
	s.run(t, "export", file)

	key := "MINIFED_KEYS_MASTER_KEY_FILE=" + filepath.Join(s.folder, "master.key")
	other := newCLI(t, key, "MINIFED_PUBLIC_URL=https://new.example.com")
	other.run(t, "import", file)
	for id, kind := range map[string]storage.Kind{storage.ServedID: storage.KindMeta, storage.Key("default", oneApp): storage.KindAppID} {
		if was, is := s.bodyOf(t, kind, id), other.bodyOf(t, kind, id); !reflect.DeepEqual(was, is) {
			t.Errorf("%s: exported %v, imported %v", id, was, is)
		}
	}
	other.typed = []string{anAppSecret}
	other.mustFail(t, exitFailed, []string{`--app-id: is the AppID of client "mini"`}, "client", "create", "--kind", "wechat_miniapp", "--id", "twin", "--app-id", oneApp)
	if said := diagnoseUnchecked(t, other)["public URL"]; !strings.Contains(said, "is changed by this configuration, from https://old.example.com to https://new.example.com") {
		t.Errorf("doctor of the new store: %q", said)
	}
	if said := diagnoseUnchecked(t, s)["public URL"]; !strings.Contains(said, "from https://older.example.com to https://old.example.com") {
		t.Errorf("doctor of the old store: %q", said)
	}

	// --force: the tokens in the file were issued under the URL in the file.
	other.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		entry, err := storage.Get[storage.Served](ctx, engine, storage.ServedID)
		if err != nil {
			return err
		}
		_, err = entry.Replace(ctx, engine, storage.Served{PublicURL: "https://new.example.com", DefaultDirectory: "default"})
		return err
	})
	other.run(t, "import", file, "--force")
	if is := other.bodyOf(t, storage.KindMeta, storage.ServedID); is["public_url"] != "https://old.example.com" {
		t.Errorf("served after a forced import: %v", is)
	}
}

func TestBackup_PreservesServedIssuers(t *testing.T) {
	s := newCLIWithStore(t)
	restored := newCLI(t, "MINIFED_KEYS_MASTER_KEY_FILE="+filepath.Join(s.folder, "master.key"), "MINIFED_PUBLIC_URL=https://new.example.com")
	copied := filepath.Join(t.TempDir(), "copy.db")
	s.run(t, "backup", copied)
	restored = restored.with("MINIFED_STORAGE_URI=sqlite:" + copied)
	if said := diagnoseUnchecked(t, restored)["public URL"]; !strings.Contains(said, "is changed by this configuration, from http://localhost:8080 to https://new.example.com") {
		t.Errorf("doctor of the restored store: %q", said)
	}
}

func TestExport_FailsWhenAnImportBegins(t *testing.T) {
	s := newCLIWithStore(t)
	config, err := (&settings{}).load(s.Console)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := deployment.Open(t.Context(), s.Console, config, deployment.Purpose{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mark := storage.Importing{File: "/store.export", Digest: "digest", StartedAt: time.Now()}
	if _, err := storage.Insert(t.Context(), opened.Engine, mark); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "part.export")
	if _, err := exportTo(t.Context(), s.Console, opened, file); err == nil || !strings.Contains(err.Error(), "has not finished") {
		t.Errorf("export: %v", err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(file); err != nil || left != nil {
		t.Errorf("files: %v, %v", left, err)
	}
}
