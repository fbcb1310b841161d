package endpoint

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Digits returns a random number of n digits, at most 9, which may begin with zeros. No number is more likely than another.
func Digits(random io.Reader, n int) (string, error) {
	limit := uint32(1)
	for range n {
		limit *= 10
	}
	number, err := Below(random, limit)
	return fmt.Sprintf("%0*d", n, number), err
}

// Below returns a random number below limit.
func Below(random io.Reader, limit uint32) (uint32, error) {
	const all = 1 << 32
	for {
		var raw [4]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return 0, fmt.Errorf("endpoint: randomness: %w", err)
		}
		if n := binary.BigEndian.Uint32(raw[:]); uint64(n) < all-all%uint64(limit) {
			return n % limit, nil
		}
	}
}
