//go:build linux

package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// TestCrash_LosesNoAcknowledgedWrite runs the built program under load. It is killed, traced, and run on a disk that fails.
func TestCrash_LosesNoAcknowledgedWrite(t *testing.T) {
	binary := buildProgram(t, ".")
	t.Run("when it is killed under load", func(t *testing.T) { testKilled(t, binary) })
	t.Run("because it syncs before it responds", func(t *testing.T) { testSynced(t, binary) })
	t.Run("when its files may not grow", func(t *testing.T) { testQuota(t, binary) })
	for name, row := range map[string]struct{ inject, remedy string }{
		"when the disk is full":             {"pwrite64:error=ENOSPC:when=300..320", "the disk is full: free some space"},
		"when the file system is read-only": {"pwrite64:error=EROFS:when=300..320", "and the mount"},
		"when the disk fails to sync":       {"fdatasync,fsync:error=EIO:when=30..40", "the disk reports an error"},
	} {
		t.Run(name, func(t *testing.T) { testFailingDisk(t, binary, row.inject, row.remedy) })
	}
}

// killRounds returns how often the program is killed: MINIFED_TEST_KILLS, or 5 times.
func killRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("MINIFED_TEST_KILLS")
	if text == "" {
		return 5
	}
	rounds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("MINIFED_TEST_KILLS=%s is not a number", text)
	}
	return rounds
}

func testKilled(t *testing.T, binary string) {
	p := newProcessHarness(t, binary)
	completed, checked := 0, 0
	for round := range killRounds(t) {
		after := 150 + 37*round%100
		l := newResponseLog(func(completed, _ int) {
			if completed == after {
				_ = p.process.Process.Kill()
			}
		})
		p.load(l, strconv.Itoa(round), nil)
		p.kill()
		p.start()
		p.check(l)
		if t.Failed() {
			t.Fatalf("in round %d, killed after %d responses", round+1, after)
		}
		completed, checked = completed+l.completed, checked+len(l.users)
	}
	t.Logf("%d responses about %d users", completed, checked)
}

// strace returns the command line that traces all threads of a program, with the files of its system calls.
func strace(t *testing.T, output string, further ...string) []string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: .ci/setup installs it")
	}
	return append([]string{path, "-D", "-f", "-y", "-s", "64", "-o", output}, further...)
}

