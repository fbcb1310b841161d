package endpoint

import (
	"encoding/base64"
	"fmt"
	"io"
)

// RandomString returns size random bytes in base64url.
func RandomString(random io.Reader, size int) (string, error) {
	raw := make([]byte, size)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("endpoint: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// IsRandomString reports whether text has the form of RandomString's results.
func IsRandomString(text string, size int) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == size && len(text) == base64.RawURLEncoding.EncodedLen(size)
}
