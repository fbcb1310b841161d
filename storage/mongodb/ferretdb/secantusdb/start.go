package secantusdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// SetName is the name of the replica set that every server belongs to.
const SetName = "secantus"

// Options say how a server runs.
type Options struct {
	// Folder holds its files.
	Folder string
	// TTLSweep is how often it looks for expired documents, in seconds; 0 is never.
	TTLSweep float64
	// Arguments are more arguments of the program.
	Arguments []string
}

// Server is a running SecantusDB.
type Server struct {
	// Address is its host and port.
	Address string
	process *exec.Cmd
}

// never is a year: the program takes no 0.
const never = 365 * 24 * 3600

// Start runs a server and waits until it listens, on a port of its own choice.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := os.MkdirAll(opts.Folder, 0o700); err != nil {
		return nil, err
	}
	if opts.TTLSweep == 0 {
		opts.TTLSweep = never
	}
	config := filepath.Join(opts.Folder, "secantusd.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "[storage]\nttl_sweep_seconds = %f\n", opts.TTLSweep), 0o600); err != nil {
		return nil, err
	}
	arguments := append([]string{
		"--config", config, "--host", "127.0.0.1", "--port", "0", "--storage-path", filepath.Join(opts.Folder, "data"), "--cache-size", "256M",
	}, opts.Arguments...)
	process := exec.CommandContext(ctx, program(), arguments...)
	process.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	logs, err := process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("secantusdb: `make setup` installs it: %w", err)
	}
	address, err := listening(logs)
	if err != nil {
		return nil, errors.Join(err, process.Process.Kill(), process.Wait())
	}
	return &Server{Address: address, process: process}, nil
}

// Stop ends the server, and waits until its files are closed.
func (s *Server) Stop() error {
	if err := s.process.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	_ = s.process.Wait() // It ends by the signal.
	return nil
}

// URI is the connection string of a database of the server; more are options.
func (s *Server) URI(user, database string, more ...string) string {
	if user != "" {
		user += "@"
	}
	return "mongodb://" + user + s.Address + "/" + database + "?" + strings.Join(append([]string{"replicaSet=" + SetName}, more...), "&")
}

// program is where `make setup` put it.
func program() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "..", "bin", "secantusdb", "bin", "secantusd-py")
}

// listening reads the log until the server listens, and on in the background.
func listening(logs io.Reader) (string, error) {
	listens := regexp.MustCompile(`listening on (\S+)$`)
	var seen strings.Builder
	for lines := bufio.NewScanner(logs); lines.Scan(); {
		seen.WriteString(lines.Text() + "\n")
		if found := listens.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, logs) }()
			return found[1], nil
		}
	}
	return "", fmt.Errorf("secantusdb: it ended:\n%s", seen.String())
}
