package server

import (
	"io"
	"net/http"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const browserSecretSize = 32

// browsers tells browsers from each other by a cookie.
type browsers struct{ random io.Reader }

// browser returns the digest of the cookie that tells this browser from others, and gives it one if it has none. It lives
// until the browser is closed and says nothing of who uses it.
func (n browsers) browser(w http.ResponseWriter, r *http.Request) (string, error) {
	issuer, ok := oauth2.IssuerFrom(r.Context())
	if !ok {
		return "", errNoRequest
	}
	value := browserCookie().get(r, issuer)
	if !isRandomText(value, browserSecretSize) {
		var err error
		if value, err = randomText(n.random, browserSecretSize); err != nil {
			return "", err
		}
		browserCookie().set(w, issuer, value)
	}
	return browserDigest(issuer, value), nil
}

func browserCookie() cookie { return cookie{suffix: ".browser"} }

func browserDigest(issuer *oauth2.Issuer, value string) string {
	return storage.Digest("browser", issuer.Directory.ID, value)
}
