package server_test

import (
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
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// benchServer is a server in memory without network: its requests are function calls. Its clients are "service", "handles"
// (opaque tokens) and "gateway" (which may introspect), by Basic, and "keyed", by an ES256 key.
type benchServer struct {
	testing.TB
	server *server.Server
	engine *storagetest.Hooks
	ring   *keys.Ring
	// ahead is how far the clock of the server is ahead, in nanoseconds.
	ahead atomic.Int64
}

func (b *benchServer) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

const benchURL = "https://id.example"

// benchClaims have the length of the claims of a client's own token.
const benchClaims = `{"iss":"https://id.example","sub":"service","aud":"https://id.example","client_id":"service","exp":1772368800,"iat":1772368200,"jti":"0123456789abcdef"}`

func newBenchServer(tb testing.TB, edits ...func(*server.Config)) *benchServer {
	tb.Helper()
	b := &benchServer{TB: tb, engine: &storagetest.Hooks{Engine: storagetest.NewMemory(time.Now)}}
	master := must(preparedKeys.master())(tb)
	config := keys.Config{Engine: b.engine, Master: master, Now: time.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), VerifiedTokens: 1024}
	b.ring = must(keys.NewRing(config))(tb)
	secrets := must(keys.NewSecrets(config))(tb)
	directory := storage.Directory{ID: "default", Name: "Default", Policy: storage.Policy{SigningAlgorithms: []string{"ES256"}, DeviceGrant: true, Registration: storage.RegistrationToken}, CreatedAt: time.Now()}
	must(storage.Insert(b.Context(), b.engine, directory))(tb)
	check(tb, b.ring.EnsureDirectory(b.Context(), directory))
	check(tb, secrets.Ensure(b.Context(), directory.ID))
	for _, client := range []storage.Client{
		{ID: "service"},
		{ID: "handles", OpaqueAccessTokens: true},
		{ID: "gateway", Introspection: true},
		{ID: "device", GrantTypes: []string{deviceGrantType}},
		{ID: "keyed", AuthMethod: "private_key_jwt", JWKS: jwks(signers()["ES256"])},
	} {
		client.Directory, client.Kind, client.Scopes, client.IDTokenAlgorithm = "default", storage.ClientService, []string{"orders"}, "ES256"
		if client.AuthMethod == "" {
			client.AuthMethod, client.Secrets = "client_secret_basic", []string{fastHash(secretOfMini)}
		}
		must(storage.Insert(b.Context(), b.engine, client))(tb)
	}
	settings := server.Config{
		PublicURL: benchURL, DefaultDirectory: "default", Engine: b.engine, Audit: audittest.New(tb, b.engine, time.Now), Keys: b.ring, Secrets: secrets, Master: master, WeChat: oneUser{},
		Now: b.now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), ClientRate: 1_000_000,
	}
	for _, edit := range edits {
		edit(&settings)
	}
	b.server = must(server.New(settings))(tb)
	return b
}

// post sends a form, as client by Basic unless client is empty.
func (b *benchServer) post(client, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, benchURL+path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		request.SetBasicAuth(client, secretOfMini)
	}
	answer := httptest.NewRecorder()
	b.server.ServeHTTP(answer, request)
	return answer
}

// token returns a token of a client's own.
func (b *benchServer) token(client string) string {
	b.Helper()
	var answer struct {
		Token string `json:"access_token"`
	}
	check(b.TB, json.Unmarshal(b.post(client, "/oauth2/token", "grant_type=client_credentials").Body.Bytes(), &answer))
	return answer.Token
}

// perOp returns how long one call takes, on average of many.
func perOp(call func()) time.Duration {
	const calls = 500
	call()
	begun := time.Now()
	for range calls {
		call()
	}
	return time.Since(begun) / calls
}

// reportWithFloor measures do, and reports how many times its floor that is: the signatures that it needs.
func (b *benchServer) reportWithFloor(bench *testing.B, floor func(), do func() int) {
	least := perOp(floor)
	bench.ReportAllocs()
	for bench.Loop() {
		if status := do(); status != http.StatusOK {
			bench.Fatalf("status %d", status)
		}
	}
	each := bench.Elapsed() / time.Duration(bench.N)
	bench.ReportMetric(float64(least.Nanoseconds()), "floor-ns/op")
	bench.ReportMetric(float64(each)/float64(least), "x-floor")
}

// BenchmarkClientCredentials measures one token for the client itself, with HTTP parsing and without the network. Its floor is
// the signature of the token.
func BenchmarkClientCredentials(bench *testing.B) {
	b := newBenchServer(bench)
	sign := func() { must(b.ring.Sign(b.Context(), "default", "ES256", "at+jwt", []byte(benchClaims)))(bench) }
	for client, name := range map[string]string{"service": "ES256", "handles": "opaque"} {
		bench.Run(name, func(bench *testing.B) {
			b.reportWithFloor(bench, sign, func() int { return b.post(client, "/oauth2/token", "grant_type=client_credentials").Code })
		})
	}
}

