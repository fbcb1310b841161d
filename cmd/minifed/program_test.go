package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programProcess is a built program that runs until the test ends.
type programProcess struct {
	pid   int
	lines chan string // its output, of both streams; unread lines are dropped
	seen  []string
}

// programCache is a folder of built programs. Linking one takes longer than most tests.
type programCache struct {
	mu     sync.Mutex
	folder string          // guarded by mu; TestMain removes it
	built  map[string]bool // guarded by mu; by package
}

// programs is used by buildProgram.
var programs = programCache{built: map[string]bool{}}

// buildProgram builds a main package once for all tests and returns the binary.
func buildProgram(tb testing.TB, program string) string {
	tb.Helper()
	binary, err := programs.build(program)
	if err != nil {
		tb.Fatal(err)
	}
	return binary
}

func (c *programCache) build(program string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	absolute, err := filepath.Abs(program)
	if err != nil {
		return "", err
	}
	if c.folder == "" {
		if c.folder, err = os.MkdirTemp("", "minifed-programs-"); err != nil {
			return "", err
		}
	}
	binary := filepath.Join(c.folder, filepath.Base(absolute))
	if c.built[program] {
		return binary, nil
	}
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, program).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", program, err, out)
	}
	c.built[program] = true
	return binary, nil
}

// runProgram runs a program to its end and returns its output.
func runProgram(tb testing.TB, environment []string, input string, command ...string) []byte {
	tb.Helper()
	program := exec.CommandContext(context.Background(), command[0], command[1:]...)
	program.Env, program.Stdin, program.Stderr = environment, strings.NewReader(input), os.Stderr
	out, err := program.Output()
	if err != nil {
		tb.Fatalf("%v: %v\n%s", command, err, out)
	}
	return out
}

// startProgram starts a program and kills it at the end of the test.
func startProgram(tb testing.TB, environment []string, command ...string) *programProcess {
	tb.Helper()
	program := exec.CommandContext(context.Background(), command[0], command[1:]...)
	program.Env = environment
	out, err := program.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	program.Stderr = program.Stdout
	if err := program.Start(); err != nil {
		tb.Fatal(err)
	}
	started := &programProcess{pid: program.Process.Pid, lines: make(chan string, 256)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		started.read(out)
	}()
	tb.Cleanup(func() {
		_ = program.Process.Kill()
		<-done
		_ = program.Wait() // It was killed.
	})
	return started
}

func (p *programProcess) read(out io.Reader) {
	defer close(p.lines)
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		select {
		case p.lines <- scanner.Text():
		default:
		}
	}
}

// line waits for a line of the output that contains text.
func (p *programProcess) line(tb testing.TB, text string) string {
	tb.Helper()
	for _, line := range p.seen {
		if strings.Contains(line, text) {
			return line
		}
	}
	for line := range p.lines {
		p.seen = append(p.seen, line)
		if strings.Contains(line, text) {
			return line
		}
	}
	tb.Fatalf("the program ended without printing %q, but: %q", text, p.seen)
	return ""
}

// lastField returns the last word of the line that contains text.
func (p *programProcess) lastField(tb testing.TB, text string) string {
	tb.Helper()
	fields := strings.Fields(p.line(tb, text))
	return fields[len(fields)-1]
}
