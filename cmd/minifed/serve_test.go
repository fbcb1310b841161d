package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/demo"
	"github.com/minifed/minifed/cmd/minifed/internal/health"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// get returns the status and the body of a response.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServe_FirstStartCreatesTheStore(t *testing.T) {
	s := newCLI(t)
	running := s.startServer(t)
	code, body := get(t, running.url+"/.well-known/openid-configuration")
	if code != http.StatusOK || !strings.Contains(body, `"issuer":"`+running.url+`"`) {
		t.Errorf("discovery: %d %s", code, body)
	}
	printed := running.out.String()
	for _, want := range []string{
		running.url, `directory "default"`, "master.key (mode 0600)", "Store a copy", "minifed client create --kind wechat_miniapp", "minifed user list",
		"curl -sS --noproxy '*' -u CLIENT_ID:CLIENT_SECRET " + running.url, "curl -sS --noproxy '*' " + running.url + "/.well-known",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("printed without %q:\n%s", want, printed)
		}
	}
	for name, mode := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "master.key": 0o600, "minifed.db": 0o600} {
		info, err := os.Stat(filepath.Join(s.folder, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v: %v", info.Name(), info.Mode(), mode, err)
		}
	}
	key, err := os.ReadFile(filepath.Join(s.folder, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed+running.err.String(), strings.Fields(string(key))[0]) {
		t.Error("the master key is printed")
	}
	running.stop(t)

	again := s.startServer(t)
	if printed := again.out.String(); strings.Contains(printed, "Created the master key") || strings.Contains(printed, "Next") {
		t.Errorf("the second start printed\n%s", printed)
	}
}

func TestCurlFor_IgnoresProxiesOnlyOnThisMachine(t *testing.T) {
	for address, want := range map[string]string{"http://localhost:8080": "curl -sS --noproxy '*'", "https://id.example.com": "curl -sS"} {
		if got := curlFor(config.Config{PublicURL: address}); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestAdminListener_ServesHealthAndMetrics(t *testing.T) {
	running := newCLI(t).startServer(t)
	for path, want := range map[string]string{"/livez": `"live"`, "/readyz": `"ready","store":"ok","wechat":"not used yet"`, "/metrics": "minifed_build_info"} {
		if code, body := get(t, running.adminURL+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
		if code, _ := get(t, running.url+path); code != http.StatusNotFound {
			t.Errorf("%s on the public port: %d", path, code)
		}
	}
}

func TestHealthcheck_ReportsReadiness(t *testing.T) {
	running := newCLI(t).startServer(t)
	address := strings.TrimPrefix(running.adminURL, "http://")
	_, port, _ := net.SplitHostPort(address)
	for _, variable := range []string{"MINIFED_LISTEN_ADMIN_ADDRESS=" + address, "MINIFED_LISTEN_ADMIN_ADDRESS=0.0.0.0:" + port} {
		if printed := newCLI(t, variable).run(t, "healthcheck"); !strings.Contains(printed, `"ready"`) {
			t.Errorf("%s: %q", variable, printed)
		}
	}
	unready := httptest.NewServer(health.New().Handler())
	t.Cleanup(unready.Close)
	newCLI(t, "MINIFED_LISTEN_ADMIN_ADDRESS="+strings.TrimPrefix(unready.URL, "http://")).
		mustFail(t, exitFailed, []string{"HTTP 503", "starting"}, "healthcheck")
	newCLI(t, "MINIFED_LISTEN_ADMIN_ADDRESS=127.0.0.1:1").mustFail(t, exitFailed, []string{"no server responds at 127.0.0.1:1"}, "healthcheck")
	newCLI(t, "MINIFED_LISTEN_ADMIN_ADDRESS=off").mustFail(t, exitFailed, []string{"is off"}, "healthcheck")
}

func TestReadyz_IsReadyWithoutTheStore(t *testing.T) {
	var down storage.Engine = &storagetest.Hooks{Engine: storagetest.NewMemory(time.Now)}
	if err := down.Close(); err != nil {
		t.Fatal(err)
	}
	serving := health.New()
	serving.Engine.Store(&down)
	serving.Phase.Store(health.PhaseReady)
	server := httptest.NewServer(serving.Handler())
	t.Cleanup(server.Close)
	if code, body := get(t, server.URL+"/readyz"); code != http.StatusOK || !strings.Contains(body, `"store":"unavailable"`) {
		t.Errorf("%d %s", code, body)
	}
}

func TestReadyz_ReportsTheLastCallToWeChat(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	running := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	for _, step := range []struct {
		fault wechattest.Fault
		want  string
	}{{wechattest.Fault{Status: http.StatusBadGateway}, "unavailable"}, {wechattest.Fault{Errcode: 40226}, "ok"}} {
		mini.app.Fail(wechattest.Code2Session, step.fault)
		if _, _, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}}); err != nil {
			t.Fatal(err)
		}
		mini.app.Heal()
		if code, body := get(t, running.adminURL+"/readyz"); code != http.StatusOK || !strings.Contains(body, `"wechat":"`+step.want+`"`) {
			t.Errorf("after %+v: %d %s", step.fault, code, body)
		}
	}
}

func TestBackup_CopiesTheStoreOfARunningServer(t *testing.T) {
	s := newCLI(t)
	running := s.startServer(t)
	s.run(t, "client", "create", "--kind", "service", "--id", "before")
	file := filepath.Join(t.TempDir(), "backup.db")
	if printed := s.run(t, "backup", file); !strings.Contains(printed, file) {
		t.Errorf("printed %q", printed)
	}
	s.mustFail(t, exitUsage, []string{"exists and is not changed"}, "backup", file)
	s.run(t, "client", "create", "--kind", "service", "--id", "after")
	running.stop(t)
	restored := s.with("MINIFED_STORAGE_URI=sqlite:" + file)
	if list := restored.run(t, "client", "list"); !strings.Contains(list, "before") || strings.Contains(list, "after") {
		t.Errorf("restored %s", list)
	}
}

func TestServe_WarnsOfUnencryptedWeChat(t *testing.T) {
	running := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL=http://wechatsim:8090")
	if !strings.Contains(running.err.String(), "AppSecrets travel unencrypted") {
		t.Errorf("logged %s", running.err)
	}
	other := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL=http://127.0.0.1:8090")
	if strings.Contains(other.err.String(), "unencrypted") {
		t.Errorf("logged %s", other.err)
	}
}

func TestServe_RejectsASecondServerOnTheStore(t *testing.T) {
	s := newCLI(t)
	s.startServer(t)
	other := s.with("MINIFED_PUBLIC_URL=http://127.0.0.1:1", "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
	other.mustFail(t, exitFailed, []string{"another `minifed serve` uses this store"}, "serve")
	s.run(t, "client", "create", "--kind", "service", "--id", "beside")
	if list := s.run(t, "client", "list"); !strings.Contains(list, "beside") {
		t.Errorf("listed %s", list)
	}
}

func TestServe_TakenPortStopsTheStartBeforeAnyWrite(t *testing.T) {
	running := newCLI(t).startServer(t)
	s := newCLI(t, "MINIFED_LISTEN_ADDRESS="+strings.TrimPrefix(running.url, "http://"))
	s.mustFail(t, exitFailed, []string{"listen.address", "another program uses the address", "MINIFED_LISTEN_ADDRESS"}, "serve")
	if _, err := os.Stat(s.folder); !os.IsNotExist(err) {
		t.Errorf("the data folder was made: %v", err)
	}
}

func TestServe_RejectsAMissingMasterKey(t *testing.T) {
	public := newCLI(t, "MINIFED_PUBLIC_URL=https://id.example.com", "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
	public.mustFail(t, exitFailed, []string{"the master key is missing", "https://id.example.com", "minifed keys master new --file " + filepath.Join(public.folder, "master.key")}, "serve")
	mongo := newCLI(t, "MINIFED_STORAGE_URI=mongodb://user:hunter2@127.0.0.1:1/minifed", "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
	mongo.mustFail(t, exitFailed, []string{"the master key is missing", "MongoDB", "restore it from its copy"}, "serve")
	if strings.Contains(mongo.err.String(), "hunter2") {
		t.Errorf("the password is printed: %s", mongo.err)
	}

	// The remedy of the message works.
	public.run(t, "keys", "master", "new")
	public.with("MINIFED_PUBLIC_URL=http://localhost:1").startServer(t)

	lost := newCLIWithStore(t)
	if err := os.Remove(filepath.Join(lost.folder, "master.key")); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"http://localhost:8080", "https://id.example.com"} {
		again := lost.with("MINIFED_PUBLIC_URL="+url, "MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
		again.mustFail(t, exitFailed, []string{"Restore it from its copy"}, "serve")
		if strings.Contains(again.err.String(), "master new") {
			t.Errorf("a new key is proposed for a store that needs its own: %s", again.err)
		}
	}
}

func TestServe_NamesTheRequiredMasterKey(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(s.folder, "master.key")
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.run(t, "keys", "master", "new")
	_, id, _ := strings.Cut(string(right), "master key ")
	id, _, _ = strings.Cut(id, ";")
	s.with("MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off").
		mustFail(t, exitFailed, []string{"this is not the store's master key", "needs key " + id, file}, "serve")
	if strings.Contains(s.err.String(), strings.Fields(string(right))[0]) {
		t.Error("a key is printed")
	}
}

func TestServe_HidesThePasswordOfMongoDB(t *testing.T) {
	away := "mongodb://minifed:hunter2@127.0.0.1:1/x?serverSelectionTimeoutMS=100&connectTimeoutMS=100"
	s := newCLI(t, "MINIFED_STORAGE_URI="+away, "MINIFED_KEYS_MASTER_KEY="+demo.MasterKey(),
		"MINIFED_LISTEN_ADDRESS=127.0.0.1:0", "MINIFED_LISTEN_ADMIN_ADDRESS=off")
	for _, args := range [][]string{{"serve"}, {"client", "list"}, {"demo", "--once", "--store", away}} {
		s.mustFail(t, exitFailed, []string{"the store cannot be used"}, args...)
		if strings.Contains(s.err.String()+s.out.String(), "hunter2") {
			t.Errorf("%v prints the password: %s", args, s.err)
		}
	}
}

// miniProgram is a client of a running server, with a mini-program of the simulator.
type miniProgram struct {
	app        *wechattest.App
	id, secret string
}

// miniProgram creates a mini-program with the command line, while the server runs.
func (s *testServer) miniProgram(t *testing.T, simulator *wechattest.Server) miniProgram {
	t.Helper()
	app, err := simulator.AddApp(wechat.App{ID: "wxsimshop"})
	if err != nil {
		t.Fatal(err)
	}
	beside := *s.cliHarness
	world := *s.Console
	beside.Console, beside.out, beside.err = &world, newOutputBuffer(), newOutputBuffer()
	world.Out, world.Err = beside.out, beside.err
	world.In = strings.NewReader(string(app.Credential().Secret))
	created := beside.runJSON(t, "client", "create", "--kind", "wechat_miniapp", "--app-id", "wxsimshop", "--app-secret-stdin")
	return miniProgram{app, created["client_id"].(string), created["client_secret"].(string)}
}

// signIn is one login of alice.
func (m miniProgram) signIn(url string, form url.Values) (int, map[string]any, error) {
	request, err := http.NewRequest(http.MethodPost, url+"/federation/wechat/miniapp/profile", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(m.id, m.secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer := map[string]any{}
	return response.StatusCode, answer, json.NewDecoder(response.Body).Decode(&answer)
}

func TestClientCreate_MiniProgramSignsInAtARunningServer(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	running := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	status, answer, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}})
	if err != nil || status != http.StatusOK || answer["id_token"] == nil {
		t.Fatalf("%d %v, error %v", status, answer, err)
	}
	subject := answer["profile"].(map[string]any)["sub"].(string)
	if listed := running.cliHarness.with().run(t, "user", "list"); !strings.Contains(listed, subject) {
		t.Errorf("user list: %s", listed)
	}
	shown := running.cliHarness.with().run(t, "user", "show", subject)
	if !strings.Contains(shown, "wechat_openid wxsimshop") || strings.Contains(shown, string(mini.app.OpenID("alice"))) {
		t.Errorf("user show: %s", shown)
	}
	running.cliHarness.with().run(t, "user", "disable", subject)
	if status, answer, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}}); err != nil || status != http.StatusForbidden {
		t.Errorf("disabled: %d %v, error %v", status, answer, err)
	}
}

func TestStop_CompletesALogin(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	running := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	gate := simulator.Gate("slow")
	mini.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	type result struct {
		status int
		answer map[string]any
		err    error
	}
	answered := make(chan result, 1)
	go func() {
		status, answer, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}})
		answered <- result{status, answer, err}
	}()
	<-gate.Arrived()
	running.cancel()
	waitFor(t, running.err, "msg=draining")
	select {
	case code := <-running.ended:
		t.Fatalf("serve ended with %d while a login was in progress", code)
	default:
	}
	if code, body := get(t, running.adminURL+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"draining"`) {
		t.Errorf("/readyz while it drains: %d %s", code, body)
	}
	gate.Open()
	if got := <-answered; got.err != nil || got.status != http.StatusOK {
		t.Errorf("the login in progress: %d %v, error %v", got.status, got.answer, got.err)
	}
	if err := running.err.waitFor(t.Context(), "msg=stopped"); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(running.url); err == nil {
		t.Error("it still answers")
	}
}
