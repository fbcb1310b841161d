package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSecretFlags_RejectWrongFiles(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(t.TempDir(), "secret")
	for name, test := range map[string]struct{ content, says string }{
		"UTF-8 with a BOM":     {"\ufeffcorrect horse battery", "byte order mark (BOM)"},
		"UTF-16 little endian": {"\xff\xfec\x00o\x00", "byte order mark (BOM)"},
		"UTF-16 big endian":    {"\xfe\xff\x00c\x00o", "byte order mark (BOM)"},
		"an empty line after":  {"correct horse battery\n\n", "more than one line"},
		"two lines":            {"correct horse\r\nbattery\r\n", "more than one line"},
		"only a line end":      {"\n", "the secret is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, file, test.content)
			s.mustFail(t, exitFailed, []string{test.says}, "user", "create", "alice", "--password-file", file)
			piped := s.with()
			piped.In = strings.NewReader(test.content)
			piped.mustFail(t, exitFailed, []string{test.says}, "user", "create", "alice", "--password-stdin")
		})
	}
	for name, content := range map[string]string{"alice": "correct horse battery", "bob": "correct horse battery\n", "carol": "correct horse battery\r\n"} {
		writeFile(t, file, content)
		s.run(t, "user", "create", name, "--password-file", file)
	}
}

func TestJWKSFile_RejectsAByteOrderMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	writeFile(t, file, "\ufeff"+`{"keys":[]}`)
	newCLIWithStore(t).mustFail(t, exitUsage, []string{"--jwks-file " + file, "byte order mark (BOM)"},
		"client", "create", "--kind", "service", "--auth-method", "private_key_jwt", "--jwks-file", file)
}

func TestServe_WarnsOfAReadableMasterKey(t *testing.T) {
	const warning = "others on this machine can read the master key"
	s := newCLIWithStore(t)
	key := filepath.Join(s.folder, "master.key")
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	running := s.startServer(t)
	if strings.Contains(running.err.String(), warning) {
		t.Errorf("mode 0600: logged %s", running.err)
	}
	running.stop(t)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		logs := s.serveLogs(t, format)
		if !strings.Contains(logs, warning) || !strings.Contains(logs, key) || !strings.Contains(logs, "-rw-r--r--") {
			t.Errorf("mode 0644, format %s: logged %s", format, logs)
		}
	}
	content, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	running = s.startServer(t, "MINIFED_KEYS_MASTER_KEY="+string(content))
	if strings.Contains(running.err.String(), warning) {
		t.Errorf("with the key of the environment: logged %s", running.err)
	}
}

// serveLogs returns what a server logs until it serves.
func (s *cliHarness) serveLogs(t *testing.T, format string) string {
	t.Helper()
	logs := newOutputBuffer()
	other := s.with("MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off", "MINIFED_LOG_FORMAT="+format)
	other.Out, other.Err = io.Discard, logs
	runUntil(t, other, logs)()
	return logs.String()
}

// runUntil starts a server and returns when it serves. The function that it returns stops the server, as the end of the test does.
func runUntil(t *testing.T, s *cliHarness, logs *outputBuffer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		defer cancel() // The wait for the line ends too.
		ended <- run(ctx, []string{"serve"}, s.Console)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != exitDone {
			t.Errorf("serve: exit code %d\n%s", code, logs)
		}
	})
	t.Cleanup(stop)
	if err := logs.waitFor(ctx, "serving"); err != nil {
		t.Fatal(err)
	}
	return stop
}
