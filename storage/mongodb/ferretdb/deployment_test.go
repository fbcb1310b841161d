package ferretdb

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// deployment is a simulated environment: a simulated WeChat, a clock, a master key, and as many instances of the server as a test starts.
type deployment struct {
	*testing.T
	clock *storagetest.Clock
	sim   *wechattest.Server
	// api is where the simulated WeChat is.
	api string
	// master is the text of the master keys.
	master string
	// key is the private key of the service "keyed", once there is one.
	key *ecdsa.PrivateKey
	// url is the public URL, which is that of the first instance.
	url string
	// phones receives the SMS of all instances.
	phones *buffer
	// transport is for the clients of this deployment alone: the end of any test server closes idle connections of http.DefaultTransport,
	// also below the requests of other tests.
	transport *http.Transport
	// open opens the store for an instance.
	open func(*instance) storage.Engine
}

// instance is one process of a deployment, as far as one process can be several.
type instance struct {
	*deployment
	// masterKeys is the text of its master keys, skew how far its clock is ahead.
	masterKeys string
	skew       time.Duration
	// compared is its clock, corrected by the store's; nil for an instance that compares none.
	compared *storage.Clock

	engine   storage.Engine
	proxy    *Proxy // nil where there is no wire
	commands *commandLog
	keys     *keys.Ring
	secrets  *keys.Secrets
	audit    *audit.Trail
	wechat   *wechat.Client
	handler  *server.Server
	log      *buffer
	// address is the listen address of this instance.
	address string
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// errors are the lines that are no plain access log.
func (b *buffer) errors() string {
	var lines strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, `"level":"INFO"`) {
			lines.WriteString(line)
		}
	}
	return lines.String()
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

// opened returns the engine of a server that is up. A busy machine may take longer to connect than an engine waits.
func opened(t testing.TB, options mongodb.Options) *mongodb.Engine {
	t.Helper()
	for range 5 {
		engine, err := mongodb.Open(t.Context(), options)
		if !errors.Is(err, storage.ErrUnavailable) {
			return must(engine, err)(t)
		}
	}
	return must(mongodb.Open(t.Context(), options))(t)
}

// patient is a URI option, and patience how long an operation may take, for tests that do not wait for the end of either: a busy
// machine takes longer than a server waits.
const (
	patient  = "serverSelectionTimeoutMS=60000"
	patience = time.Minute
)

// newDeployment starts a deployment on a database of its own, with one instance. Options are added to the URI.
func newDeployment(t *testing.T, proxied func(*Server, testing.TB) *Proxy, options ...string) (*deployment, *instance) {
	t.Helper()
	database := ferret.Database(t)
	if len(options) == 0 {
		options = []string{patient}
	}
	return newTownOn(t, func(i *instance) storage.Engine {
		i.proxy, i.commands = proxied(ferret, i.T), newCommandLog()
		return opened(i.T, mongodb.Options{URI: i.proxy.URI(database, options...), Now: i.now, Monitor: i.commands.monitor(), Timeout: patience})
	})
}

func newTownOn(t *testing.T, open func(*instance) storage.Engine) (*deployment, *instance) {
	t.Helper()
	// The clock stands still. It is ahead of the real one, so that no server's TTL index deletes what is still live by this clock.
	start := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	w := &deployment{T: t, clock: storagetest.NewClock(start), phones: new(buffer), transport: new(http.Transport), open: open}
	w.sim = &wechattest.Server{Now: w.clock.Now}
	api := httptest.NewServer(w.sim)
	t.Cleanup(api.Close)
	w.api = api.URL
	t.Cleanup(w.transport.CloseIdleConnections)
	w.master = must(prepared.master())(t)
	first := w.start()
	first.addDirectory(storage.Directory{ID: "default", Name: "Default"})
	return w, first
}

