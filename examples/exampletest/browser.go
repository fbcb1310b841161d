package exampletest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser is a browser without scripts: cookies, redirects and plain HTML forms.
type Browser struct{ client *http.Client }

// Page is the current page of a Browser.
type Page struct {
	URL  *url.URL
	Body string
}

// NewBrowser returns a browser without cookies.
func NewBrowser(t *testing.T) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{client: &http.Client{Jar: jar}}
}

// Open gets a page.
func (b *Browser) Open(t *testing.T, address string) Page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, request)
}

// Submit fills in the first form of the page and presses the button with that value, or the first one.
func (b *Browser) Submit(t *testing.T, page Page, fields map[string]string, button string) Page {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		t.Fatal(err)
	}
	form := find(root, "form")
	if len(form) == 0 {
		t.Fatalf("no form at %s:\n%s", page.URL, page.Body)
	}
	action, err := page.URL.Parse(attribute(form[0], "action"))
	if err != nil {
		t.Fatal(err)
	}
	request := Form(t, action.String(), filled(form[0], fields, button))
	request.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	return b.do(t, request)
}

func (b *Browser) do(t *testing.T, request *http.Request) Page {
	t.Helper()
	response, err := b.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if onward, ok := strings.CutPrefix(response.Header.Get("Refresh"), "0; url="); ok {
		return b.Open(t, onward)
	}
	return Page{URL: response.Request.URL, Body: string(body)}
}

func filled(form *html.Node, fields map[string]string, button string) url.Values {
	values := url.Values{}
	for _, input := range find(form, "input") {
		left := attribute(input, "type") == "checkbox" && !has(input, "checked")
		if name := attribute(input, "name"); name != "" && !left {
			values.Add(name, attribute(input, "value"))
		}
	}
	for name, value := range fields {
		values.Set(name, value)
	}
	for i, pressed := range find(form, "button") {
		if attribute(pressed, "value") == button || i == 0 {
			values.Set(attribute(pressed, "name"), attribute(pressed, "value"))
		}
	}
	return values
}

func find(node *html.Node, tag string) []*html.Node {
	var found []*html.Node
	for child := range node.Descendants() {
		if child.Type == html.ElementNode && child.Data == tag {
			found = append(found, child)
		}
	}
	return found
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(node *html.Node, name string) bool {
	for _, a := range node.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
