package main

import (
	"strings"
	"time"
)

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

func suffix(text string, wanted bool) string {
	if wanted {
		return text
	}
	return ""
}
