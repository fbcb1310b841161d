package device

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

const (
	// userCodeLetters are the letters of user codes: no vowels, so that no words appear, and no letters that look the same (RFC 8628 §6.1).
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	// userCodeLength gives 20^8 codes, 34 bits.
	userCodeLength = 8
	// typedLength is how many letters of the code the user types after a scan.
	typedLength = 2
)

// newUserCode returns a random user code, without the hyphen that users see.
func newUserCode(random io.Reader) (string, error) {
	// The largest multiple of the number of letters that a byte can hold, so that each letter is equally probable.
	const fair = 256 - 256%len(userCodeLetters)
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var raw [16]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return "", fmt.Errorf("device: randomness: %w", err)
		}
		for _, b := range raw {
			if int(b) < fair && len(code) < userCodeLength {
				code = append(code, userCodeLetters[int(b)%len(userCodeLetters)])
			}
		}
	}
	return string(code), nil
}

// shown returns a user code as users see it.
func shown(code string) string { return code[:userCodeLength/2] + "-" + code[userCodeLength/2:] }

// readUserCode returns the user code in what a user typed: letters of any case and width, with any spaces and hyphens. It is false
// for anything else.
func readUserCode(typed string) (string, bool) {
	code := readLetters(typed)
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return "", false
	}
	return code, true
}

// readLetters returns typed letters as capitals, without what people type between them.
func readLetters(typed string) string {
	const maxTyped = 64
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c) || unicode.Is(unicode.Pd, c):
			return -1
		case c >= 'Ａ' && c <= 'Ｚ':
			return c - 'Ａ' + 'A'
		case c >= 'ａ' && c <= 'ｚ':
			return c - 'ａ' + 'A'
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		default:
			return c
		}
	}, typed[:min(len(typed), maxTyped)])
}

// isEnd reports whether the user typed the last letters of the code.
func isEnd(code, typed string) bool { return readLetters(typed) == code[userCodeLength-typedLength:] }
