package admin

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// pictureOf returns a PNG of one colour with a square of another colour in its middle.
func pictureOf(t testing.TB, width, height int, ground, square color.Color) []byte {
	t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(ground), image.Point{}, draw.Src)
	draw.Draw(picture, image.Rect(width/4, height/4, width*3/4, height*3/4), image.NewUniform(square), image.Point{}, draw.Src)
	return asPNG(t, picture)
}

func asPNG(t testing.TB, picture image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

var (
	green = color.NRGBA{R: 7, G: 193, B: 96, A: 255}
	white = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
	clear = color.NRGBA{}
)

func TestLogo_IsReencodedWithoutMetadata(t *testing.T) {
	picture := pictureOf(t, 900, 300, white, green)
	var asJPEG, asGIF bytes.Buffer
	decoded, err := png.Decode(bytes.NewReader(picture))
	must(t, err)
	must(t, jpeg.Encode(&asJPEG, decoded, nil))
	flat := image.NewPaletted(decoded.Bounds(), color.Palette{white, green})
	draw.Draw(flat, flat.Bounds(), decoded, image.Point{}, draw.Src)
	must(t, gif.Encode(&asGIF, flat, nil))
	for name, file := range map[string][]byte{"PNG": picture, "JPEG": asJPEG.Bytes(), "GIF": asGIF.Bytes()} {
		kept, err := encodeLogo(append(file, "<script>alert(1)</script>"...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := png.Decode(bytes.NewReader(kept))
		must(t, err)
		if got.Bounds() != image.Rect(0, 0, 360, 120) || len(kept) > storage.MaxLogo || bytes.Contains(kept, []byte("script")) {
			t.Errorf("%s: %v pixels, %d bytes", name, got.Bounds(), len(kept))
		}
		for at, want := range map[image.Point]color.NRGBA{{X: 180, Y: 60}: green, {X: 5, Y: 5}: white} {
			if have := color.NRGBAModel.Convert(got.At(at.X, at.Y)).(color.NRGBA); coloursDiffer(have, want) {
				t.Errorf("%s: %v is %v, not %v", name, at, have, want)
			}
		}
		if again, err := encodeLogo(kept); err != nil || !bytes.Equal(again, kept) {
			t.Errorf("%s: drawn once more it changes: %v", name, err)
		}
	}
}

// coloursDiffer reports whether colours differ by more than JPEG compression causes.
func coloursDiffer(a, b color.NRGBA) bool {
	off := func(x, y uint8) bool { return max(x, y)-min(x, y) > 6 }
	return off(a.R, b.R) || off(a.G, b.G) || off(a.B, b.B) || off(a.A, b.A)
}

func TestLogo_IsTrimmedAndVisibleOnWhite(t *testing.T) {
	kept, err := encodeLogo(pictureOf(t, 400, 400, clear, green))
	must(t, err)
	got, err := png.Decode(bytes.NewReader(kept))
	must(t, err)
	if corner := color.NRGBAModel.Convert(got.At(0, 0)).(color.NRGBA); coloursDiffer(corner, green) || got.Bounds().Dx() != 120 {
		t.Errorf("margins are left: %v, corner %v", got.Bounds(), corner)
	}
	ring := image.NewNRGBA(image.Rect(0, 0, 400, 400))
	draw.Draw(ring, ring.Bounds(), image.NewUniform(white), image.Point{}, draw.Src)
	draw.Draw(ring, image.Rect(20, 20, 380, 380), image.NewUniform(clear), image.Point{}, draw.Src)
	draw.Draw(ring, image.Rect(150, 150, 250, 250), image.NewUniform(white), image.Point{}, draw.Src)
	kept, err = encodeLogo(asPNG(t, ring))
	must(t, err)
	got, err = png.Decode(bytes.NewReader(kept))
	must(t, err)
	corner, middle := color.NRGBAModel.Convert(got.At(0, 0)).(color.NRGBA), color.NRGBAModel.Convert(got.At(60, 60)).(color.NRGBA)
	if coloursDiffer(corner, color.NRGBA{0x17, 0x1a, 0x21, 255}) || coloursDiffer(middle, white) {
		t.Errorf("white on transparent is on %v, its middle is %v", corner, middle)
	}
}

func TestLogo_RejectsInvalidFileWithReason(t *testing.T) {
	noise := image.NewNRGBA(image.Rect(0, 0, 512, 512))
	source := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = uint8(source.Uint32() | uint32(255*(i%4/3)))
	}
	long := image.NewNRGBA(image.Rect(0, 0, MaxLogoSide+1, 1))
	for reason, file := range map[string][]byte{
		"is not a PNG, JPEG or GIF picture": []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`),
		"is a broken picture":               pictureOf(t, 100, 100, white, green)[:60],
		"is an empty picture":               pictureOf(t, 100, 100, clear, clear),
		"at most 2048 in each direction":    asPNG(t, long),
		"is larger than 1024 KB":            make([]byte, MaxLogoFile+1),
	} {
		if _, err := encodeLogo(file); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("error %v, want %q", err, reason)
		}
	}
	// Noise is the largest possible picture, and is scaled down as needed.
	if kept, err := encodeLogo(asPNG(t, noise)); err != nil || len(kept) > storage.MaxLogo {
		t.Errorf("noise: %d bytes, %v", len(kept), err)
	}
}

// deepPNG returns a white, half transparent square in a transparent frame, with 16 bits a channel. The encoder of the standard library converts pixel by
// pixel, which takes seconds with the race detector.
func deepPNG(t *testing.T, side, frame int) []byte {
	t.Helper()
	file := bytes.NewBufferString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		file.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
		file.Write(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body)))
	}
	size := binary.BigEndian.AppendUint32(nil, uint32(side))
	chunk("IHDR", slices.Concat(size, size, []byte{16, 6, 0, 0, 0}))
	empty := make([]byte, 1+8*side)
	filled := slices.Clone(empty)
	copy(filled[1+8*frame:1+8*(side-frame)], bytes.Repeat([]byte{0xff, 0, 0xff, 0, 0xff, 0, 0x80, 0}, side))
	var rows bytes.Buffer
	packed := zlib.NewWriter(&rows)
	for y := range side {
		row := filled
		if y < frame || y >= side-frame {
			row = empty
		}
		_, err := packed.Write(row)
		must(t, err)
	}
	must(t, packed.Close())
	chunk("IDAT", rows.Bytes())
	chunk("IEND", nil)
	return file.Bytes()
}

// A file of a few kilobytes can expand to the largest accepted picture. Encoding it takes the memory of one picture, not of
// intermediate results.
func TestLogo_MemoryIsBoundedByPixels(t *testing.T) {
	const pixels = MaxLogoSide * MaxLogoSide * 8
	file := deepPNG(t, MaxLogoSide, 20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := encodeLogo(file)
	runtime.ReadMemStats(&after)
	must(t, err)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 2*pixels {
		t.Errorf("%d MB for a picture of %d MB", taken>>20, pixels>>20)
	}
}

func TestLogo_AcceptsOnePixelWidth(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 2000}, {2000, 1}} {
		if kept, err := encodeLogo(pictureOf(t, size[0], size[1], green, green)); err != nil || len(kept) == 0 {
			t.Errorf("%v: %v", size, err)
		}
	}
}

func TestLogo_IsReencodedForDirectoriesAndClients(t *testing.T) {
	h := newServiceHarness(t)
	file := append(pictureOf(t, 900, 300, white, green), "hidden"...)
	directory, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Branding.Logo = file })
	must(t, err)
	created, _, err := h.CreateClient(t.Context(), NewClient{Client: storage.Client{
		Directory: "default", ID: "shop", Kind: storage.ClientSPA, RedirectURIs: []string{"https://shop.example/cb"}, Logo: file,
	}})
	must(t, err)
	logo := created.Record.Logo
	if len(logo) == 0 || bytes.Contains(logo, []byte("hidden")) || !bytes.Equal(logo, directory.Record.Branding.Logo) {
		t.Errorf("stored %d bytes and %d bytes", len(logo), len(directory.Record.Branding.Logo))
	}
	renamed, err := h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.Name = "Shop" })
	must(t, err)
	if !bytes.Equal(renamed.Record.Logo, logo) {
		t.Error("another name changes the logo")
	}
	removed, err := h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.Logo = nil })
	must(t, err)
	if len(removed.Record.Logo) != 0 {
		t.Error("the logo stays")
	}
	bad := []byte("<svg/>")
	_, err = h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.Logo = bad })
	wantInvalid(t, err, "logo")
	_, err = h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Branding.Logo = bad })
	wantInvalid(t, err, "branding.logo")
	_, err = h.CreateDirectory(t.Context(), storage.Directory{ID: "other", Branding: storage.Branding{Logo: bad}})
	wantInvalid(t, err, "branding.logo")
	_, _, err = h.CreateClient(t.Context(), NewClient{Client: storage.Client{Directory: "default", Kind: storage.ClientSPA, Logo: bad}})
	wantInvalid(t, err, "logo")
}

func TestClient_DisplayedTextIsSafe(t *testing.T) {
	h := newServiceHarness(t)
	for _, name := range []string{"Shop\u202etxt.exe", "Shop\u2066", "a\x00b", "line\nbreak", "\xff"} {
		_, _, err := h.CreateClient(t.Context(), NewClient{Client: storage.Client{
			Directory: "default", Kind: storage.ClientSPA, RedirectURIs: []string{"https://shop.example/cb"}, Name: name,
			PolicyURL: "javascript:alert(1)", TermsURL: "http://shop.example/terms",
		}})
		wantInvalid(t, err, "name", "policy_url", "terms_url")
	}
}

func FuzzLogo(f *testing.F) {
	f.Add(pictureOf(f, 40, 20, white, green))
	f.Add(pictureOf(f, 20, 40, clear, white))
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, file []byte) {
		kept, err := encodeLogo(file)
		if err != nil {
			return
		}
		config, err := png.DecodeConfig(bytes.NewReader(kept))
		if err != nil || len(kept) > storage.MaxLogo || config.Width > logoWidth || config.Height > logoHeight {
			t.Errorf("%d bytes, %d × %d pixels, %v", len(kept), config.Width, config.Height, err)
		}
	})
}
