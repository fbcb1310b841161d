//go:build interop

package interop

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minifed/minifed/examples/exampletest"
)

// recipe is the placeholder of the configuration that the command line prints, alone in its line.
const recipe = "{recipe}"

// running is a program that was started.
type running struct {
	url     string
	logFile string
	// ended is closed when the program has ended.
	ended chan struct{}
}

// start copies the program of a relying party with the configuration of its client in place, starts it, and waits until it listens.
func start(t *testing.T, party party, p *provider, client exampletest.Client, folder, address string) *running {
	t.Helper()
	values := strings.NewReplacer(
		"{issuer}", p.minifed.Issuer, "{client_id}", client.ID, "{client_secret}", client.Secret, "{address}", address,
		"{port}", address[strings.LastIndexByte(address, ':')+1:], "{application}", "http://"+address, "{folder}", folder, "{cache}", cache(t),
		"{secure}", p.secure,
	)
	configuration := strings.NewReplacer(party.edits...).Replace(client.Configuration)
	source := filepath.Join("parties", party.name)
	if err := os.RemoveAll(folder); err != nil { // What an earlier run left.
		t.Fatal(err)
	}
	err := filepath.WalkDir(source, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Join(folder, strings.TrimSuffix(strings.TrimPrefix(path, source), ".txt"))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(values.Replace(fill(string(content), configuration))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(party.build) > 0 {
		output(t, folder, party.build...)
	}
	started := &running{url: "http://" + address, logFile: filepath.Join(t.TempDir(), "log")}
	started.run(t, folder, values, party.command)
	started.wait(t, address)
	return started
}

// fill puts the configuration in place of the line of the placeholder, with its indentation.
func fill(content, configuration string) string {
	var lines []string
	for line := range strings.Lines(content) {
		if indentation, _, found := strings.Cut(line, recipe); found && strings.TrimSpace(line) == recipe {
			line = ""
			for of := range strings.Lines(configuration) {
				line += indentation + of
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

// run starts the program in a process group of its own, which ends with the test.
func (r *running) run(t *testing.T, folder string, values *strings.Replacer, command []string) {
	t.Helper()
	log, err := os.Create(r.logFile)
	if err != nil {
		t.Fatal(err)
	}
	var arguments []string
	for _, argument := range command {
		arguments = append(arguments, values.Replace(argument))
	}
	program := exec.CommandContext(context.Background(), arguments[0], arguments[1:]...)
	program.Dir, program.Stdout, program.Stderr = folder, log, log
	program.Env = append(os.Environ(), "PORT="+values.Replace("{port}"), "APPLICATION="+r.url, "ISSUER="+values.Replace("{issuer}"),
		"CLIENT_ID="+values.Replace("{client_id}"))
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	r.ended = make(chan struct{})
	go func() {
		_ = program.Wait() // It was killed, or its log has the reason.
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-program.Process.Pid, syscall.SIGKILL)
		<-r.ended
		_ = log.Close()
	})
}

// wait waits until the program listens.
func (r *running) wait(t *testing.T, address string) {
	t.Helper()
	const longest = 3 * time.Minute
	for began := time.Now(); time.Since(began) < longest && !r.hasEnded(); time.Sleep(200 * time.Millisecond) {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = connection.Close()
			return
		}
	}
	t.Fatalf("the program does not listen at %s:\n%s", address, r.log())
}

func (r *running) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// call sends a request with an access token.
func (r *running) call(t *testing.T, path, token string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// log returns the end of what the program printed.
func (r *running) log() string {
	const longest = 6000
	text, err := os.ReadFile(r.logFile)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-longest):]))
}