// start starts another instance.
func (w *deployment) start(edit ...func(*instance)) *instance {
	w.Helper()
	i := &instance{deployment: w, masterKeys: w.master, log: new(buffer)}
	for _, e := range edit {
		e(i)
	}
	i.engine = w.open(i)
	if i.compared != nil {
		i.measure(0)
	}
	w.Cleanup(func() {
		_ = i.engine.Close()
		if w.Failed() {
			w.Logf("what instance %s logged besides requests:\n%s", i.address, i.log.errors())
		}
	})
	logger := slog.New(slog.NewJSONHandler(i.log, nil))
	config := keys.Config{
		Engine: i.engine, Master: must(keys.ParseMaster(i.masterKeys, rand.Reader))(w.T), Now: i.now, ClockTrusted: i.clockTrusted, Random: rand.Reader, Logger: logger,
	}
	check(w.T, keys.CheckMaster(w.Context(), i.engine, config.Master))
	i.keys = must(keys.NewRing(config))(w.T)
	i.secrets = must(keys.NewSecrets(config))(w.T)
	i.audit = audittest.New(w.T, i.engine, i.now)
	i.load()
	i.wechat = must(wechat.New(wechat.Config{
		BaseURL: w.api, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		RetryDelay: func() time.Duration { return 0 }, Timeout: 10 * time.Second,
	}))(w.T)
	w.Cleanup(i.wechat.CloseIdleConnections)
	listener := httptest.NewUnstartedServer(nil)
	i.address = "http://" + listener.Listener.Addr().String()
	if w.url == "" {
		w.url = i.address
	}
	i.handler = must(server.New(server.Config{
		PublicURL: w.url, DefaultDirectory: "default", Engine: i.engine, Audit: i.audit, Keys: i.keys, Secrets: i.secrets, Master: config.Master,
		WeChat: i.wechat, Now: i.now, ClockTrusted: i.clockTrusted, TokenNow: i.local, Rand: rand.Reader, Logger: logger,
		WeChatTimeout: 10 * time.Second, RequestTimeout: 2 * time.Minute, SMSWriter: w.phones,
		Argon2: cheapArgon2(2), // More than those of people, so that a sign-in replaces the hash.
	}))(w.T)
	listener.Config.Handler = i.handler
	listener.Start()
	w.Cleanup(listener.Close)
	return i
}

// run runs the instance's background work until the test ends.
func (i *instance) run() {
	i.Helper()
	ctx, stop := context.WithCancel(i.Context())
	var running sync.WaitGroup
	running.Go(func() { i.handler.Run(ctx) })
	i.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// now is the clock that the instance goes by for what concerns others, and local the one of its machine.
func (i *instance) now() time.Time {
	if i.compared != nil {
		return i.compared.Now()
	}
	return i.local()
}

// measure compares its clock with the store's, which is that far ahead of the deployment's.
func (i *instance) measure(ahead time.Duration) {
	i.Helper()
	check(i.T, i.compared.Measure(i.Context(), storeTime{i, ahead}))
}

// storeTime is the time of a store whose clock stands still as the deployment's does, and is ahead of it. A real one would go on
// while a busy machine prepares a test.
type storeTime struct {
	*instance
	ahead time.Duration
}

// Time implements storage.TimeSource.
func (s storeTime) Time(ctx context.Context) (time.Time, error) {
	began := time.Now()
	now, err := s.engine.(storage.TimeSource).Time(ctx)
	if apart := now.Sub(began); err == nil && (apart < -time.Minute || apart > time.Since(began)+time.Minute) {
		err = fmt.Errorf("the store says that it is %v", now)
	}
	return s.clock.Now().Add(s.ahead), err
}

func (i *instance) clockTrusted() bool { return i.compared == nil || i.compared.Trusted() }

func (i *instance) local() time.Time { return i.clock.Now().Add(i.skew) }

// load reads the keys, as an instance does every few seconds.
func (i *instance) load() {
	i.Helper()
	check(i.T, i.keys.Load(i.Context()))
	check(i.T, i.secrets.Load(i.Context()))
}

func (i *instance) addDirectory(directory storage.Directory) {
	i.Helper()
	directory.CreatedAt = i.clock.Now()
	must(storage.Insert(i.Context(), i.engine, directory))(i.T)
	prepared.ensure(i, directory)
	check(i.T, i.secrets.Ensure(i.Context(), directory.ID))
}

// prepared has what every deployment needs and takes long to make: an RSA key, sealed by one master key.
var prepared = preparation{master: sync.OnceValues(func() (string, error) { return keys.GenerateMasterKey(rand.Reader) })}

type preparation struct {
	master func() (string, error)

	mu   sync.Mutex
	keys map[string]storage.SigningKeys // guarded by mu; by algorithm
}

// ensure gives a directory its keys. The first call creates them.
func (p *preparation) ensure(i *instance, directory storage.Directory) {
	i.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, record := range p.keys {
		must(storage.Insert(i.Context(), i.engine, record))(i.T)
	}
	check(i.T, i.keys.EnsureDirectory(i.Context(), directory))
	if p.keys == nil {
		p.keys = map[string]storage.SigningKeys{}
		for _, record := range list[storage.SigningKeys](i) {
			for kid, key := range record.Keys { // Another deployment's clock may be behind this one's.
				key.PublishAt, key.SignAt = key.PublishAt.Add(-time.Hour), key.SignAt.Add(-time.Hour)
				record.Keys[kid] = key
			}
			p.keys[record.Algorithm] = record
		}
	}
}

const clientSecret = "secret-of-clients-0123456789abcdefghijklmnop"

// addClient registers a client of the default directory. Its secret is clientSecret.
func (i *instance) addClient(id string, kind storage.ClientKind, edit func(*storage.Client)) {
	i.Helper()
	sum := sha256.Sum256([]byte(clientSecret))
	client := storage.Client{
		Directory: "default", ID: id, Kind: kind, Incarnation: rand.Text(), AuthMethod: "client_secret_basic",
		Secrets:          []string{"sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])},
		Scopes:           []string{"openid", "profile", "offline_access"},
		IDTokenAlgorithm: "ES256", CreatedAt: i.clock.Now(),
	}
	edit(&client)
	must(storage.Insert(i.Context(), i.engine, client))(i.T)
}

// addMiniProgram registers a mini-program at WeChat and its backend as a client. Both belong to one Open Platform account.
func (i *instance) addMiniProgram(id string, edit func(*storage.Client)) *wechattest.App {
	i.Helper()
	app := must(i.sim.AddApp(wechat.App{ID: wechat.AppID("wxsim" + strings.ToLower(rand.Text()[:12]))}))(i.T)
	app.BindOpenPlatform("account")
	master := must(keys.ParseMaster(i.masterKeys, rand.Reader))(i.T)
	i.addClient(id, storage.ClientMiniapp, func(c *storage.Client) {
		c.Federation = &storage.Federation{AppID: string(app.Credential().ID), OpenPlatform: "account"}
		edit(c)
		c.Federation.AppSecret = must(master.Seal([]byte(app.Credential().Secret), keys.AppSecretBinding(c.Directory, id)))(i.T)
	})
	return app
}

// apiResponse holds the status, the headers, and the JSON object of the body.
type apiResponse struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
	// url is what was asked in the end.
	url string
}

func (a apiResponse) text(member string) string { s, _ := a.body[member].(string); return s }

// send sends a form to a path of this instance, as a client if one is named.
func (i *instance) send(client, path string, form url.Values) apiResponse {
	i.Helper()
	request := must(http.NewRequestWithContext(i.Context(), http.MethodPost, i.address+path, strings.NewReader(form.Encode())))(i.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		request.SetBasicAuth(client, clientSecret)
	}
	return i.do(request)
}

func (i *instance) get(path, token string) apiResponse {
	i.Helper()
	request := must(http.NewRequestWithContext(i.Context(), http.MethodGet, i.address+path, nil))(i.T)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return i.do(request)
}

func (i *instance) do(request *http.Request) apiResponse {
	i.Helper()
	return i.through(&http.Client{Transport: i.transport}, request)
}

func (i *instance) through(client *http.Client, request *http.Request) apiResponse {
	i.Helper()
	response := must(client.Do(request))(i.T)
	defer response.Body.Close()
	raw := must(io.ReadAll(response.Body))(i.T)
	a := apiResponse{status: response.StatusCode, header: response.Header, raw: string(raw), url: response.Request.URL.String()}
	_ = json.Unmarshal(raw, &a.body) // not everything is JSON
	return a
}

// exchange exchanges a code at the token endpoint; further parameters come in pairs.
func (i *instance) exchange(client, code string, further ...string) apiResponse {
	i.Helper()
	return i.send(client, "/oauth2/token", inPairs(append(further,
		"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange",
		"subject_token_type", "urn:minifed:params:oauth:token-type:wechat-miniapp-code",
		"subject_token", code,
	)))
}

func inPairs(pairs []string) url.Values {
	form := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		form.Set(pairs[n], pairs[n+1])
	}
	return form
}

