package console

import (
	"testing"
)

func TestStyle_WritesNoEscapeSequencesWithoutColour(t *testing.T) {
	c := new(Console)
	if got := c.Strong("x"); got != "x" {
		t.Errorf("%q", got)
	}
	c.color = true
	if got := c.Good("x"); got != "\x1b[32mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}
