package authorize

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage/oauth2"
)

// Response is the destination of an authorization response: a registered redirect URI of an enabled client (RFC 6749 §3.1.2).
type Response struct {
	Client      *oauth2.Client
	RedirectURI string
	// mode is the response mode (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
	mode string
	// state is the client's state parameter, unchanged; empty without one.
	state string
}

const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

func responseModes() []string { return []string{modeQuery, modeFormPost} }

// send sends parameters to the client, with state and the issuer (RFC 9207 §2). The issuer prevents mix-up attacks on a client
// of several issuers.
func (to Response) send(w http.ResponseWriter, r *endpoint.Request, parameters url.Values) {
	if to.state != "" {
		parameters.Set("state", to.state)
	}
	parameters.Set("iss", r.Issuer.URL)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	if to.mode == modeFormPost {
		to.post(w, r, parameters)
		return
	}
	// 303: the browser requests the redirect URI with GET after any method (RFC 9700 §4.12).
	header.Set("Location", WithQuery(to.RedirectURI, parameters))
	w.WriteHeader(http.StatusSeeOther)
}

// WithQuery adds parameters to the query of a URI (RFC 6749 §3.1.2).
func WithQuery(uri string, parameters url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		return uri + "?" + parameters.Encode()
	case strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&"):
		return uri + parameters.Encode()
	default:
		return uri + "&" + parameters.Encode()
	}
}

// fail sends an error to the client (RFC 6749 §4.1.2.1). It is an endpoint.ErrorWriter, so that the error is logged and
// counted like any other.
func (to Response) fail(w http.ResponseWriter, r *endpoint.Request, problem *grants.Error) {
	members := problem.Members()
	parameters := url.Values{"error": {problem.Protocol.ErrorField}}
	if description, ok := members["error_description"].(string); ok && description != "" {
		parameters.Set("error_description", description)
	}
	to.send(w, r, parameters)
}

// post renders a page whose form posts the parameters to the client (Form Post Response Mode §2). A script submits it
// immediately; without scripts, the user sees a page with a button.
func (to Response) post(w http.ResponseWriter, r *endpoint.Request, parameters url.Values) {
	sum := sha256.Sum256([]byte(formPostScript))
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; base-uri 'none'; frame-ancestors 'none'")
	var page strings.Builder
	page.WriteString(formPostHead)
	for _, sheet := range formPostSheets(r) {
		page.WriteString(`<link rel="stylesheet" href="` + html.EscapeString(sheet) + `">` + "\n")
	}
	page.WriteString(formPostForm + html.EscapeString(to.RedirectURI) + `">` + "\n")
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		page.WriteString(`<input type="hidden" name="` + html.EscapeString(name) + `" value="` + html.EscapeString(parameters.Get(name)) + `">` + "\n")
	}
	page.WriteString(formPostTail)
	_, _ = io.WriteString(w, page.String()) // The connection is gone when this fails.
}

// formPostSheets returns the URLs of the style sheets of the issuer's pages.
func formPostSheets(r *endpoint.Request) []string {
	issuer := r.Issuer
	to := page.LinksOf(r.Request, issuer)
	return []string{to.Path(page.AssetsPath + page.StyleFile), to.Path(page.AssetsPath + page.AccentFile(issuer.Directory.Branding))}
}

// formPostScript is the only script of the page; the Content-Security-Policy contains its hash.
const formPostScript = `document.forms[0].submit();`

// The page around the style sheets, the form's address and its fields. It is in both languages, because it is visible only
// without scripts.
const (
	formPostHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Continue · 继续</title>
<noscript>
`
	formPostForm = `</noscript>
</head>
<body>
<div class="frame">
<main class="card">
<form method="post" action="`
	formPostTail = `<noscript>
<h1>Continue · <span lang="zh-CN">继续</span></h1>
<p class="lead">Go back to the application to finish signing in.<br><span lang="zh-CN">请返回应用以完成登录。</span></p>
<div class="stack"><button class="primary" type="submit" id="continue">Continue · <span lang="zh-CN">继续</span></button></div>
</noscript>
</form>
<script>` + formPostScript + `</script>
</main>
</div>
</body>
</html>
`
)
