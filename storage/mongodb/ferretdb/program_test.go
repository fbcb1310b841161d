package ferretdb

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// program is a built minifed with the environment that its commands run in.
type program struct {
	binary      string
	environment []string
}

// at adds variables.
func (p program) at(variables ...string) program {
	p.environment = append(append([]string{}, p.environment...), variables...)
	return p
}

// run runs a command to its end and decodes what it prints.
func (p program) run(t *testing.T, input string, args ...string) map[string]any {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.binary, append(args, "--output", "json")...)
	command.Env, command.Stdin = p.environment, strings.NewReader(input)
	var failure strings.Builder
	command.Stderr = &failure
	out, err := command.Output()
	if err != nil {
		t.Fatalf("minifed %v: %v\n%s", args, err, failure.String())
	}
	decoded := map[string]any{}
	if err := json.Unmarshal(out, &decoded); err != nil {
		t.Fatalf("minifed %v: %v\n%s", args, err, out)
	}
	return decoded
}

// running is a `minifed serve`.
type running struct{ command *exec.Cmd }

// serve starts the server and waits until it serves.
func (p program) serve(t *testing.T) running {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.binary, "serve")
	command.Env = p.environment
	logs, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	for lines := bufio.NewScanner(logs); lines.Scan(); {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "msg=serving") {
			go func() { _, _ = io.Copy(io.Discard, logs) }()
			return running{command}
		}
	}
	t.Fatalf("minifed serve ended:\n%s", &seen)
	return running{}
}

// stop has the server finish what is in progress.
func (r running) stop() {
	r.signal(syscall.SIGTERM)
	_ = r.command.Wait()
}

// kill ends the process in the middle of what it does.
func (r running) kill() {
	r.signal(syscall.SIGKILL)
	_ = r.command.Wait()
}

// freeze stops the process where it is, until thaw.
func (r running) freeze() { r.signal(syscall.SIGSTOP) }

func (r running) thaw() { r.signal(syscall.SIGCONT) }

func (r running) signal(signal syscall.Signal) { _ = r.command.Process.Signal(signal) }

// ask sends a form as the client and decodes the response.
func ask(t *testing.T, address string, client map[string]any, form url.Values) (int, map[string]any) {
	t.Helper()
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode())))(t)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client["client_id"].(string), client["client_secret"].(string))
	alone := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response := must(alone.Do(request))(t)
	defer response.Body.Close()
	decoded := map[string]any{}
	check(t, json.NewDecoder(response.Body).Decode(&decoded))
	return response.StatusCode, decoded
}

// post is ask, for what must succeed.
func post(t *testing.T, address string, client map[string]any, form url.Values) map[string]any {
	t.Helper()
	status, decoded := ask(t, address, client, form)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %v", address, status, decoded)
	}
	return decoded
}
