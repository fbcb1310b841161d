package endpoint

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

// BrowserIDs identifies browsers by cookies, to which pending requests and forms are bound. A browser without such a cookie
// gets one with a new name, so that several tabs opened at once each find their own request.
type BrowserIDs struct {
	Random io.Reader
	Now    func() time.Time
}

const (
	browserSecretSize = 16
	// firstBrowserSecretSize is the size of the single cookie of earlier versions.
	firstBrowserSecretSize = 32
	// MaxBrowserCookies bounds the cookies of a browser, and so the tabs opened at once that can each finish.
	MaxBrowserCookies = 32
)

// Ensure returns the digest of a cookie of this browser, and sets a new one if it has none. The cookie lives until the browser
// is closed and does not identify the user.
func (n BrowserIDs) Ensure(w http.ResponseWriter, r *Request) (string, error) {
	issuer := r.Issuer
	held := BrowserCookies(r.Request, issuer)
	if len(held) > 0 {
		n.clearOldest(w, issuer, held)
		return BrowserDigest(issuer, held[0].Value), nil
	}
	value, err := RandomString(n.Random, browserSecretSize)
	if err != nil {
		return "", err
	}
	var different [2]byte
	if _, err := io.ReadFull(n.Random, different[:]); err != nil {
		return "", fmt.Errorf("endpoint: randomness: %w", err)
	}
	// The names sort by time.
	kind := browserCookie(fmt.Sprintf(".%010x%x", n.Now().Unix(), different))
	kind.Set(w, issuer, value)
	r.AddCookie(kind.cookie(issuer, value, 0)) // Another part of the page finds it.
	return BrowserDigest(issuer, value), nil
}

// clearOldest deletes the cookies above the limit. held is in the order of BrowserCookies.
func (BrowserIDs) clearOldest(w http.ResponseWriter, issuer *oauth2.Issuer, held []*http.Cookie) {
	prefix := browserCookie("").name(issuer)
	for _, sent := range held[min(len(held), MaxBrowserCookies):] {
		browserCookie(strings.TrimPrefix(sent.Name, prefix)).Clear(w, issuer)
	}
}

// IsBrowser reports whether a digest is that of a cookie sent with r.
func IsBrowser(r *http.Request, issuer *oauth2.Issuer, digest string) bool {
	return slices.ContainsFunc(BrowserCookies(r, issuer), func(sent *http.Cookie) bool {
		return BrowserDigest(issuer, sent.Value) == digest
	})
}

// BrowserCookies returns the cookies that identify the browser of r, the newest first.
func BrowserCookies(r *http.Request, issuer *oauth2.Issuer) []*http.Cookie {
	prefix := browserCookie("").name(issuer)
	held := slices.DeleteFunc(r.Cookies(), func(sent *http.Cookie) bool {
		suffix, ours := strings.CutPrefix(sent.Name, prefix)
		switch {
		case !ours:
			return true
		case suffix == "":
			return !IsRandomString(sent.Value, firstBrowserSecretSize)
		default:
			return suffix[0] != '.' || !IsRandomString(sent.Value, browserSecretSize)
		}
	})
	slices.SortStableFunc(held, func(a, b *http.Cookie) int { return strings.Compare(b.Name, a.Name) })
	return held
}

// browserCookie is the cookie whose name ends with suffix. The empty suffix is that of earlier versions.
func browserCookie(suffix string) Cookie { return Cookie{Suffix: ".browser" + suffix} }

// BrowserDigest is the digest of a browser's cookie at an issuer.
func BrowserDigest(issuer *oauth2.Issuer, value string) string {
	return storage.Digest("browser", issuer.Directory.ID, value)
}
