package main

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// field is one line of what a command says about a record.
type field struct{ name, value string }

// printFields writes names and values in two columns; what has no value is left out.
func (c *console) printFields(fields ...field) {
	rows := [][]string{}
	for _, f := range fields {
		if f.value != "" {
			rows = append(rows, []string{"  " + visible(f.name), visible(f.value)})
		}
	}
	c.printColumns(rows)
}

// printTable writes rows under a header. Cells after the first are cut at a width that keeps a row readable; JSON has them whole.
func (c *console) printTable(header []string, rows [][]string) {
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
	columnGap   = 3
)

// displayWidth measures text in the columns of a terminal: a Chinese character takes two. Characters whose width depends on the
// language of the terminal take one.
func displayWidth() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// printColumns aligns the columns of rows.
func (c *console) printColumns(rows [][]string) {
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
			line.WriteString(cell + strings.Repeat(" ", width[i]-measure.StringWidth(cell)+columnGap))
		}
		_, _ = c.Write([]byte(strings.TrimRight(line.String(), " ") + "\n"))
	}
}

// visible is text without what moves a terminal's cursor: names come from users.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// printJSON writes one JSON document.
func (c *console) printJSON(value any) error {
	encoder := json.NewEncoder(c)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// spaced is a list as one value.
func spaced(values []string) string { return strings.Join(values, " ") }

// yes is "yes" or nothing, for what is mostly not so.
func yes(on bool) string { return suffix("yes", on) }

// stamp is a time as operators read it.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}
