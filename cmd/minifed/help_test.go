package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
)

// languages are the values of LANG for each catalog.
func languages() map[string]string {
	return map[string]string{locale.English: "en_US.UTF-8", locale.SimplifiedChinese: "zh_CN.UTF-8"}
}

func TestHelp_IsInTheLanguageOfTheEnvironment(t *testing.T) {
	for variables, want := range map[string]string{
		"":                                 "Usage:\n  minifed serve [OPTIONS]\n",
		"LANG=zh_CN.UTF-8":                 "用法：\n  minifed serve [选项]\n",
		"LC_ALL=en_US.UTF-8 LANG=zh_CN":    "Usage:",
		"LC_MESSAGES=zh-Hans LANG=C.UTF-8": "用法：",
	} {
		if help := newCLI(t, strings.Fields(variables)...).run(t, "serve", "--help"); !strings.Contains(help, want) {
			t.Errorf("%q: the help is\n%s", variables, help)
		}
	}
}

func TestHelp_FitsInAHundredColumnsInEveryLanguage(t *testing.T) {
	for _, lang := range languages() {
		s := newCLI(t, "LANG="+lang)
		everyCommand(t, func(command *cobra.Command) {
			path := append(strings.Fields(command.CommandPath())[1:], "--help")
			examples := map[string]bool{}
			for line := range strings.Lines(command.Example) {
				examples[line] = true
			}
			for line := range strings.Lines(s.run(t, path...)) {
				if width := locale.Width(strings.TrimRight(line, "\n")); width > helpWidth && !examples[line] && !strings.HasPrefix(line, "  minifed ") {
					t.Errorf("%s, %s: %d columns: %s", lang, command.CommandPath(), width, line)
				}
			}
		})
	}
}

func TestHelp_EveryCommandAndOptionHasATextInEveryLanguage(t *testing.T) {
	for tag := range languages() {
		help := helpTexts{locale.In(tag)}
		everyCommand(t, func(command *cobra.Command) {
			for _, what := range []string{"short", "long"} {
				if key := helpKey(command, what); !help.Has(key) {
					t.Errorf("%s has no %s", tag, key)
				}
			}
			command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
				if key := help.flagKey(command, flag); !help.Has(key) {
					t.Errorf("%s has no %s", tag, key)
				}
			})
		})
	}
}

// calledTexts returns the number of arguments of each call of locale.Text with a key as it is written, and all words in quotes, of
// the program's source.
func calledTexts(t *testing.T) (arguments map[string][]int, quoted map[string]bool) {
	t.Helper()
	arguments, quoted = map[string][]int{}, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if text, ok := quotedText(node); ok {
				quoted[text] = true
			}
			if call, ok := node.(*ast.CallExpr); ok && call.Ellipsis == token.NoPos {
				if at, named := keyArgument(call.Fun); named && at < len(call.Args) {
					if key, ok := quotedText(call.Args[at]); ok {
						arguments[key] = append(arguments[key], len(call.Args)-at-1)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return arguments, quoted
}

// keyArgument returns which argument of a function is the key of a text, with those of the text behind it.
func keyArgument(function ast.Expr) (at int, named bool) {
	name := ""
	switch function := function.(type) {
	case *ast.Ident:
		name = function.Name
	case *ast.SelectorExpr:
		name = function.Sel.Name
	}
	at, named = map[string]int{"Text": 0, "wrongUsage": 0, "complain": 1}[name]
	return at, named
}

func quotedText(node ast.Node) (string, bool) {
	literal, ok := node.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// placeholdersOf returns how many arguments a text of the English catalog formats.
func placeholdersOf(t *testing.T) map[string]int {
	t.Helper()
	raw, err := os.ReadFile("internal/locale/catalog/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]any
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for key, text := range texts {
		for i, verb := range regexp.MustCompile(`%(?:\[(\d)\])?[a-z]`).FindAllStringSubmatch(strings.ReplaceAll(fmt.Sprint(text), "%%", ""), -1) {
			argument, err := strconv.Atoi(verb[1])
			if err != nil {
				argument = i + 1
			}
			counts[key] = max(counts[key], argument)
		}
		counts[key] += 0 // A text without arguments is known too.
	}
	return counts
}

func TestTexts_AreCalledWithAsManyArgumentsAsTheyFormat(t *testing.T) {
	counts := placeholdersOf(t)
	called, _ := calledTexts(t)
	for key, calls := range called {
		for _, given := range calls {
			if count, known := counts[key]; !known || given != count {
				t.Errorf("%s is called with %d arguments; the catalog has it: %v, with %d", key, given, known, count)
			}
		}
	}
	if len(called) < 20 {
		t.Errorf("only %d calls were found", len(called))
	}
}

func TestTexts_AreAllUsed(t *testing.T) {
	_, quoted := calledTexts(t)
	help := helpTexts{locale.In(locale.English)}
	everyCommand(t, func(command *cobra.Command) {
		quoted[string(helpKey(command, "short"))], quoted[string(helpKey(command, "long"))] = true, true
		command.LocalFlags().VisitAll(func(flag *pflag.Flag) { quoted[string(help.flagKey(command, flag))] = true })
		for _, group := range command.Groups() {
			quoted[string(groupKey(group.ID))] = true
		}
	})
	for key := range placeholdersOf(t) {
		if !quoted[key] {
			t.Errorf("nothing uses %s", key)
		}
	}
}

// TestTexts_AgreeWithTheProgram compares texts with what they repeat of other packages.
func TestTexts_AgreeWithTheProgram(t *testing.T) {
	english := locale.In(locale.English)
	if got := english.Render(locale.Text("linking.risk")); got != admin.LinkingGivesAway {
		t.Errorf("linking.risk is %q", got)
	}
	limits := fmt.Sprintf("at most %d MB and %d pixels", admin.MaxLogoFile>>20, admin.MaxLogoSide)
	for _, key := range []locale.Key{"help.client.--logo", "help.directory.--logo"} {
		if got := english.Render(locale.Text(key)); !strings.Contains(got, limits) {
			t.Errorf("%s is %q, without %q", key, got, limits)
		}
	}
}
