//go:build linux

package main

import (
	"bytes"
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
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/minifed/minifed/grants"
)

// BenchmarkServer measures the built server over real HTTP on a durable store (SQLite, synchronous=FULL), with the simulator in
// a process of its own and the load in this one, each login with a code and a user of its own. For every operation and number
// of connections it reports
//
//	cpu-µs/op   processor time of the server process alone
//	x-floor     that time divided by the floor: the same signatures alone, measured in this run on this machine
//	req/s       what the server, the simulator and this load reached together on the cores they share
//	p50-µs      and p99-µs: how long a request took
//	allocs/op   heap objects of the server process
func BenchmarkServer(b *testing.B) {
	bench := startBench(b)
	es256, rs256 := signatureFloor(b, signES256(b)), signatureFloor(b, signRS256(b))
	b.Logf("floor: an ES256 signature %v, an RS256 signature %v", es256, rs256)
	for _, o := range []operation{
		{"login/ES256", 2 * es256, bench.logins("es256", bench.knownUser)},
		{"login/RS256", 2 * rs256, bench.logins("rs256", bench.knownUser)},
		{"first-login/ES256", 2 * es256, bench.logins("es256", bench.newUser)},
		{"refresh/ES256", 2 * es256, bench.refreshes},
		{"userinfo", 0, bench.userInfo},
		{"jwks", 0, bench.fetch("/oauth2/jwks")},
		{"discovery", 0, bench.fetch("/.well-known/openid-configuration")},
	} {
		for _, connections := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/connections=%d", o.name, connections), func(b *testing.B) { bench.run(b, o, connections) })
		}
	}
}

// operation is one kind of request. prepare makes n of them, outside the measured time; the requests of one worker are sent
// one after the other.
type operation struct {
	name    string
	floor   time.Duration
	prepare func(b *testing.B, n, workers int) func(worker, i int) *http.Request
}

// benchUsers is how many users the benchmark knows before it measures.
const benchUsers = 1000

// bench is a running server, its simulator, and the clients that load them.
type bench struct {
	issuer, admin, control string
	server                 *programProcess
	secrets                map[string]string
	http                   *http.Client
	fresh                  atomic.Int64 // numbers users that nobody knows
	next                   atomic.Int64 // deals known users out
}

func startBench(b *testing.B) *bench {
	b.Helper()
	folder := b.TempDir()
	minifed, simulator := buildProgram(b, folder, "."), buildProgram(b, folder, "../wechatsim")
	api, control := startSimulator(b, simulator)
	address, admin := freeLoopbackAddress(b.Context()), freeLoopbackAddress(b.Context())
	environment := append(os.Environ(),
		"MINIFED_PUBLIC_URL=http://"+address, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS="+admin,
		"MINIFED_DATA_DIR="+filepath.Join(folder, "data"), "MINIFED_WECHAT_BASE_URL="+api, "MINIFED_LOG_LEVEL=info")
	server := startProgram(b, environment, minifed, "serve")
	server.line(b, "minifed is at")
	transport := &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	running := &bench{
		issuer: "http://" + address, admin: "http://" + admin, control: control, server: server,
		secrets: map[string]string{}, http: &http.Client{Transport: transport},
	}
	for id, algorithm := range map[string]string{"es256": "ES256", "rs256": "RS256"} {
		running.secrets[id] = createBenchClient(b, environment, minifed, id, algorithm)
	}
	running.signInKnownUsers(b)
	return running
}

func startSimulator(b *testing.B, binary string) (api, control string) {
	b.Helper()
	simulator := startProgram(b, os.Environ(), binary, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0",
		"-app", "wxsimes256:secret", "-app", "wxsimrs256:secret", "-open-platform", "bench")
	return simulator.lastField(b, "API  "), simulator.lastField(b, "control ")
}

func createBenchClient(b *testing.B, environment []string, minifed, id, algorithm string) (secret string) {
	b.Helper()
	out := runProgram(b, environment, "secret", minifed, "client", "create", "--kind", "wechat_miniapp", "--id", id, "--app-id", "wxsim"+id,
		"--open-platform", "bench", "--id-token-alg", algorithm, "--app-secret-stdin", "--output", "json")
	var client struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(out, &client); err != nil || client.Secret == "" {
		b.Fatalf("client create printed %s", out)
	}
	return client.Secret
}

func (s *bench) signInKnownUsers(b *testing.B) {
	b.Helper()
	for _, client := range []string{"es256", "rs256"} {
		request := s.logins(client, s.knownUser)(b, benchUsers, 8)
		inParallel(8, benchUsers, func(worker, i int) { s.send(b, request(worker, i)) })
	}
}

