package storagetest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestRecords_AreAllInTheSuite reads the sources, because Go cannot list the types of a package.
func TestRecords_AreAllInTheSuite(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := matchAll(t, regexp.MustCompile(`func \((?:\w+ )?(\w+)\) Document\(\) Document`), files...)
	tested := matchAll(t, regexp.MustCompile(`testRecord\[storage\.(\w+)\]`), "records.go")
	if len(declared) == 0 || !slices.Equal(declared, tested) {
		t.Errorf("records of the package: %v\ntested: %v", declared, tested)
	}
}

func matchAll(t *testing.T, pattern *regexp.Regexp, files ...string) (found []string) {
	t.Helper()
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range pattern.FindAllStringSubmatch(string(source), -1) {
			found = append(found, match[1])
		}
	}
	slices.Sort(found)
	return found
}
