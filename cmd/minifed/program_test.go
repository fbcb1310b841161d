package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programProcess is a built program that runs until the test ends.
type programProcess struct {
	pid   int
	lines chan string // its output, of both streams; unread lines are dropped
	seen  []string
}

// buildProgram builds a main package and returns the binary.
func buildProgram(tb testing.TB, folder, program string) string {
	tb.Helper()
	absolute, err := filepath.Abs(program)
	if err != nil {
		tb.Fatal(err)
	}
	binary := filepath.Join(folder, filepath.Base(absolute))
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, program).CombinedOutput(); err != nil {
		tb.Fatalf("go build %s: %v\n%s", program, err, out)
	}
	return binary
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
