package archive

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// testMaster returns the master key of all archives of these tests.
func testMaster(t testing.TB) *keys.Master {
	t.Helper()
	key := sha256.Sum256([]byte("archives of the tests"))
	master, err := keys.ParseMaster(base64.StdEncoding.EncodeToString(key[:]), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return master
}

// archiveOf returns an archive of n documents, and its master key.
func archiveOf(t testing.TB, n int) ([]byte, *keys.Master) {
	t.Helper()
	master := testMaster(t)
	var out bytes.Buffer
	archive, err := NewWriter(&out, master, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := archive.Add(archivedDocument(i)); err != nil {
			t.Fatal(err)
		}
	}
	if contents, err := archive.Close(); err != nil || contents.Documents != n {
		t.Fatal(contents, err)
	}
	return out.Bytes(), master
}

func archivedDocument(i int) storage.Document {
	noise := make([]byte, 200)
	_, _ = rand.Read(noise)
	at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
	return storage.Document{
		Kind: storage.KindUser, ID: fmt.Sprint("default/u", i), Owner: "default", Name: "<&>  \u2028", CreatedAt: at, DueAt: at, ExpiresAt: at,
		Body: []byte(fmt.Sprintf(`{"v":1,"n":12345678901234567890.10,"text":"%x"}`, noise)),
	}
}

func TestArchive_ContainsTheWrittenDocuments(t *testing.T) {
	for _, n := range []int{0, 1, 1000} { // 1000 are several chunks
		sealed, master := archiveOf(t, n)
		i := 0
		contents, err := Read(bytes.NewReader(sealed), master, func(doc storage.Document) error {
			want := archivedDocument(i)
			want.Body = doc.Body // random
			if !reflect.DeepEqual(doc, want) || doc.ID != want.ID || doc.Kind != want.Kind || !strings.Contains(string(doc.Body), "12345678901234567890.10") {
				t.Fatalf("%+v", doc)
			}
			i++
			return nil
		})
		if err != nil || i != n || contents.Documents != n || n > 0 && contents.Kinds[storage.KindUser] != n {
			t.Errorf("%d documents: %d, %+v, %v", n, i, contents, err)
		}
	}
}

func TestRead_RejectsAnIncompleteOrChangedArchive(t *testing.T) {
	sealed, master := archiveOf(t, 1000)
	head := bytes.IndexByte(sealed, '\n') + 1
	chunk := SealedChunk + 16
	changed := func(at int) []byte {
		other := slices.Clone(sealed)
		other[at] ^= 1
		return other
	}
	for name, text := range map[string][]byte{
		"empty":              nil,
		"another file":       []byte("SQLite format 3\x00"),
		"a long line":        bytes.Repeat([]byte("x"), 1<<20),
		"the head alone":     sealed[:head],
		"cut in a chunk":     sealed[:len(sealed)-1],
		"cut between chunks": sealed[:head+chunk],
		"a changed head":     changed(head - 3),
		"a changed chunk":    changed(head + 5),
		"a changed end":      changed(len(sealed) - 1),
		"something appended": append(slices.Clone(sealed), 0),
		"a chunk left out":   append(slices.Clone(sealed[:head]), sealed[head+chunk:]...),
		"a chunk twice":      slices.Concat(sealed[:head+chunk], sealed[head:]),
		"the head of another": func() []byte {
			other, _ := archiveOf(t, 0)
			return append(other[:bytes.IndexByte(other, '\n')+1], sealed[head:]...)
		}(),
		"two archives in a row": append(slices.Clone(sealed), sealed...),
	} {
		if _, err := Read(bytes.NewReader(text), master, func(storage.Document) error { return nil }); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRead_NamesAnotherVersion(t *testing.T) {
	sealed, master := archiveOf(t, 1)
	other := bytes.Replace(sealed, []byte("export 1 "), []byte("export 2 "), 1)
	_, err := Read(bytes.NewReader(other), master, func(storage.Document) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("said %v", err)
	}
}

func TestRead_RejectsAWrongEnd(t *testing.T) {
	master := testMaster(t)
	for name, spoil := range map[string]func(*Writer){
		"one more counted": func(w *Writer) { w.tally.total++ },
		"another kind":     func(w *Writer) { w.tally.kinds[storage.KindGrant]++ },
		"another digest": func(w *Writer) {
			w.tally.add(storage.KindUser, []byte("{}"))
			w.tally.total--
			w.tally.kinds[storage.KindUser]--
		},
	} {
		var out bytes.Buffer
		archive, err := NewWriter(&out, master, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.Add(archivedDocument(1)); err != nil {
			t.Fatal(err)
		}
		spoil(archive)
		if _, err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&out, master, func(storage.Document) error { return nil }); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	sealed, master := archiveOf(f, 3)
	f.Add(sealed)
	f.Add([]byte(archiveHead + "mk1:000000000000:AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		contents, err := Read(bytes.NewReader(text), master, func(storage.Document) error { return nil })
		if err == nil && (contents.Documents != 3 || !bytes.Equal(text, sealed)) {
			t.Errorf("a changed archive was read: %+v", contents)
		}
	})
}
