package layout

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// translated returns the documents that docs/zh translates.
func translated() []string {
	return []string{"admin-api.md", "api.md", "miniprogram.md", "operations.md", "privacy.md", "protect-an-api.md", "relying-parties.md", "security.md", "wechat-accounts.md"}
}

// section is a heading with the text below it.
type section struct {
	level      int
	title, own string
}

// TestTranslations_HaveTheShapeOfTheEnglishDocument compares what a translation cannot change. Each section has the same level,
// code blocks, tables, lists, code words, numbers and links.
func TestTranslations_HaveTheShapeOfTheEnglishDocument(t *testing.T) {
	for _, file := range translated() {
		english, chinese := sectionsOf(read(t, "docs/"+file)), sectionsOf(read(t, "docs/zh/"+file))
		if len(english) != len(chinese) {
			t.Errorf("%s has %d headings, and docs/zh/%s has %d", file, len(english), file, len(chinese))
			continue
		}
		for i, section := range english {
			if section.level != chinese[i].level {
				t.Errorf("%s: %q has level %d, and %q has level %d", file, section.title, section.level, chinese[i].title, chinese[i].level)
			}
			compareShapes(t, file+": "+chinese[i].title, shapeOf(section.own), shapeOf(chinese[i].own))
		}
	}
}

// TestTranslations_CoverTheFolder also checks that a reader of one language finds the other.
func TestTranslations_CoverTheFolder(t *testing.T) {
	found, err := filepath.Glob("docs/zh/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if !slices.Contains(translated(), filepath.Base(file)) {
			t.Errorf("%s is not compared with an English document", file)
		}
	}
	for _, file := range translated() {
		for name, link := range map[string]string{"README.zh-CN.md": "](docs/zh/" + file + ")", "docs/" + file: "](zh/" + file + ")", "docs/zh/" + file: "](../" + file + ")"} {
			if text := read(t, name); !strings.Contains(text, link) {
				t.Errorf("%s lacks the link %s", name, link)
			}
		}
	}
}

// sectionsOf splits a document at its headings. The text before the first heading is not a section.
func sectionsOf(text string) (sections []section) {
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if marks, title, ok := strings.Cut(line, " "); ok && !code && strings.Trim(marks, "#") == "" && marks != "" {
			sections = append(sections, section{level: len(marks), title: strings.TrimSpace(title)})
		} else if len(sections) > 0 {
			sections[len(sections)-1].own += line
		}
	}
	return sections
}

// shapeOf returns the parts of a section that every language has, by their kind.
func shapeOf(text string) map[string][]string {
	blocks := regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	shape := map[string][]string{"code block": blocks.FindAllString(text, -1)}
	text = blocks.ReplaceAllString(text, "")
	for _, row := range regexp.MustCompile(`(?m)^\|.*\|$`).FindAllString(text, -1) {
		shape["table"] = append(shape["table"], strings.Repeat("|", strings.Count(strings.ReplaceAll(row, `\|`, ""), "|")))
	}
	shape["list"] = regexp.MustCompile(`(?m)^ *(?:\*|\d+\.) `).FindAllString(text, -1)
	for _, link := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(link[1], "#")
		shape["link"] = append(shape["link"], filepath.Base(target))
	}
	text = regexp.MustCompile(`\]\([^)]*\)`).ReplaceAllString(text, "]")
	words := regexp.MustCompile("(?s)`[^`]+`")
	for _, word := range words.FindAllString(text, -1) {
		shape["code word"] = append(shape["code word"], strings.Join(strings.Fields(word), " "))
	}
	text = words.ReplaceAllString(text, "")
	text = regexp.MustCompile(`(?m)^ *\d+\. `).ReplaceAllString(text, "")
	shape["number"] = regexp.MustCompile(`\d+(?:[.,]\d+)*`).FindAllString(text, -1)
	return shape
}

func compareShapes(t *testing.T, where string, english, chinese map[string][]string) {
	t.Helper()
	for _, kind := range []string{"code block", "table", "list"} {
		if !slices.Equal(english[kind], chinese[kind]) {
			t.Errorf("%s: each %s of the English document:\n%q\nof the Chinese one:\n%q", where, kind, english[kind], chinese[kind])
		}
	}
	for _, kind := range []string{"link", "code word", "number"} { // The order of words differs.
		if missing := without(english[kind], chinese[kind]); len(missing) > 0 {
			t.Errorf("%s: the Chinese document lacks the %s %q", where, kind, missing)
		}
		if more := without(chinese[kind], english[kind]); len(more) > 0 {
			t.Errorf("%s: only the Chinese document has the %s %q", where, kind, more)
		}
	}
}

// without returns the elements of all that are not in others, each counted as often as it occurs.
func without(all, others []string) (rest []string) {
	count := map[string]int{}
	for _, each := range others {
		count[each]++
	}
	for _, each := range all {
		if count[each]--; count[each] < 0 {
			rest = append(rest, each)
		}
	}
	return rest
}
