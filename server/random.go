package server

import (
	"encoding/base64"
	"fmt"
	"io"
)

// randomText is base64url of size random bytes.
func randomText(random io.Reader, size int) (string, error) {
	raw := make([]byte, size)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("server: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// isRandomText reports whether randomText could have made text.
func isRandomText(text string, size int) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == size && len(text) == base64.RawURLEncoding.EncodedLen(size)
}
