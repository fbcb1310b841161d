package chinese_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin/chinese"
	"github.com/minifed/minifed/storage"
)

// TestTexts_EveryTextIsTranslated finds the texts in the source, and fills each with values.
func TestTexts_EveryTextIsTranslated(t *testing.T) {
	texts, err := chinese.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range sourceFormats(t) {
		text, values := sample(format)
		got := texts.Of(text)
		if (got == text || !strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Han, r) })) && format != "%q %v" {
			t.Errorf("%q has no translation: add it to zh-CN.json", format)
		}
		if english := leftEnglish(got); english != "" && !strings.Contains(format, "%w") {
			t.Errorf("%q is translated as %q, with the English words %q", format, got, english)
		}
		for _, value := range values {
			if !strings.Contains(got, value) {
				t.Errorf("%q is translated as %q, without the value %s", format, got, value)
			}
		}
	}
	if got := texts.Of("another text"); got != "another text" {
		t.Errorf("an unknown text becomes %q", got)
	}
	for text, want := range map[string]string{
		`"http://x" must be https`:                            `"http://x" 必须是 https`,
		`refused: disable directory "a" first`:                `请先停用身份应用 "a"`,
		`client "shop" of directory "default" does not exist`: `身份应用 "default" 的客户端 "shop" 不存在`,
		`has no effect on a service client: it has no users`:  `对 service 客户端不起作用：它没有用户`,
	} {
		if got := texts.Of(text); got != want {
			t.Errorf("%q is translated as %q, want %q", text, got, want)
		}
	}
}

// leftEnglish returns English words in a translation: a general format may translate only the beginning of a text. Commands are not words.
func leftEnglish(translated string) string {
	return regexp.MustCompile(`[a-z]+ [a-z]+ [a-z]+|[a-z]+, [a-z]+`).FindString(regexp.MustCompile(`minifed [a-z]+ [a-z]+`).ReplaceAllString(translated, ""))
}

// TestTexts_AreUsed finds translations of texts that the source no longer has.
func TestTexts_AreUsed(t *testing.T) {
	raw, err := os.ReadFile("zh-CN.json")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, format := range append(sourceFormats(t), composed()...) {
		text, _ := sample(format)
		used = append(used, text)
	}
	for english := range table {
		pattern := strings.NewReplacer("%q", `".*"`, "%d", `\d+`, "%s", ".+", "%v", ".+").Replace(regexp.QuoteMeta(english))
		if !slices.ContainsFunc(used, regexp.MustCompile("^"+pattern+"$").MatchString) {
			t.Errorf("nothing returns %q", english)
		}
	}
}

// composed are texts that package admin composes of the name of a record and of an error.
func composed() []string {
	texts := []string{
		"line %d: %s", "line %d, %s: %s", "line %d, column %d: %s", "refused: %s", "user %q does not exist: name a user by ID, username, verified e-mail address or phone number; `minifed user list` has the IDs",
		"user %q does not exist; the user_id is needed, not the username", "a user of this name, e-mail address or phone number exists already",
	}
	for _, record := range []string{
		"client %q of directory %q", "session %q of user %q", "grant %q of user %q", "batch of merges %q", "directory %q", "operator %q", "user %q", "host of directory %q", "signing key %s of directory %q", "this merge or merge candidate", "the link",
	} {
		texts = append(texts, record, record+" does not exist", record+" exists already", record+" was changed meanwhile")
	}
	return texts
}

// sample fills a format with values.
func sample(format string) (text string, values []string) {
	n := 0
	filled := regexp.MustCompile(`%[qsdvw]`).ReplaceAllStringFunc(format, func(verb string) string {
		n++
		value := strconv.Itoa(100 + n)
		if verb == "%w" {
			return "does not exist"
		}
		if verb != "%d" {
			value = "x" + value
		}
		values = append(values, value)
		if verb == "%q" {
			return strconv.Quote(value)
		}
		return value
	})
	return filled, values
}

