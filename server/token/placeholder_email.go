package token

import (
	"strings"

	"github.com/minifed/minifed/storage"
)

// maxLocalPart bounds the local part of an address (RFC 5321 §4.5.3.1.1).
const maxLocalPart = 64

// WithPlaceholder returns the user as the client sees it. If the user has no e-mail address and the client's setting says so,
// the address is <sub>@domain, not verified: some applications reject users without one. A subject that is no valid local part
// gets no address.
func WithPlaceholder(user storage.User, client storage.Client, subject string) storage.User {
	if user.Email != "" || client.PlaceholderEmailDomain == "" || !isLocalPart(subject) {
		return user
	}
	user.Email, user.EmailVerified = subject+"@"+client.PlaceholderEmailDomain, false
	return user
}

// isLocalPart reports whether text is an atom without special characters, which all mail programs accept (RFC 5322 §3.2.3).
func isLocalPart(text string) bool {
	return text != "" && len(text) <= maxLocalPart && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
