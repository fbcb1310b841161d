package wechattest_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// drawQR draws a QR code with its margin, with squares of some pixels.
func drawQR(t *testing.T, text string, level qr.ErrorCorrectionLevel, square int) []byte {
	t.Helper()
	code, err := qr.Encode(text, level, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	side := code.Bounds().Dx()
	picture := image.NewGray(image.Rect(0, 0, (side+8)*square, (side+8)*square))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	for y := range side {
		for x := range side {
			if code.At(x, y) == color.Black {
				at := image.Rect((x+4)*square, (y+4)*square, (x+5)*square, (y+5)*square)
				draw.Draw(picture, at, image.Black, image.Point{}, draw.Src)
			}
		}
	}
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, picture); err != nil {
		t.Fatal(err)
	}
	return encoded.Bytes()
}

func TestReadPicture_ReadsOrdinaryQRCodes(t *testing.T) {
	server := new(wechattest.Server)
	app, err := server.AddApp(wechat.App{ID: "wxsimshop"})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.AddLinkRule("https://id.example.com/scan/", "pages/scan/scan"); err != nil {
		t.Fatal(err)
	}
	if err := app.AddLinkRule("HTTPS://ID.EXAMPLE.COM/", "pages/index"); err != nil { // Capital letters are alphanumeric in a QR code.
		t.Fatal(err)
	}
	for level, longest := range map[qr.ErrorCorrectionLevel]int{qr.L: 250, qr.M: 200, qr.Q: 140, qr.H: 110} {
		for length := 30; length < longest; length += 13 {
			for prefix, page := range map[string]string{"https://id.example.com/scan/": "pages/scan/scan", "HTTPS://ID.EXAMPLE.COM/": "pages/index"} {
				link := prefix + strings.Repeat("0123456789AB", length)[:length-len(prefix)]
				opened, err := server.ReadPicture(drawQR(t, link, level, 1+length%4))
				if err != nil || opened.Link != link || opened.Page != page || opened.AppID != "wxsimshop" || !strings.HasPrefix(opened.Query, "q=http") && !strings.HasPrefix(opened.Query, "q=HTTP") {
					t.Errorf("%v of level %v: %+v, %v", link, level, opened, err)
				}
			}
		}
	}
}

func TestOpenOrdinaryLink_FollowsRules(t *testing.T) {
	server := new(wechattest.Server)
	app, err := server.AddApp(wechat.App{ID: "wxsimshop"})
	if err != nil {
		t.Fatal(err)
	}
	for prefix, page := range map[string]string{"https://id.example.com/d/shop/scan/": "below", "https://id.example.com/exact": "exact", "https://id.example.com/q?a=1": "query"} {
		if err := app.AddLinkRule(prefix, page); err != nil {
			t.Fatal(err)
		}
	}
	for link, want := range map[string]string{
		"https://id.example.com/d/shop/scan/AbC": "below",
		"https://id.example.com/d/shop/scan/":    "below",
		"https://id.example.com/d/shop/scan":     "",
		"http://id.example.com/d/shop/scan/AbC":  "",
		"https://id.example.org/d/shop/scan/AbC": "",
		"https://id.example.com/exact":           "exact",
		"https://id.example.com/exact/below":     "",
		"https://id.example.com/q?a=12":          "query",
		"https://id.example.com/q?b=1":           "",
		"weixin://x":                             "",
	} {
		opened, err := server.OpenOrdinaryLink(link)
		if opened.Page != want || (err == nil) != (want != "") {
			t.Errorf("%s opens %q, %v; want %q", link, opened.Page, err, want)
		}
	}
	for _, prefix := range []string{"", "id.example.com/scan/", "ftp://id.example.com/", "https://"} {
		if app.AddLinkRule(prefix, "page") == nil {
			t.Errorf("the rule %q is accepted", prefix)
		}
	}
}

// FuzzReadPicture reads pictures of any modules without a panic.
func FuzzReadPicture(f *testing.F) {
	f.Add([]byte("\xff\x80\x00"), uint8(21))
	f.Fuzz(func(t *testing.T, modules []byte, side uint8) {
		picture := image.NewGray(image.Rect(0, 0, int(side), int(side)))
		for i := range picture.Pix {
			if len(modules) > 0 && modules[i/8%len(modules)]>>(i%8)&1 == 0 {
				picture.Pix[i] = 255
			}
		}
		for x := range min(7, int(side)) { // Without a finder pattern it is no code at all.
			picture.Pix[x] = 0
		}
		var encoded bytes.Buffer
		if png.Encode(&encoded, picture) != nil {
			return
		}
		if opened, err := new(wechattest.Server).ReadPicture(encoded.Bytes()); err == nil {
			t.Error(fmt.Sprint("a server without rules opens ", opened))
		}
	})
}
