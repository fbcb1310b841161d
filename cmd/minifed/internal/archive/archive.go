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

// line is one line of an archive: a document, or the end.
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

// Contents says what an archive holds.
type Contents struct {
	Documents int                  `json:"documents"`
	Kinds     map[storage.Kind]int `json:"kinds"`
	// Digest is the SHA-256 of the lines of all documents, in hex.
	Digest string `json:"digest"`
}

// maxLine bounds a line of an archive: a body and what stands around it.
const maxLine = 4 * storage.MaxBody

var ErrInvalid = errors.New("the file is not a whole export of minifed, or was changed")

// tally counts documents and digests their lines.
type tally struct {
	kinds map[storage.Kind]int
	total int
	lines hash.Hash
}

func newTally() *tally { return &tally{kinds: map[storage.Kind]int{}, lines: sha256.New()} }

// add counts a document; line is without its end. A hash never fails.
func (t *tally) add(kind storage.Kind, line []byte) {
	t.kinds[kind]++
	t.total++
	_, _ = t.lines.Write(line)
	_, _ = t.lines.Write([]byte("\n"))
}

func (t *tally) contents() Contents {
	return Contents{Documents: t.total, Kinds: maps.Clone(t.kinds), Digest: hex.EncodeToString(t.lines.Sum(nil))}
}

// Writer writes an archive. Nothing is whole before Close.
type Writer struct {
	tally  *tally
	line   bytes.Buffer
	zipped *gzip.Writer
	sealed *sealedWriter
}

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

// Close writes the end and returns what the archive holds.
func (w *Writer) Close() (Contents, error) {
	held := w.tally.contents()
	line, err := w.encode(line{End: &held})
	if err != nil {
		return held, err
	}
	if _, err := w.zipped.Write(line); err != nil {
		return held, err
	}
	if err := w.zipped.Close(); err != nil {
		return held, err
	}
	return held, w.sealed.close()
}

// encode returns the line of a document; it is good until the next one.
func (w *Writer) encode(line line) ([]byte, error) {
	w.line.Reset()
	encoder := json.NewEncoder(&w.line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return nil, fmt.Errorf("a document of %s cannot be exported: %w", line.Kind, err)
	}
	return w.line.Bytes(), nil
}

// Read calls visit for each document of an archive, in order, and returns what the archive holds. Documents are
// authentic when visit sees them; only a nil error says that none is missing.
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

// end makes sure that the archive holds what its end says, and that nothing follows.
func (t *tally) end(said Contents, lines *bufio.Scanner, rest io.Reader) (Contents, error) {
	held := t.contents()
	more := lines.Scan()
	after, err := rest.Read(make([]byte, 1))
	if more || lines.Err() != nil || after != 0 || !errors.Is(err, io.EOF) ||
		held.Digest != said.Digest || held.Documents != said.Documents || !maps.Equal(held.Kinds, said.Kinds) {
		return Contents{}, ErrInvalid
	}
	return held, nil
}

func (a line) document() storage.Document {
	return storage.Document{
		Kind: a.Kind, ID: a.ID, ExpiresAt: a.ExpiresAt, Owner: a.Owner, Name: a.Name,
		CreatedAt: a.CreatedAt, DueAt: a.DueAt, Body: bytes.Clone(a.Body),
	}
}
