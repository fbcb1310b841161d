package identity

import (
	"strings"
	"unicode"
)

// TrimTyped removes what keyboards and clipboards add around a typed identifier: white space, including the ideographic space,
// and invisible format characters such as the marks around a copied phone number. No identifier begins or ends with one.
// Passwords are never trimmed.
func TrimTyped(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}
