package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// cliHarness runs commands in a test, with its own console and data folder.
type cliHarness struct {
	*console.Console
	folder   string
	out, err *outputBuffer
	// typed are the inputs at the terminal. There is no terminal while it is empty.
	typed []string
}

// catalog returns the texts of a language. The tests run many commands in one process, and reading the texts takes longer than most.
func catalog(language string) *locale.Catalog {
	if language == locale.SimplifiedChinese {
		return chineseCatalog()
	}
	return englishCatalog()
}

var (
	englishCatalog = sync.OnceValue(func() *locale.Catalog { return locale.In(locale.English) })
	chineseCatalog = sync.OnceValue(func() *locale.Catalog { return locale.In(locale.SimplifiedChinese) })
)

// newCLI returns a cliHarness. Its server has the default ports, or those that variables name.
func newCLI(t *testing.T, variables ...string) *cliHarness {
	t.Helper()
	s := &cliHarness{folder: filepath.Join(t.TempDir(), "data"), out: newOutputBuffer(), err: newOutputBuffer()}
	config := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, config, "")
	s.Console = &console.Console{
		In: strings.NewReader(""), Out: s.out, Err: s.err, Now: time.Now, Random: rand.Reader, Path: "minifed", Catalog: catalog,
		Environ: append([]string{"MINIFED_CONFIG=" + config, "MINIFED_DATA_DIR=" + s.folder, "MINIFED_LISTEN_DRAIN_DELAY=0s", "USER=alice"}, variables...),
	}
	return s
}

// with returns a copy with additional variables.
func (s *cliHarness) with(variables ...string) *cliHarness {
	other := *s
	world := *s.Console
	world.Environ = append(append([]string(nil), s.Environ...), variables...)
	other.Console = &world
	return &other
}

// exitCode runs a command line and returns its exit code.
func (s *cliHarness) exitCode(t *testing.T, args ...string) int {
	t.Helper()
	world := *s.Console
	if len(s.typed) > 0 {
		answer := func(context.Context, string) (string, error) {
			next := s.typed[0]
			s.typed = s.typed[1:]
			return next, nil
		}
		world.Ask, world.Confirm = answer, answer
	}
	return run(t.Context(), args, &world)
}

// run runs a command line that must succeed, and returns its output.
func (s *cliHarness) run(t *testing.T, args ...string) string {
	t.Helper()
	s.out.Reset()
	s.err.Reset()
	if code := s.exitCode(t, args...); code != exitDone {
		t.Fatalf("minifed %s: exit code %d\n%s", strings.Join(args, " "), code, s.err)
	}
	return s.out.String()
}

// mustFail runs a command line that must fail with this exit code, and print all these texts.
func (s *cliHarness) mustFail(t *testing.T, code int, says []string, args ...string) {
	t.Helper()
	s.out.Reset()
	s.err.Reset()
	if got := s.exitCode(t, args...); got != code {
		t.Errorf("minifed %s: exit code %d, want %d", strings.Join(args, " "), got, code)
	}
	for _, text := range says {
		if !strings.Contains(s.err.String(), text) {
			t.Errorf("minifed %s says\n%s\nwithout %q", strings.Join(args, " "), s.err, text)
		}
	}
	if s.out.String() != "" && code == exitUsage {
		t.Errorf("minifed %s prints %q", strings.Join(args, " "), s.out)
	}
}

// runJSON runs a command line with --output json and decodes its output.
func (s *cliHarness) runJSON(t *testing.T, args ...string) map[string]any {
	t.Helper()
	return decode(t, s.run(t, append(args, "--output", "json")...))
}

// decode decodes the JSON output of a command.
func decode(t testing.TB, printed string) map[string]any {
	t.Helper()
	decoded := map[string]any{}
	if err := json.Unmarshal([]byte(printed), &decoded); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, printed)
	}
	return decoded
}

// outputBuffer collects output. Other goroutines can wait for a text.
type outputBuffer struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    bytes.Buffer
}

func newOutputBuffer() *outputBuffer {
	o := new(outputBuffer)
	o.changed = sync.NewCond(&o.mu)
	return o
}

func (o *outputBuffer) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed.Broadcast()
	return o.text.Write(p)
}

func (o *outputBuffer) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *outputBuffer) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

