//go:build unix

package backup_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage/sqlite"
)

// childFolder is the environment variable that turns the test program into a process that takes backups without a pause.
const childFolder = "MINIFED_TEST_BACKUP_CHILD"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		takeBackups(folder)
		return
	}
	os.Exit(m.Run())
}

// childMaster is the master key of the store of the child.
func childMaster() *keys.Master {
	sum := sha256.Sum256([]byte("child"))
	master, err := keys.ParseMaster(base64.StdEncoding.EncodeToString(sum[:]), rand.Reader)
	if err != nil {
		panic(err)
	}
	return master
}

// childConfig is the configuration of the child. Its clock advances by an hour for each backup.
func childConfig(folder string, engine backup.Store) backup.Config {
	file := filepath.Join(folder, "minifed.db")
	now := time.Now()
	return backup.Config{
		Store: engine, Folder: backup.NewFolder(filepath.Join(folder, "backups"), file), File: file, Master: childMaster(),
		Every: time.Hour, Keep: 2, Random: rand.Reader, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Now: func() time.Time { return now },
		After: func(d time.Duration) <-chan time.Time {
			now = now.Add(d + time.Second)
			passed := make(chan time.Time, 1)
			passed <- now
			return passed
		},
		FreeSpace: func(string) (uint64, error) { return 1 << 40, nil },
		Explain:   func(err error) string { return err.Error() },
	}
}

func takeBackups(folder string) {
	ctx := context.Background()
	config := childConfig(folder, nil)
	engine, err := sqlite.Open(ctx, sqlite.Options{Path: config.File, Serve: true})
	if err == nil {
		err = keys.CheckMaster(ctx, engine, config.Master)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b, err := backup.New(childConfig(folder, engine))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("begins")
	b.Run(ctx)
}

// TestRun_KilledAtAnyTimeLeavesOnlyGoodBackups kills a process again and again while it takes backups.
func TestRun_KilledAtAnyTimeLeavesOnlyGoodBackups(t *testing.T) {
	folder := t.TempDir()
	config := childConfig(folder, nil)
	for after := 2 * time.Millisecond; after < 100*time.Millisecond; after = after * 3 / 2 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childFolder+"="+folder)
		var failed strings.Builder
		child.Stderr = &failed
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 16)); err != nil { // It begins.
			t.Fatalf("%v: %s", err, &failed)
		}
		time.AfterFunc(after, func() { _ = child.Process.Kill() })
		_ = child.Wait() // it was killed
		files, err := config.Folder.List()
		if err != nil || failed.Len() > 0 {
			t.Fatal(err, failed.String())
		}
		for _, file := range files {
			if err := backup.CheckFile(t.Context(), file.Path, config.Master); err != nil {
				t.Errorf("killed after %v: %v", after, err)
			}
		}
	}
	engine, err := sqlite.Open(t.Context(), sqlite.Options{Path: config.File, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	b, err := backup.New(childConfig(folder, engine))
	if err != nil {
		t.Fatal(err)
	}
	stopping := &harness{T: t, stop: 1}
	b.After = stopping.after
	ctx, cancel := context.WithCancel(t.Context())
	stopping.cancel = cancel
	b.Run(ctx)
	left, err := filepath.Glob(filepath.Join(config.Folder.Path, "*"))
	if err != nil || len(left) == 0 || len(left) > 3 || strings.Contains(strings.Join(left, " "), "unfinished") {
		t.Errorf("the folder has %q, %v", left, err)
	}
}
