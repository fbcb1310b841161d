//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// stepTimeout is the timeout of each wait of these tests. A busy machine may be slow, and a step that never ends is an error.
const stepTimeout = time.Minute

// processHarness is the built program in its own process, with the load of a mini-program's backend.
type processHarness struct {
	*testing.T
	binary      string
	environment []string
	issuer      string
	data        string
	log         *outputBuffer
	process     *exec.Cmd
	ended       context.Context // of the process: done when it has ended

	app        *wechattest.App
	id, secret string
	http       *http.Client
}

// newProcessHarness starts the program on a new store. wrapped is a command line that starts it, if any.
func newProcessHarness(t *testing.T, binary string, wrapped ...string) *processHarness {
	t.Helper()
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsimshop"})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	address := porttest.Address(t)
	folder := t.TempDir()
	config := filepath.Join(folder, "config.yaml")
	writeFile(t, config, "")
	p := &processHarness{
		T: t, binary: binary, issuer: "http://" + address, data: filepath.Join(folder, "data"), app: app,
		http: &http.Client{Transport: transport, Timeout: stepTimeout},
	}
	p.environment = append(os.Environ(),
		"MINIFED_CONFIG="+config, "MINIFED_PUBLIC_URL="+p.issuer, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS=off",
		"MINIFED_DATA_DIR="+p.data, "MINIFED_WECHAT_BASE_URL="+api.URL)
	t.Cleanup(p.kill)
	p.start(wrapped...)
	created := runProgram(t, p.environment, string(app.Credential().Secret), binary, "client", "create", "--kind", "wechat_miniapp",
		"--id", "shop", "--app-id", "wxsimshop", "--id-token-alg", "ES256", "--access-token-alg", "ES256", "--app-secret-stdin", "--output", "json")
	client := decode(t, string(created))
	p.id, _ = client["client_id"].(string)
	p.secret, _ = client["client_secret"].(string)
	return p
}

// start starts the program, and returns when it serves. It fails when the program ends before.
func (p *processHarness) start(wrapped ...string) {
	p.Helper()
	command := append(wrapped, p.binary, "serve")
	p.log = newOutputBuffer()
	p.process = exec.CommandContext(context.Background(), command[0], command[1:]...)
	p.process.Env, p.process.Stdout, p.process.Stderr = p.environment, p.log, p.log
	p.process.WaitDelay = stepTimeout // A tracer holds these pipes too, and may outlive the program.
	if err := p.process.Start(); err != nil {
		p.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	p.ended = ended
	go func(process *exec.Cmd) {
		defer end()
		_ = process.Wait() // Its log says why it ended.
	}(p.process)
	if err := p.log.waitFor(p.ended, "msg=serving"); err != nil {
		p.Fatalf("the program ended: %v", err)
	}
}

// kill ends the program as kill -9 does, and returns when it has ended. The kernel reports the end of a traced program to its
// parent after its tracer has seen it, so a tracer that is stuck is killed too.
func (p *processHarness) kill() {
	if p.process == nil || p.process.Process == nil {
		return
	}
	program, tracer := p.process.Process, tracerOf(p.process.Process.Pid)
	p.process = nil
	_ = program.Kill()
	if p.hasEnded() {
		return
	}
	if tracer != 0 {
		_ = syscall.Kill(tracer, syscall.SIGKILL)
	}
	if !p.hasEnded() {
		p.Fatalf("the program was killed, and has not ended:\n%s", p.log)
	}
}

// hasEnded waits for the end of the program.
func (p *processHarness) hasEnded() bool {
	select {
	case <-p.ended.Done():
		return true
	case <-time.After(2 * stepTimeout):
		return false
	}
}

// tracerOf returns the process that traces a process; 0 if none does.
func tracerOf(pid int) int {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "\nTracerPid:")
	line, _, _ := strings.Cut(after, "\n")
	tracer, _ := strconv.Atoi(strings.TrimSpace(line))
	return tracer
}

// tokenResponse is a response to the load. The status is 0 when the connection broke.
type tokenResponse struct {
	status int
	raw    string
	body   struct {
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
		Error        string `json:"error"`
		Reason       string `json:"reason"`
	}
}

func (p *processHarness) post(path string, form url.Values) (a tokenResponse) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.Error(err)
		return a
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(p.id, p.secret)
	response, err := p.http.Do(request)
	if err != nil {
		return a
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return a
	}
	a.status, a.raw = response.StatusCode, string(raw)
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (p *processHarness) exchange(code string) tokenResponse {
	return p.post("/oauth2/token", url.Values{
		"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {code},
	})
}

