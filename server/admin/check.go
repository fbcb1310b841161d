package admin

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/minifed/minifed/storage"
)

const maxName = 256

// CheckID says what is wrong with a directory's ID, which is part of its issuer: [a-z0-9-]{1,32}.
func CheckID(id string) error {
	if len(id) < 1 || len(id) > 32 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return errors.New("must be 1 to 32 of a-z, 0-9 and -")
	}
	return nil
}

// checkClientID allows what a client_id may be anywhere without being escaped (RFC 3986 §2.3), and no leading "-", which
// would read as a flag.
func checkClientID(id string) error {
	isUnreserved := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r)
	}
	if len(id) < 1 || len(id) > 64 || id[0] == '-' || strings.Trim(id, ".") == "" || !allRunes(id, isUnreserved) {
		return errors.New("must be 1 to 64 of a-z, A-Z, 0-9, and - . _ ~ and not begin with -")
	}
	return nil
}

// checkScope is a scope-token of RFC 6749 §3.3.
func checkScope(scope string) error {
	isScope := func(r rune) bool { return isPrintableASCII(r) && r != '"' && r != '\\' }
	if scope == "" || len(scope) > 128 || !allRunes(scope, isScope) {
		return errors.New(`must be 1 to 128 printable ASCII characters but space, " and \ (RFC 6749 §3.3)`)
	}
	return nil
}

// checkAudience allows URIs (RFC 8707 §2) and plain names (RFC 8693 §2.1).
func checkAudience(audience string) error {
	if audience == "" || len(audience) > 256 || !allRunes(audience, isPrintableASCII) {
		return errors.New("must be 1 to 256 printable ASCII characters without space")
	}
	if strings.Contains(audience, "#") {
		return errors.New("must not have a fragment (RFC 8707 §2)")
	}
	return nil
}

// checkIdentifier is for the identifiers of resources (RFC 8707 §2): absolute URIs without fragment.
func checkIdentifier(identifier string) error {
	if identifier == "" || len(identifier) > storage.MaxResourceIdentifier || !allRunes(identifier, isPrintableASCII) {
		return fmt.Errorf("must be 1 to %d printable ASCII characters without space", storage.MaxResourceIdentifier)
	}
	parsed, err := url.Parse(identifier)
	switch {
	case err != nil || !parsed.IsAbs() || parsed.Host == "" && parsed.Opaque == "":
		return errors.New("must be an absolute URI, such as https://api.example.com")
	case strings.Contains(identifier, "#"):
		return errors.New("must not have a fragment (RFC 8707 §2)")
	case parsed.User != nil:
		return errors.New("must not have user information")
	}
	return nil
}

// checkLabel is for what people read.
func checkLabel(label string) error {
	if len(label) > maxName {
		return fmt.Errorf("is longer than %d bytes", maxName)
	}
	if !utf8.ValidString(label) || strings.ContainsFunc(label, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\uFFFD' }) {
		return errors.New("must be text without control characters, and without such as change the direction of writing")
	}
	return nil
}

func isPrintableASCII(r rune) bool { return r > ' ' && r < 0x7f }

func allRunes(text string, allowed func(rune) bool) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !allowed(r) })
}
