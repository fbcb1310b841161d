package ferretdb

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// ferret is the FerretDB that all tests share. Each has databases of its own.
var ferret *Server

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
	if ferret, err = Start(folder); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, ferret.Stop()
}
