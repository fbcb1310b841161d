package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// testServer is a provider on real HTTP with its environment: a store, a simulated WeChat, a clock.
type testServer struct {
	*testing.T
	clock       *storagetest.Clock
	engine      *storagetest.Hooks
	sim         *wechattest.Server
	api         *httptest.Server
	wechat      *wechat.Client
	master      *keys.Master
	ring        *keys.Ring
	secret      *keys.Secrets
	log         *logBuffer
	leakChecker *secretLeakChecker
	server      *server.Server
	url         string
	// transport is for the clients of this server alone: the end of any test server closes idle connections of http.DefaultTransport, also
	// below the requests of other tests.
	transport *http.Transport
	config    server.Config
	// outside are hosts of others, whose documents the provider fetches.
	outside *outsideHosts
	// acme is the mini-program of the directory "acme", if there is one.
	acme *wechattest.App
	// ctx is set for a client that may disconnect; see hangUp.
	ctx context.Context
}

// logBuffer is a log that a test can read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const secretOfMini = "secret-of-mini-0123456789abcdefghijklmnopq"

// newTestServer starts a test server with the directory "default" and the client "mini", a mini-program's backend.
func newTestServer(t *testing.T) *testServer {
	t.Helper()
	c := storagetest.NewClock(time.Now().UTC().Truncate(time.Millisecond))
	return newTestServerOn(t, c, storagetest.NewMemory(c.Now))
}

