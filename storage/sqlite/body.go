package sqlite

import (
	"bytes"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/minifed/minifed/storage"
)

// dictionaryText holds the members that records have in common. Stored bodies refer to its bytes, so it never changes. A better
// dictionary is a new file with a new first byte of the body.
//
//go:embed dictionary1.txt
var dictionaryText []byte

const (
	// compressedBody1 is the first byte of a body that is compressed with the first dictionary. A body that is stored as it is
	// begins with a brace.
	compressedBody1 = 1
	// idMark and ownerMark stand in a compressed body for the last parts of the document's ID and owner, which are in columns of
	// their own. JSON texts contain no such bytes.
	idMark    = 1
	ownerMark = 2
)

var errDamagedBody = errors.New("a body is damaged")

// bodies compresses and restores bodies. Records repeat the names of members, so that a body shrinks to a third.
type bodies struct {
	dictionary *s2.Dict
	// buffers has values of *bodyBuffers, so that a body is allocated once and in its final size.
	buffers *sync.Pool
}

// bodyBuffers are the buffers of one call.
type bodyBuffers struct{ quoted, marked, short, packed []byte }

func newBodies() bodies {
	return bodies{s2.MakeDict(dictionaryText, []byte(`{"v":1,"directory":"`)), &sync.Pool{New: func() any { return new(bodyBuffers) }}}
}

// borrow returns buffers, and what returns them.
func (b bodies) borrow() (buffers *bodyBuffers, release func()) {
	buffers, _ = b.buffers.Get().(*bodyBuffers)
	return buffers, func() { b.buffers.Put(buffers) }
}

// pack returns the body as it is stored: compressed, if that is shorter. It takes 64 KB of stack, so that the writer calls it, and not
// the goroutines of requests.
func (b bodies) pack(doc *storage.Document) []byte {
	if bytes.IndexByte(doc.Body, idMark) >= 0 || bytes.IndexByte(doc.Body, ownerMark) >= 0 {
		return doc.Body
	}
	use, release := b.borrow()
	defer release()
	use.marked = use.appendMarked(use.marked[:0], doc.Body, lastPart(doc.ID), idMark)
	use.short = use.appendMarked(use.short[:0], use.marked, lastPart(doc.Owner), ownerMark)
	use.packed = slices.Grow(use.packed[:0], 1+s2.MaxEncodedLen(len(use.short)))
	encoded := b.dictionary.Encode(use.packed[1:cap(use.packed)], use.short)
	if 1+len(encoded) >= len(doc.Body) {
		return doc.Body
	}
	return append(append(make([]byte, 0, 1+len(encoded)), compressedBody1), encoded...)
}

// unpack restores what pack returned for a document with this ID and owner.
func (b bodies) unpack(packed []byte, id, owner string) ([]byte, error) {
	if len(packed) == 0 || packed[0] != compressedBody1 {
		return packed, nil
	}
	if size, err := s2.DecodedLen(packed[1:]); err != nil || size > storage.MaxBody {
		return nil, errDamagedBody
	}
	use, release := b.borrow()
	defer release()
	short, err := b.dictionary.Decode(use.short[:0], packed[1:])
	if err != nil {
		return nil, errDamagedBody
	}
	use.short = short
	body := make([]byte, 0, len(short)+len(id)+2*len(owner))
	for {
		at := bytes.IndexAny(short, "\x01\x02")
		if at < 0 {
			return append(body, short...), nil
		}
		text := id
		if short[at] == ownerMark {
			text = owner
		}
		body = append(append(body, short[:at]...), lastPart(text)...)
		short = short[at+1:]
	}
}

// appendMarked appends a body with a mark in the place of every JSON text that equals text.
func (b *bodyBuffers) appendMarked(to, body []byte, text string, mark byte) []byte {
	b.quoted = append(append(append(b.quoted[:0], '"'), text...), '"')
	for {
		at := bytes.Index(body, b.quoted)
		if at < 0 {
			return append(to, body...)
		}
		to = append(append(to, body[:at]...), '"', mark, '"')
		body = body[at+len(b.quoted):]
	}
}

// lastPart returns what follows the last slash of a key.
func lastPart(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
