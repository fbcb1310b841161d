package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // An operator's logo may be a GIF,
	_ "image/jpeg" // or a JPEG.
	"image/png"
	"math"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const (
	// MaxLogoFile bounds the file of a logo as an operator has it, in bytes.
	MaxLogoFile = 1 << 20
	// MaxLogoSide bounds its pixels, in each direction: a small file can unfold to a very large picture.
	MaxLogoSide = 2048
	// logoWidth and logoHeight limit the stored picture: enough for a header on the densest screens.
	logoWidth, logoHeight = 480, 120
	// minLogoHeight is the height below which a logo that needs too many bytes is not reduced further.
	minLogoHeight = 32
	// pixelMemory is how many bytes a pixel takes at most while a picture is decoded: four coefficients and samples of a
	// progressive JPEG for print.
	pixelMemory = 24
	// faint is the luminance above which nothing is seen on white, and faintPart how much of a logo must be above it to be
	// put on a dark ground.
	faint, faintPart = 0.8, 0.9
)

// drawLogo replaces a new logo by the picture to store. It leaves the previous logo unchanged. An unusable picture is an
// *Invalid with that field.
func (s *Service) drawLogo(ctx context.Context, field string, before []byte, asked *[]byte) error {
	if len(*asked) == 0 || bytes.Equal(before, *asked) {
		return nil
	}
	drawn, err := DrawLogo(ctx, s.config.Hashing, *asked)
	if unusable := (*unusableLogo)(nil); errors.As(err, &unusable) {
		return &Invalid{[]Problem{{field, unusable.Error()}}}
	}
	if err != nil {
		return err
	}
	*asked = drawn
	return nil
}

// unusableLogo is the error for a file that is no logo.
type unusableLogo struct{ error }

// DrawLogo returns the picture to store for the file of a logo, or an error for an unusable file. hashing bounds the memory.
func DrawLogo(ctx context.Context, hashing *identity.Hashing, file []byte) (drawn []byte, err error) {
	var invalid error
	if err := hashing.Run(ctx, logoMemory(file), func() { drawn, invalid = encodeLogo(file) }); err != nil {
		return nil, err
	}
	if invalid != nil {
		return nil, &unusableLogo{invalid}
	}
	return drawn, nil
}

// logoMemory is at most how many KiB it takes to decode a picture.
func logoMemory(file []byte) int64 {
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || config.Width > MaxLogoSide || config.Height > MaxLogoSide {
		return 0 // It is not decoded.
	}
	return int64(config.Width) * int64(config.Height) * pixelMemory >> 10
}

// encodeLogo draws a picture again, so that browsers get only pixels and no data hidden in a file. It reads PNG, JPEG and GIF.
// The result is a PNG of at most storage.MaxLogo bytes that is visible on white.
func encodeLogo(file []byte) ([]byte, error) {
	if len(file) > MaxLogoFile {
		return nil, fmt.Errorf("is larger than %d KB", MaxLogoFile>>10)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("is not a PNG, JPEG or GIF picture")
	}
	if config.Width > MaxLogoSide || config.Height > MaxLogoSide {
		return nil, fmt.Errorf("has %d × %d pixels; at most %d in each direction are read", config.Width, config.Height, MaxLogoSide)
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("is a broken picture")
	}
	source, ok := decoded.(image.RGBA64Image) // as all pictures of package image are
	if !ok {
		return nil, errors.New("is a picture of an unknown kind")
	}
	visible := trimmed(source)
	if visible.area.Empty() {
		return nil, errors.New("is an empty picture: every pixel is transparent")
	}
	return visible.encode()
}

// picture is an area of a decoded picture, which is read where it is: for arithmetic a pixel takes several times the space.
type picture struct {
	image.RGBA64Image
	area image.Rectangle
}

// at is a pixel of the area for arithmetic: red, green, blue and opacity, from 0 to 1. The colours are linear in the channel's value
// and multiplied by the opacity.
func (p picture) at(x, y int) [4]float64 {
	c := p.RGBA64At(p.area.Min.X+x, p.area.Min.Y+y)
	return [4]float64{float64(c.R) / 0xffff, float64(c.G) / 0xffff, float64(c.B) / 0xffff, float64(c.A) / 0xffff}
}

