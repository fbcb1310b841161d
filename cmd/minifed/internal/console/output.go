package console

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Field is a name and a value of a record.
type Field struct{ Name, Value string }

// PrintFields prints names and values in two columns, without empty values.
func (c *Console) PrintFields(fields ...Field) {
	rows := [][]string{}
	for _, f := range fields {
		if f.Value != "" {
			rows = append(rows, []string{"  " + visible(f.Name), visible(f.Value)})
		}
	}
	c.printColumns(rows)
}

// PrintTable prints rows below a header. Cells after the first are truncated, so that a row is readable; JSON has the full values.
func (c *Console) PrintTable(header []string, rows [][]string) {
	shown := [][]string{header}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible(cell)
			if i > 0 {
				cells[i] = displayWidth().Truncate(cells[i], longestCell, "…")
			}
		}
		shown = append(shown, cells)
	}
	c.printColumns(shown)
}

const (
	// longestCell is wide enough for every ID and hash.
	longestCell = 48
	// ColumnGap is the space between two columns.
	ColumnGap = 3
)

// displayWidth measures text in the columns of a terminal: a Chinese character takes two. Characters whose width depends on the language
// of the terminal take one.
func displayWidth() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// printColumns aligns the columns of rows.
func (c *Console) printColumns(rows [][]string) {
	width, measure := []int{}, displayWidth()
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], measure.StringWidth(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", width[i]-measure.StringWidth(cell)+ColumnGap))
		}
		_, _ = c.Write([]byte(strings.TrimRight(line.String(), " ") + "\n"))
	}
}

// visible returns text without control characters, because names come from users.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// PrintJSON writes one JSON document.
func (c *Console) PrintJSON(value any) error {
	encoder := json.NewEncoder(c)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
