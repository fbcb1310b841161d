package token

import (
	"strings"

	"github.com/minifed/minifed/storage"
)

// maxLocalPart bounds what stands before the @ of an address (RFC 5321 §4.5.3.1.1).
const maxLocalPart = 64

// WithPlaceholder returns the user as the client sees it: without an e-mail address, and where the client's setting says so, with
// the address <sub>@domain, which is not verified. Some applications refuse users without one. A subject that cannot stand in an
// address gives none.
func WithPlaceholder(user storage.User, client storage.Client, subject string) storage.User {
	if user.Email != "" || client.PlaceholderEmailDomain == "" || !isLocalPart(subject) {
		return user
	}
	user.Email, user.EmailVerified = subject+"@"+client.PlaceholderEmailDomain, false
	return user
}

// isLocalPart reports whether text is an atom without special characters, on which all mail programs agree (RFC 5322 §3.2.3).
func isLocalPart(text string) bool {
	return text != "" && len(text) <= maxLocalPart && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
