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
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// plant is the built program, serving in a process of its own, with a mini-program's backend that loads it.
type plant struct {
	*testing.T
	binary      string
	environment []string
	issuer      string
	data        string
	log         *output
	process     *exec.Cmd

	app        *wechattest.App
	id, secret string
	http       *http.Client
}

// newPlant starts the program on a new store. wrapped is a command line that it is started by, if any.
func newPlant(t *testing.T, binary string, wrapped ...string) *plant {
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
	address := freeLoopbackAddress(t.Context())
	folder := t.TempDir()
	config := filepath.Join(folder, "config.yaml")
	writeFile(t, config, "")
	p := &plant{
		T: t, binary: binary, issuer: "http://" + address, data: filepath.Join(folder, "data"), app: app, http: &http.Client{Transport: transport},
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

// start starts the program, and returns when it serves.
func (p *plant) start(wrapped ...string) {
	p.Helper()
	command := append(wrapped, p.binary, "serve")
	p.log = newOutput()
	p.process = exec.CommandContext(context.Background(), command[0], command[1:]...)
	p.process.Env, p.process.Stdout, p.process.Stderr = p.environment, p.log, p.log
	if err := p.process.Start(); err != nil {
		p.Fatal(err)
	}
	if err := p.log.await(p.Context(), "msg=serving"); err != nil {
		p.Fatalf("%v: %s", err, p.log)
	}
}

// kill ends the program as kill -9 does.
func (p *plant) kill() {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Kill()
	_ = p.process.Wait() // It was killed.
	p.process = nil
}

// reply is an answer to the load. A status of 0 is none: the connection broke.
type reply struct {
	status int
	raw    string
	body   struct {
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
		Error        string `json:"error"`
		Reason       string `json:"reason"`
	}
}

func (p *plant) post(path string, form url.Values) (a reply) {
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

func (p *plant) exchange(code string) reply {
	return p.post("/oauth2/token", url.Values{
		"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {code},
	})
}

func (p *plant) refresh(token string) reply {
	return p.post("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (a reply) sub() string {
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

// account is what a client was told of a user, as last answered.
type account struct {
	user, sub, refresh string
	// leaving says that a revocation was sent, and revoked that it was answered.
	leaving, revoked bool
}

// ledger is what clients were told.
type ledger struct {
	mu       sync.Mutex
	accounts map[string]account // by user
	answered int
	refused  int
	// heard is called after each answer, under mu.
	heard func(answered, refused int)
}

func newLedger(heard func(answered, refused int)) *ledger {
	return &ledger{accounts: map[string]account{}, heard: heard}
}

func (l *ledger) note(a account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[a.user] = a
	l.answered++
	l.heard(l.answered, l.refused)
}

// intend notes what is about to be asked: without an answer it may be done or not.
func (l *ledger) intend(a account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[a.user] = a
}

func (l *ledger) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
	l.heard(l.answered, l.refused)
}

// load signs users in, refreshes and revokes, until stop is closed or the program is gone, and notes what is answered.
func (p *plant) load(l *ledger, name string, stop <-chan struct{}) {
	const workers = 8
	inParallel(workers, workers, func(worker, _ int) {
		for i := 0; p.live(l, fmt.Sprint(name, "-", worker, "-", i), i%4 == 3, stop); i++ {
		}
	})
}

// live is one user's life. It returns false when the load is over.
func (p *plant) live(l *ledger, user string, revokes bool, stop <-chan struct{}) bool {
	code := p.app.Login(user)
	a, ok := p.insist(l, stop, func() reply { return p.exchange(code) })
	if !ok {
		return false
	}
	known := account{user: user, sub: a.sub(), refresh: a.body.RefreshToken}
	l.note(known)
	for range 3 {
		if a, ok = p.insist(l, stop, func() reply { return p.refresh(known.refresh) }); !ok {
			return false
		}
		known.refresh = a.body.RefreshToken
		l.note(known)
	}
	if !revokes {
		return true
	}
	known.leaving = true
	l.intend(known)
	if _, ok = p.insist(l, stop, func() reply { return p.post("/oauth2/revoke", url.Values{"token": {known.refresh}}) }); !ok {
		return false
	}
	known.revoked = true
	l.note(known)
	return true
}

// insist sends a request until it succeeds: a client that is told to come back does.
func (p *plant) insist(l *ledger, stop <-chan struct{}, send func() reply) (reply, bool) {
	for {
		select {
		case <-stop:
			return reply{}, false
		default:
		}
		a := send()
		switch {
		case a.status == http.StatusOK:
			return a, true
		case a.status == 0:
			return a, false // The program is gone.
		case a.status != http.StatusServiceUnavailable || a.body.Error != "temporarily_unavailable" || a.body.Reason != "retry":
			p.Errorf("got %d %s", a.status, a.raw)
			return a, false
		case strings.Contains(a.raw, "sqlite") || strings.Contains(a.raw, p.data) || strings.Contains(a.raw, "disk"):
			p.Errorf("the client hears of the inside: %s", a.raw)
		}
		l.refuse()
	}
}

// again repeats a request as long as it is told to.
func again(send func() reply) (a reply) {
	for range 1000 {
		if a = send(); a.status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// check asserts that everything is true that clients were told.
func (p *plant) check(l *ledger) {
	p.Helper()
	accounts := make([]account, 0, len(l.accounts))
	for _, known := range l.accounts {
		accounts = append(accounts, known)
	}
	inParallel(8, len(accounts), func(_, i int) {
		known := accounts[i]
		a := again(func() reply { return p.refresh(known.refresh) })
		switch {
		case known.revoked && (a.status != http.StatusBadRequest || a.body.Error != "invalid_grant"):
			p.Errorf("a revoked token: got %d %s", a.status, a.raw)
		case !known.leaving && (a.status != http.StatusOK || a.sub() != known.sub):
			p.Errorf("the last refresh token of a user: got %d %s", a.status, a.raw)
		}
		code := p.app.Login(known.user)
		if a := again(func() reply { return p.exchange(code) }); a.status != http.StatusOK || a.sub() != known.sub {
			p.Errorf("the user signs in again: got %d %s, want the subject %s", a.status, a.raw, known.sub)
		}
	})
}
