package upgradetest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

//go:embed testdata/be09ad4/known.json testdata/be09ad4/master.key testdata/be09ad4/minifed.db.gz testdata/be09ad4/mongodb.json.gz
var stores embed.FS

const folder = "testdata/be09ad4"

// PublicURL is the public URL that the store was written under.
const PublicURL = "https://id.example.com"

// Now is the time at which the store is used: seconds after it was written, so that its shortest-lived codes are still valid.
func Now(tb testing.TB) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339, known(tb)["made_at"])
	check(tb, err)
	return at.Add(2 * time.Second)
}

// MasterKey returns the text of the master key file.
func MasterKey(tb testing.TB) string {
	tb.Helper()
	return string(read(tb, "master.key"))
}

// SQLite writes the SQLite file into a folder of the test and returns its path.
func SQLite(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "minifed.db")
	check(tb, os.WriteFile(file, unzip(tb, "minifed.db.gz"), 0o600))
	return file
}

// Documents returns the documents of the MongoDB database by collection, as canonical extended JSON.
func Documents(tb testing.TB) map[storage.Kind][]json.RawMessage {
	tb.Helper()
	var all map[storage.Kind][]json.RawMessage
	check(tb, json.Unmarshal(unzip(tb, "mongodb.json.gz"), &all))
	return all
}

// known are the tokens, cookies and secrets outside the store.
func known(tb testing.TB) map[string]string {
	tb.Helper()
	var all map[string]string
	check(tb, json.Unmarshal(read(tb, "known.json"), &all))
	return all
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := stores.ReadFile(path.Join(folder, name))
	check(tb, err)
	return text
}

func unzip(tb testing.TB, name string) []byte {
	tb.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(read(tb, name)))
	check(tb, err)
	text, err := io.ReadAll(zipped)
	check(tb, err)
	return text
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
