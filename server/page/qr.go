package page

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quietZone is the margin of a QR code in modules (ISO/IEC 18004 §9.1).
const quietZone = 4

// QR is a QR code as the path of an SVG picture. Size is the width and height of its view box.
type QR struct {
	Path string
	Size int
}

// DrawQR returns the QR code of a text.
func DrawQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return QR{}, fmt.Errorf("page: QR code: %w", err)
	}
	var path strings.Builder
	side := code.Bounds().Dx()
	for y := range side {
		for x := 0; x < side; x++ {
			begin := x
			for x < side && isDark(code.At(x, y).RGBA()) {
				x++
			}
			if x > begin {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", begin+quietZone, y+quietZone, x-begin, x-begin)
			}
		}
	}
	return QR{path.String(), side + 2*quietZone}, nil
}

func isDark(red, _, _, _ uint32) bool { return red < 1<<15 }
