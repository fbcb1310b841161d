package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// deniedWord is one line of testdata/words.txt.
type deniedWord struct {
	pattern *regexp.Regexp
	instead string
}

// deniedWords is the list of testdata/words.txt.
type deniedWords struct {
	// any matches what any word of the list matches: one search instead of forty, as few texts have one.
	any  *regexp.Regexp
	each []deniedWord
}

// TestTexts_UsePlainWords compares all texts with the deny-list of testdata/words.txt.
func TestTexts_UsePlainWords(t *testing.T) {
	denied := readDeniedWords(t)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "node_modules" || entry.Name() == "testdata" || entry.Name() == "zh") {
			return fs.SkipDir
		}
		if entry.IsDir() {
			return nil
		}
		for _, each := range deniedIn(textsOf(t, path), denied) {
			t.Errorf("%s:%s", path, each)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// deniedIn returns a line for each denied word of the texts.
func deniedIn(texts []writtenText, denied deniedWords) []string {
	var found []string
	for _, text := range texts {
		if !denied.any.MatchString(text.words) {
			continue
		}
		for _, word := range denied.each {
			if match := word.pattern.FindString(text.words); match != "" {
				found = append(found, fmt.Sprintf("%d: %q: write %s", text.line, match, word.instead))
			}
		}
	}
	return found
}

func readDeniedWords(t *testing.T) deniedWords {
	t.Helper()
	var denied deniedWords
	var patterns []string
	for line := range strings.Lines(read(t, "testdata/words.txt")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, instead, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("no tab in %q", line)
		}
		denied.each = append(denied.each, deniedWord{regexp.MustCompile(`(?i)\b(` + pattern + `)\b`), instead})
		patterns = append(patterns, pattern)
	}
	denied.any = regexp.MustCompile(`(?i)\b(` + strings.Join(patterns, "|") + `)\b`)
	return denied
}

// writtenText is a piece of text for a reader.
type writtenText struct {
	line  int
	words string
}

// textsOf returns the texts of a file that people read: the comments and sentences of Go code, and the lines of other
// documents. A file of another kind has none.
func textsOf(t *testing.T, path string) []writtenText {
	t.Helper()
	switch {
	case strings.HasSuffix(path, ".zh-CN.md"), strings.HasSuffix(path, "zh-CN.json"), path == "LICENSE":
		return nil
	case strings.HasSuffix(path, ".go"):
		return goTexts(t, path)
	case strings.HasSuffix(path, ".md"), path == "config.yaml", path == "Makefile", path == "docker-compose.yml", path == "Dockerfile":
		return linesOf(t, path)
	case strings.HasSuffix(path, "openapi.json"), strings.HasSuffix(path, "en.json"):
		return jsonTexts(t, path)
	default:
		return nil
	}
}

func goTexts(t *testing.T, path string) []writtenText {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var texts []writtenText
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if !strings.HasPrefix(comment.Text, "//go:") {
				texts = append(texts, writtenText{files.Position(comment.Pos()).Line, comment.Text})
			}
		}
	}
	if strings.HasSuffix(path, "_test.go") {
		return texts
	}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		if value, err := strconv.Unquote(literal.Value); err == nil && strings.Count(value, " ") >= 2 {
			texts = append(texts, writtenText{files.Position(literal.Pos()).Line, value})
		}
		return true
	})
	return texts
}

func linesOf(t *testing.T, path string) []writtenText {
	t.Helper()
	var texts []writtenText
	number := 0
	for line := range strings.Lines(read(t, path)) {
		number++
		texts = append(texts, writtenText{number, line})
	}
	return texts
}

// jsonTexts returns the strings of a document that hold sentences.
func jsonTexts(t *testing.T, path string) []writtenText {
	t.Helper()
	var texts []writtenText
	for _, text := range linesOf(t, path) {
		if strings.Count(text.words, " ") >= 4 {
			texts = append(texts, text)
		}
	}
	return texts
}