// trimmed is the picture without its transparent margins, which would make it look small; empty when nothing else is there.
func trimmed(source image.RGBA64Image) picture {
	const visible = 0xffff / 64
	seen, bounds := image.Rectangle{}, source.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if source.RGBA64At(x, y).A > visible {
				seen = seen.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return picture{source, seen}
}

// pale reports whether the picture is white on nothing. Pages put it on white or on something close to it, in the dark too.
func (p picture) pale() bool {
	var all, pale float64
	for y := range p.area.Dy() {
		for x := range p.area.Dx() {
			pixel := p.at(x, y)
			opacity := pixel[3]
			all += opacity
			if 0.2126*pixel[0]+0.7152*pixel[1]+0.0722*pixel[2] > faint*opacity {
				pale += opacity
			}
		}
	}
	return all <= 0.99*float64(p.area.Dx()*p.area.Dy()) && pale >= faintPart*all
}

// encode is the largest PNG of the picture that is small enough. One that could not be seen gets a dark ground, and a margin of it.
func (p picture) encode() ([]byte, error) {
	width, height, margin := p.area.Dx(), p.area.Dy(), 0
	pale := p.pale()
	if pale {
		margin = max(width, height) / 8
	}
	scale := min(1, float64(logoWidth)/float64(width+2*margin), float64(logoHeight)/float64(height+2*margin))
	for ; ; scale *= 0.85 {
		around := int(float64(margin) * scale)
		drawn := p.shrunk(scaled(width, scale), scaled(height, scale))
		if pale {
			drawn = drawn.framed(around)
		}
		var file bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(&file, drawn.image()); err != nil {
			return nil, err
		}
		if file.Len() <= storage.MaxLogo {
			return file.Bytes(), nil
		}
		if drawn.height <= minLogoHeight {
			return nil, fmt.Errorf("does not fit into %d KB, however small it is drawn: a logo is simpler", storage.MaxLogo>>10)
		}
	}
}

func scaled(side int, scale float64) int { return max(1, int(math.Round(float64(side)*scale))) }

// shrunk is the picture with fewer pixels, each the mean of those in its place.
func (p picture) shrunk(width, height int) *pixels {
	narrow := narrowed(p.area.Dx(), p.area.Dy(), width, p.at).turned()
	return narrowed(narrow.width, narrow.height, height, narrow.pixel).turned()
}

// narrowed scales a picture of the given width and height to a smaller width.
func narrowed(old, height, width int, at func(x, y int) [4]float64) *pixels {
	narrow := newPixels(width, height)
	step := float64(old) / float64(width)
	for x := range width {
		from, to := float64(x)*step, float64(x+1)*step
		for under := int(from); under < min(old, int(math.Ceil(to))); under++ {
			part := (min(to, float64(under+1)) - max(from, float64(under))) / step
			for y := range height {
				for channel, value := range at(under, y) {
					narrow.at[y*width+x][channel] += value * part
				}
			}
		}
	}
	return narrow
}

// pixels is a small picture, of such pixels as picture.at gives.
type pixels struct {
	width, height int
	// at are they, line by line.
	at [][4]float64
}

func newPixels(width, height int) *pixels {
	return &pixels{width, height, make([][4]float64, width*height)}
}

func (p *pixels) pixel(x, y int) [4]float64 { return p.at[y*p.width+x] }

// framed is the picture on a dark ground, which goes beyond it by a margin.
func (p *pixels) framed(margin int) *pixels {
	framed := newPixels(p.width+2*margin, p.height+2*margin)
	ground := [4]float64{0x17 / 255.0, 0x1a / 255.0, 0x21 / 255.0, 1}
	for i := range framed.at {
		framed.at[i] = ground
	}
	for y := range p.height {
		for x := range p.width {
			over, under := p.pixel(x, y), &framed.at[(y+margin)*framed.width+x+margin]
			for channel := range under {
				under[channel] = over[channel] + under[channel]*(1-over[3])
			}
		}
	}
	return framed
}

// turned exchanges lines and columns.
func (p *pixels) turned() *pixels {
	t := newPixels(p.height, p.width)
	for y := range p.height {
		for x := range p.width {
			t.at[x*t.width+y] = p.at[y*p.width+x]
		}
	}
	return t
}

func (p *pixels) image() image.Image {
	drawn := image.NewNRGBA(image.Rect(0, 0, p.width, p.height))
	for i, pixel := range p.at {
		level := func(value float64) uint8 { return uint8(math.Round(255 * min(1, max(0, value)))) }
		c := color.NRGBA{A: level(pixel[3])}
		if c.A > 0 {
			c.R, c.G, c.B = level(pixel[0]/pixel[3]), level(pixel[1]/pixel[3]), level(pixel[2]/pixel[3])
		}
		drawn.SetNRGBA(i%p.width, i/p.width, c)
	}
	return drawn
}
