package demopage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Browser is a browser without a screen: it follows redirects, stores cookies and sends forms.
type Browser struct {
	http    *http.Client
	header  http.Header
	address *url.URL
	// Arrived is the address at the app that the browser was sent to; nil before.
	Arrived  *url.URL
	document *html.Node
}

// NewBrowser returns a browser that sends the header with each request. It stops when it is sent back to an app.
func NewBrowser(header http.Header) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &Browser{header: header}
	b.http = &http.Client{Jar: jar, Timeout: timeout, Transport: &http.Transport{}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == CallbackPath {
			b.Arrived = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b, nil
}

// SetCookies gives the browser cookies of an origin.
func (b *Browser) SetCookies(origin *url.URL, cookies ...*http.Cookie) {
	b.http.Jar.SetCookies(origin, cookies)
}

// Close closes its connections.
func (b *Browser) Close() { b.http.CloseIdleConnections() }

// Open opens an address.
func (b *Browser) Open(ctx context.Context, address string) error {
	_, err := b.send(ctx, http.MethodGet, address, nil)
	return err
}

// Reload opens the page again.
func (b *Browser) Reload(ctx context.Context) error { return b.Open(ctx, b.address.String()) }

// Submit sends the form with an ID, with the fields of the page and further ones.
func (b *Browser) Submit(ctx context.Context, form string, further url.Values) error {
	found := find(b.document, func(n *html.Node) bool { return n.Data == "form" && attribute(n, "id") == form })
	if found == nil {
		return fmt.Errorf("there is no %s at %s: %s", form, b.address, b.Content("", "main"))
	}
	values := url.Values{}
	for input := range found.Descendants() {
		if input.Data == "input" && attribute(input, "name") != "" {
			values.Set(attribute(input, "name"), attribute(input, "value"))
		}
	}
	for name, value := range further {
		values[name] = value
	}
	action, err := b.address.Parse(attribute(found, "action"))
	if err != nil {
		return err
	}
	_, err = b.send(ctx, http.MethodPost, action.String(), values)
	return err
}

// Picture returns the picture of the page that has the ID picture.
func (b *Browser) Picture(ctx context.Context) ([]byte, error) {
	shown := find(b.document, func(n *html.Node) bool { return n.Data == "img" && attribute(n, "id") == "picture" })
	if shown == nil {
		return nil, fmt.Errorf("there is no picture at %s: %s", b.address, b.Content("", "main"))
	}
	address, err := b.address.Parse(attribute(shown, "src"))
	if err != nil {
		return nil, err
	}
	response, err := b.do(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(io.LimitReader(response.Body, maxDocument))
}

// Content returns the text of the first element with an ID, or with a name if id is empty.
func (b *Browser) Content(id, element string) string {
	found := find(b.document, func(n *html.Node) bool {
		return n.Type == html.ElementNode && (id != "" && attribute(n, "id") == id || id == "" && n.Data == element)
	})
	if found == nil {
		return ""
	}
	var text strings.Builder
	for part := range found.Descendants() {
		if part.Type == html.TextNode {
			text.WriteString(part.Data + " ")
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// Alert returns the text of the page's alert; empty for none.
func (b *Browser) Alert() string {
	found := find(b.document, func(n *html.Node) bool { return attribute(n, "role") == "alert" })
	if found == nil {
		return ""
	}
	return strings.TrimSpace((&Browser{document: found}).Content("", found.Data))
}

// Link returns the address of the link with an ID.
func (b *Browser) Link(id string) string {
	found := find(b.document, func(n *html.Node) bool { return n.Data == "a" && attribute(n, "id") == id })
	if found == nil {
		return ""
	}
	return attribute(found, "href")
}

func (b *Browser) do(ctx context.Context, method, address string, form url.Values) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode())) //nolint:gosec // As below.
	if err != nil {
		return nil, err
	}
	request.Header = b.header.Clone()
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.http.Do(request) //nolint:gosec // The addresses are those of this demonstration.
}

func (b *Browser) send(ctx context.Context, method, address string, form url.Values) (int, error) {
	b.Arrived = nil
	response, err := b.do(ctx, method, address, form)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if b.Arrived != nil {
		return response.StatusCode, nil
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxDocument))
	if err != nil {
		return 0, err
	}
	b.address = response.Request.URL
	if b.document, err = html.Parse(bytes.NewReader(content)); err != nil {
		return 0, err
	}
	_, onward, refreshed := strings.Cut(response.Header.Get("Refresh"), "url=")
	if !refreshed {
		return response.StatusCode, nil
	}
	next, err := b.address.Parse(onward)
	if err != nil {
		return 0, err
	}
	if next.Path == CallbackPath {
		b.Arrived = next
		return response.StatusCode, nil
	}
	return b.send(ctx, http.MethodGet, next.String(), nil)
}

func find(from *html.Node, is func(*html.Node) bool) *html.Node {
	if from == nil {
		return nil
	}
	if is(from) {
		return from
	}
	for n := range from.Descendants() {
		if is(n) {
			return n
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
