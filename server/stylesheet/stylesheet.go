package stylesheet

import _ "embed" // for base.css

// base has the colours, the letters and the states of both.
//
//go:embed base.css
var base []byte

// WithBase returns a style sheet of its own after the shared part.
func WithBase(own []byte) []byte {
	return append(append([]byte(nil), base...), own...)
}
