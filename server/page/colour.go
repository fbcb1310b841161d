package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// colour is an sRGB colour.
type colour struct{ red, green, blue uint8 }

// ownAccent is the accent of a directory without one.
const ownAccent = "#2f5bd7"

const (
	// contrastText is the minimum contrast of text with its background, contrastEdge that of the edge of a button (WCAG 2.2, 1.4.3 and
	// 1.4.11).
	contrastText = 4.5
	contrastEdge = 3
	// shade is one step of a colour towards another until it contrasts.
	shade = 1.0 / 32
)

// ink has the colours of style.css in one scheme with which an accent is combined.
type ink struct {
	// grounds are the backgrounds of text in the accent, the card's first.
	grounds []colour
	// far is the colour towards which an accent moves that contrasts too little with the grounds.
	far colour
	// tint is the part of the accent in the background of a badge.
	tint float64
	// glow distinguishes buttons from the ground by themselves: on a dark one an edge alone would look like an outline.
	glow bool
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.red, c.green, c.blue) }

// parseColour reads #rrggbb.
func parseColour(text string) (colour, bool) {
	digits, found := strings.CutPrefix(text, "#")
	value, err := strconv.ParseUint(digits, 16, 24)
	if !found || len(digits) != 6 || err != nil {
		return colour{}, false
	}
	return colour{uint8(value >> 16), uint8(value >> 8), uint8(value)}, true
}

// mix is c with a part of another colour.
func (c colour) mix(other colour, part float64) colour {
	channel := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-part) + float64(b)*part)) }
	return colour{channel(c.red, other.red), channel(c.green, other.green), channel(c.blue, other.blue)}
}

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	linear := func(channel uint8) float64 {
		s := float64(channel) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.red) + 0.7152*linear(c.green) + 0.0722*linear(c.blue)
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// palette contains the colours derived from an accent. Text on the pages is readable with any accent.
type palette struct {
	// accent is the ground of a button, hover the same under the pointer, on the text of it, edge its border.
	accent, hover, on, edge colour
	// text is the accent as text on the grounds and on tint, which is the ground of a badge.
	text, tint colour
}

// paletteOf derives the colours of a scheme.
func paletteOf(accent colour, scheme ink) palette {
	white, black := colour{255, 255, 255}, colour{15, 17, 21}
	if scheme.glow {
		accent = moved(accent, scheme.far, func(c colour) bool { return contrast(c, scheme.grounds[0]) >= contrastEdge })
	}
	p := palette{accent: accent, on: white, hover: accent.mix(black, 0.16)}
	if contrast(accent, white) < contrastText {
		p.on, p.hover = black, accent.mix(white, 0.16)
		// Between the two lie colours on which neither can be read well.
		p.accent = moved(accent, white, func(c colour) bool { return contrast(c, black) >= contrastText })
	}
	p.tint = scheme.grounds[0].mix(accent, scheme.tint)
	p.text = moved(accent, scheme.far, func(c colour) bool {
		for _, ground := range append(scheme.grounds, p.tint) {
			if contrast(c, ground) < contrastText {
				return false
			}
		}
		return true
	})
	p.edge = p.accent
	if contrast(p.accent, scheme.grounds[0]) < contrastEdge {
		p.edge = p.text
	}
	return p
}

// moved moves a colour towards another one until a condition holds.
func moved(from, to colour, good func(colour) bool) colour {
	for part := 0.0; part < 1; part += shade {
		if c := from.mix(to, part); good(c) {
			return c
		}
	}
	return to
}

// schemes are the colours of style.css, for light and dark mode.
func schemes() (light, dark ink) {
	light = ink{
		grounds: []colour{{0xff, 0xff, 0xff}, {0xf3, 0xf4, 0xf7}, {0xf7, 0xf8, 0xfa}},
		far:     colour{0x0f, 0x11, 0x15}, tint: 0.1,
	}
	dark = ink{
		grounds: []colour{{0x19, 0x1c, 0x22}, {0x0f, 0x11, 0x15}, {0x20, 0x24, 0x2c}},
		far:     colour{0xff, 0xff, 0xff}, tint: 0.22, glow: true,
	}
	return light, dark
}

// accentSheet is the style sheet of an accent.
func accentSheet(accent colour) []byte {
	light, dark := schemes()
	return fmt.Appendf(nil, ":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n",
		paletteOf(accent, light).variables(), paletteOf(accent, dark).variables())
}

func (p palette) variables() string {
	return fmt.Sprintf("--accent:%s;--accent-hover:%s;--on-accent:%s;--accent-edge:%s;--accent-text:%s;--accent-tint:%s",
		p.accent, p.hover, p.on, p.edge, p.text, p.tint)
}
