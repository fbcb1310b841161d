package locale

import (
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// displayWidth measures text in the columns of a terminal: a Chinese character takes two. Characters whose width depends on the
// language of the terminal take one.
func displayWidth() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// Width returns the number of terminal columns that a text takes.
func Width(text string) int { return displayWidth().StringWidth(text) }

// Wrap breaks the lines of a text that are wider than so many columns. Chinese breaks between characters, but not before closing
// punctuation and not after opening punctuation. A broken line continues below its text: below its second column, if it has
// two that three or more spaces separate.
func Wrap(text string, width int) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, wrapLine(line, width)...)
	}
	return strings.Join(out, "\n")
}

func wrapLine(line string, width int) []string {
	if Width(line) <= width {
		return []string{line}
	}
	column := hangingColumn(line)
	prefix, rest := line[:column], line[column:]
	indent := strings.Repeat(" ", Width(prefix))
	var out []string
	for rest != "" {
		head, tail := cut(rest, width-len(indent))
		out = append(out, prefix+head)
		prefix, rest = indent, tail
	}
	return out
}

// hangingColumn returns where the text of a line begins, in bytes.
func hangingColumn(line string) int {
	text := strings.TrimLeft(line, " ")
	start := len(line) - len(text)
	gap := strings.Index(text, "   ")
	if gap < 0 {
		return start
	}
	return len(line) - len(strings.TrimLeft(text[gap:], " "))
}

// cut splits a text where a line of at most width columns ends. A word that is wider has a line of its own.
func cut(text string, width int) (head, tail string) {
	end, taken := 0, 0
	var before rune
	for i, r := range text {
		if i > 0 && breaks(before, r) && (taken <= width || end == 0) {
			end = i
		}
		if r != ' ' && taken+displayWidth().RuneWidth(r) > width && end > 0 {
			return strings.TrimRight(text[:end], " "), strings.TrimLeft(text[end:], " ")
		}
		taken += displayWidth().RuneWidth(r)
		before = r
	}
	return text, ""
}

// breaks reports whether a line may end between two characters.
func breaks(before, after rune) bool {
	switch {
	case after == ' ':
		return false
	case before == ' ':
		return true
	case strings.ContainsRune("（「“‘《", before), strings.ContainsRune("）」”’》，。；：、？！", after):
		return false
	default:
		return isChinese(before) || isChinese(after)
	}
}

func isChinese(r rune) bool {
	return unicode.Is(unicode.Han, r) || strings.ContainsRune("（）「」“”‘’《》，。；：、？！", r)
}
