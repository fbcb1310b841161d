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

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// clock is the time of a world. It stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a provider on real HTTP with everything around it: a store, a simulated WeChat, a clock.
type world struct {
	*testing.T
	clock  *clock
	engine *storagetest.Hooks
	sim    *wechattest.Server
	api    *httptest.Server
	wechat *wechat.Client
	master *keys.Master
	ring   *keys.Ring
	secret *keys.Secrets
	log    *logBuffer
	ears   *eavesdropper
	server *server.Server
	url    string
	config server.Config
	// acme is the mini-program of the directory "acme", once there is one.
	acme *wechattest.App
	// ctx is set for a caller who may hang up; see hangUp.
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

// newWorld starts a world with the directory "default" and the client "mini", a mini-program's backend.
func newWorld(t *testing.T) *world {
	t.Helper()
	c := &clock{now: time.Now().UTC().Truncate(time.Millisecond)}
	return newWorldOn(t, c, storagetest.NewMemory(c.Now))
}

func newWorldOn(t *testing.T, c *clock, engine storage.Engine) *world {
	t.Helper()
	w := &world{
		T: t, clock: c, engine: &storagetest.Hooks{Engine: engine}, sim: &wechattest.Server{Now: c.Now}, log: &logBuffer{},
		ears: &eavesdropper{heard: map[string]string{}},
	}
	t.Cleanup(func() { // After every server has stopped.
		for _, leak := range w.ears.leaks(w.log.String()) {
			t.Errorf("in the log: %s", leak)
		}
	})
	api := httptest.NewServer(w.ears.between(w.sim))
	t.Cleanup(api.Close)
	w.api = api
	w.wechat = must(wechat.New(wechat.Config{
		BaseURL: api.URL, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		RetryDelay: func() time.Duration { return 0 }, Timeout: 2 * time.Second,
	}))(t)
	t.Cleanup(w.wechat.CloseIdleConnections)
	w.master = must(prepared.master())(t)

	w.addDirectory(storage.Directory{ID: "default", Name: "Default"})
	listener := httptest.NewUnstartedServer(nil)
	w.url = "http://" + listener.Listener.Addr().String()
	w.config = server.Config{
		PublicURL: w.url, DefaultDirectory: "default", Engine: w.engine, Keys: w.ring, Secrets: w.secret, Master: w.master,
		WeChat: w.wechat, Now: c.Now, Rand: rand.Reader, WeChatTimeout: 2 * time.Second, RequestTimeout: 10 * time.Second,
		Argon2: cheapArgon2(),
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	w.server = must(server.New(w.config))(t)
	listener.Config.Handler = w.ears.between(w.server)
	listener.Start()
	t.Cleanup(listener.Close)
	w.addMiniProgram("mini", func(*storage.Client) {})
	return w
}

// addDirectory makes a directory with keys for every algorithm that the tests use.
func (w *world) addDirectory(directory storage.Directory) {
	w.Helper()
	if w.ring == nil {
		config := keys.Config{Engine: w.engine, Master: w.master, Now: w.clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
		w.ring = must(keys.NewRing(config))(w.T)
		w.secret = must(keys.NewSecrets(config))(w.T)
	}
	if directory.Policy.SigningAlgorithms == nil {
		directory.Policy.SigningAlgorithms = []string{"RS256", "ES256", "EdDSA"}
	}
	directory.CreatedAt = w.clock.Now()
	must(storage.Insert(w.Context(), w.engine, directory))(w.T)
	prepared.ensure(w, directory)
	check(w.T, w.secret.Ensure(w.Context(), directory.ID))
}

// addMiniProgram registers a client of the default directory (or another one) and its mini-program at the simulator. Its
// secret is secretOfMini.
func (w *world) addMiniProgram(id string, edit func(*storage.Client)) *wechattest.App {
	w.Helper()
	appID := wechat.AppID("wxsim" + strings.ReplaceAll(id, "-", "") + rand.Text()[:8])
	app := must(w.sim.AddApp(wechat.App{ID: appID}))(w.T)
	client := storage.Client{
		Directory: "default", ID: id, Kind: storage.ClientMiniapp, AuthMethod: "client_secret_basic", Secrets: []string{fastHash(secretOfMini)},
		Scopes:           []string{"openid", "profile", "email", "phone", "address", "offline_access", "orders"},
		IDTokenAlgorithm: "ES256", Federation: &storage.Federation{AppID: string(appID)}, CreatedAt: w.clock.Now(),
	}
	edit(&client)
	client.Federation.AppSecret = w.sealSecret(client.Directory, id, string(app.Credential().Secret))
	must(storage.Insert(w.Context(), w.engine, client))(w.T)
	return app
}

func (w *world) sealSecret(directory, client, secret string) string {
	w.Helper()
	return must(w.master.Seal([]byte(secret), keys.AppSecretBinding(directory, client)))(w.T)
}

func fastHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// app is the mini-program of a client.
func (w *world) app(client string) *wechattest.App {
	w.Helper()
	record := must(storage.Get[storage.Client](w.Context(), w.engine.Engine, storage.Key("default", client)))(w.T)
	app, ok := w.sim.App(wechat.AppID(record.Record.Federation.AppID))
	if !ok {
		w.Fatalf("client %s has no app", client)
	}
	return app
}

// answer is what came back: the status, the headers and the JSON object of the body.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) text(member string) string { s, _ := a.body[member].(string); return s }

// post sends a form to a path of the public URL as a client that uses Basic authentication.
func (w *world) post(client, path string, form url.Values) answer {
	w.Helper()
	request := must(http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, strings.NewReader(form.Encode())))(w.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, secretOfMini)
	return w.do(request)
}

func (w *world) postJSON(client, path string, body any) answer {
	w.Helper()
	text, ok := body.(string)
	if !ok {
		text = string(must(json.Marshal(body))(w.T))
	}
	request := must(http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, strings.NewReader(text)))(w.T)
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(client, secretOfMini)
	return w.do(request)
}

func (w *world) do(request *http.Request) answer {
	w.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil && w.ctx != nil {
		return answer{} // The caller hung up.
	}
	check(w.T, err)
	defer response.Body.Close()
	raw := must(io.ReadAll(response.Body))(w.T)
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	openAPI().check(w.T, request, a)
	return a
}

// exchange is the smallest token exchange of a code, with further parameters in pairs.
func (w *world) exchange(client, code string, further ...string) answer {
	w.Helper()
	return w.post(client, "/oauth2/token", exchangeForm(code, further...))
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

func (w *world) refresh(client, token string, further ...string) answer {
	w.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i < len(further); i += 2 {
		form.Add(further[i], further[i+1])
	}
	return w.post(client, "/oauth2/token", form)
}

func (w *world) userinfo(token string) answer {
	w.Helper()
	request := must(http.NewRequestWithContext(w.Context(), http.MethodGet, w.url+"/oauth2/userinfo", nil))(w.T)
	request.Header.Set("Authorization", "Bearer "+token)
	return w.do(request)
}

// login signs a user in through a client's mini-program.
func (w *world) login(client, user string, further ...string) answer {
	w.Helper()
	a := w.exchange(client, w.app(client).Login(user), further...)
	if a.status != http.StatusOK {
		w.Fatalf("login of %s: %d %s", user, a.status, a.raw)
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

func (w *world) sub(a answer) string {
	w.Helper()
	sub, _ := claims(w.T, a.text("id_token"))["sub"].(string)
	return sub
}

// list returns every record of a kind.
func list[R storage.Record](w *world) []R {
	w.Helper()
	var records []R
	query := storage.Query{Order: storage.ByID}
	for {
		page, next, err := storage.List[R](context.Background(), w.engine.Engine, query)
		check(w.T, err)
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

// change edits a client's record, and waits until the server knows.
func (w *world) change(client string, edit func(*storage.Client)) {
	w.Helper()
	entry := must(storage.Get[storage.Client](w.Context(), w.engine.Engine, storage.Key("default", client)))(w.T)
	next := entry.Record
	edit(&next)
	must(entry.Replace(w.Context(), w.engine.Engine, next))(w.T)
	w.clock.Advance(6 * time.Second)
}

// watch returns a channel that receives a value for each such operation that was executed.
func (w *world) watch(kind storage.Kind, method string) <-chan struct{} {
	seen := make(chan struct{}, 64)
	w.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Kind == kind && o.Method == method && err == nil {
			seen <- struct{}{}
		}
		return err
	}
	return seen
}

// hangUp calls do on a copy of the world whose requests end, without an answer, when the returned function is called. It
// returns when do has.
func (w *world) hangUp(do func(*world)) (cancel func()) {
	ctx, stop := context.WithCancel(w.Context())
	caller := *w
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

// Context is the test's, or that of a caller who may hang up.
func (w *world) Context() context.Context {
	if w.ctx != nil {
		return w.ctx
	}
	return w.T.Context()
}

// secondInstance is another server process on the same store, as far as one process can be two.
func (w *world) secondInstance() *world {
	w.Helper()
	other := *w
	config := keys.Config{Engine: w.engine, Master: w.master, Now: w.clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
	other.ring = must(keys.NewRing(config))(w.T)
	other.secret = must(keys.NewSecrets(config))(w.T)
	other.config.Keys, other.config.Secrets = other.ring, other.secret
	other.server = must(server.New(other.config))(w.T)
	listener := httptest.NewServer(other.ears.between(other.server))
	w.Cleanup(listener.Close)
	other.url = listener.URL
	return &other
}
