// Command ferretdb runs FerretDB for the tests: in the folder that it is given, on a port that it prints, until its standard
// input ends, which it does when the tests end however they end.
//
// It is a program of its own because the race detector, which the tests run under, would make FerretDB ten times slower.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run stores files without syncs, which is fast and does not survive a crash of the machine.
func run(folder string, life io.Reader, printed io.Writer) error {
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: fmt.Sprintf("file:%s/?_pragma=synchronous(off)", folder),
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, life) // Its end is all that it says.
	}()
	if _, err := fmt.Fprintln(printed, db.MongoDBURI()); err != nil {
		return err
	}
	if err := db.Run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
