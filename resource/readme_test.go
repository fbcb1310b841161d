package resource_test

import (
	"os"
	"strings"
	"testing"
)

// TestREADME_ShowsTheExample compares the snippets of the documents with the example, which the compiler checks.
func TestREADME_ShowsTheExample(t *testing.T) {
	t.Parallel()
	source := strings.ReplaceAll(readFile(t, "example_test.go"), "\n\t", "\n")
	for _, file := range []string{"../README.md", "../README.zh-CN.md", "../docs/protect-an-api.md", "../docs/zh/protect-an-api.md"} {
		_, after, found := strings.Cut(readFile(t, file), "```go\napi, err := resource.New(")
		snippet, _, _ := strings.Cut(after, "```")
		if !found || !strings.Contains(source, snippet) {
			t.Errorf("%s does not show the example:\n%s", file, snippet)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	check(t, err)
	return string(content)
}
