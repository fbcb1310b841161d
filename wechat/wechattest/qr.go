package wechattest

import (
	"errors"
	"image"
	"math/bits"
	"strings"
)

// errNoQR means that a picture is no QR code that the phone reads.
var errNoQR = errors.New("wechattest: this is no QR code")

// maxQRVersion is the largest version that the phone reads: 57 modules on each side, some 200 characters.
const maxQRVersion = 10

// readQR returns the text of a QR code (ISO/IEC 18004) that is drawn exactly: upright, alone in its picture and without a fault. It
// corrects no errors.
func readQR(shown image.Image) (string, error) {
	code, err := sampleQR(shown)
	if err != nil {
		return "", err
	}
	level, mask, ok := code.format()
	if !ok {
		return "", errNoQR
	}
	return decodeQR(deinterleave(code.codewords(mask), blocksOfQR(code.version(), level)), code.version())
}

// qrModules has the dark modules of a QR code by row.
type qrModules [][]bool

func (m qrModules) version() int { return (len(m) - 17) / 4 }

// sampleQR reads the modules of a picture. The finder pattern at the top left is seven modules wide.
func sampleQR(shown image.Image) (qrModules, error) {
	area := darkArea(shown)
	if area.Empty() {
		return nil, errNoQR
	}
	wide := 0
	for wide < area.Dx() && isDark(shown, area.Min.X+wide, area.Min.Y) {
		wide++
	}
	if wide < 7 {
		return nil, errNoQR
	}
	version := ((area.Dx()*7+wide/2)/wide - 17 + 2) / 4
	if version < 1 || version > maxQRVersion {
		return nil, errNoQR
	}
	side := 17 + 4*version
	modules := make(qrModules, side)
	for y := range modules {
		modules[y] = make([]bool, side)
		for x := range modules[y] {
			modules[y][x] = isDark(shown, area.Min.X+(2*x+1)*area.Dx()/(2*side), area.Min.Y+(2*y+1)*area.Dy()/(2*side))
		}
	}
	return modules, nil
}

