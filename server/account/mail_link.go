package account

import (
	"net/http"
	"net/url"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// tokenOfMail is the parameter of a link in a mail.
const tokenOfMail = "proof"

// tokenLink is the URL of a page that a mail links to, without the token.
type tokenLink string

// mailLink returns the link to a page, in the language that the browser chose.
func mailLink(r *endpoint.Request, path string) tokenLink {
	link := r.Issuer.URL + path + "?"
	if locales := r.URL.Query().Get("ui_locales"); locales != "" {
		link += url.Values{"ui_locales": {locales}}.Encode() + "&"
	}
	return tokenLink(link + tokenOfMail + "=")
}

// proofOf returns the token of a mail in a URL, as a parameter for the next URL.
func proofOf(r *http.Request) []string {
	if token := r.URL.Query().Get(tokenOfMail); token != "" {
		return []string{tokenOfMail, token}
	}
	return nil
}

// with returns the URL with a token, which is base64url.
func (l tokenLink) with(token string) string { return string(l) + token }

// MessageData is what a page with a message shows.
type MessageData struct {
	Text page.Message
	More []page.Message
	Link *page.Link
}
