package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// line is one line of an archive: a document or the end.
type line struct {
	Kind      storage.Kind    `json:"kind,omitempty"`
	ID        string          `json:"id,omitempty"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	Owner     string          `json:"owner,omitempty"`
	Name      string          `json:"name,omitempty"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	DueAt     time.Time       `json:"due_at,omitzero"`
	Body      json.RawMessage `json:"body,omitempty"`

	End *Contents `json:"end,omitempty"`
}

// Contents describes what an archive contains.
type Contents struct {
	Documents int                  `json:"documents"`
	Kinds     map[storage.Kind]int `json:"kinds"`
	// Digest is the SHA-256 of the lines of all documents, in hex.
	Digest string `json:"digest"`
}

// maxLine is the maximum length of a line of an archive, in bytes: a body and its other fields.
const maxLine = 4 * storage.MaxBody

// ErrInvalid is the error for a file that is no archive, is incomplete or was changed.
var ErrInvalid = errors.New("the file is not a complete export of minifed, or was changed")

// tally counts documents and digests their lines.
type tally struct {
	kinds map[storage.Kind]int
	total int
	lines hash.Hash
}

func newTally() *tally { return &tally{kinds: map[storage.Kind]int{}, lines: sha256.New()} }

// add counts a document; line is without its line end. Writing to a hash never fails.
func (t *tally) add(kind storage.Kind, line []byte) {
	t.kinds[kind]++
	t.total++
	_, _ = t.lines.Write(line)
	_, _ = t.lines.Write([]byte("\n"))
}

func (t *tally) contents() Contents {
	return Contents{Documents: t.total, Kinds: maps.Clone(t.kinds), Digest: hex.EncodeToString(t.lines.Sum(nil))}
}

// Writer writes an archive, which is complete after Close.
type Writer struct {
	tally  *tally
	line   bytes.Buffer
	zipped *gzip.Writer
	sealed *sealedWriter
}

// NewWriter returns a Writer that seals the archive with the master key.
func NewWriter(out io.Writer, master *keys.Master, random io.Reader) (*Writer, error) {
	sealed, err := newSealedWriter(out, master, random)
	if err != nil {
		return nil, err
	}
	zipped, err := gzip.NewWriterLevel(sealed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	return &Writer{tally: newTally(), zipped: zipped, sealed: sealed}, nil
}

// Add writes a document.
func (w *Writer) Add(doc storage.Document) error {
	line, err := w.encode(line{
		Kind: doc.Kind, ID: doc.ID, ExpiresAt: doc.ExpiresAt, Owner: doc.Owner, Name: doc.Name,
		CreatedAt: doc.CreatedAt, DueAt: doc.DueAt, Body: doc.Body,
	})
	if err != nil {
		return err
	}
	w.tally.add(doc.Kind, bytes.TrimSuffix(line, []byte("\n")))
	_, err = w.zipped.Write(line)
	return err
}

// Close writes the end and returns the contents of the archive.
func (w *Writer) Close() (Contents, error) {
	written := w.tally.contents()
	line, err := w.encode(line{End: &written})
	if err != nil {
		return written, err
	}
	if _, err := w.zipped.Write(line); err != nil {
		return written, err
	}
	if err := w.zipped.Close(); err != nil {
		return written, err
	}
	return written, w.sealed.close()
}

// encode returns the line of a document. It is valid until the next call.
func (w *Writer) encode(line line) ([]byte, error) {
	w.line.Reset()
	encoder := json.NewEncoder(&w.line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return nil, fmt.Errorf("a document of %s cannot be exported: %w", line.Kind, err)
	}
	return w.line.Bytes(), nil
}

// Read calls visit for each document of an archive, in order, and returns the contents of the archive. The documents that visit gets are
// authentic. None is missing if the error is nil.
func Read(in io.Reader, master *keys.Master, visit func(storage.Document) error) (Contents, error) {
	sealed, err := newSealedReader(in, master)
	if err != nil {
		return Contents{}, err
	}
	zipped, err := gzip.NewReader(sealed)
	if err != nil {
		return Contents{}, ErrInvalid
	}
	zipped.Multistream(false)
	seen := newTally()
	lines := bufio.NewScanner(zipped)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		var line line
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return Contents{}, ErrInvalid
		}
		if line.End != nil {
			return seen.end(*line.End, lines, sealed)
		}
		seen.add(line.Kind, lines.Bytes())
		if err := visit(line.document()); err != nil {
			return Contents{}, err
		}
	}
	return Contents{}, ErrInvalid
}

// end checks that the archive contains what its end states, and that nothing follows.
func (t *tally) end(stated Contents, lines *bufio.Scanner, rest io.Reader) (Contents, error) {
	written := t.contents()
	more := lines.Scan()
	after, err := rest.Read(make([]byte, 1))
	if more || lines.Err() != nil || after != 0 || !errors.Is(err, io.EOF) ||
		written.Digest != stated.Digest || written.Documents != stated.Documents || !maps.Equal(written.Kinds, stated.Kinds) {
		return Contents{}, ErrInvalid
	}
	return written, nil
}

func (a line) document() storage.Document {
	return storage.Document{
		Kind: a.Kind, ID: a.ID, ExpiresAt: a.ExpiresAt, Owner: a.Owner, Name: a.Name,
		CreatedAt: a.CreatedAt, DueAt: a.DueAt, Body: bytes.Clone(a.Body),
	}
}