func (i *instance) refresh(client, token string) apiResponse {
	i.Helper()
	return i.send(client, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (i *instance) bindUser(client string, pairs ...string) apiResponse {
	i.Helper()
	return i.send(client, "/federation/wechat/miniapp/bindUser", inPairs(pairs))
}

func (i *instance) profile(client string, pairs ...string) apiResponse {
	i.Helper()
	return i.send(client, "/federation/wechat/miniapp/profile", inPairs(pairs))
}

// wantOK asserts that a response has status 200.
func (a apiResponse) wantOK(t testing.TB) apiResponse {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	return a
}

// sub returns the subject of the ID token of a response.
func (a apiResponse) sub(t testing.TB) string {
	t.Helper()
	sub, _ := tokenPart(t, a.text("id_token"), 1)["sub"].(string)
	return sub
}

func tokenPart(t testing.TB, token string, part int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	var decoded map[string]any
	check(t, json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[part]))(t), &decoded))
	return decoded
}

// list returns every record of a kind.
func list[R storage.Record](i *instance) []R {
	i.Helper()
	var records []R
	query := storage.Query{Order: storage.ByID}
	for {
		page, next, err := storage.List[R](context.Background(), i.engine, query)
		check(i.T, err)
		for _, entry := range page {
			records = append(records, entry.Record)
		}
		if next == "" {
			return records
		}
		query.After = next
	}
}
