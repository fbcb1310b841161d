package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestREADME_TranslationsMatch compares what a translation cannot change: the order of headings by level, commands and responses,
// the code words of tables, and links. A link may lead to a translation.
func TestREADME_TranslationsMatch(t *testing.T) {
	english, chinese := read(t, "README.md"), strings.ReplaceAll(read(t, "README.zh-CN.md"), "(docs/zh/", "(docs/")
	for name, pattern := range map[string]string{
		"headings": `(?m)^#+ `,
		"code":     "(?s)```.*?```",
		"links":    `\]\((?:https|[a-z.]+/|SEC|CON|CHA|LIC)[^)]*\)`,
		"rows":     "(?m)^\\| `[a-z_/]+`",
	} {
		find := regexp.MustCompile(pattern)
		if got, want := find.FindAllString(chinese, -1), find.FindAllString(english, -1); !slices.Equal(got, want) {
			t.Errorf("%s differ:\nREADME.zh-CN.md %q\nREADME.md       %q", name, got, want)
		}
	}
}

// TestDocuments_LinksResolve reads the links to files of the repository and to headings of documents.
func TestDocuments_LinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)]+)\)`)
	blocks := regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	for _, file := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(blocks.ReplaceAllString(read(t, file), ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(found[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, target)
			} else if anchor != "" && !slices.Contains(anchorsOf(read(t, target)), anchor) {
				t.Errorf("%s links to #%s, and %s has no such heading", file, anchor, target)
			}
		}
	}
}

func anchorsOf(text string) (anchors []string) {
	for _, section := range sectionsOf(text) {
		anchors = append(anchors, anchorOf(strings.ReplaceAll(section.title, "`", "")))
	}
	return anchors
}

func documents(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/zh/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestArchitecture_NamesExistingFiles fails after a file was renamed that docs/architecture.md names.
func TestArchitecture_NamesExistingFiles(t *testing.T) {
	names := regexp.MustCompile("`([A-Za-z0-9_/]+\\.go)`").FindAllStringSubmatch(read(t, "docs/architecture.md"), -1)
	if len(names) < 40 {
		t.Errorf("only %d file names were found", len(names))
	}
	for _, name := range names {
		if _, err := os.Stat(name[1]); err != nil {
			t.Errorf("docs/architecture.md names %s: %v", name[1], err)
		}
	}
}

// TestContents_ListEveryHeading compares the list of contents of a long document with its headings.
func TestContents_ListEveryHeading(t *testing.T) {
	for _, file := range []string{
		"docs/operations.md", "docs/architecture.md", "docs/security.md", "docs/scaling.md", "docs/simulator.md",
		"docs/miniprogram.md", "docs/zh/miniprogram.md", "docs/zh/operations.md", "docs/zh/security.md",
	} {
		text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(read(t, file), "")
		var headings, contents []string
		for _, found := range regexp.MustCompile(`(?m)^###? (.*)$`).FindAllStringSubmatch(text, -1) {
			headings = append(headings, found[1])
		}
		for _, found := range regexp.MustCompile(`(?m)^ *\* \[([^]]*)\]\(#([^)]*)\)$`).FindAllStringSubmatch(text, -1) {
			if anchor := anchorOf(found[1]); anchor != found[2] {
				t.Errorf("%s: the link to %s is #%s", file, found[1], found[2])
			}
			contents = append(contents, found[1])
		}
		if !slices.Equal(headings, contents) {
			t.Errorf("%s has the headings %q and the contents %q", file, headings, contents)
		}
	}
}

// anchorOf returns the fragment by which Markdown renderers name a heading.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return r
		case r == ' ':
			return '-'
		default:
			return -1
		}
	}, strings.ToLower(heading))
}

// TestDocuments_HaveShortLines allows long lines only in code and tables.
func TestDocuments_HaveShortLines(t *testing.T) {
	for _, file := range []string{
		"docs/operations.md", "docs/architecture.md", "docs/security.md", "docs/scaling.md", "docs/simulator.md", "docs/conformance.md",
		"docs/miniprogram.md",
	} {
		code, number := false, 0
		for line := range strings.Lines(read(t, file)) {
			number++
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
			}
			if length := utf8.RuneCountInString(strings.TrimRight(line, "\n")); length > 120 && !code && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d has %d characters, and a line has at most 120", file, number, length)
			}
		}
	}
}
