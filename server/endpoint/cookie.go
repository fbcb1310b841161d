package endpoint

import (
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/storage/oauth2"
)

// Cookie is a kind of cookie that an issuer gives to browsers. Its name holds the directory, because cookies know no paths
// that would fence script: several directories on one host keep theirs apart.
type Cookie struct {
	// Suffix tells the kinds of one directory apart. It begins with a dot, which no directory's ID has.
	Suffix string
	// Lifetime is how long the browser keeps it; zero until the browser is closed.
	Lifetime time.Duration
}

// name is __Host-mf-{directory}: such a cookie is this very host's, sent over https alone (RFC 6265bis §4.1.3.2). On plain
// http, which is for loopback, browsers refuse the prefix.
func (c Cookie) name(issuer *oauth2.Issuer) string {
	name := "mf-" + issuer.Directory.ID + c.Suffix
	if secure(issuer) {
		name = "__Host-" + name
	}
	return name
}

// Get returns the value that the browser sent; empty without one. Of two with that name neither is believed.
func (c Cookie) Get(r *http.Request, issuer *oauth2.Issuer) string {
	sent := r.CookiesNamed(c.name(issuer))
	if len(sent) != 1 {
		return ""
	}
	return sent[0].Value
}

// Set gives the browser a value. Lax, because a sign-in begins with a visit from another site; scripts never see it.
func (c Cookie) Set(w http.ResponseWriter, issuer *oauth2.Issuer, value string) {
	http.SetCookie(w, c.made(issuer, value, int(c.Lifetime/time.Second)))
}

// Clear takes it back.
func (c Cookie) Clear(w http.ResponseWriter, issuer *oauth2.Issuer) {
	http.SetCookie(w, c.made(issuer, "", -1))
}

func (c Cookie) made(issuer *oauth2.Issuer, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure wherever the issuer is; plain http is for loopback.
		Name: c.name(issuer), Value: value, Path: "/", MaxAge: maxAge,
		Secure: secure(issuer), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func secure(issuer *oauth2.Issuer) bool { return strings.HasPrefix(issuer.URL, "https:") }