// darkArea is the smallest rectangle with everything dark.
func darkArea(shown image.Image) image.Rectangle {
	var area image.Rectangle
	bounds := shown.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if isDark(shown, x, y) {
				area = area.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return area
}

func isDark(shown image.Image, x, y int) bool {
	red, _, _, alpha := shown.At(x, y).RGBA()
	return alpha > 1<<15 && red < 1<<15
}

// format returns the level of error correction, in the order L, M, Q, H, and the number of the mask (§7.9).
func (m qrModules) format() (level, mask int, ok bool) {
	read := 0
	for i := range 15 {
		x, y := 8, i
		switch {
		case i >= 9:
			x, y = 14-i, 8
		case i == 8:
			x, y = 7, 8
		case i >= 6:
			y = i + 1
		}
		if m[y][x] {
			read |= 1 << i
		}
	}
	for data := range 32 {
		if bits.OnesCount(uint(read^formatOfQR(data))) <= 3 {
			return []int{1, 0, 3, 2}[data>>3], data & 7, true
		}
	}
	return 0, 0, false
}

// formatOfQR is the format information of five bits: a BCH code, and a mask.
func formatOfQR(data int) int {
	rest := data << 10
	for bit := 14; bit >= 10; bit-- {
		if rest>>bit&1 == 1 {
			rest ^= 0x537 << (bit - 10)
		}
	}
	return (data<<10 | rest) ^ 0x5412
}

// codewords reads the modules in their order (§7.7.3), without the mask.
func (m qrModules) codewords(mask int) []byte {
	var read []byte
	side, count, current := len(m), 0, byte(0)
	for right, up := side-1, true; right > 0; right, up = right-2, !up {
		if right == 6 {
			right = 5 // the column of the timing pattern
		}
		for step := range side {
			y := step
			if up {
				y = side - 1 - step
			}
			for _, x := range []int{right, right - 1} {
				if m.isFunction(x, y) {
					continue
				}
				current <<= 1
				if m[y][x] != maskedQR(mask, x, y) {
					current |= 1
				}
				if count++; count%8 == 0 {
					read = append(read, current)
				}
			}
		}
	}
	return read
}

// isFunction reports whether a module is of a pattern, and not of the data.
func (m qrModules) isFunction(x, y int) bool {
	side, version := len(m), m.version()
	switch {
	case x == 6 || y == 6, x < 9 && y < 9, x >= side-8 && y < 9, x < 9 && y >= side-8:
		return true
	case version >= 7 && (x >= side-11 && y < 6 || y >= side-11 && x < 6):
		return true
	}
	centers := alignmentOfQR(version)
	for i, cx := range centers {
		for j, cy := range centers {
			last := len(centers) - 1
			if i == 0 && (j == 0 || j == last) || i == last && j == 0 { // a finder pattern is there
				continue
			}
			if max(x-cx, cx-x) <= 2 && max(y-cy, cy-y) <= 2 {
				return true
			}
		}
	}
	return false
}

// alignmentOfQR are the coordinates of the centers of alignment patterns (Annex E).
func alignmentOfQR(version int) []int {
	switch last := 4*version + 10; {
	case version == 1:
		return nil
	case version < 7:
		return []int{6, last}
	default:
		return []int{6, last/2 + 3, last}
	}
}

func maskedQR(mask, x, y int) bool {
	switch mask {
	case 0:
		return (x+y)%2 == 0
	case 1:
		return y%2 == 0
	case 2:
		return x%3 == 0
	case 3:
		return (x+y)%3 == 0
	case 4:
		return (y/2+x/3)%2 == 0
	case 5:
		return x*y%2+x*y%3 == 0
	case 6:
		return (x*y%2+x*y%3)%2 == 0
	default:
		return ((x+y)%2+x*y%3)%2 == 0
	}
}

// qrBlocks is how the data of a code is split: short blocks, and long ones with one codeword more.
type qrBlocks struct{ short, size, long int }

// blocksOfQR returns the blocks of a version and a level (§7.5.1, Table 9).
func blocksOfQR(version, level int) qrBlocks {
	return [maxQRVersion][4]qrBlocks{
		{{1, 19, 0}, {1, 16, 0}, {1, 13, 0}, {1, 9, 0}},
		{{1, 34, 0}, {1, 28, 0}, {1, 22, 0}, {1, 16, 0}},
		{{1, 55, 0}, {1, 44, 0}, {2, 17, 0}, {2, 13, 0}},
		{{1, 80, 0}, {2, 32, 0}, {2, 24, 0}, {4, 9, 0}},
		{{1, 108, 0}, {2, 43, 0}, {2, 15, 2}, {2, 11, 2}},
		{{2, 68, 0}, {4, 27, 0}, {4, 19, 0}, {4, 15, 0}},
		{{2, 78, 0}, {4, 31, 0}, {2, 14, 4}, {4, 13, 1}},
		{{2, 97, 0}, {2, 38, 2}, {4, 18, 2}, {4, 14, 2}},
		{{2, 116, 0}, {3, 36, 2}, {4, 16, 4}, {4, 12, 4}},
		{{2, 68, 2}, {4, 43, 1}, {6, 19, 2}, {6, 15, 2}},
	}[version-1][level]
}

// deinterleave returns the data in its order, without the codewords of error correction.
func deinterleave(read []byte, blocks qrBlocks) []byte {
	count := blocks.short + blocks.long
	data := make([][]byte, count)
	next := 0
	for i := range blocks.size + 1 {
		for block := range count {
			if i == blocks.size && block < blocks.short || next >= len(read) {
				continue
			}
			data[block] = append(data[block], read[next])
			next++
		}
	}
	var joined []byte
	for _, block := range data {
		joined = append(joined, block...)
	}
	return joined
}

// qrBits reads numbers from data.
type qrBits struct {
	data []byte
	at   int
}

func (b *qrBits) left() int { return 8*len(b.data) - b.at }

func (b *qrBits) take(count int) int {
	value := 0
	for range min(count, b.left()) {
		value = value<<1 | int(b.data[b.at/8]>>(7-b.at%8)&1)
		b.at++
	}
	return value
}

const qrAlphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// decodeQR returns the text of the segments (§7.4): digits, alphanumeric characters and bytes.
func decodeQR(data []byte, version int) (string, error) {
	bits := &qrBits{data: data}
	var text strings.Builder
	larger := 0
	if version >= 10 {
		larger = 2
	}
	for bits.left() >= 4 {
		switch bits.take(4) {
		case 0:
			return text.String(), nil
		case 1:
			bits.digits(&text, bits.take(10+larger))
		case 2:
			bits.alphanumeric(&text, bits.take(9+larger))
		case 4:
			for range min(bits.take(8+4*larger), bits.left()/8) {
				text.WriteByte(byte(bits.take(8)))
			}
		default:
			return "", errNoQR
		}
	}
	return text.String(), nil
}

func (b *qrBits) digits(text *strings.Builder, count int) {
	for ; count > 0 && b.left() > 0; count -= 3 {
		number, digits := 0, min(count, 3)
		number = b.take(1 + 3*digits)
		for divisor := []int{1, 10, 100}[digits-1]; divisor > 0; divisor /= 10 {
			text.WriteByte(byte('0' + number/divisor%10))
		}
	}
}

func (b *qrBits) alphanumeric(text *strings.Builder, count int) {
	for ; count > 1 && b.left() > 0; count -= 2 {
		pair := b.take(11)
		text.WriteByte(qrAlphanumeric[pair/45%45])
		text.WriteByte(qrAlphanumeric[pair%45])
	}
	if count == 1 {
		text.WriteByte(qrAlphanumeric[b.take(6)%45])
	}
}
