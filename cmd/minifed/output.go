package main

import (
	"encoding/json"
	"strings"
	"text/tabwriter"
	"time"
)

// field is one line of what a command says about a record.
type field struct{ name, value string }

// printFields writes names and values in two columns; what has no value is left out.
func (c *console) printFields(fields ...field) {
	table := tabwriter.NewWriter(c, 0, 8, 3, ' ', 0)
	for _, f := range fields {
		if f.value != "" {
			_, _ = table.Write([]byte("  " + f.name + "\t" + f.value + "\n"))
		}
	}
	_ = table.Flush()
}

// printTable writes rows under a header.
func (c *console) printTable(header []string, rows [][]string) {
	table := tabwriter.NewWriter(c, 0, 8, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		_, _ = table.Write([]byte(strings.TrimRight(strings.Join(row, "\t"), "\t") + "\n"))
	}
	_ = table.Flush()
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
