package page

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// CSRF prevents other sites from posting our forms. A form contains a token that is a MAC of the browser's cookie under the
// directory's secrets. If the browser sends the origin of the form, it must be this server.
type CSRF struct {
	Secrets  oauth2.Secrets
	Browsers endpoint.BrowserIDs
}

const (
	purposeCSRF    = "csrf"
	tokenParameter = "csrf"
	reasonCSRF     = "forged"
)

// token returns the token for this browser, which gets its cookie if it has none.
func (f CSRF) token(w http.ResponseWriter, r *endpoint.Request) (string, error) {
	browser, err := f.Browsers.Ensure(w, r)
	if err != nil {
		return "", err
	}
	issuer := r.Issuer
	generation, _, err := f.Secrets.Generation(r.Context(), issuer.Directory.ID)
	if err != nil {
		return "", fmt.Errorf("page: token secrets: %w", err)
	}
	return f.tokenOf(r.Request, issuer, generation, browser)
}

func (f CSRF) tokenOf(r *http.Request, issuer *oauth2.Issuer, generation uint32, browser string) (string, error) {
	mac, err := f.Secrets.MAC(r.Context(), issuer.Directory.ID, generation, purposeCSRF, []byte(browser))
	if err != nil {
		return "", fmt.Errorf("page: token secrets: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, generation), mac...)), nil
}

// ReadForm reads a form posted by one of our pages, and rejects any other. Each parameter may appear once, except those in
// repeatable.
func (f CSRF) ReadForm(r *endpoint.Request, repeatable ...string) (url.Values, error) {
	issuer := r.Issuer
	if !isSameOrigin(r.Request, issuer) {
		offerReload(r)
		return nil, csrfError()
	}
	form, err := endpoint.ReadForm(r, repeatable...)
	if err != nil {
		return nil, err
	}
	good, err := f.proves(r.Request, issuer, form.Get(tokenParameter))
	if err != nil {
		return nil, err
	}
	if !good {
		offerReload(r)
		return nil, csrfError()
	}
	return form, nil
}

// proves reports whether a token is this browser's.
func (f CSRF) proves(r *http.Request, issuer *oauth2.Issuer, token string) (bool, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < 4 {
		return false, nil
	}
	held := endpoint.BrowserCookies(r, issuer)
	for _, sent := range held[:min(len(held), endpoint.MaxBrowserCookies)] {
		right, err := f.tokenOf(r, issuer, binary.BigEndian.Uint32(raw), endpoint.BrowserDigest(issuer, sent.Value))
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		if err != nil || subtle.ConstantTimeCompare([]byte(right), []byte(token)) == 1 {
			return err == nil, err
		}
	}
	return false, nil
}

// isSameOrigin reports whether the headers do not name another site as the sender of a form: Sec-Fetch-Site, or Origin of older
// browsers.
func isSameOrigin(r *http.Request, issuer *oauth2.Issuer) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == originOf(issuer)
}

// originOf is the origin of an issuer (RFC 6454 §6.2).
func originOf(issuer *oauth2.Issuer) string {
	scheme, rest, _ := strings.Cut(issuer.URL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

func csrfError() error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusForbidden, "The form was not sent by a page of this server that this browser has open. Go back, reload the page and try again.")
	problem.Reason = reasonCSRF
	return problem
}

// offerReload adds a link to the error page that opens the page of the form again.
func offerReload(r *endpoint.Request) {
	if r.Route == nil {
		return
	}
	to := LinksOf(r.Request, r.Issuer)
	address := to.Path(endpoint.AccountPath)
	if r.Route.Accepts(http.MethodGet) {
		address = to.path + "?" + r.URL.RawQuery
	}
	r.ReturnLink = endpoint.ReturnLink{URL: address, Text: endpoint.TextReload}
}
