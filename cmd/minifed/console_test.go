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
	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// station is a console in a test, over a data folder of its own.
type station struct {
	*console.Console
	folder   string
	out, err *output
	// typed are the answers of the person at the terminal; nobody is there while it is empty.
	typed []string
}

// newStation makes a station whose server has the default ports, or those that variables name.
func newStation(t *testing.T, variables ...string) *station {
	t.Helper()
	s := &station{folder: filepath.Join(t.TempDir(), "data"), out: newOutput(), err: newOutput()}
	config := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, config, "")
	s.Console = &console.Console{
		In: strings.NewReader(""), Out: s.out, Err: s.err, Now: time.Now, Random: rand.Reader, Path: "minifed",
		Environ: append([]string{"MINIFED_CONFIG=" + config, "MINIFED_DATA_DIR=" + s.folder, "MINIFED_LISTEN_DRAIN_DELAY=0s", "USER=alice"}, variables...),
	}
	return s
}

// at gives the station another configuration by further variables.
func (s *station) at(variables ...string) *station {
	other := *s
	world := *s.Console
	world.Environ = append(append([]string(nil), s.Environ...), variables...)
	other.Console = &world
	return &other
}

// run runs one command line and returns its exit code.
func (s *station) run(t *testing.T, args ...string) int {
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

// must runs a command line that must succeed and returns what it printed.
func (s *station) must(t *testing.T, args ...string) string {
	t.Helper()
	s.out.Reset()
	s.err.Reset()
	if code := s.run(t, args...); code != exitDone {
		t.Fatalf("minifed %s: exit code %d\n%s", strings.Join(args, " "), code, s.err)
	}
	return s.out.String()
}

// fails runs a command line that must fail with this exit code and say all this.
func (s *station) fails(t *testing.T, code int, says []string, args ...string) {
	t.Helper()
	s.out.Reset()
	s.err.Reset()
	if got := s.run(t, args...); got != code {
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

// json runs a command line with --output json and decodes what it printed.
func (s *station) json(t *testing.T, args ...string) map[string]any {
	t.Helper()
	return decode(t, s.must(t, append(args, "--output", "json")...))
}

// decode reads what a command printed as JSON.
func decode(t testing.TB, printed string) map[string]any {
	t.Helper()
	decoded := map[string]any{}
	if err := json.Unmarshal([]byte(printed), &decoded); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, printed)
	}
	return decoded
}

// output collects what commands print; others can wait for a text.
type output struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    bytes.Buffer
}

func newOutput() *output {
	o := new(output)
	o.changed = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed.Broadcast()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

// await waits for a text until ctx ends.
func (o *output) await(ctx context.Context, text string) error {
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

// serving is a server that runs in a test.
type serving struct {
	*station
	url, adminURL string
	cancel        context.CancelFunc
	ended         chan int
}

// serve runs `minifed serve` until the test ends, and returns when it answers.
func (s *station) serve(t *testing.T, variables ...string) *serving {
	t.Helper()
	return s.serveAt(t, porttest.Address(t), variables...)
}

// serveAt is serve at an address of one's choice, which is the issuer's too.
func (s *station) serveAt(t *testing.T, public string, variables ...string) *serving {
	t.Helper()
	return s.serveWith(t, public, porttest.Address(t), variables...)
}

// serveWith is serveAt with the address of the admin listener.
func (s *station) serveWith(t *testing.T, public, admin string, variables ...string) *serving {
	t.Helper()
	running := &serving{url: "http://" + public, adminURL: "http://" + admin, ended: make(chan int, 1)}
	running.station = s.at(append([]string{
		"MINIFED_PUBLIC_URL=" + running.url, "MINIFED_LISTEN_ADDRESS=" + public, "MINIFED_LISTEN_ADMIN_ADDRESS=" + admin,
	}, variables...)...)
	running.out, running.err = newOutput(), newOutput()
	running.Console.Out, running.Console.Err = running.out, running.err
	ctx, cancel := context.WithCancel(t.Context())
	running.cancel = cancel
	go func() {
		running.ended <- run(ctx, []string{"serve"}, running.Console)
		running.out.Write([]byte("\nserve ended"))
	}()
	t.Cleanup(func() { running.stop(t) })
	if err := running.err.await(t.Context(), "msg=serving"); err != nil {
		t.Fatal(err)
	}
	return running
}

// stop ends the server and wants exit code 0.
func (s *serving) stop(t *testing.T) {
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

// made is a station whose store exists: a copy of one that was made once, because making keys takes long.
func made(t *testing.T) *station {
	t.Helper()
	s := newStation(t)
	if err := os.CopyFS(s.folder, os.DirFS(filepath.Join(template(), "data"))); err != nil {
		t.Fatal(err)
	}
	return s
}

// template returns the data folder of a server that was started and stopped once.
var template = sync.OnceValue(func() string {
	folder, err := os.MkdirTemp("", "minifed-test-")
	if err != nil {
		panic(err)
	}
	templateFolder = folder
	ctx, cancel := context.WithCancel(context.Background())
	logs := newOutput()
	c := &console.Console{
		In: strings.NewReader(""), Out: newOutput(), Err: logs, Now: time.Now, Random: rand.Reader,
		Environ: []string{
			"MINIFED_CONFIG=" + os.DevNull, "MINIFED_DATA_DIR=" + filepath.Join(folder, "data"),
			"MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off", "MINIFED_LISTEN_DRAIN_DELAY=0s",
		},
	}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve"}, c) }()
	if err := logs.await(ctx, "msg=serving"); err != nil {
		panic(err)
	}
	cancel()
	if code := <-ended; code != exitDone {
		panic(logs.String())
	}
	return folder
})

// templateFolder is what template made; empty if no test asked for it.
var templateFolder string

func TestMain(m *testing.M) {
	code := m.Run()
	if templateFolder != "" {
		os.RemoveAll(templateFolder)
	}
	os.Exit(code)
}
