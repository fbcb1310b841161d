package demopage

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTexts_LanguagesHaveTheSameKeys(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	english := texts.languages["en"]
	for tag, in := range texts.languages {
		if keys, want := slices.Sorted(maps.Keys(in)), slices.Sorted(maps.Keys(english)); !slices.Equal(keys, want) {
			t.Errorf("%s has the keys %v, en has %v", tag, keys, want)
		}
		for key, text := range in {
			if strings.TrimSpace(text) == "" || strings.Count(text, "%s") != strings.Count(english[key], "%s") {
				t.Errorf("%s %s: %q", tag, key, text)
			}
		}
	}
}

// TestTexts_AreUsed looks for each key in the documents, scripts and Go code. Keys that a script puts together begin with a used prefix.
func TestTexts_AreUsed(t *testing.T) {
	texts, err := readTexts()
	if err != nil {
		t.Fatal(err)
	}
	var used strings.Builder
	for _, file := range []string{"page.html", "phone.html", "app.html", "page.js", "phone.js", "app.js"} {
		content, err := fs.ReadFile(files, "pages/"+file)
		if err != nil {
			t.Fatal(err)
		}
		used.Write(content)
	}
	assembled := regexp.MustCompile(`^(guide\.(\d|end)|person\.|reason\.|call\.|calls\.from\.|attack\.\w+\.(title|text|result|lost)|app\.title\.)`)
	for key := range texts.languages["en"] {
		if !assembled.MatchString(key) && !strings.Contains(used.String(), key) {
			t.Errorf("no document or script has the text %s", key)
		}
	}
}
