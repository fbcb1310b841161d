package chinese

import (
	"cmp"
	_ "embed" // for zh-CN.json
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// table has the translation of each format. Its verbs are those of the English format, all written as %s.
//
//go:embed zh-CN.json
var table []byte

// Texts translates texts.
type Texts struct {
	// fixed are the translations of texts without values.
	fixed    map[string]string
	patterns []pattern
}

// pattern recognizes the text of a format with its values.
type pattern struct {
	english *regexp.Regexp
	chinese string
	// fixed is the length of what is not a value. A longer one is more specific.
	fixed int
}

// Read reads the table.
func Read() (*Texts, error) {
	formats := map[string]string{}
	if err := json.Unmarshal(table, &formats); err != nil {
		return nil, fmt.Errorf("chinese: %w", err)
	}
	t := &Texts{fixed: map[string]string{}}
	for english, translated := range formats {
		if !strings.Contains(english, "%") {
			t.fixed[english] = translated
			continue
		}
		read, err := newPattern(english, translated)
		if err != nil {
			return nil, fmt.Errorf("chinese: %q: %w", english, err)
		}
		t.patterns = append(t.patterns, read)
	}
	slices.SortFunc(t.patterns, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(b.fixed, a.fixed), cmp.Compare(a.chinese, b.chinese))
	})
	return t, nil
}

// newPattern returns the pattern of a format.
func newPattern(english, translated string) (pattern, error) {
	values := strings.NewReplacer("%q", `("(?:[^"\\]|\\.)*")`, "%d", `(-?[0-9]+)`, "%s", `(.+)`, "%v", `(.+)`, "%%", "%")
	expression := values.Replace(regexp.QuoteMeta(english))
	read, err := regexp.Compile(`^` + expression + `$`)
	return pattern{read, translated, len(english)}, err
}

// Of returns the translation of a text. A text that is not in the table, such as that of a library, stays as it is. Values are
// translated if they are texts themselves.
func (t *Texts) Of(text string) string {
	if translated, ok := t.fixed[text]; ok {
		return translated
	}
	for _, known := range t.patterns {
		found := known.english.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		values := make([]any, len(found)-1)
		for i, value := range found[1:] {
			values[i] = t.Of(value)
		}
		return fmt.Sprintf(known.chinese, values...)
	}
	return text
}