func (p *processHarness) refresh(token string) tokenResponse {
	return p.post("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (a tokenResponse) sub() string {
	parts := strings.Split(a.body.IDToken, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	_ = json.Unmarshal(payload, &claims)
	return claims.Subject
}

// testedUser is the state of a user after the last response.
type testedUser struct {
	user, sub, refresh string
	// revoking means that a revocation was sent, and revoked that it succeeded.
	revoking, revoked bool
}

// responseLog has the responses that clients got.
type responseLog struct {
	mu        sync.Mutex
	users     map[string]testedUser // by user
	completed int
	rejected  int
	// onResponse is called after each response, under mu.
	onResponse func(completed, rejected int)
}

func newResponseLog(onResponse func(completed, rejected int)) *responseLog {
	return &responseLog{users: map[string]testedUser{}, onResponse: onResponse}
}

func (l *responseLog) record(a testedUser) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users[a.user] = a
	l.completed++
	l.onResponse(l.completed, l.rejected)
}

// recordIntent records a request before it is sent: without a response it may be processed or not.
func (l *responseLog) recordIntent(a testedUser) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users[a.user] = a
}

func (l *responseLog) countRejection() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rejected++
	l.onResponse(l.completed, l.rejected)
}

// load signs users in, refreshes and revokes, and records the responses, until stop is closed or the program has ended. It also ends after
// many more users than a test needs.
func (p *processHarness) load(l *responseLog, name string, stop <-chan struct{}) {
	const workers, most = 8, 1000
	inParallel(workers, workers, func(worker, _ int) {
		for i := 0; i < most && p.simulateUser(l, fmt.Sprint(name, "-", worker, "-", i), i%4 == 3, stop); i++ {
		}
	})
}

// simulateUser sends all requests of one user. It returns false when the load has ended.
func (p *processHarness) simulateUser(l *responseLog, user string, revokes bool, stop <-chan struct{}) bool {
	code := p.app.Login(user)
	a, ok := p.sendUntilDone(l, stop, func() tokenResponse { return p.exchange(code) })
	if !ok {
		return false
	}
	known := testedUser{user: user, sub: a.sub(), refresh: a.body.RefreshToken}
	l.record(known)
	for range 3 {
		if a, ok = p.sendUntilDone(l, stop, func() tokenResponse { return p.refresh(known.refresh) }); !ok {
			return false
		}
		known.refresh = a.body.RefreshToken
		l.record(known)
	}
	if !revokes {
		return true
	}
	known.revoking = true
	l.recordIntent(known)
	if _, ok = p.sendUntilDone(l, stop, func() tokenResponse { return p.post("/oauth2/revoke", url.Values{"token": {known.refresh}}) }); !ok {
		return false
	}
	known.revoked = true
	l.record(known)
	return true
}

// sendUntilDone repeats a request until it succeeds, as a client does after 503.
func (p *processHarness) sendUntilDone(l *responseLog, stop <-chan struct{}, send func() tokenResponse) (tokenResponse, bool) {
	for range 10_000 {
		select {
		case <-stop:
			return tokenResponse{}, false
		default:
		}
		a := send()
		switch {
		case a.status == http.StatusOK:
			return a, true
		case a.status == 0:
			return a, false // The program has ended.
		case a.status != http.StatusServiceUnavailable || a.body.Error != "temporarily_unavailable" || a.body.Reason != "retry":
			p.Errorf("got %d %s", a.status, a.raw)
			return a, false
		case strings.Contains(a.raw, "sqlite") || strings.Contains(a.raw, p.data) || strings.Contains(a.raw, "disk"):
			p.Errorf("the response reveals internals: %s", a.raw)
		}
		l.countRejection()
	}
	p.Error("a request was always rejected")
	return tokenResponse{}, false
}

// retryUnavailable repeats a request while the response is 503.
func retryUnavailable(send func() tokenResponse) (a tokenResponse) {
	for range 1000 {
		if a = send(); a.status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// check checks that the state of all users matches the responses.
func (p *processHarness) check(l *responseLog) {
	p.Helper()
	accounts := make([]testedUser, 0, len(l.users))
	for _, known := range l.users {
		accounts = append(accounts, known)
	}
	inParallel(8, len(accounts), func(_, i int) {
		known := accounts[i]
		a := retryUnavailable(func() tokenResponse { return p.refresh(known.refresh) })
		switch {
		case known.revoked && (a.status != http.StatusBadRequest || a.body.Error != "invalid_grant"):
			p.Errorf("a revoked token: got %d %s", a.status, a.raw)
		case !known.revoking && (a.status != http.StatusOK || a.sub() != known.sub):
			p.Errorf("the last refresh token of a user: got %d %s", a.status, a.raw)
		}
		code := p.app.Login(known.user)
		if a := retryUnavailable(func() tokenResponse { return p.exchange(code) }); a.status != http.StatusOK || a.sub() != known.sub {
			p.Errorf("the user signs in again: got %d %s, want the subject %s", a.status, a.raw, known.sub)
		}
	})
}
