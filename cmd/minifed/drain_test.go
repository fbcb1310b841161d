package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// loadProcessors runs other programs on every processor until the test ends.
func loadProcessors(t *testing.T) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		other := exec.CommandContext(t.Context(), "nice", "-n", "5", "sh", "-c", "while :; do :; done")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() }) // Kill ends it.
	}
}

func TestStop_CompletesRequestsOfAcceptedConnections(t *testing.T) {
	loadProcessors(t)
	for name, once := range map[string]bool{"on connections that are used again": false, "on a connection for each request": true} {
		t.Run(name, func(t *testing.T) {
			running := newCLI(t).startServer(t, "MINIFED_LISTEN_DRAIN_DELAY=200ms")
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: once, MaxIdleConnsPerHost: 64}}
			t.Cleanup(client.CloseIdleConnections)
			var served atomic.Int64
			var callers sync.WaitGroup
			enough := make(chan struct{})
			for range 16 {
				callers.Go(func() { callUntilRejected(t, client, running.url, &served, enough) })
			}
			<-enough
			running.stop(t)
			callers.Wait()
		})
	}
}

// callUntilRejected sends requests until the connection is rejected. Any other error is a failure. It closes enough when all callers
// together have 500 responses.
func callUntilRejected(t *testing.T, client *http.Client, url string, served *atomic.Int64, enough chan<- struct{}) {
	for {
		response, err := client.Post(url+"/oauth2/token", "application/x-www-form-urlencoded", strings.NewReader("grant_type=client_credentials"))
		if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
			return // The connection was rejected or reset before a request was sent.
		}
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Errorf("an incomplete response: %v", err)
		}
		_ = response.Body.Close()
		if served.Add(1) == 500 {
			close(enough)
		}
	}
}

func TestStop_DoesNotWaitForASilentConnection(t *testing.T) {
	running := newCLI(t).startServer(t, "MINIFED_LISTEN_READ_HEADER_TIMEOUT=100ms")
	caller, err := new(net.Dialer).DialContext(context.Background(), "tcp", strings.TrimPrefix(running.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	running.stop(t)
	if strings.Contains(running.err.String(), "cut off") {
		t.Errorf("logged %s", running.err)
	}
}
