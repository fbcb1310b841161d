//go:build unix

package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// childRole is the environment variable that turns the test program into a child of a test.
const childRole = "MINIFED_SQLITE_CHILD"

func TestMain(m *testing.M) {
	role, path, _ := strings.Cut(os.Getenv(childRole), ":")
	switch role {
	case "load":
		runLoad(path)
	case "quota":
		runQuota(path)
	case "upgrade":
		runUpgrade(path)
	case "restore":
		runRestore(path)
	default:
		os.Exit(m.Run())
	}
}

// startChild runs the test program in a role; its output is read line by line.
func startChild(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRole+"="+role+":"+path)
	child.Stderr = os.Stderr
	answers, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, bufio.NewScanner(answers)
}

// TestCrash_LosesNoAcknowledgedWrite kills a child under load, several times on one file, and checks that every
// acknowledged write is stored.
func TestCrash_LosesNoAcknowledgedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	acknowledged := map[string]storage.Document{} // by ID
	for round := range 4 {
		child, answers := startChild(t, "load", path)
		for n := 0; answers.Scan(); n++ {
			var doc storage.Document
			var counter int
			if _, err := fmt.Sscanf(answers.Text(), "%s %s %d", &doc.ID, &doc.Rev, &counter); err != nil {
				t.Fatalf("answer %q: %v", answers.Text(), err)
			}
			doc.Body = counterBody(counter)
			acknowledged[doc.ID] = doc
			if n == 200*(round+1) {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = child.Wait() // it was killed
		checkAcknowledged(t, path, acknowledged)
	}
}

func TestProcesses_ToolsAndServerShareFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	child, answers := startChild(t, "load", path)
	defer func() { _ = child.Wait() }()
	defer func() { _ = child.Process.Kill() }()
	for range 50 {
		answers.Scan()
	}
	id, _, _ := strings.Cut(answers.Text(), " ")

	if _, err := Open(t.Context(), Options{Path: path, Serve: true}); !errors.Is(err, ErrServed) {
		t.Errorf("a second server: %v", err)
	}
	tool := openTest(t, Options{Path: path})
	if _, err := tool.Get(t.Context(), storage.KindGrant, id); err != nil {
		t.Errorf("Get of what the server wrote: %v", err)
	}
	for i := range 100 {
		mustInsert(t, tool, testDocument(fmt.Sprint("tool", i)))
	}
	if err := tool.Backup(t.Context(), filepath.Join(t.TempDir(), "backup.db")); err != nil {
		t.Error(err)
	}
	for range 50 {
		if !answers.Scan() {
			t.Fatal("the server stopped")
		}
	}
}