func newTestServerOn(t *testing.T, c *storagetest.Clock, engine storage.Engine) *testServer {
	t.Helper()
	ts := &testServer{
		T: t, clock: c, engine: &storagetest.Hooks{Engine: engine}, sim: &wechattest.Server{Now: c.Now}, log: &logBuffer{},
		leakChecker: &secretLeakChecker{secrets: map[string]string{}}, outside: &outsideHosts{},
	}
	t.Cleanup(func() { // After every server has stopped.
		for _, leak := range ts.leakChecker.leaks(ts.log.String()) {
			t.Errorf("in the log: %s", leak)
		}
		for _, leak := range auditLeaks(t, engine, ts.leakChecker) {
			t.Errorf("in the audit: %s", leak)
		}
	})
	api := httptest.NewServer(ts.leakChecker.wrap(ts.sim))
	t.Cleanup(api.Close)
	ts.api = api
	ts.wechat = must(wechat.New(wechat.Config{
		BaseURL: api.URL, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		RetryDelay: func() time.Duration { return 0 }, Timeout: 2 * time.Second,
	}))(t)
	t.Cleanup(ts.wechat.CloseIdleConnections)
	ts.master = must(preparedKeys.master())(t)

	ts.addDirectory(storage.Directory{ID: "default", Name: "Default"})
	listener := httptest.NewUnstartedServer(nil)
	ts.url = "http://" + listener.Listener.Addr().String()
	ts.config = server.Config{
		PublicURL: ts.url, DefaultDirectory: "default", Engine: ts.engine, Audit: audittest.New(t, ts.engine, c.Now), Keys: ts.ring, Secrets: ts.secret, Master: ts.master,
		WeChat: ts.wechat, Now: c.Now, Rand: rand.Reader, WeChatTimeout: 2 * time.Second, RequestTimeout: 10 * time.Second,
		Argon2: cheapArgon2(), FetchUnknown: ts.outside.config(),
		Logger: slog.New(slog.NewJSONHandler(ts.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	ts.server = must(server.New(ts.config))(t)
	listener.Config.Handler = ts.leakChecker.wrap(ts.server)
	listener.Start()
	t.Cleanup(listener.Close)
	ts.transport = new(http.Transport)
	t.Cleanup(ts.transport.CloseIdleConnections)
	ts.addMiniProgram("mini", func(*storage.Client) {})
	return ts
}

// addDirectory creates a directory with keys for every algorithm that the tests use.
func (ts *testServer) addDirectory(directory storage.Directory) {
	ts.Helper()
	if ts.ring == nil {
		config := keys.Config{Engine: ts.engine, Master: ts.master, Now: ts.clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
		ts.ring = must(keys.NewRing(config))(ts.T)
		ts.secret = must(keys.NewSecrets(config))(ts.T)
	}
	if directory.Policy.SigningAlgorithms == nil {
		directory.Policy.SigningAlgorithms = []string{"RS256", "ES256", "EdDSA"}
	}
	directory.CreatedAt = ts.clock.Now()
	must(storage.Insert(ts.Context(), ts.engine, directory))(ts.T)
	preparedKeys.ensure(ts, directory)
	check(ts.T, ts.secret.Ensure(ts.Context(), directory.ID))
}

// addMiniProgram registers a client of the default directory (or another one) and its mini-program at the simulator. The secret
// of the client is secretOfMini.
func (ts *testServer) addMiniProgram(id string, edit func(*storage.Client)) *wechattest.App {
	ts.Helper()
	appID := wechat.AppID("wxsim" + strings.ReplaceAll(id, "-", "") + rand.Text()[:8])
	app := must(ts.sim.AddApp(wechat.App{ID: appID}))(ts.T)
	client := storage.Client{
		Directory: "default", ID: id, Kind: storage.ClientMiniapp, AuthMethod: "client_secret_basic", Secrets: []string{fastHash(secretOfMini)},
		Scopes:           []string{"openid", "profile", "email", "phone", "address", "offline_access", "orders"},
		IDTokenAlgorithm: "ES256", Federation: &storage.Federation{AppID: string(appID)}, CreatedAt: ts.clock.Now(),
	}
	edit(&client)
	client.Federation.AppSecret = ts.sealSecret(client.Directory, id, string(app.Credential().Secret))
	must(storage.Insert(ts.Context(), ts.engine, client))(ts.T)
	return app
}

func (ts *testServer) sealSecret(directory, client, secret string) string {
	ts.Helper()
	return must(ts.master.Seal([]byte(secret), keys.AppSecretBinding(directory, client)))(ts.T)
}

func fastHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// app returns the mini-program of a client.
func (ts *testServer) app(client string) *wechattest.App {
	ts.Helper()
	record := must(storage.Get[storage.Client](ts.Context(), ts.engine.Engine, storage.Key("default", client)))(ts.T)
	app, ok := ts.sim.App(wechat.AppID(record.Record.Federation.AppID))
	if !ok {
		ts.Fatalf("client %s has no app", client)
	}
	return app
}

// response is an HTTP response: the status, the headers and the JSON object of the body.
type response struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a response) member(member string) string { s, _ := a.body[member].(string); return s }

// post sends a form to a path of the public URL as a client that uses Basic authentication.
func (ts *testServer) post(client, path string, form url.Values) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, secretOfMini)
	return ts.do(request)
}

func (ts *testServer) postJSON(client, path string, body any) response {
	ts.Helper()
	text, ok := body.(string)
	if !ok {
		text = string(must(json.Marshal(body))(ts.T))
	}
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(text)))(ts.T)
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(client, secretOfMini)
	return ts.do(request)
}

func (ts *testServer) do(request *http.Request) response {
	ts.Helper()
	client := &http.Client{Transport: ts.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	got, err := client.Do(request)
	if err != nil && ts.ctx != nil {
		return response{} // The client disconnected.
	}
	check(ts.T, err)
	defer got.Body.Close()
	raw := must(io.ReadAll(got.Body))(ts.T)
	a := response{status: got.StatusCode, header: got.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	openAPI().check(ts.T, request, a)
	return a
}

// exchange sends the smallest token exchange of a code, with further parameters in pairs.
func (ts *testServer) exchange(client, code string, further ...string) response {
	ts.Helper()
	return ts.post(client, "/oauth2/token", exchangeForm(code, further...))
}

func exchangeForm(code string, further ...string) url.Values {
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:minifed:params:oauth:token-type:wechat-miniapp-code"},
		"subject_token":      {code},
	}
	for i := 0; i < len(further); i += 2 {
		form.Add(further[i], further[i+1])
	}
	return form
}

func (ts *testServer) refresh(client, token string, further ...string) response {
	ts.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i < len(further); i += 2 {
		form.Add(further[i], further[i+1])
	}
	return ts.post(client, "/oauth2/token", form)
}

func (ts *testServer) userinfo(token string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodGet, ts.url+"/oauth2/userinfo", nil))(ts.T)
	request.Header.Set("Authorization", "Bearer "+token)
	return ts.do(request)
}

