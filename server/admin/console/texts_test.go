package console

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/internal/templates"
)

// textsOf returns the texts of a language, by key.
func textsOf(t *testing.T, l *locale) map[string]string {
	t.Helper()
	texts, err := l.texts()
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestTemplates_AllParse(t *testing.T) {
	pages, err := templates.Read(pageFiles)
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d templates: %v", len(pages), err)
	}
	for name, parse := range pages {
		if _, err := parse(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLocales_HaveTheSameTexts(t *testing.T) {
	all, err := readLocales()
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`%(\[\d\])?[a-z]`)
	english := all.all[0]
	first := textsOf(t, english)
	for _, other := range all.all[1:] {
		if a, b := slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(textsOf(t, other))); !slices.Equal(a, b) {
			t.Errorf("%s and %s have not the same keys", english.Tag, other.Tag)
		}
		for key, text := range textsOf(t, other) {
			if !slices.Equal(verbs.FindAllString(first[key], -1), verbs.FindAllString(text, -1)) || strings.TrimSpace(text) == "" {
				t.Errorf("%s of %s is %q, in %s %q", key, other.Tag, text, english.Tag, first[key])
			}
			if strings.Contains(text, "您") {
				t.Errorf("%s is %q, want 你", key, text)
			}
		}
	}
}

// TestLocales_EveryTextIsUsed finds texts that no page refers to. The keys of settings and states are built from their names.
func TestLocales_EveryTextIsUsed(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*.go", "pages/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(content)
		}
	}
	all, err := readLocales()
	if err != nil {
		t.Fatal(err)
	}
	built := regexp.MustCompile(`^(directory|client|connection|resource|user)\.(field|section|kind|origin)\.|\.(state|status|identity|reason|role)\.|^(overview|audit)\.(method|outcome)\.|^done\.|^failure\.|\.option\.`)
	for key := range textsOf(t, all.all[0]) {
		name := strings.TrimSuffix(strings.TrimSuffix(key, ".lead"), ".next")
		if !built.MatchString(key) && !strings.Contains(source.String(), `"`+key+`"`) && !strings.Contains(source.String(), `"`+name+`"`) {
			t.Errorf("no page uses %s", key)
		}
	}
}
