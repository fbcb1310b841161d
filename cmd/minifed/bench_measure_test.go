//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

// measure is one number of a result.
type measure struct {
	unit  string
	value float64
}

// result has the measures of one benchmark.
type result struct {
	name     string
	measured []measure
}

// results are in the order of measurement.
type results []result

// report reports the numbers, and stores them for the table, where they replace those of a shorter run.
func (r *results) report(b *testing.B, name string, measured ...measure) {
	for _, m := range measured {
		b.ReportMetric(m.value, m.unit)
	}
	b.ReportMetric(0, "ns/op") // The time of the load is not that of the server.
	at := slices.IndexFunc(*r, func(known result) bool { return known.name == name })
	if at < 0 {
		*r = append(*r, result{name, measured})
		return
	}
	(*r)[at].measured = measured
}

// print writes a Markdown table that is also readable as plain text.
func (r *results) print(out io.Writer, users int) {
	units := []string{"cpu-µs/op", "x-floor", "req/s", "p50-µs", "p99-µs", "mallocs/op", "disk-KB/op", "RSS-MB", "start-ms", "binary-MB"}
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintf(table, "\n%d users, %d grants\n\n|\t\t|\t%s\t|\n", users, 2*users, strings.Join(units, "\t|\t"))
	_, _ = fmt.Fprintf(table, "|\t---\t|%s\n", strings.Repeat("\t---:\t|", len(units)))
	for _, row := range *r {
		_, _ = fmt.Fprintf(table, "|\t%s\t|", row.name)
		for _, unit := range units {
			text := ""
			if at := slices.IndexFunc(row.measured, func(m measure) bool { return m.unit == unit }); at >= 0 {
				text = strconv.FormatFloat(row.measured[at].value, 'f', decimals(row.measured[at].value), 64)
			}
			_, _ = fmt.Fprintf(table, "\t%s\t|", text)
		}
		_, _ = fmt.Fprintln(table)
	}
	_, _ = fmt.Fprintln(table)
	_ = table.Flush() // to standard output
}

// decimals returns the number of decimals for three significant digits.
func decimals(value float64) int {
	switch {
	case value < 10:
		return 2
	case value < 100:
		return 1
	default:
		return 0
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// inParallel distributes 0 to n-1 to the workers, each of which works in order.
func inParallel(workers, n int, work func(worker, i int)) {
	var running sync.WaitGroup
	for worker := range workers {
		running.Go(func() {
			for i := worker; i < n; i += workers {
				work(worker, i)
			}
		})
	}
	running.Wait()
}

// buildBench builds the program as `make build` does.
func buildBench(b *testing.B, folder string) string {
	b.Helper()
	binary := filepath.Join(folder, "minifed")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// createClient creates a client, and stores its secret if it has one.
func (s *bench) createClient(b *testing.B, id, kind, input string, flags ...string) {
	b.Helper()
	command := append([]string{s.minifed, "client", "create", "--kind", kind, "--id", id, "--output", "json"}, flags...)
	out := runProgram(b, s.environment, input, command...)
	var client struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(out, &client); err != nil {
		b.Fatalf("client create printed %s", out)
	}
	s.secrets[id] = client.Secret
}

func (s *bench) send(b *testing.B, request *http.Request) []byte {
	response, err := s.http.Do(request)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		b.Errorf("%s: %s %s %v", request.URL.Path, response.Status, body, err)
	}
	return body
}

// responds reports whether the server returns its JWK Set.
func (s *bench) responds(b *testing.B) bool {
	response, err := s.http.Do(newRequest(b, s.issuer+"/oauth2/jwks", nil))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, response.Body)
	return cmp.Or(err, response.Body.Close()) == nil && response.StatusCode == http.StatusOK
}

type tokenPair struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

func parseTokens(b *testing.B, body []byte) (answer tokenPair) {
	if err := json.Unmarshal(body, &answer); err != nil || answer.RefreshToken == "" {
		b.Errorf("not a token response: %s", body)
	}
	return answer
}

// newRequest returns a POST request with the form, or a GET request without a form.
func newRequest(b *testing.B, address string, form url.Values) *http.Request {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(context.Background(), method, address, body)
	if err != nil {
		b.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request
}

// mallocs returns the number of heap objects that the server has allocated so far.
func (s *bench) mallocs(b *testing.B) float64 {
	body := s.send(b, newRequest(b, s.admin+"/metrics", nil))
	_, rest, _ := strings.Cut(string(body), "\ngo_memstats_mallocs_total ")
	value, _, _ := strings.Cut(rest, "\n")
	count, err := strconv.ParseFloat(value, 64)
	if err != nil {
		b.Fatalf("no go_memstats_mallocs_total in /metrics: %v", err)
	}
	return count
}

// signatureFloor is the processor time of one signature on one core, the median of several rounds.
func signatureFloor(b *testing.B, sign func()) time.Duration {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rounds := make([]time.Duration, 9)
	for round := range rounds {
		start, count := threadTime(b), 0
		for threadTime(b)-start < 20*time.Millisecond {
			sign()
			count++
		}
		rounds[round] = (threadTime(b) - start) / time.Duration(count)
	}
	slices.Sort(rounds)
	return rounds[len(rounds)/2]
}

func threadTime(b *testing.B) time.Duration {
	const rusageThread = 1
	var usage syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// signES256 is a signature of crypto/ecdsa. The server's signatures cost a little less: their nonces are derived (RFC 6979).
func signES256(b *testing.B) func() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("payload"))
	return func() {
		if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func signRS256(b *testing.B) func() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("payload"))
	return func() {
		if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}

// residentMegabytes reads a field of /proc/PID/status in megabytes.
func (p *programProcess) residentMegabytes(b *testing.B) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kilobytes, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes / 1024
}

// processorTime returns the processor time of all threads of the process in nanoseconds (/proc/PID/task/TID/schedstat).
func (p *programProcess) processorTime(b *testing.B) time.Duration {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("no threads of process %d: %v", p.pid, err)
	}
	var total int64
	for _, task := range tasks {
		content, err := os.ReadFile(task)
		if err != nil {
			continue // The thread ended.
		}
		used, _, _ := strings.Cut(string(content), " ")
		nanoseconds, err := strconv.ParseInt(used, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += nanoseconds
	}
	return time.Duration(total)
}

// writtenBytes returns the number of bytes that the process has written to the disk so far (write_bytes of /proc/PID/io).
func (p *programProcess) writtenBytes(b *testing.B) float64 {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(content, []byte("\nwrite_bytes: "))
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	written, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		b.Fatal(err)
	}
	return written
}

// stop ends the program with SIGTERM, and waits for its end.
func (p *programProcess) stop(b *testing.B) {
	b.Helper()
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	for range p.lines { // They end when the program ends.
		continue
	}
}
