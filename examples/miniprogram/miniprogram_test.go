// Package miniprogram tests the sample: the mini-program runs in Node.js with the simulator for a phone, against each backend,
// which runs against a minifed that was started the way its users start it.
package miniprogram

import (
	"bufio"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

const appID = "wxsimminiprogram"

func TestTheMiniProgramWorksWithEachBackend(t *testing.T) {
	folder := t.TempDir()
	simulator, control := startSimulator(t)
	minifed := startMinifed(t, folder, simulator)
	for name, command := range map[string][]string{
		"Node.js": {"node", "backend/node/server.js"},
		"Go":      {build(t, folder, "./backend/go")},
	} {
		t.Run(name, func(t *testing.T) {
			backend := start(t, append(os.Environ(), minifed.backendEnvironment()...), command...)
			tests := exec.CommandContext(t.Context(), "node", "--test", "test/")
			tests.Env = append(os.Environ(), "CONTROL="+control, "BACKEND="+backend)
			if out, err := tests.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func startSimulator(t *testing.T) (api, control string) {
	t.Helper()
	simulator := new(wechattest.Server)
	if _, err := simulator.AddApp(wechat.App{ID: appID, Secret: "s1mul4ted"}); err != nil {
		t.Fatal(err)
	}
	apiServer, controlServer := httptest.NewServer(simulator), httptest.NewServer(simulator.Control())
	t.Cleanup(apiServer.Close)
	t.Cleanup(controlServer.Close)
	return apiServer.URL, controlServer.URL
}

// instance is a running minifed with one client.
type instance struct{ issuer, clientID, secretFile string }

func (i instance) backendEnvironment() []string {
	return []string{"PORT=0", "MINIFED_ISSUER=" + i.issuer, "MINIFED_CLIENT_ID=" + i.clientID, "MINIFED_CLIENT_SECRET_FILE=" + i.secretFile}
}

func startMinifed(t *testing.T, folder, simulator string) instance {
	t.Helper()
	binary := build(t, folder, "../../cmd/minifed")
	address := freeAddress(t)
	environment := append(os.Environ(),
		"MINIFED_PUBLIC_URL=http://"+address, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS=off",
		"MINIFED_DATA_DIR="+filepath.Join(folder, "data"), "MINIFED_WECHAT_BASE_URL="+simulator)
	start(t, environment, binary, "serve")

	create := exec.CommandContext(t.Context(), binary, "client", "create", "--kind", "wechat_miniapp", "--app-id", appID,
		"--provisioning", "bind", "--app-secret-stdin", "--output", "json")
	create.Env, create.Stdin = environment, strings.NewReader("s1mul4ted")
	out, err := create.Output()
	if err != nil {
		t.Fatalf("client create: %v\n%s", err, out)
	}
	var client struct {
		ID     string `json:"id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(out, &client); err != nil || client.Secret == "" {
		t.Fatalf("client create printed %s", out)
	}
	secretFile := filepath.Join(folder, "secret")
	if err := os.WriteFile(secretFile, []byte(client.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return instance{issuer: "http://" + address, clientID: client.ID, secretFile: secretFile}
}

func build(t *testing.T, folder, program string) string {
	t.Helper()
	binary := filepath.Join(folder, filepath.Base(program))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, program).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", program, err, out)
	}
	return binary
}

// freeAddress is an address that nobody listened on a moment ago. The issuer is part of the configuration, so the port must
// be known before the server starts.
func freeAddress(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(nil)
	defer server.Close()
	return strings.TrimPrefix(server.URL, "http://")
}

// start runs a program until the test ends, and returns the URL in the first line that it prints with one.
func start(t *testing.T, environment []string, command ...string) string {
	t.Helper()
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Env, program.Stderr = environment, os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "http://"); found {
			go drain(lines)
			t.Cleanup(func() {
				_ = program.Process.Kill()
				_ = program.Wait() // It was killed.
			})
			return "http://" + strings.Fields(url)[0]
		}
	}
	t.Fatalf("%s ended without saying where it listens: %v", command[0], program.Wait())
	return ""
}

func drain(lines *bufio.Scanner) {
	for lines.Scan() {
	}
}