// BenchmarkPrivateKeyJWT is the same with a client assertion, whose signature is verified in addition. The client's signing is
// not measured.
func BenchmarkPrivateKeyJWT(bench *testing.B) {
	b := newBenchServer(bench)
	key := signers()["ES256"]
	sign := func() { must(b.ring.Sign(b.Context(), "default", "ES256", "at+jwt", []byte(benchClaims)))(bench) }
	form := func() string {
		now := time.Now().Unix()
		claims := map[string]any{"iss": "keyed", "sub": "keyed", "aud": benchURL, "exp": now + 290, "jti": rand.Text()}
		return url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {key.sign(bench, claims, nil)},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}.Encode()
	}
	least := perOp(sign)
	bench.ReportAllocs()
	for bench.Loop() {
		bench.StopTimer()
		body := form()
		bench.StartTimer()
		if answer := b.post("", "/oauth2/token", body); answer.Code != http.StatusOK {
			bench.Fatalf("got %d %s", answer.Code, answer.Body)
		}
	}
	bench.ReportMetric(float64(least.Nanoseconds()), "floor-ns/op")
}

// BenchmarkIntrospection introspects a token of a client's own. Its floor is one verification of the signature; a token that is
// sent again costs less, because its signature is cached.
func BenchmarkIntrospection(bench *testing.B) {
	b := newBenchServer(bench)
	fresh := must(keys.NewRing(keys.Config{
		Engine: b.engine, Master: must(preparedKeys.master())(bench), Now: time.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	}))(bench)
	for client, name := range map[string]string{"service": "ES256", "handles": "opaque"} {
		bench.Run(name, func(bench *testing.B) {
			token := b.token("service")
			verify := func() { must(fresh.Verify(b.Context(), "default", token))(bench) }
			body := "token=" + url.QueryEscape(b.token(client))
			b.reportWithFloor(bench, verify, func() int { return b.post("gateway", "/oauth2/introspect", body).Code })
		})
	}
}

// BenchmarkDevicePoll measures the token request of a device whose user has not decided, with HTTP parsing and without the network.
// Its floor is an HTTP handler that parses the same form and reads one record. A device asks every five seconds of the server's
// clock, and gets a new code every ten minutes of it.
func BenchmarkDevicePoll(bench *testing.B) {
	b := newBenchServer(bench)
	var device struct {
		Code string `json:"device_code"`
	}
	polls := 0
	poll := func() int {
		if polls%100 == 0 {
			check(bench, json.Unmarshal(b.post("device", devicePath, "scope=orders").Body.Bytes(), &device))
		}
		polls++
		b.ahead.Add(int64(5 * time.Second))
		answer := b.post("device", "/oauth2/token", url.Values{"grant_type": {deviceGrantType}, "device_code": {device.Code}}.Encode())
		if !strings.Contains(answer.Body.String(), "authorization_pending") {
			bench.Fatalf("%d %s", answer.Code, answer.Body)
		}
		return http.StatusOK
	}
	poll()
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		check(bench, r.ParseForm())
		must(storage.Get[storage.Client](r.Context(), b.engine, storage.Key("default", "device")))(bench)
		w.WriteHeader(http.StatusBadRequest)
	})
	floor := func() {
		request := httptest.NewRequest(http.MethodPost, benchURL, strings.NewReader(url.Values{"device_code": {device.Code}}.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		bare.ServeHTTP(httptest.NewRecorder(), request)
	}
	b.reportWithFloor(bench, floor, poll)
}

// BenchmarkRegistration measures the registration of a client with an initial access token, with HTTP parsing and without the network.
// Its floor is an HTTP handler that parses the same JSON and inserts two records: the client, and the entry of the audit.
func BenchmarkRegistration(bench *testing.B) {
	b := newBenchServer(bench)
	const token = "bench.secret-of-the-token"
	sum := sha256.Sum256([]byte(token))
	must(storage.Insert(b.Context(), b.engine, storage.InitialToken{
		Directory: "default", ID: "bench", Hash: base64.RawURLEncoding.EncodeToString(sum[:]), ExpiresAt: time.Now().Add(24 * time.Hour),
	}))(bench)
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, benchURL+registerPath, strings.NewReader(webBody))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		return r
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var metadata map[string]any
		check(bench, json.NewDecoder(r.Body).Decode(&metadata))
		must(storage.Insert(r.Context(), b.engine, storage.Client{Directory: "default", ID: rand.Text()}))(bench)
		must(storage.Insert(r.Context(), b.engine, storage.AuditEntry{Directory: "default", ID: rand.Text()}))(bench)
		w.WriteHeader(http.StatusCreated)
	})
	b.reportWithFloor(bench, func() { bare.ServeHTTP(httptest.NewRecorder(), request()) }, func() int {
		answer := httptest.NewRecorder()
		if b.server.ServeHTTP(answer, request()); answer.Code != http.StatusCreated {
			bench.Fatalf("%d %s", answer.Code, answer.Body)
		}
		return http.StatusOK
	})
}
