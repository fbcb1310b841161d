package scan

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/minifed/minifed/storage"
)

// twoDigits returns a number from 10 to 99.
func twoDigits(random io.Reader) (string, error) {
	n, err := below(random, 90)
	return fmt.Sprint(10 + n), err
}

// sixDigits returns a number of six digits, which may begin with zeros.
func sixDigits(random io.Reader) (string, error) {
	n, err := below(random, 1_000_000)
	return fmt.Sprintf("%06d", n), err
}

// below returns a random number below limit.
func below(random io.Reader, limit uint32) (uint32, error) {
	const all = 1 << 32
	for {
		var raw [4]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return 0, fmt.Errorf("scan: randomness: %w", err)
		}
		if n := binary.BigEndian.Uint32(raw[:]); uint64(n) < all-all%uint64(limit) {
			return n % limit, nil
		}
	}
}

// digitsDigest is the stored digest of digits. The scene, which is not stored, protects them from a reader of the store.
func digitsDigest(scene, digits string) string { return storage.Digest("scan digits", scene, digits) }
