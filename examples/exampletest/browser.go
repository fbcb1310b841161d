package exampletest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
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
	return b.SubmitForm(t, page, "", fields, button)
}

// SubmitForm does the same with the first form whose ID or action contains a text.
func (b *Browser) SubmitForm(t *testing.T, page Page, named string, fields map[string]string, button string) Page {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		t.Fatal(err)
	}
	forms := slices.DeleteFunc(find(root, "form"), func(form *html.Node) bool {
		return !strings.Contains(attribute(form, "id")+" "+attribute(form, "action"), named)
	})
	if len(forms) == 0 {
		t.Fatalf("no form %q at %s:\n%s", named, page.URL, page.Body)
	}
	form := forms[0]
	action, err := page.URL.Parse(attribute(form, "action"))
	if err != nil {
		t.Fatal(err)
	}
	request := Form(t, action.String(), filled(form, fields, button))
	request.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	return b.do(t, request)
}

func (b *Browser) do(t *testing.T, request *http.Request) Page {
	t.Helper()
	request.Header.Set("Accept", "text/html,*/*;q=0.8")
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
		if name := attribute(pressed, "name"); name != "" && (attribute(pressed, "value") == button || i == 0) {
			values.Set(name, attribute(pressed, "value"))
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
