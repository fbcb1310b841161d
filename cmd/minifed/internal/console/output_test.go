package console

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

func TestTable_AlignsByDisplayWidth(t *testing.T) {
	printed := new(bytes.Buffer)
	c := &Console{Out: printed}
	c.PrintTable([]string{"ID", "NAME", "STATE"}, [][]string{
		{"a", "Lin", "active"},
		{"b", "𠮷野家", "active"},
		{"c", "é\u0301", "active"},
		{"d", strings.Repeat("長", 200), "active"},
		{"e", "", ""},
		{"f", "red\x1b[31m\nline", "active"},
	})
	measure := &runewidth.Condition{}
	for line := range strings.Lines(printed.String()) {
		line = strings.TrimRight(line, "\n")
		before, _, found := strings.Cut(line, "active")
		if at := measure.StringWidth(before); found && at != 4+48+3 && at != 4+47+3 {
			t.Errorf("the state stands at column %d: %q", at, line)
		}
		if strings.ContainsRune(line, '\x1b') {
			t.Errorf("a control character is printed: %q", line)
		}
		if line != strings.TrimRight(line, " ") {
			t.Errorf("there are blanks at the end: %q", line)
		}
	}
	if got := printed.String(); !strings.Contains(got, "長…") || strings.Count(got, "\n") != 7 {
		t.Errorf("printed\n%s", got)
	}
}
