package ferretdb

import (
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// browser is ann's, and runs no scripts. It stops where a relying party would go on.
type browser struct {
	*instance
	client *http.Client
}

func (i *instance) newBrowser() *browser {
	i.Helper()
	return &browser{i, &http.Client{
		Jar: must(cookiejar.New(nil))(i.T), Transport: i.transport,
		CheckRedirect: func(next *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(next.URL.String(), webRedirect) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// authorizeURL is the address of an authorization request; more are parameters in pairs.
func (i *instance) authorizeURL(client string, more ...string) string {
	query := url.Values{
		"client_id": {client}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"}, "redirect_uri": {webRedirect},
	}
	for n := 0; n < len(more); n += 2 {
		query.Set(more[n], more[n+1])
	}
	return i.url + "/oauth2/authorize?" + query.Encode()
}

// visit opens an address.
func (b *browser) visit(address string) apiResponse {
	b.Helper()
	return b.through(b.client, must(http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil))(b.T))
}

// code authorizes, through all pages that are shown, and returns the code.
func (b *browser) code(client string, more ...string) string {
	b.Helper()
	page := b.visit(b.authorizeURL(client, more...))
	for range 6 {
		switch location := onward(page); {
		case strings.HasPrefix(location, webRedirect):
			return must(url.Parse(location))(b.T).Query().Get("code")
		case location != "":
			page = b.visit(location)
		default:
			page = b.submit(page)
		}
	}
	b.Fatal("the pages lead nowhere")
	return ""
}

// onward is where a page goes on to without the person: by a redirect or, after a form with a secret, by Refresh.
func onward(page apiResponse) string {
	if address, ok := strings.CutPrefix(page.header.Get("Refresh"), "0; url="); ok {
		return address
	}
	return page.header.Get("Location")
}

// submit fills in the form of a page and sends it, with further fields in pairs.
func (b *browser) submit(page apiResponse, further ...string) apiResponse {
	b.Helper()
	form := url.Values{"username": {"ann"}, "password": {userPassword}, "decision": {"allow"}}
	for n := 0; n < len(further); n += 2 {
		form.Set(further[n], further[n+1])
	}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page.raw, -1) {
		form.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
	}
	for _, box := range regexp.MustCompile(`type="checkbox"[^>]* name="([^"]*)" value="([^"]*)" checked`).FindAllStringSubmatch(page.raw, -1) {
		form.Add(html.UnescapeString(box[1]), html.UnescapeString(box[2]))
	}
	request := must(http.NewRequestWithContext(b.Context(), http.MethodPost, page.url, strings.NewReader(form.Encode())))(b.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.url)
	return b.through(b.client, request)
}