// sourceFormats returns the formats of all texts about records in the source.
func sourceFormats(t *testing.T) []string {
	t.Helper()
	var formats []string
	for _, folder := range []string{"..", "../setting", "../console", "../relyingparty", "../apply", "../../../identity/userfile", "../../../internal/uri", "../../../cmd/minifed/internal/manifest"} {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				formats = append(formats, formatsOf(t, file)...)
			}
		}
	}
	formats = slices.DeleteFunc(formats, isInternal)
	for _, reason := range identity.InvalidReasons() {
		formats = append(formats, reason.String())
	}
	for reason := storage.OriginMalformed; reason <= storage.OriginNotBare; reason++ {
		formats = append(formats, (&storage.OriginError{Reason: reason, Detail: "x"}).Error())
	}
	return formats
}

// isInternal reports whether a text is not for operators, or is not a sentence of its own.
func isInternal(format string) bool {
	for _, prefix := range []string{"admin: ", "console: ", "relyingparty: ", "userfile: ", "WeChat "} {
		if strings.HasPrefix(format, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"%s %w", "%v", "%w: %w", "%s %s: %w", // composed of others
		"%s cannot be undone and %w within the last %v", "%s in directory %q %w for %s", // a page of the console says more
		"is not allowed", "needs a sign-in", "needs a new sign-in", "refused", "this %w", "is not a valid link to the console",
		"the file has unacceptable rows, and nothing was imported", // the report says more
		"frame.html", "a %s",
	}, format)
}

// formatsOf returns the formats of a file: of problems, of errors, and of parts of sentences.
func formatsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var formats []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if format := formatOf(n); format != "" {
			formats = append(formats, strings.TrimPrefix(format, "%w: ")) // the text of ErrRefused
		}
		return true
	})
	return formats
}

func formatOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch name := fmt.Sprint(calledName(n)); {
		case name == "add" && len(n.Args) >= 2:
			return textOf(n.Args[1])
		case slices.Contains([]string{"New", "Errorf"}, name) && len(n.Args) > 0:
			return textOf(n.Args[0])
		case name == "problem" && len(n.Args) > 0:
			return cmp.Or(textOf(n.Args[min(1, len(n.Args)-1)]), textOf(n.Args[0]))
		case name == "means":
			return textOf(n.Args[len(n.Args)-1])
		}
	case *ast.CompositeLit: // a problem of a row of a file of users, or of a document
		if named, ok := n.Type.(*ast.Ident); (!ok || strings.HasSuffix(named.Name, "Problem")) && len(n.Elts) == 3 {
			if text := textOf(n.Elts[2]); strings.Contains(text, " ") {
				return text
			}
		}
	case *ast.AssignStmt: // a part of a sentence
		if named, ok := n.Lhs[0].(*ast.Ident); ok && named.Name == "must" {
			return textOf(n.Rhs[0])
		}
	case *ast.ReturnStmt: // a value, and what is wrong with it
		if len(n.Results) == 2 && strings.Contains(textOf(n.Results[1]), " ") {
			return textOf(n.Results[1])
		}
	case *ast.KeyValueExpr: // Problem: of a file of users
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Problem" {
			return textOf(n.Value)
		}
	case *ast.ValueSpec: // a reason that several settings have
		if len(n.Values) == 1 && strings.HasPrefix(n.Names[0].Name, "no") || n.Names[0].Name == "ofDirectory" || n.Names[0].Name == "LinkingGivesAway" {
			return textOf(n.Values[0])
		}
	}
	return ""
}

func calledName(call *ast.CallExpr) string {
	switch called := call.Fun.(type) {
	case *ast.SelectorExpr:
		return called.Sel.Name
	case *ast.Ident:
		return called.Name
	default:
		return ""
	}
}

// textOf returns a text of the source; a value in it becomes %s.
func textOf(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		left, right := textOf(e.X), textOf(e.Y)
		if left+right != "" {
			return orValue(left) + orValue(right)
		}
	case *ast.CallExpr: // fmt.Sprintf
		if calledName(e) == "Sprintf" {
			return textOf(e.Args[0])
		}
	}
	return ""
}

func orValue(text string) string {
	if text == "" {
		return "%s"
	}
	return text
}