// login signs a user in through a client's mini-program.
func (ts *testServer) login(client, user string, further ...string) response {
	ts.Helper()
	a := ts.exchange(client, ts.app(client).Login(user), further...)
	if a.status != http.StatusOK {
		ts.Fatalf("login of %s: %d %s", user, a.status, a.raw)
	}
	return a
}

// claims reads the claims of a JWT without verifying it.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	return jwtPart(t, token, 1)
}

func jwtHeader(t *testing.T, token string) map[string]any {
	t.Helper()
	return jwtPart(t, token, 0)
}

func jwtPart(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	var all map[string]any
	check(t, json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[i]))(t), &all))
	return all
}

func (ts *testServer) sub(a response) string {
	ts.Helper()
	sub, _ := claims(ts.T, a.member("id_token"))["sub"].(string)
	return sub
}

// list returns every record of a kind.
func list[R storage.Record](ts *testServer) []R {
	ts.Helper()
	var records []R
	query := storage.Query{Order: storage.ByID}
	for {
		page, next, err := storage.List[R](context.Background(), ts.engine.Engine, query)
		check(ts.T, err)
		for _, entry := range page {
			records = append(records, entry.Record)
		}
		if next == "" {
			return records
		}
		query.After = next
	}
}

func must[V any](value V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		check(t, err)
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// change edits a client's record, and waits until the server has loaded it.
func (ts *testServer) change(client string, edit func(*storage.Client)) {
	ts.Helper()
	editRecord(ts, storage.Key("default", client), edit)
	ts.clock.Advance(6 * time.Second)
}

// editRecord changes a record of the store, by its ID. No hook sees the operations.
func editRecord[R storage.Record](ts *testServer, id string, edit func(*R)) {
	ts.Helper()
	entry := must(storage.Get[R](ts.Context(), ts.engine.Engine, id))(ts.T)
	next := entry.Record
	edit(&next)
	must(entry.Replace(ts.Context(), ts.engine.Engine, next))(ts.T)
}

// watch returns a channel that receives a value for each such operation that was executed.
func (ts *testServer) watch(kind storage.Kind, method string) <-chan struct{} {
	seen := make(chan struct{}, 64)
	ts.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Kind == kind && o.Method == method && err == nil {
			seen <- struct{}{}
		}
		return err
	}
	return seen
}

// hangUp calls do with a copy of the test server whose requests are canceled when the returned function is called. That
// function returns after do.
func (ts *testServer) hangUp(do func(*testServer)) (cancel func()) {
	ctx, stop := context.WithCancel(ts.Context())
	caller := *ts
	caller.ctx = ctx
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(&caller)
	}()
	return func() {
		stop()
		<-done
	}
}

// Context is the context of the test, or of a client that may disconnect.
func (ts *testServer) Context() context.Context {
	if ts.ctx != nil {
		return ts.ctx
	}
	return ts.T.Context()
}

// secondInstance returns another instance of the server on the same store, within this process.
func (ts *testServer) secondInstance() *testServer {
	ts.Helper()
	other := *ts
	config := keys.Config{Engine: ts.engine, Master: ts.master, Now: ts.clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
	other.ring = must(keys.NewRing(config))(ts.T)
	other.secret = must(keys.NewSecrets(config))(ts.T)
	other.config.Keys, other.config.Secrets = other.ring, other.secret
	other.server = must(server.New(other.config))(ts.T)
	listener := httptest.NewServer(other.leakChecker.wrap(other.server))
	ts.Cleanup(listener.Close)
	other.url = listener.URL
	return &other
}
