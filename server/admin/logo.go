package admin

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // An operator's logo may be a GIF,
	_ "image/jpeg" // or a JPEG.
	"image/png"
	"math"

	"github.com/minifed/minifed/storage"
)

const (
	// MaxLogoFile bounds the file of a logo as an operator has it, in bytes.
	MaxLogoFile = 1 << 20
	// maxLogoSide bounds its pixels, in each direction: a small file can unfold to a very large picture.
	maxLogoSide = 2048
	// logoWidth and logoHeight bound what is kept: enough for a header on the densest screens.
	logoWidth, logoHeight = 480, 120
	// minLogoHeight is where a logo that still needs too many bytes is not made smaller any more.
	minLogoHeight = 32
	// faint is the luminance above which nothing is seen on white, and faintPart how much of a logo must be above it to be
	// put on a dark ground.
	faint, faintPart = 0.8, 0.9
)

// drawLogo makes of a logo that was asked for what is stored, unless it is the one from before. A picture that cannot be taken is
// an *Invalid with that field.
func drawLogo(field string, before []byte, asked *[]byte) error {
	if len(*asked) == 0 || bytes.Equal(before, *asked) {
		return nil
	}
	drawn, err := encodeLogo(*asked)
	if err != nil {
		return &Invalid{[]Problem{{field, err.Error()}}}
	}
	*asked = drawn
	return nil
}

// encodeLogo draws a picture anew: what browsers are given is pixels of ours and nothing that somebody hid in a file. PNG, JPEG
// and GIF are read. The result is a PNG of at most storage.MaxLogo bytes that can be seen on white.
func encodeLogo(file []byte) ([]byte, error) {
	if len(file) > MaxLogoFile {
		return nil, fmt.Errorf("is larger than %d KB", MaxLogoFile>>10)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("is not a PNG, JPEG or GIF picture")
	}
	if config.Width > maxLogoSide || config.Height > maxLogoSide {
		return nil, fmt.Errorf("has %d × %d pixels; at most %d in each direction are read", config.Width, config.Height, maxLogoSide)
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("is a broken picture")
	}
	picture := premultiplied(decoded).trimmed()
	if picture == nil {
		return nil, errors.New("is a picture of nothing: every pixel is transparent")
	}
	return picture.onVisibleGround().encode()
}

// pixels is a picture for arithmetic: its colours are linear in the channel's value and multiplied by their opacity, from 0 to 1.
type pixels struct {
	width, height int
	// at are red, green, blue and opacity, line by line.
	at [][4]float64
}

func newPixels(width, height int) *pixels {
	return &pixels{width, height, make([][4]float64, width*height)}
}

func premultiplied(source image.Image) *pixels {
	bounds := source.Bounds()
	p := newPixels(bounds.Dx(), bounds.Dy())
	for y := range p.height {
		for x := range p.width {
			red, green, blue, opacity := source.At(bounds.Min.X+x, bounds.Min.Y+y).RGBA()
			p.at[y*p.width+x] = [4]float64{float64(red) / 0xffff, float64(green) / 0xffff, float64(blue) / 0xffff, float64(opacity) / 0xffff}
		}
	}
	return p
}

// trimmed is the picture without its transparent margins, which would make it look small; nil when nothing else is there.
func (p *pixels) trimmed() *pixels {
	const visible = 1.0 / 64
	seen := image.Rectangle{}
	for y := range p.height {
		for x := range p.width {
			if p.at[y*p.width+x][3] > visible {
				seen = seen.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if seen.Empty() {
		return nil
	}
	cut := newPixels(seen.Dx(), seen.Dy())
	for y := range cut.height {
		from := (seen.Min.Y+y)*p.width + seen.Min.X
		copy(cut.at[y*cut.width:(y+1)*cut.width], p.at[from:from+cut.width])
	}
	return cut
}

// onVisibleGround is the picture as it is, or on a dark ground if it is white on nothing. Pages put it on white or on something
// close to it, in the dark too.
func (p *pixels) onVisibleGround() *pixels {
	var all, pale float64
	for _, pixel := range p.at {
		opacity := pixel[3]
		all += opacity
		if 0.2126*pixel[0]+0.7152*pixel[1]+0.0722*pixel[2] > faint*opacity {
			pale += opacity
		}
	}
	if all > 0.99*float64(len(p.at)) || pale < faintPart*all {
		return p
	}
	margin := max(p.width, p.height) / 8
	framed := newPixels(p.width+2*margin, p.height+2*margin)
	ground := [4]float64{0x17 / 255.0, 0x1a / 255.0, 0x21 / 255.0, 1}
	for i := range framed.at {
		framed.at[i] = ground
	}
	for y := range p.height {
		for x := range p.width {
			over, under := p.at[y*p.width+x], &framed.at[(y+margin)*framed.width+x+margin]
			for channel := range under {
				under[channel] = over[channel] + under[channel]*(1-over[3])
			}
		}
	}
	return framed
}

// encode is the largest PNG of the picture that is small enough.
func (p *pixels) encode() ([]byte, error) {
	scale := min(1, float64(logoWidth)/float64(p.width), float64(logoHeight)/float64(p.height))
	for ; ; scale *= 0.85 {
		width, height := scaled(p.width, scale), scaled(p.height, scale)
		var file bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(&file, p.shrunk(width, height).image()); err != nil {
			return nil, err
		}
		if file.Len() <= storage.MaxLogo {
			return file.Bytes(), nil
		}
		if height <= minLogoHeight {
			return nil, fmt.Errorf("does not fit into %d KB, however small it is drawn: a logo is simpler", storage.MaxLogo>>10)
		}
	}
}

func scaled(side int, scale float64) int { return max(1, int(math.Round(float64(side)*scale))) }

// shrunk is the picture with fewer pixels, each the mean of those in its place.
func (p *pixels) shrunk(width, height int) *pixels {
	return p.narrowed(width).turned().narrowed(height).turned()
}

func (p *pixels) narrowed(width int) *pixels {
	narrow := newPixels(width, p.height)
	step := float64(p.width) / float64(width)
	for x := range width {
		from, to := float64(x)*step, float64(x+1)*step
		for old := int(from); old < min(p.width, int(math.Ceil(to))); old++ {
			part := (min(to, float64(old+1)) - max(from, float64(old))) / step
			for y := range p.height {
				for channel, value := range p.at[y*p.width+old] {
					narrow.at[y*width+x][channel] += value * part
				}
			}
		}
	}
	return narrow
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
