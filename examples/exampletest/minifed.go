package exampletest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// Minifed is a running server on an empty store.
type Minifed struct {
	Issuer      string
	binary      string
	environment []string
}

// Client is a client that the CLI created.
type Client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
	// Configuration is that of the relying party that the client was created for.
	Configuration string `json:"configuration"`
}

// StartMinifed builds minifed and starts it with the simulator's URL in place of WeChat's, and with further variables of the
// environment.
func StartMinifed(t *testing.T, wechat string, further ...string) *Minifed {
	t.Helper()
	address := porttest.Address(t)
	m := &Minifed{
		Issuer: "http://" + address,
		binary: Build(t, "cmd/minifed"),
		environment: []string{
			"MINIFED_PUBLIC_URL=http://" + address, "MINIFED_LISTEN_ADDRESS=" + address, "MINIFED_LISTEN_ADMIN_ADDRESS=off",
			"MINIFED_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "MINIFED_WECHAT_BASE_URL=" + wechat, "MINIFED_LOG_LEVEL=error",
		},
	}
	m.environment = append(m.environment, further...)
	Start(t, m.environment, m.binary, "serve")
	return m
}

// CLI runs a command with input on standard input, and returns what it printed.
func (m *Minifed) CLI(t *testing.T, input string, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), m.binary, args...)
	command.Env, command.Stdin, command.Stderr = append(os.Environ(), m.environment...), strings.NewReader(input), os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("minifed %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// CreateClient creates a client with the CLI; input is the standard input of the command, such as an AppSecret.
func (m *Minifed) CreateClient(t *testing.T, input string, flags ...string) Client {
	t.Helper()
	out := m.CLI(t, input, append([]string{"client", "create", "--output", "json"}, flags...)...)
	var client Client
	if err := json.Unmarshal(out, &client); err != nil || client.ID == "" {
		t.Fatalf("client create printed %s", out)
	}
	return client
}

// SecretFile writes the client's secret to a file, as a backend would read it.
func (c Client) SecretFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(c.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
