package exampletest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Build builds a main package, given by its path from the root of the repository, and returns the binary. The test may be in another
// module of the repository.
func Build(t *testing.T, program string) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/minifed/minifed").Output()
	if err != nil {
		t.Fatalf("the root of the repository: %v", err)
	}
	binary := filepath.Join(t.TempDir(), filepath.Base(program))
	command := exec.CommandContext(t.Context(), "go", "build", "-C", strings.TrimSpace(string(root)), "-o", binary, "./"+program)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", program, err, out)
	}
	return binary
}

// Start runs a program until the test ends, and returns the URL in the first line that it prints with one.
func Start(t *testing.T, environment []string, command ...string) string {
	t.Helper()
	program := exec.CommandContext(context.Background(), command[0], command[1:]...)
	program.Env, program.Stderr = append(os.Environ(), environment...), os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait() // It was killed.
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "http://"); found {
			go drain(lines)
			return "http://" + strings.TrimRight(strings.Fields(url)[0], "/")
		}
	}
	t.Fatalf("%s ended without saying where it listens", command[0])
	return ""
}

func drain(lines *bufio.Scanner) {
	for lines.Scan() {
	}
}

// Run runs a program to its end with the test's folder as working directory, and fails the test with what it printed if it
// fails.
func Run(t *testing.T, environment []string, command ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Env = append(os.Environ(), environment...)
	if out, err := program.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}