// waitFor waits for a text until ctx ends.
func (o *outputBuffer) waitFor(ctx context.Context, text string) error {
	stop := context.AfterFunc(ctx, o.changed.Broadcast)
	defer stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !strings.Contains(o.text.String(), text) {
		if ctx.Err() != nil {
			return errors.New("never printed " + text + ":\n" + o.text.String())
		}
		o.changed.Wait()
	}
	return nil
}

// waitFor waits until a program has printed a text.
func waitFor(t *testing.T, printed *outputBuffer, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := printed.waitFor(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// testServer is a server that runs in this process.
type testServer struct {
	*cliHarness
	url, adminURL string
	cancel        context.CancelFunc
	ended         chan int
}

// startServer runs `minifed serve` until the test ends. It returns when the server serves.
func (s *cliHarness) startServer(t *testing.T, variables ...string) *testServer {
	t.Helper()
	return s.startServerAt(t, porttest.Address(t), variables...)
}

// startServerAt is startServer with the address of the public listener, which is also that of the issuer.
func (s *cliHarness) startServerAt(t *testing.T, public string, variables ...string) *testServer {
	t.Helper()
	return s.startServerOn(t, public, porttest.Address(t), variables...)
}

// startServerOn is startServerAt with the address of the admin listener.
func (s *cliHarness) startServerOn(t *testing.T, public, admin string, variables ...string) *testServer {
	t.Helper()
	running := &testServer{url: "http://" + public, adminURL: "http://" + admin, ended: make(chan int, 1)}
	running.cliHarness = s.with(append([]string{
		"MINIFED_PUBLIC_URL=" + running.url, "MINIFED_LISTEN_ADDRESS=" + public, "MINIFED_LISTEN_ADMIN_ADDRESS=" + admin,
		"MINIFED_ADMIN_PUBLIC_URL=" + running.adminURL,
	}, variables...)...)
	running.out, running.err = newOutputBuffer(), newOutputBuffer()
	running.Out, running.Err = running.out, running.err
	ctx, cancel := context.WithCancel(t.Context())
	running.cancel = cancel
	go func() {
		running.ended <- run(ctx, []string{"serve"}, running.Console)
		running.out.Write([]byte("\nserve ended"))
	}()
	t.Cleanup(func() { running.stop(t) })
	waitFor(t, running.err, "msg=serving")
	return running
}

// stop ends the server, which must exit with code 0.
func (s *testServer) stop(t *testing.T) {
	t.Helper()
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	if code := <-s.ended; code != exitDone {
		t.Errorf("serve: exit code %d\n%s", code, s.err)
	}
}

// newCLIWithStore returns a cliHarness with an existing store. It is a copy of one store, because creating keys is slow.
func newCLIWithStore(t *testing.T) *cliHarness {
	t.Helper()
	s := newCLI(t)
	if err := os.CopyFS(s.folder, os.DirFS(filepath.Join(storeTemplate(), "data"))); err != nil {
		t.Fatal(err)
	}
	return s
}

// storeTemplate returns the data folder of a server that was started and stopped once.
var storeTemplate = sync.OnceValue(func() string {
	folder, err := os.MkdirTemp("", "minifed-test-")
	if err != nil {
		panic(err)
	}
	storeTemplateFolder = folder
	ctx, cancel := context.WithCancel(context.Background())
	logs := newOutputBuffer()
	c := &console.Console{
		In: strings.NewReader(""), Out: newOutputBuffer(), Err: logs, Now: time.Now, Random: rand.Reader, Catalog: catalog,
		Environ: []string{
			"MINIFED_CONFIG=" + os.DevNull, "MINIFED_DATA_DIR=" + filepath.Join(folder, "data"),
			"MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_DRAIN_DELAY=0s",
		},
	}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve"}, c) }()
	if err := logs.waitFor(ctx, "msg=serving"); err != nil {
		panic(err)
	}
	cancel()
	if code := <-ended; code != exitDone {
		panic(logs.String())
	}
	return folder
})

// storeTemplateFolder is the folder that storeTemplate created; empty if no test called it.
var storeTemplateFolder string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, folder := range []string{storeTemplateFolder, programs.folder} {
		if folder != "" {
			os.RemoveAll(folder)
		}
	}
	os.Exit(code)
}
