package server_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
)

// logoOfSize returns a stored logo: a dark square, on a transparent ground if clear is set.
func logoOfSize(t *testing.T, width, height int, clear bool) []byte {
	t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range picture.Pix {
		if i%4 == 3 && (!clear || i > len(picture.Pix)/2) {
			picture.Pix[i] = 255
		}
	}
	picture.SetNRGBA(0, height-1, color.NRGBA{A: 255})
	var file bytes.Buffer
	check(t, png.Encode(&file, picture))
	return file.Bytes()
}

func TestLogo_HasItsDimensions(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	for _, c := range []struct {
		name              string
		width, height     int
		clear             bool
		class, wide, tall string
		nameIsHidden      bool
	}{
		{"square", 120, 120, false, "logo", "40", "40", false},
		{"tall", 40, 120, true, "logo clear", "13", "40", false},
		{"a name written out", 480, 120, true, "logo clear", "160", "40", true},
		{"very wide", 480, 40, false, "logo", "176", "15", true},
		{"small", 10, 10, false, "logo", "40", "40", false},
	} {
		ts.editDirectory(func(d *storage.Directory) { d.Branding.Logo = logoOfSize(t, c.width, c.height, c.clear) })
		b.get(ts.url + "/login")
		logo := findElements(b.document(), func(n *html.Node) bool { return n.Data == "img" })[0]
		if attribute(logo, "class") != c.class || attribute(logo, "width") != c.wide || attribute(logo, "height") != c.tall {
			t.Errorf("%s: %v", c.name, logo.Attr)
		}
		name := findElements(b.document(), func(n *html.Node) bool {
			return n.Data == "span" && strings.HasPrefix(attribute(n, "class"), "name")
		})[0]
		if hidden := strings.Contains(attribute(name, "class"), "unseen"); hidden != c.nameIsHidden || textOf(name) != "Default" {
			t.Errorf("%s: the name %q is hidden: %v", c.name, textOf(name), hidden)
		}
	}
}

func TestConsentPage_ShowsClientLogo(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	logo := logoOfSize(t, 120, 120, false)
	ts.change("shop", func(c *storage.Client) {
		c.Logo, c.PolicyURL, c.TermsURL = logo, "https://shop.example/privacy?a=1&b=2", "https://shop.example/terms"
	})
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid profile")
	b.signInAs("wanda")
	b.wantAt(t, "/consent", http.StatusOK, "About Tea & Co: Privacy policy · Terms of use")
	links := map[string]string{}
	for _, n := range findElements(b.document(), func(n *html.Node) bool { return n.Data == "a" }) {
		links[textOf(n)] = attribute(n, "href")
	}
	if links["Privacy policy"] != "https://shop.example/privacy?a=1&b=2" || links["Terms of use"] != "https://shop.example/terms" {
		t.Errorf("%v", links)
	}
	address := attribute(findElements(b.document(), func(n *html.Node) bool { return n.Data == "img" })[0], "src")
	picture := b.get(ts.url + address)
	if !strings.HasPrefix(address, "/assets/client-shop.") || picture.status != http.StatusOK || picture.header.Get("Content-Type") != "image/png" ||
		picture.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || picture.body != string(logo) {
		t.Errorf("%s: %d %v", address, picture.status, picture.header)
	}
	for _, nobody := range []string{"/assets/client-app.x.png", "/assets/client-nobody.x.png", "/assets/client-.x.png", "/assets/client-shop.x.css"} {
		if got := b.get(ts.url + nobody); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", nobody, got.status)
		}
	}
	b.openAuthorize("scope", "openid profile")
	b.press("consent-form", "allow")
	b.get(ts.url + "/account/apps")
	if src := attribute(findElements(b.document(), func(n *html.Node) bool { return n.Data == "img" })[0], "src"); src != address {
		t.Errorf("the account shows %q", src)
	}
}
