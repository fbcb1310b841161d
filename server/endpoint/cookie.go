package endpoint

import (
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/storage/oauth2"
)

// Cookie is a kind of cookie that an issuer sets. Its name contains the directory, because the path of a cookie does not
// protect it from scripts: several directories on one host have separate cookies.
type Cookie struct {
	// Suffix distinguishes the kinds of one directory. It begins with a dot, which no directory ID contains.
	Suffix string
	// Lifetime is the lifetime in the browser; zero means until the browser is closed.
	Lifetime time.Duration
}

// name is __Host-mf-{directory}. A cookie with this prefix belongs to this host only and is sent over https only (RFC 6265bis
// §4.1.3.2). On plain http, which is for loopback, browsers reject the prefix.
func (c Cookie) name(issuer *oauth2.Issuer) string {
	name := "mf-" + issuer.Directory.ID + c.Suffix
	if secure(issuer) {
		name = "__Host-" + name
	}
	return name
}

// Get returns the value that the browser sent, or an empty string. If two cookies have the name, it ignores both.
func (c Cookie) Get(r *http.Request, issuer *oauth2.Issuer) string {
	sent := r.CookiesNamed(c.name(issuer))
	if len(sent) != 1 {
		return ""
	}
	return sent[0].Value
}

// Set sets the cookie. It is Lax, because a login begins with a navigation from another site, and hidden from scripts.
func (c Cookie) Set(w http.ResponseWriter, issuer *oauth2.Issuer, value string) {
	http.SetCookie(w, c.cookie(issuer, value, int(c.Lifetime/time.Second)))
}

// Clear deletes the cookie.
func (c Cookie) Clear(w http.ResponseWriter, issuer *oauth2.Issuer) {
	http.SetCookie(w, c.cookie(issuer, "", -1))
}

func (c Cookie) cookie(issuer *oauth2.Issuer, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure if the issuer uses https; plain http is for loopback.
		Name: c.name(issuer), Value: value, Path: "/", MaxAge: maxAge,
		Secure: secure(issuer), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func secure(issuer *oauth2.Issuer) bool { return strings.HasPrefix(issuer.URL, "https:") }