// testSynced checks in a trace of the program that the log of the store is written between a request and its response, and that a sync of
// the log is complete before the response begins.
func testSynced(t *testing.T, binary string) {
	trace := filepath.Join(t.TempDir(), "trace")
	if err := syscall.Mkfifo(trace, 0o600); err != nil {
		t.Fatal(err)
	}
	requests := make(chan [][]string, 1)
	go func() { requests <- traced(t, trace) }()
	p := newProcessHarness(t, binary, strace(t, trace, "-e", "trace=read,write,pwrite64,fsync,fdatasync")...)
	first := p.exchange(p.app.Login("alice"))
	if first.status != http.StatusOK {
		t.Fatalf("login: %d %s", first.status, first.raw)
	}
	if again := p.refresh(first.body.RefreshToken); again.status != http.StatusOK {
		t.Fatalf("refresh: %d %s", again.status, again.raw)
	}
	p.kill()
	var exchanges [][]string
	select {
	case exchanges = <-requests:
	case <-time.After(stepTimeout):
		t.Fatal("the trace does not end")
	}
	if len(exchanges) != 2 {
		t.Fatalf("%d requests were traced, want 2", len(exchanges))
	}
	for i, name := range []string{"login", "refresh"} {
		seen := exchanges[i]
		written, synced := slices.Index(seen, walWritten), lastIndex(seen, walSynced)
		if written < 0 || synced < lastIndex(seen, walWritten) || seen[len(seen)-1] != responseBegun {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

// The events of a request in a trace.
const (
	requestRead   = "request read"
	walWritten    = "log written"
	walSynced     = "log synced"
	responseBegun = "response begun"
)

func lastIndex(seen []string, what string) int {
	for i, event := range slices.Backward(seen) {
		if event == what {
			return i
		}
	}
	return -1
}

// traced returns the events of each token request, in order, until its response begins. The trace is a pipe. It ends with the tracer,
// shortly after the program.
func traced(t *testing.T, pipe string) (requests [][]string) {
	t.Helper()
	opened, err := os.Open(pipe)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer opened.Close()
	unfinished := map[string]string{} // the file of a call that a thread waits for
	var current []string
	lines := bufio.NewScanner(opened)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		event := eventOf(lines.Text(), unfinished)
		switch {
		case event == requestRead:
			current = []string{requestRead}
		case event == "" || current == nil:
		case event == responseBegun:
			requests, current = append(requests, append(current, responseBegun)), nil
		default:
			current = append(current, event)
		}
	}
	return requests
}

var (
	syncBegun   = regexp.MustCompile(`^(\d+) +(?:fsync|fdatasync)\(\d+<([^>]*)>( <unfinished \.\.\.>|\) += 0)`)
	syncResumed = regexp.MustCompile(`^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>\) += 0`)
)

// eventOf returns the event of a line of the trace; empty if it has none. A sync counts when it has returned.
func eventOf(line string, unfinished map[string]string) string {
	const wal = "minifed.db-wal>"
	if m := syncBegun.FindStringSubmatch(line); m != nil {
		if strings.Contains(m[3], "unfinished") {
			unfinished[m[1]] = m[2]
			return ""
		}
		return event(strings.HasSuffix(m[2], "minifed.db-wal"), walSynced)
	}
	if m := syncResumed.FindStringSubmatch(line); m != nil {
		return event(strings.HasSuffix(unfinished[m[1]], "minifed.db-wal"), walSynced)
	}
	switch {
	case strings.Contains(line, `OST /oauth2/token HTTP/1.1`): // The server may have read one byte while it watched the connection.
		return requestRead
	case strings.Contains(line, "pwrite64(") && strings.Contains(line, wal):
		return walWritten
	case strings.Contains(line, " write(") && strings.Contains(line, `"HTTP/1.1 200`):
		return responseBegun
	default:
		return ""
	}
}

func event(happened bool, name string) string {
	if happened {
		return name
	}
	return ""
}

// limitFiles sets the maximum size of the files of a running process.
func limitFiles(t *testing.T, pid int, size uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: size, Max: 1 << 40}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Error(errno)
	}
}

func testQuota(t *testing.T, binary string) {
	p := newProcessHarness(t, binary)
	stop, over := make(chan struct{}), 0
	limitedAfter := -1 // rejections: on a busy machine there may be some before
	l := newResponseLog(func(completed, rejected int) {
		switch {
		case completed >= 100 && limitedAfter < 0:
			limitFiles(t, p.process.Process.Pid, 64<<10)
			limitedAfter = rejected
		case limitedAfter >= 0 && rejected >= limitedAfter+50 && over == 0:
			limitFiles(t, p.process.Process.Pid, 1<<40)
			over = completed + 200
		case completed == over && over > 0:
			over = -1
			close(stop)
		}
	})
	p.load(l, "quota", stop)
	if over != -1 {
		t.Fatalf("%d responses, %d rejections: the load ended too early", l.completed, l.rejected)
	}
	p.check(l)
	if log := p.log.String(); !strings.Contains(log, "the disk reports an error: check the system log, free space, quotas") {
		t.Error("the log does not name the cause")
	}
}

// testFailingDisk lets some system calls of each thread of the program fail during the load. The tracer returns the error in place of the
// kernel. It counts calls from the start of the program; the start that creates the store has almost as many, so it is not traced.
func testFailingDisk(t *testing.T, binary, inject, remedy string) {
	calls, _, _ := strings.Cut(inject, ":")
	p := newProcessHarness(t, binary)
	p.kill()
	p.start(strace(t, os.DevNull, "-e", "trace="+calls, "-e", "inject="+inject)...)
	stop, over := make(chan struct{}), 0
	l := newResponseLog(func(completed, rejected int) {
		if rejected >= 10 && over == 0 {
			over = completed + 100
		}
		if completed == over && over > 0 {
			over = -1
			close(stop)
		}
	})
	p.load(l, "disk", stop)
	if over != -1 {
		t.Fatalf("%d responses, %d rejections: the load ended too early", l.completed, l.rejected)
	}
	p.check(l)
	if log := p.log.String(); !strings.Contains(log, remedy) {
		t.Errorf("the log does not have %q", remedy)
	}
}
