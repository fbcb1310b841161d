package server

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// browsers tells browsers from each other by cookies, to which waiting requests and forms are bound. A browser that comes
// without one gets a cookie with a name of its own. So each of several tabs that are opened at once keeps what it was bound to.
type browsers struct {
	random io.Reader
	now    func() time.Time
}

const (
	browserSecretSize = 16
	// firstBrowserSecretSize is that of the one cookie that earlier versions gave.
	firstBrowserSecretSize = 32
	// maxBrowserCookies bounds the cookies of a browser: how many tabs opened at once each finish.
	maxBrowserCookies = 32
)

// browser returns the digest of a cookie of this browser, which gets one if it has none. It lives until the browser is closed
// and says nothing of who uses it.
func (n browsers) browser(w http.ResponseWriter, r *call) (string, error) {
	issuer := r.issuer
	held := browserCookies(r.Request, issuer)
	if len(held) > 0 {
		n.clearOldest(w, issuer, held)
		return browserDigest(issuer, held[0].Value), nil
	}
	value, err := randomText(n.random, browserSecretSize)
	if err != nil {
		return "", err
	}
	var different [2]byte
	if _, err := io.ReadFull(n.random, different[:]); err != nil {
		return "", fmt.Errorf("server: randomness: %w", err)
	}
	// The names are in the order of time.
	browserCookie(fmt.Sprintf(".%010x%x", n.now().Unix(), different)).set(w, issuer, value)
	return browserDigest(issuer, value), nil
}

// clearOldest takes back the cookies that are too many. held is in the order of browserCookies.
func (browsers) clearOldest(w http.ResponseWriter, issuer *oauth2.Issuer, held []*http.Cookie) {
	prefix := browserCookie("").name(issuer)
	for _, sent := range held[min(len(held), maxBrowserCookies):] {
		browserCookie(strings.TrimPrefix(sent.Name, prefix)).clear(w, issuer)
	}
}

// isBrowser reports whether a digest is that of a cookie which the browser that sent r has.
func isBrowser(r *http.Request, issuer *oauth2.Issuer, digest string) bool {
	return slices.ContainsFunc(browserCookies(r, issuer), func(sent *http.Cookie) bool {
		return browserDigest(issuer, sent.Value) == digest
	})
}

// browserCookies returns the cookies that tell the browser that sent r from others, the newest first.
func browserCookies(r *http.Request, issuer *oauth2.Issuer) []*http.Cookie {
	prefix := browserCookie("").name(issuer)
	held := slices.DeleteFunc(r.Cookies(), func(sent *http.Cookie) bool {
		suffix, ours := strings.CutPrefix(sent.Name, prefix)
		switch {
		case !ours:
			return true
		case suffix == "":
			return !isRandomText(sent.Value, firstBrowserSecretSize)
		default:
			return suffix[0] != '.' || !isRandomText(sent.Value, browserSecretSize)
		}
	})
	slices.SortStableFunc(held, func(a, b *http.Cookie) int { return strings.Compare(b.Name, a.Name) })
	return held
}

// browserCookie is the cookie whose name ends with suffix; an empty one is that of earlier versions.
func browserCookie(suffix string) cookie { return cookie{suffix: ".browser" + suffix} }

func browserDigest(issuer *oauth2.Issuer, value string) string {
	return storage.Digest("browser", issuer.Directory.ID, value)
}
