package scan

import (
	"fmt"
	"io"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// twoDigits returns a number from 10 to 99.
func twoDigits(random io.Reader) (string, error) {
	n, err := endpoint.Below(random, 90)
	return fmt.Sprint(10 + n), err
}

// sixDigits returns a number of six digits, which may begin with zeros.
func sixDigits(random io.Reader) (string, error) { return endpoint.Digits(random, 6) }

// digitsDigest is the stored digest of digits. The scene, which is not stored, protects them from a reader of the store.
func digitsDigest(scene, digits string) string { return storage.Digest("scan digits", scene, digits) }
