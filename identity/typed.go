package identity

import (
	"strings"
	"unicode"
)

// TrimTyped removes what keyboards and clipboards put around a typed identifier: white space, the ideographic space included,
// and invisible format characters such as the marks around a phone number copied from a list of contacts. No identifier begins
// or ends with one. Passwords are never trimmed.
func TrimTyped(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}
