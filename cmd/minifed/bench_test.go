//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/grants"
)

// BenchmarkServer measures the built server over HTTP on a durable store (SQLite, synchronous=FULL). The simulator runs in its own
// process, the load in this one. Each login has its own code and user. The store has MINIFED_BENCH_USERS users (1000), each with two links,
// and twice as many grants. The users that sign in are distributed over the whole store. For every operation and number of connections it
// reports
//
//	cpu-µs/op   processor time of the server process alone
//	x-floor     that time divided by the floor: the same signatures alone, measured before and after the operation
//	req/s       the throughput of the server, the simulator and this load together, on the cores that they share
//	p50-µs      and p99-µs: the duration of an operation
//	mallocs/op  heap objects of the server process
//	disk-KB/op  the data that the server process wrote to the disk (/proc/PID/io)
//	RSS-MB      resident memory of the server process
//
// and also the size of the program, the time from its start on this store to its first response, and its memory at that moment. The
// operation bare-login is the login of a program that does only what no login can do without (testdata/bare). It prints a table of all
// results at the end.
func BenchmarkServer(b *testing.B) {
	bench := startBench(b)
	b.Run("program", bench.program)
	b.Run("start", func(measured *testing.B) { bench.start(measured, b) })
	bare := bench.startBare(b)
	for _, connections := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("bare-login/connections=%d", connections), func(b *testing.B) {
			bench.results.report(b, fmt.Sprintf("bare-login, %d connections", connections), bare.measure(b, bare.bareLogin(b), connections, b.N)...)
		})
	}
	for _, o := range bench.operations(b) {
		for _, connections := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/connections=%d", o.name, connections), func(b *testing.B) { bench.run(b, o, connections) })
		}
	}
	bench.results.print(os.Stdout, bench.users)
}

// operation is an operation of a client, in one or several requests.
type operation struct {
	name string
	// floor is a signature, and signatures the number of signatures of the operation.
	floor      func()
	signatures int
	// prepare prepares n operations, outside the measured time. The operations of one worker run one after another.
	prepare func(b *testing.B, n, workers int) (do func(worker, i int))
}

func (s *bench) operations(b *testing.B) []operation {
	es256, rs256 := signES256(b), signRS256(b)
	return []operation{
		{"login/ES256", es256, 2, s.logins("es256", s.knownUser)},
		{"login/RS256", rs256, 2, s.logins("rs256", s.knownUser)},
		{"first-login/ES256", es256, 2, s.logins("es256", s.newUser)},
		{"refresh/ES256", es256, 2, s.refreshes},
		{"client-credentials/ES256", es256, 1, s.clientCredentials},
		{"authorize", nil, 0, s.authorizations},
		{"sso-login/ES256", es256, 2, s.ssoLogins},
		{"password", nil, 0, s.passwords},
		{"par", nil, 0, s.pushes},
		{"introspect", nil, 0, s.introspections},
		{"revoke", nil, 0, s.revocations},
		{"userinfo", nil, 0, s.userInfo},
		{"jwks", nil, 0, s.fetch("/oauth2/jwks")},
		{"discovery", nil, 0, s.fetch("/.well-known/openid-configuration")},
	}
}

// run runs b.N operations over the connections and reports their cost.
func (s *bench) run(b *testing.B, o operation, connections int) {
	s.results.report(b, fmt.Sprintf("%s, %d connections", o.name, connections), s.measure(b, o, connections, b.N)...)
}

// measure runs n operations over the connections and returns their cost.
func (s *bench) measure(b *testing.B, o operation, connections, n int) []measure {
	do := o.prepare(b, n, connections)
	took := make([]time.Duration, n)
	floor := o.floorNow(b)
	mallocs := 0.0
	if s.admin != "" {
		mallocs = s.mallocs(b)
	}
	used, written := s.server.processorTime(b), s.server.writtenBytes(b)
	b.ResetTimer()
	inParallel(connections, n, func(worker, i int) {
		start := time.Now()
		do(worker, i)
		took[i] = time.Since(start)
	})
	b.StopTimer()
	cpu := (s.server.processorTime(b) - used) / time.Duration(n)
	slices.Sort(took)
	measured := []measure{
		{"cpu-µs/op", micros(cpu)},
		{"req/s", float64(n) / b.Elapsed().Seconds()},
		{"p50-µs", micros(took[n/2])},
		{"p99-µs", micros(took[n*99/100])},
		{"disk-KB/op", (s.server.writtenBytes(b) - written) / 1024 / float64(n)},
		{"RSS-MB", s.server.residentMegabytes(b)},
	}
	if s.admin != "" {
		measured = append(measured, measure{"mallocs/op", (s.mallocs(b) - mallocs) / float64(n)})
	}
	if floor = (floor + o.floorNow(b)) / 2; floor > 0 {
		measured = append(measured, measure{"x-floor", float64(cpu) / float64(floor)})
	}
	return measured
}

