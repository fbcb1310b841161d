package console

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/keys"
)

const (
	// inputCookie holds the input of a form whose act needs a new sign-in first.
	inputCookie = "minifed-console-input"
	// inputTime is how long the operator has for the sign-in.
	inputTime = 10 * time.Minute
	// maxInputCookie bounds the cookie; browsers store 4 KB with its name and attributes. Longer input is lost.
	maxInputCookie = 3800
	// maxInput bounds the input.
	maxInput = 64 << 10
)

// input is what an operator typed into a form. It is sealed for the operator: the cookie of another operator, or one that a page of
// another port of the host sets, fills in nothing.
type input struct {
	// Page is the path of the page with the form, and Form the path to which the form posts.
	Page   string     `json:"page"`
	Form   string     `json:"form"`
	Values url.Values `json:"values"`
	Until  time.Time  `json:"until"`
}

func inputBinding(operator string) keys.Binding {
	return keys.Binding{Purpose: "console_input", ID: operator}
}

// keepInput stores the input of a posted form during the sign-in. Secrets and files are not stored.
func (c *Console) keepInput(w http.ResponseWriter, r *request, page string) {
	kept := input{Page: page, Form: r.URL.RequestURI(), Values: url.Values{}, Until: c.config.Now().Add(inputTime)}
	for name, values := range r.form {
		if !strings.Contains(name, "secret") && !strings.Contains(name, "password") {
			kept.Values[name] = values
		}
	}
	if len(kept.Values) == 0 {
		return
	}
	value, err := c.sealInput(kept, r.actor.Name)
	if err != nil {
		c.config.Logger.WarnContext(r.Context(), "console: the input of a form is lost", "error", err, "request_id", r.actor.RequestID)
		return
	}
	if len(value) <= maxInputCookie {
		c.setInputCookie(w, value, int(inputTime.Seconds()))
	}
}

func (c *Console) setInputCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Plain http is for loopback only.
		Name: inputCookie, Value: value, Path: Base, MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(c.config.AdminURL, "https:"),
	})
}

func (c *Console) sealInput(kept input, operator string) (string, error) {
	text, err := json.Marshal(kept)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	writer, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return "", err
	}
	_, _ = writer.Write(text) // A buffer has no error.
	_ = writer.Close()
	sealed, err := c.config.Master.Seal(packed.Bytes(), inputBinding(operator))
	return base64.RawURLEncoding.EncodeToString([]byte(sealed)), err
}

// returnedInput returns the input of a form of the requested page that waited for a sign-in; nil if there is none.
func (c *Console) returnedInput(r *request) *input {
	cookies := r.CookiesNamed(inputCookie)
	if len(cookies) != 1 || r.Method != http.MethodGet {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil {
		return nil
	}
	packed, err := c.config.Master.Open(string(sealed), inputBinding(r.actor.Name))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxInput))
	kept := new(input)
	if err != nil || json.Unmarshal(text, kept) != nil || kept.Page != r.URL.RequestURI() || !c.config.Now().Before(kept.Until) {
		return nil
	}
	return kept
}

// fillIn returns the page with the input in its form, and whether the page has the form.
func (in *input) fillIn(page []byte) ([]byte, bool) {
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return page, false
	}
	form := in.formOf(root)
	if form == nil {
		return page, false
	}
	for n := range form.Descendants() {
		in.fillControl(n)
	}
	var filled bytes.Buffer
	if err := html.Render(&filled, root); err != nil {
		return page, false
	}
	return filled.Bytes(), true
}

// formOf returns the form of a page that posted the input.
func (in *input) formOf(root *html.Node) *html.Node {
	at, err := url.Parse(in.Page)
	if err != nil {
		return nil
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || attributeOf(n, "method") != "post" {
			continue
		}
		action := in.Page // A form without the attribute posts to its page.
		if named := attributeOf(n, "action"); named != "" {
			target, err := at.Parse(named)
			if err != nil {
				continue
			}
			action = target.RequestURI()
		}
		if action == in.Form && in.fits(n) {
			return n
		}
	}
	return nil
}

// fits reports whether a form has a control for each value.
func (in *input) fits(form *html.Node) bool {
	var names []string
	for n := range form.Descendants() {
		if n.Type == html.ElementNode {
			names = append(names, attributeOf(n, "name"))
		}
	}
	for name := range in.Values {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// fillControl gives a control of the form its value.
func (in *input) fillControl(n *html.Node) {
	values := in.Values[attributeOf(n, "name")]
	switch {
	case n.Type != html.ElementNode:
	case n.Data == "input" && slices.Contains([]string{"checkbox", "radio"}, attributeOf(n, "type")):
		mark(n, "checked", slices.Contains(values, attributeOf(n, "value")))
	case n.Data == "input" && len(values) > 0:
		setAttribute(n, "value", values[0])
	case n.Data == "textarea" && len(values) > 0:
		for n.FirstChild != nil {
			n.RemoveChild(n.FirstChild)
		}
		n.AppendChild(&html.Node{Type: html.TextNode, Data: values[0]})
	case n.Data == "option":
		if chosen, of := in.Values[attributeOf(selectOf(n), "name")], attributeOf(n, "value"); chosen != nil {
			mark(n, "selected", slices.Contains(chosen, of))
		}
	}
}

// selectOf returns the list of an option.
func selectOf(option *html.Node) *html.Node {
	for n := range option.Ancestors() {
		if n.Data == "select" {
			return n
		}
	}
	return option
}

func attributeOf(n *html.Node, name string) string {
	for _, attribute := range n.Attr {
		if attribute.Key == name {
			return attribute.Val
		}
	}
	return ""
}

func setAttribute(n *html.Node, name, value string) {
	mark(n, name, false)
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: value})
}

// mark sets or removes an attribute without a value.
func mark(n *html.Node, name string, set bool) {
	n.Attr = slices.DeleteFunc(n.Attr, func(attribute html.Attribute) bool { return attribute.Key == name })
	if set {
		n.Attr = append(n.Attr, html.Attribute{Key: name})
	}
}
