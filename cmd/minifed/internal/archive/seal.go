package archive

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/minifed/minifed/keys"
)

const (
	// archiveHead begins the first line of an archive. The key of the file follows, sealed by the master key.
	archiveHead = archiveName + archiveVersion + " "
	// archiveName begins an archive of any version.
	archiveName    = "minifed export "
	archiveVersion = "1"
	// SealedChunk is the number of bytes of an archive that are sealed together.
	SealedChunk = 64 << 10
	// maxHead is the maximum length of the first line.
	maxHead = 1 << 10
)

// exportBinding is the purpose that the key of an archive is sealed for.
func exportBinding() keys.Binding { return keys.Binding{Purpose: "export"} }

// sealedWriter encrypts a stream with AES-256-GCM, chunk by chunk, with a new key. The nonce of a chunk contains its number and whether it
// is the last one. So no chunk can be removed or moved without detection (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
// Vizár, CRYPTO 2015).
type sealedWriter struct {
	out    io.Writer
	aead   cipher.AEAD
	head   []byte
	number uint64
	plain  []byte // at most one chunk
	sealed []byte
}

func newSealedWriter(out io.Writer, master *keys.Master, random io.Reader) (*sealedWriter, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("create a key for the export: %w", err)
	}
	envelope, err := master.Seal(key, exportBinding())
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	head := archiveHead + envelope + "\n"
	if _, err := io.WriteString(out, head); err != nil {
		return nil, err
	}
	return &sealedWriter{out: out, aead: aead, head: []byte(head)}, nil
}

// Write implements io.Writer.
func (w *sealedWriter) Write(p []byte) (n int, err error) {
	n = len(p)
	for len(p) > 0 {
		if len(w.plain) == SealedChunk { // More follows, so this is not the last chunk.
			if err := w.flush(false); err != nil {
				return 0, err
			}
		}
		taken := min(len(p), SealedChunk-len(w.plain))
		w.plain = append(w.plain, p[:taken]...)
		p = p[taken:]
	}
	return n, nil
}

func (w *sealedWriter) close() error { return w.flush(true) }

func (w *sealedWriter) flush(last bool) error {
	w.sealed = w.aead.Seal(w.sealed[:0], chunkNonce(w.number, last), w.plain, w.head)
	w.number, w.plain = w.number+1, w.plain[:0]
	_, err := w.out.Write(w.sealed)
	return err
}

// sealedReader decrypts the stream of a sealedWriter.
type sealedReader struct {
	in     *bufio.Reader
	aead   cipher.AEAD
	head   []byte
	number uint64
	plain  []byte // decrypted and not read yet
	sealed []byte
	last   bool
}

func newSealedReader(in io.Reader, master *keys.Master) (*sealedReader, error) {
	buffered := bufio.NewReaderSize(in, SealedChunk)
	head, err := readHead(buffered)
	if err != nil {
		return nil, err
	}
	key, err := master.Open(strings.TrimSuffix(strings.TrimPrefix(head, archiveHead), "\n"), exportBinding())
	missing := (*keys.MissingKeyError)(nil)
	if errors.As(err, &missing) {
		return nil, fmt.Errorf("the export is sealed with master key %s, which is missing: use the master key of the exported store", missing.KeyID)
	}
	if err != nil {
		return nil, ErrInvalid
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &sealedReader{in: buffered, aead: aead, head: []byte(head), sealed: make([]byte, SealedChunk+aead.Overhead())}, nil
}

// checkHead rejects a file that is no archive, and an archive of another version.
func checkHead(head string) error {
	if strings.HasPrefix(head, archiveHead) {
		return nil
	}
	version, ok := strings.CutPrefix(head, archiveName)
	version, _, more := strings.Cut(version, " ")
	if number, err := strconv.ParseUint(version, 10, 16); ok && more && err == nil {
		return fmt.Errorf("this is an export of version %d, and this minifed reads version %s: import it with the minifed that wrote it", number, archiveVersion)
	}
	return ErrInvalid
}

// readHead reads the first line.
func readHead(in io.ByteReader) (string, error) {
	var head strings.Builder
	for head.Len() < maxHead {
		next, err := in.ReadByte()
		if err != nil {
			break
		}
		head.WriteByte(next)
		if next == '\n' {
			return head.String(), checkHead(head.String())
		}
	}
	return "", ErrInvalid
}

// Read implements io.Reader. It returns ErrInvalid for a stream that no sealedWriter wrote.
func (r *sealedReader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.last {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// next decrypts the next chunk. The last chunk is the one at the end of the stream.
func (r *sealedReader) next() error {
	size, err := io.ReadFull(r.in, r.sealed)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrInvalid
	}
	_, err = r.in.Peek(1)
	r.last = errors.Is(err, io.EOF)
	r.plain, err = r.aead.Open(r.sealed[:0], chunkNonce(r.number, r.last), r.sealed[:size], r.head)
	if err != nil {
		return ErrInvalid
	}
	r.number++
	return nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// chunkNonce returns the nonce of a chunk. The key seals only one file, so a counter is enough.
func chunkNonce(number uint64, last bool) []byte {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[3:], number)
	if last {
		nonce[11] = 1
	}
	return nonce
}