// run sends b.N requests over the connections and reports what they cost.
func (s *bench) run(b *testing.B, o operation, connections int) {
	request := o.prepare(b, b.N, connections)
	took := make([]time.Duration, b.N)
	mallocs, used := s.mallocs(b), s.server.processorTime(b)
	b.ResetTimer()
	inParallel(connections, b.N, func(worker, i int) {
		start := time.Now()
		next := request(worker, i)
		body := s.send(b, next)
		took[i] = time.Since(start)
		if tokens, ok := next.Context().Value(answerTo{}).(*tokenPair); ok {
			*tokens = parseTokens(b, body)
		}
	})
	b.StopTimer()
	cpu := (s.server.processorTime(b) - used) / time.Duration(b.N)
	slices.Sort(took)
	b.ReportMetric(micros(cpu), "cpu-µs/op")
	b.ReportMetric(micros(took[len(took)/2]), "p50-µs")
	b.ReportMetric(micros(took[len(took)*99/100]), "p99-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric((s.mallocs(b)-mallocs)/float64(b.N), "allocs/op")
	b.ReportMetric(s.server.residentMegabytes(b), "RSS-MB")
	if o.floor > 0 {
		b.ReportMetric(float64(cpu)/float64(o.floor), "x-floor")
	}
	b.ReportMetric(0, "ns/op") // The load's own time says nothing of the server.
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// inParallel deals 0 to n-1 out to the workers, each of which takes its share in order.
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

func (s *bench) send(b *testing.B, request *http.Request) []byte {
	response, err := s.http.Do(request)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		b.Errorf("%s: %s %s %v", request.URL.Path, response.Status, body, err)
	}
	return body
}

func (s *bench) knownUser() string { return "known" + strconv.FormatInt(s.next.Add(1)%benchUsers, 10) }

func (s *bench) newUser() string { return "new" + strconv.FormatInt(s.fresh.Add(1), 10) }

// logins are token exchanges, each with a code of its own.
func (s *bench) logins(client string, user func() string) func(*testing.B, int, int) func(int, int) *http.Request {
	return func(b *testing.B, n, _ int) func(int, int) *http.Request {
		codes := make([]string, n)
		inParallel(8, n, func(_, i int) {
			codes[i] = string(s.send(b, newRequest(b, s.control+"/login?appid=wxsim"+client+"&user="+user(), url.Values{})))
		})
		return func(_, i int) *http.Request {
			return s.token(b, client, url.Values{
				"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {codes[i]},
			})
		}
	}
}

// tokens signs a user in for every worker.
func (s *bench) tokens(b *testing.B, n int) []tokenPair {
	request := s.logins("es256", s.knownUser)(b, n, n)
	answers := make([]tokenPair, n)
	for i := range n {
		answers[i] = parseTokens(b, s.send(b, request(i, i)))
	}
	return answers
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

// refreshes rotate as many grants as there are workers.
func (s *bench) refreshes(b *testing.B, _, workers int) func(int, int) *http.Request {
	signedIn := s.tokens(b, workers)
	return func(worker, _ int) *http.Request {
		request := s.token(b, "es256", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {signedIn[worker].RefreshToken}})
		return request.WithContext(context.WithValue(request.Context(), answerTo{}, &signedIn[worker]))
	}
}

// answerTo is the context key of the variable that a request's answer goes to.
type answerTo struct{}

func (s *bench) userInfo(b *testing.B, _, _ int) func(int, int) *http.Request {
	signedIn := s.tokens(b, benchUsers)
	return func(_, i int) *http.Request {
		request := newRequest(b, s.issuer+"/oauth2/userinfo", nil)
		request.Header.Set("Authorization", "Bearer "+signedIn[i%benchUsers].AccessToken)
		return request
	}
}

func (s *bench) fetch(path string) func(*testing.B, int, int) func(int, int) *http.Request {
	return func(b *testing.B, _, _ int) func(int, int) *http.Request {
		return func(int, int) *http.Request { return newRequest(b, s.issuer+path, nil) }
	}
}

func (s *bench) token(b *testing.B, client string, form url.Values) *http.Request {
	request := newRequest(b, s.issuer+"/oauth2/token", form)
	request.SetBasicAuth(client, s.secrets[client])
	return request
}

// newRequest is a POST of the form, or a GET without one.
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

// mallocs is how many heap objects the server has allocated so far.
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

// resident reads a field of /proc/PID/status in megabytes.
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

// processorTime is what all threads of the process have used, to the nanosecond (/proc/PID/task/TID/schedstat).
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