func checkAcknowledged(t *testing.T, path string, acknowledged map[string]storage.Document) {
	t.Helper()
	e, err := Open(t.Context(), Options{Path: path, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if len(acknowledged) < 16 {
		t.Fatalf("only %d documents were acknowledged", len(acknowledged))
	}
	for id, want := range acknowledged {
		got, err := e.Get(t.Context(), storage.KindGrant, id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		// The last write before the kill may be stored without an acknowledgement.
		counter := counterOf(t, got)
		if counter < counterOf(t, want) || counter == counterOf(t, want) && got.Rev != want.Rev {
			t.Errorf("%s: acknowledged %s, found %s", id, want.Body, got.Body)
		}
	}
	var verdict string
	c, err := dialReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.value(&verdict, "PRAGMA integrity_check"); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s, %v", verdict, err)
	}
}

func counterBody(n int) []byte { return []byte(fmt.Sprintf(`{"v":1,"n":%d}`, n)) }

func counterOf(t *testing.T, doc storage.Document) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(string(doc.Body), `{"v":1,"n":%d}`, &n); err != nil {
		t.Fatalf("body %s: %v", doc.Body, err)
	}
	return n
}

// runLoad writes without end and prints the acknowledged writes.
func runLoad(path string) {
	e, err := Open(context.Background(), Options{Path: path, Serve: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	acknowledge := func(doc storage.Document, n int) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(doc.ID, doc.Rev, n)
	}
	for worker := range 16 {
		go countUp(e, fmt.Sprintf("%d-%d", os.Getpid(), worker), acknowledge)
	}
	select {}
}

// countUp inserts a document and replaces it again and again.
func countUp(e *Engine, id string, acknowledge func(storage.Document, int)) {
	doc := testDocument(id)
	for n := 0; ; n++ {
		var err error
		doc.Body = counterBody(n)
		if n == 0 {
			doc.Rev, err = e.Insert(context.Background(), doc)
		} else {
			doc.Rev, err = e.Replace(context.Background(), doc)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		acknowledge(doc, n)
	}
}

// TestDisk_FileSizeLimitIsUnavailableUntilLifted lets a child meet a quota under load and be freed of it.
func TestDisk_FileSizeLimitIsUnavailableUntilLifted(t *testing.T) {
	child, answers := startChild(t, "quota", filepath.Join(t.TempDir(), "minifed.db"))
	for answers.Scan() {
		t.Error(answers.Text())
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// runQuota says what went wrong; saying nothing is success.
func runQuota(path string) {
	signal.Ignore(syscall.SIGXFSZ) // the write then returns an error
	e, err := Open(context.Background(), Options{Path: path, Serve: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	kept := fill(e, "before", 20, nil)
	limitFiles(64 << 10)
	kept = append(kept, fill(e, "during", 100, storage.ErrUnavailable)...)
	if len(kept) == 120 {
		fmt.Println("the quota did not bite")
	}
	for _, doc := range kept {
		if _, err := e.Get(context.Background(), doc.Kind, doc.ID); err != nil {
			fmt.Println("Get under the quota:", err)
		}
	}
	limitFiles(1 << 30)
	kept = append(kept, fill(e, "after", 20, nil)...)
	for _, doc := range kept {
		if _, err := e.Replace(context.Background(), doc); err != nil {
			fmt.Println("Replace without the quota:", err)
		}
	}
	if err := e.Close(); err != nil {
		fmt.Println(err)
	}
}

// fill inserts large documents from several goroutines and returns the acknowledged ones; the others must fail with allowed.
func fill(e *Engine, name string, n int, allowed error) (acknowledged []storage.Document) {
	var mu sync.Mutex
	inParallel(16, n, func(i int) {
		doc := largeDocument(fmt.Sprint(name, i))
		rev, err := e.Insert(context.Background(), doc)
		doc.Rev = rev
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			acknowledged = append(acknowledged, doc)
		case allowed == nil || !errors.Is(err, allowed) || !strings.Contains(err.Error(), "disk"):
			fmt.Println("Insert:", err)
		}
	})
	return acknowledged
}

func limitFiles(size uint64) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
	}
	limit.Cur = size
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
	}
}

// TestUpgrade_KilledAtAnyTimeLosesNothing kills upgrades of one file after a time that grows, until one is finished.
func TestUpgrade_KilledAtAnyTimeLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minifed.db")
	documents := oldFile(t, path, 500)
	for after, killed := time.Duration(0), 0; ; after += after/4 + 2*time.Millisecond {
		child, answers := startChild(t, "upgrade", path)
		answers.Scan() // It begins.
		timer := time.AfterFunc(after, func() { _ = child.Process.Kill() })
		finished := answers.Scan()
		timer.Stop()
		_ = child.Process.Kill()
		_ = child.Wait() // it was killed
		if finished {
			t.Logf("killed %d times before the upgrade was finished", killed)
			break
		}
		killed++
	}
	wantDocuments(t, openTest(t, Options{Path: path, Serve: true}), documents)
	files, err := filepath.Glob(path + upgradeSuffix + "*")
	if err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// runUpgrade opens a file as a server, prints a line before and one after, and waits to be killed.
func runUpgrade(path string) {
	fmt.Println("begins")
	if _, err := Open(context.Background(), Options{Path: path, Serve: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("finished")
	select {}
}
