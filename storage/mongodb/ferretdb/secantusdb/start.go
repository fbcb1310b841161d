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
	"strings"
)

// SetName is the name of the replica set that every server belongs to.
const SetName = "secantus"

// Options say how a server runs.
type Options struct {
	// Folder holds its files.
	Folder string
	// Arguments are more arguments of the program.
	Arguments []string
}

// Server is a running SecantusDB.
type Server struct {
	// Address is its host and port.
	Address string
	process *exec.Cmd
}

// Start runs a server and waits until it listens, on a port of its own choice.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := os.MkdirAll(opts.Folder, 0o700); err != nil {
		return nil, err
	}
	arguments := append([]string{
		"--host", "127.0.0.1", "--port", "0", "--storage-path", filepath.Join(opts.Folder, "data"), "--cache-size", "256M",
	}, opts.Arguments...)
	process := exec.CommandContext(ctx, program(), arguments...) //nolint:gosec // The arguments are those of tests.
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

// program returns the path where `make setup` installs the server: bin/ of a folder above the working directory, which is the
// package's in a test.
func program() string {
	installed := filepath.Join("bin", "secantusdb", "bin", "secantusd-py")
	folder, err := os.Getwd()
	if err != nil {
		return installed
	}
	for ; ; folder = filepath.Dir(folder) {
		found := filepath.Join(folder, installed)
		if _, err := os.Stat(found); err == nil || folder == filepath.Dir(folder) {
			return found
		}
	}
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
