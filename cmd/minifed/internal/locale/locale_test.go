package locale_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// texts returns the texts of a catalog's file; a text of several lines is one string.
func texts(t *testing.T, tag string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("catalog/" + tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatalf("%s: %v", tag, err)
	}
	all := map[string]string{}
	for key, value := range read {
		if list, isList := value.([]any); isList {
			value = strings.TrimSuffix(fmt.Sprintln(list...), "\n")
		}
		all[key] = fmt.Sprint(value)
	}
	return all
}

// placeholders returns the verbs of a text with the arguments that they format, sorted.
func placeholders(text string) []string {
	var found []string
	next := 1
	for _, verb := range regexp.MustCompile(`%(?:\[(\d)\])?([a-z%])`).FindAllStringSubmatch(text, -1) {
		switch {
		case verb[2] == "%":
			continue
		case verb[1] != "":
			found = append(found, verb[1]+verb[2])
		default:
			found = append(found, fmt.Sprint(next, verb[2]))
			next++
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestCatalogs_HaveTheSameTextsWithTheSamePlaceholders(t *testing.T) {
	english, chinese := texts(t, locale.English), texts(t, locale.SimplifiedChinese)
	if a, b := slices.Sorted(maps.Keys(english)), slices.Sorted(maps.Keys(chinese)); !slices.Equal(a, b) {
		for _, key := range a {
			if _, there := chinese[key]; !there {
				t.Errorf("zh-CN lacks %s", key)
			}
		}
		for _, key := range b {
			if _, there := english[key]; !there {
				t.Errorf("en lacks %s", key)
			}
		}
	}
	for key, text := range chinese {
		if a, b := placeholders(english[key]), placeholders(text); !slices.Equal(a, b) {
			t.Errorf("%s: en has the placeholders %v, zh-CN %v", key, a, b)
		}
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s is empty", key)
		}
	}
}

// TestCatalogs_HaveEachKeyOnce: encoding/json takes the last of two equal keys without an error.
func TestCatalogs_HaveEachKeyOnce(t *testing.T) {
	for _, tag := range []string{locale.English, locale.SimplifiedChinese} {
		raw, err := os.ReadFile("catalog/" + tag + ".json")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, line := range regexp.MustCompile(`(?m)^  "([^"]+)":`).FindAllSubmatch(raw, -1) {
			if seen[string(line[1])] {
				t.Errorf("%s has %s twice", tag, line[1])
			}
			seen[string(line[1])] = true
		}
		if len(seen) != len(texts(t, tag)) {
			t.Errorf("%s: %d keys are at the beginning of a line, of %d", tag, len(seen), len(texts(t, tag)))
		}
	}
}

func TestChineseTexts_AddressTheOperatorInOneForm(t *testing.T) {
	for key, text := range texts(t, locale.SimplifiedChinese) {
		if strings.Contains(text, "您") {
			t.Errorf("%s is %q, want 你", key, text)
		}
	}
}

func TestFor_TakesTheLanguageOfTheFirstVariableThatIsSet(t *testing.T) {
	for environment, want := range map[string]string{
		"":                        "en",
		"LANG=zh_CN.UTF-8":        "zh-CN",
		"LANG=zh_CN.utf8":         "zh-CN",
		"LANG=zh_CN":              "zh-CN",
		"LANG=zh":                 "zh-CN",
		"LANG=zh-Hans":            "zh-CN",
		"LANG=zh_Hans_CN.UTF-8":   "zh-CN",
		"LANG=zh_SG.UTF-8":        "zh-CN",
		"LANG=zh_CN.UTF-8@pinyin": "zh-CN",
		"LANG=zh_CN.GB18030":      "en",
		"LANG=zh_CN.GBK":          "en",
		"LANG=C":                  "en",
		"LANG=C.UTF-8":            "en",
		"LANG=POSIX":              "en",
		"LANG=en_GB.UTF-8":        "en",
		"LANG=de_DE.UTF-8":        "en",
		"LANG=_._@":               "en",
		"LC_MESSAGES=zh_CN.UTF-8 LANG=en_US.UTF-8":       "zh-CN",
		"LC_MESSAGES=en_US.UTF-8 LANG=zh_CN.UTF-8":       "en",
		"LC_ALL=C LC_MESSAGES=zh_CN.UTF-8 LANG=zh_CN":    "en",
		"LC_ALL=zh_CN.UTF-8 LC_MESSAGES=C LANG=C":        "zh-CN",
		"LC_ALL= LC_MESSAGES= LANG=zh_CN.UTF-8":          "zh-CN",
		"LC_CTYPE=zh_CN.UTF-8 LC_NUMERIC=zh_CN LANGUAGE": "en",
	} {
		set := map[string]string{}
		for _, one := range strings.Fields(environment) {
			name, value, _ := strings.Cut(one, "=")
			set[name] = value
		}
		if got := locale.Of(func(name string) string { return set[name] }); got != want {
			t.Errorf("%q: %s, want %s", environment, got, want)
		}
	}
}

func TestRender_PutsArgumentsInTheLanguageOfTheText(t *testing.T) {
	message := locale.Text("problem.cause", locale.Text("stopped"), locale.List{"a", "b"})
	if got := locale.In(locale.English).Render(message); got != "stopped: a, b" {
		t.Errorf("en: %q", got)
	}
	if got := locale.In(locale.SimplifiedChinese).Render(message); got != "已停止：a、b" {
		t.Errorf("zh-CN: %q", got)
	}
	if got := locale.In(locale.English).Render(locale.Message{}); got != "" {
		t.Errorf("the zero message is %q", got)
	}
}

func TestProblem_HasItsCauseBehindItAndItsRemedyBelow(t *testing.T) {
	problem := &locale.Problem{
		What: locale.Text("store.served"), Cause: &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist}, Remedy: locale.Text("stopped"),
	}
	if !errors.Is(problem, fs.ErrNotExist) {
		t.Error("the cause is not wrapped")
	}
	if got := problem.Error(); got != "another `minifed serve` uses this store: /x: no such file or directory\n  stopped" {
		t.Errorf("en: %q", got)
	}
	wrapped := fmt.Errorf("start: %w", errors.Join(problem, errors.New("other")))
	if got := locale.In(locale.SimplifiedChinese).Error(wrapped); got != "另一个 `minifed serve` 正在使用这个存储：/x: 文件或目录不存在\n  已停止\nother" {
		t.Errorf("zh-CN: %q", got)
	}
}

func TestError_OfALibraryIsItsOwnText(t *testing.T) {
	for _, err := range []error{
		errors.New("unknown"), fmt.Errorf("around: %w", fs.ErrNotExist),
	} {
		if got := locale.In(locale.SimplifiedChinese).Error(err); got != err.Error() {
			t.Errorf("%q, want %q", got, err)
		}
	}
}

func TestWrap_BreaksLinesAtTheColumnsOfTheTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		width int
		want  string
	}{
		"at spaces":                         {"one two three", 8, "one two\nthree"},
		"a long word has a line":            {"a abcdefghij b", 4, "a\nabcdefghij\nb"},
		"short lines stay":                  {"one\n\n  two", 8, "one\n\n  two"},
		"between Chinese characters":        {"一二三四五", 6, "一二三\n四五"},
		"not before closing punctuation":    {"一二三，四五", 6, "一二\n三，四\n五"},
		"not after opening punctuation":     {"一二（三四", 6, "一二\n（三四"},
		"between Chinese and Latin":         {"一二abcd", 6, "一二\nabcd"},
		"below the second column":           {"  --x   one two", 11, "  --x   one\n        two"},
		"below the indentation":             {"  one two", 6, "  one\n  two"},
		"columns of Chinese characters":     {"  --x 值   一二", 13, "  --x 值   一\n           二"},
		"a space at the end takes no place": {"ab cd", 2, "ab\ncd"},
	} {
		if got := locale.Wrap(c.text, c.width); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
