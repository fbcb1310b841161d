package ferretdb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage/mongodb/ferretdb/secantusdb"
)

const (
	// uriVariable names the primary of a MongoDB replica set to test against. Without it FerretDB takes its place.
	uriVariable = "MINIFED_TEST_MONGODB_URI"
	// secantusVariable, if it is set, has the tests start a SecantusDB in FerretDB's place.
	secantusVariable = "MINIFED_TEST_SECANTUSDB"
)

var (
	// ferret is the server that all tests share. Each has databases of its own.
	ferret *Server
	// minifed is the path of the built program of the module that this one tests. The first test that needs it builds it.
	minifed func() (string, error)
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// After a fault a driver waits half a second before it asks the server how it is. Tests wait for that together.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		return 1, err
	}
	folder, err := os.MkdirTemp("", "minifed-ferretdb-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	minifed = sync.OnceValues(func() (string, error) {
		program := filepath.Join(folder, "minifed")
		build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/minifed")
		build.Dir = filepath.Join("..", "..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return program, nil
	})
	switch uri := os.Getenv(uriVariable); {
	case uri != "":
		ferret, err = Connect(ctx, uri)
	case os.Getenv(secantusVariable) != "":
		ferret, err = startSecantusDB(ctx, folder)
	default:
		ferret, err = Start(ctx, folder)
	}
	if err != nil {
		return 1, err
	}
	code = m.Run()
	return code, ferret.Stop()
}

func startSecantusDB(ctx context.Context, folder string) (*Server, error) {
	process, err := secantusdb.Start(ctx, secantusdb.Options{Folder: filepath.Join(folder, "secantusdb")})
	if err != nil {
		return nil, err
	}
	server, err := Connect(ctx, process.URI("", "admin"))
	if err != nil {
		return nil, errors.Join(err, process.Stop())
	}
	server.stop, server.executesRetries = process.Stop, true
	return server, nil
}