// floorNow returns the cost of the signatures of the operation at this moment: the speed of a shared machine varies.
func (o operation) floorNow(b *testing.B) time.Duration {
	if o.signatures == 0 {
		return 0
	}
	return time.Duration(o.signatures) * signatureFloor(b, o.floor)
}

// program reports the size of the program.
func (s *bench) program(b *testing.B) {
	file, err := os.Stat(s.minifed)
	if err != nil {
		b.Fatal(err)
	}
	s.results.report(b, "the program", measure{"binary-MB", float64(file.Size()) / (1 << 20)})
}

// maxStarts is the maximum number of starts of the server, for any -benchtime.
const maxStarts = 20

// start reports the start time of a server on the store. The last server runs until whole ends.
func (s *bench) start(b, whole *testing.B) {
	var took []time.Duration
	for range min(b.N, maxStarts) {
		s.server.stop(b)
		begin := time.Now()
		s.server = startProgram(whole, s.environment, s.minifed, "serve")
		for !s.responds(b) && time.Since(begin) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	s.results.report(b, "start to first answer",
		measure{"start-ms", micros(took[len(took)/2]) / 1000}, measure{"RSS-MB", s.server.residentMegabytes(b)})
}

// bench is a running server, its simulator, and the clients that load them.
type bench struct {
	minifed     string
	data        string // the folder of the store
	environment []string
	issuer      string
	admin       string // empty for the bare program, which has no metrics
	wechat      string
	control     string
	server      *programProcess
	secrets     map[string]string
	http        *http.Client
	results     results

	users  int      // in the store
	known  []string // users who sign in
	browse *http.Cookie
	fresh  atomic.Int64 // numbers unknown users
	next   atomic.Int64 // selects the next known user
	// withPassword is the number of users that sign in with passwords.
	withPassword int
}

func startBench(b *testing.B) *bench {
	b.Helper()
	s := newBench(b, buildBench(b, b.TempDir()))
	s.serve(b) // The first start creates the store, its master key and its directory.
	s.server.stop(b)
	s.seed(b, filepath.Join(s.data, "minifed.db"))
	s.serve(b)
	s.createClients(b)
	return s
}

// newBench starts a simulator for the binary and configures a server on an empty store.
func newBench(b *testing.B, binary string) *bench {
	b.Helper()
	folder := b.TempDir()
	transport := &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	s := &bench{
		minifed: binary, data: filepath.Join(folder, "data"), secrets: map[string]string{}, users: benchUsers(b),
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	s.wechat = s.startSimulator(b, buildProgram(b, "../wechatsim"))
	address, admin := porttest.Address(b), porttest.Address(b)
	s.issuer, s.admin = "http://"+address, "http://"+admin
	s.environment = append(withoutBench(os.Environ()),
		"MINIFED_PUBLIC_URL="+s.issuer, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS="+admin,
		"MINIFED_DATA_DIR="+s.data, "MINIFED_WECHAT_BASE_URL="+s.wechat, "MINIFED_LOG_LEVEL=info",
		"MINIFED_CLIENTS_RATE=1000000") // The load comes from a few clients, at a higher rate than the default allows one.
	return s
}

// startBare starts the bare program on the simulator and the users of s.
func (s *bench) startBare(b *testing.B) *bench {
	b.Helper()
	address := porttest.Address(b)
	bare := &bench{
		issuer: "http://" + address, control: s.control, http: s.http, users: s.users, known: s.known,
		secrets: map[string]string{"es256": "any"},
	}
	bare.server = startProgram(b, os.Environ(), buildProgram(b, "./testdata/bare"), address, s.wechat, filepath.Join(b.TempDir(), "journal"))
	bare.server.line(b, "bare is at")
	return bare
}

// bareLogin is the login of the bare program.
func (s *bench) bareLogin(b *testing.B) operation {
	return operation{"bare-login", signES256(b), 2, s.logins("es256", s.knownUser)}
}

// createClients creates the clients of the load, and signs a browser in.
func (s *bench) createClients(b *testing.B) {
	b.Helper()
	for id, algorithm := range map[string]string{"es256": "ES256", "rs256": "RS256"} {
		s.createClient(b, id, "wechat_miniapp", "secret", "--app-id", "wxsim"+id, "--open-platform", benchPlatform,
			"--id-token-alg", algorithm, "--app-secret-stdin")
	}
	s.createClient(b, "service", "service", "", "--access-token-alg", "ES256", "--introspection")
	s.createClient(b, "spa", "spa", "", "--id-token-alg", "ES256", "--first-party", "--redirect-uri", spaRedirect)
	s.browse = s.signIn(b)
}

// withoutBench removes the benchmark's own variables, which the server does not know.
func withoutBench(environ []string) []string {
	return slices.DeleteFunc(environ, func(set string) bool {
		name, _, _ := strings.Cut(set, "=")
		return slices.Contains([]string{usersVariable, baseVariable, headVariable}, name)
	})
}

func (s *bench) serve(b *testing.B) {
	b.Helper()
	s.server = startProgram(b, s.environment, s.minifed, "serve")
	s.server.line(b, "minifed is at")
}

func (s *bench) startSimulator(b *testing.B, binary string) (api string) {
	b.Helper()
	simulator := startProgram(b, os.Environ(), binary, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0",
		"-app", "wxsimes256:secret", "-app", "wxsimrs256:secret", "-open-platform", benchPlatform)
	s.control = simulator.lastField(b, "control ")
	return simulator.lastField(b, "API  ")
}

func (s *bench) knownUser() string {
	return s.known[s.next.Add(1)%int64(len(s.known))]
}

func (s *bench) newUser() string { return "new" + strconv.FormatInt(s.fresh.Add(1), 10) }

// codes returns login codes of the simulator, one for each of n logins.
func (s *bench) codes(b *testing.B, client string, n int, user func() string) []string {
	codes := make([]string, n)
	inParallel(8, n, func(_, i int) {
		codes[i] = string(s.send(b, newRequest(b, s.control+"/login?appid=wxsim"+client+"&user="+user(), url.Values{})))
	})
	return codes
}

// logins are token exchanges, each with its own code.
func (s *bench) logins(client string, user func() string) func(*testing.B, int, int) func(int, int) {
	return func(b *testing.B, n, _ int) func(int, int) {
		codes := s.codes(b, client, n, user)
		return func(_, i int) { s.exchange(b, client, codes[i]) }
	}
}

func (s *bench) exchange(b *testing.B, client, code string) []byte {
	return s.token(b, client, url.Values{
		"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {code},
	})
}

// tokens signs n users in.
func (s *bench) tokens(b *testing.B, n int) []tokenPair {
	codes := s.codes(b, "es256", n, s.knownUser)
	answers := make([]tokenPair, n)
	inParallel(8, n, func(_, i int) { answers[i] = parseTokens(b, s.exchange(b, "es256", codes[i])) })
	return answers
}

// refreshes rotate one grant for each worker.
func (s *bench) refreshes(b *testing.B, _, workers int) func(int, int) {
	signedIn := s.tokens(b, workers)
	return func(worker, _ int) {
		answer := s.token(b, "es256", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {signedIn[worker].RefreshToken}})
		signedIn[worker] = parseTokens(b, answer)
	}
}

func (s *bench) clientCredentials(b *testing.B, _, _ int) func(int, int) {
	return func(int, int) { s.token(b, "service", url.Values{"grant_type": {"client_credentials"}}) }
}

// userInfoTokens is the number of access tokens that are used in turn.
const userInfoTokens = 1000

func (s *bench) userInfo(b *testing.B, _, _ int) func(int, int) {
	signedIn := s.tokens(b, userInfoTokens)
	return func(_, i int) {
		request := newRequest(b, s.issuer+"/oauth2/userinfo", nil)
		request.Header.Set("Authorization", "Bearer "+signedIn[i%userInfoTokens].AccessToken)
		s.send(b, request)
	}
}

func (s *bench) introspections(b *testing.B, _, _ int) func(int, int) {
	signedIn := s.tokens(b, userInfoTokens)
	return func(_, i int) {
		s.send(b, s.post(b, "service", "/oauth2/introspect", url.Values{"token": {signedIn[i%userInfoTokens].AccessToken}}))
	}
}

// revocations revoke one grant after another, by its refresh token.
func (s *bench) revocations(b *testing.B, n, _ int) func(int, int) {
	signedIn := s.tokens(b, n)
	return func(_, i int) {
		s.send(b, s.post(b, "es256", "/oauth2/revoke", url.Values{"token": {signedIn[i].RefreshToken}}))
	}
}

func (s *bench) fetch(path string) func(*testing.B, int, int) func(int, int) {
	return func(b *testing.B, _, _ int) func(int, int) {
		return func(int, int) { s.send(b, newRequest(b, s.issuer+path, nil)) }
	}
}

func (s *bench) token(b *testing.B, client string, form url.Values) []byte {
	return s.send(b, s.post(b, client, "/oauth2/token", form))
}

// post returns a request of a client with a secret.
func (s *bench) post(b *testing.B, client, path string, form url.Values) *http.Request {
	request := newRequest(b, s.issuer+path, form)
	request.SetBasicAuth(client, s.secrets[client])
	return request
}
