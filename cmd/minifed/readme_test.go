package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADME_ShowsTheDemoAsPrinted compares the step of the demo that both READMEs show with the output of the program. Only random
// values, sizes and ports differ.
func TestREADME_ShowsTheDemoAsPrinted(t *testing.T) {
	printed := string(runProgram(t, os.Environ(), "", buildProgram(t, "."), "demo", "--once"))
	_, step, found := strings.Cut(printed, "\n2. ")
	step, _, ended := strings.Cut(step, "\n3. ")
	if !found || !ended {
		t.Fatalf("the demo printed no step 2:\n%s", printed)
	}
	want := maskDemo("2. " + step)
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		_, shown, _ := strings.Cut(pages(t)[name], "```\n2. ")
		shown, _, _ = strings.Cut(shown, "```")
		if got := maskDemo("2. " + shown); got != want {
			t.Errorf("%s shows\n%s\nand the demo prints\n%s", name, got, want)
		}
	}
}

// maskDemo replaces what differs at each run of the demo.
func maskDemo(text string) string {
	for pattern, mask := range map[string]string{
		`\S+…\S+ \(\d+ characters\)`: "VALUE",
		`127\.0\.0\.1:\d+`:           "ADDRESS",
		`-u shop:\S+`:                "-u shop:SECRET",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, mask)
	}
	return strings.TrimSpace(text)
}
