package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// apiServer is a server with the admin API on a store in memory. Its authorization server issues tokens to the service client
// "ci", and to the command line after a sign-in.
type apiServer struct {
	*httptest.Server
	service *admin.Service
	people  *identity.Service
	// Access tokens of an earlier generation are rejected.
	generation int
	refreshed  int
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	engine := storagetest.NewMemory(time.Now)
	text, err := keys.GenerateMasterKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	master, err := keys.ParseMaster(text, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	config := keys.Config{Engine: engine, Master: master, Now: time.Now, Random: rand.Reader, Logger: logger}
	ring, errRing := keys.NewRing(config)
	secrets, errSecrets := keys.NewSecrets(config)
	trail := audittest.New(t, engine, time.Now)
	people, errPeople := identity.New(identity.Config{Engine: engine, Audit: trail, Now: time.Now, Rand: rand.Reader, Logger: logger, Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1}})
	if err := errors.Join(errRing, errSecrets, errPeople); err != nil {
		t.Fatal(err)
	}
	s := &apiServer{people: people}
	s.service, err = admin.New(admin.Config{
		Engine: engine, Audit: trail, Master: master, Keys: ring, Secrets: secrets, Identity: people, Now: time.Now, Random: rand.Reader,
		PublicURL: "http://localhost:8080", DefaultDirectory: "default", Actor: admin.LocalActor("alice"), WeChat: acceptingWeChat{},
		Archive: func(_ context.Context, out io.Writer) error {
			_, err := io.WriteString(out, "an archive")
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.service.EnsureDirectory(t.Context(), storage.Directory{ID: "default", Name: "default"}); err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Service: s.service, Actor: s.actor, Engine: engine, Master: master, Now: time.Now, Random: rand.Reader, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(api.Path+"/", handler)
	mux.HandleFunc("/oauth2/authorize", s.authorize)
	mux.HandleFunc("/oauth2/token", s.token)
	mux.HandleFunc("/oauth2/revoke", func(w http.ResponseWriter, _ *http.Request) { s.generation++; w.WriteHeader(http.StatusOK) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// actor accepts the access token of the current generation.
func (s *apiServer) actor(r *http.Request) (admin.Actor, error) {
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer access %d", s.generation) {
		return admin.Actor{}, admin.ErrUnauthenticated
	}
	return admin.Actor{Name: "service:ci", Assignments: []admin.Assignment{{Directory: storage.Everywhere, Role: admin.RoleOwner}}}, nil
}

// authorize signs the operator in at once.
func (s *apiServer) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("client_id") != admin.CommandLineClient || query.Get("code_challenge_method") != "S256" {
		http.Error(w, "wrong request", http.StatusBadRequest)
		return
	}
	back := url.Values{"code": {query.Get("code_challenge")}, "state": {query.Get("state")}, "iss": {s.URL}}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (s *apiServer) token(w http.ResponseWriter, r *http.Request) {
	reply := map[string]any{"access_token": fmt.Sprintf("access %d", s.generation), "token_type": "Bearer", "expires_in": 600}
	id, secret, basic := r.BasicAuth()
	switch grant := r.PostFormValue("grant_type"); {
	case grant == "client_credentials" && basic && id == "ci" && secret == "secret-of-ci":
	case grant == "authorization_code" && r.PostFormValue("code_verifier") != "":
		reply["refresh_token"], reply["expires_in"] = "refresh 0", 1
	case grant == "refresh_token" && r.PostFormValue("refresh_token") == fmt.Sprintf("refresh %d", s.refreshed):
		s.refreshed++
		reply["refresh_token"], reply["expires_in"] = fmt.Sprintf("refresh %d", s.refreshed), 1
	default:
		w.WriteHeader(http.StatusBadRequest)
		reply = map[string]any{"error": "invalid_grant"}
	}
	_ = json.NewEncoder(w).Encode(reply)
}

// withServer returns a harness whose commands call the server as the service client "ci".
func (s *apiServer) withServer(t *testing.T) *cliHarness {
	t.Helper()
	return newCLI(t, "MINIFED_SERVER="+s.URL, "MINIFED_CLIENT_ID=ci", "MINIFED_CLIENT_SECRET=secret-of-ci")
}

// acceptingWeChat accepts every AppID and AppSecret.
type acceptingWeChat struct{}

func (acceptingWeChat) CheckCredential(context.Context, wechat.App) error { return nil }

func (acceptingWeChat) CheckWebCredential(context.Context, wechat.App) error { return nil }

// comparedLines are commands that work on the store and over the API, and print the same.
func comparedLines() []string {
	return []string{
		"directory create staff --name Staff --self-registration",
		"directory update staff --name People --access-token-lifetime 5m --self-registration=false --claim groups --merge-by-unionid",
		"directory disable staff", "directory show staff", "directory enable staff", "directory list",
		"client create --kind web --id shop --redirect-uri https://shop.example.com/callback --secret-stdin",
		"client create --for spring-boot --url https://spring.example.com --id spring --directory staff --secret-stdin",
		"client create --kind wechat_miniapp --id mini --app-id wx0123456789abcdef --app-secret-stdin --secret-file secret",
		"client update shop --name Shop --redirect-uri https://shop.example.com/a --scope openid --scope groups --require-pkce --access-token-lifetime 10m",
		"client update shop --name= --require-pkce=false", "client disable shop", "client show shop", "client enable shop", "client list", "client show mini",
		"connection create --kind website --app-id wx1111111111111111 --open-platform shop --app-secret-stdin", "connection update wx1111111111111111 --name Desk",
		"connection disable wx1111111111111111", "connection enable wx1111111111111111", "connection show wx1111111111111111", "connection list",
		"connection set-app-secret wx1111111111111111 --app-secret-stdin",
		"connection set-push-keys wx1111111111111111 --push-token-file token --encoding-aes-key-stdin", "connection show wx1111111111111111",
		"connection set-push-keys wx1111111111111111 --remove", "connection list", "connection delete wx1111111111111111 --yes",
		"resource create https://api.example.com --name Orders --scope *orders:read --scope orders:write --asked-by registered --introspected-by shop",
		"resource update https://API.example.com/ --token-format jwt --token-lifetime 5m", "client update shop --resource https://api.example.com",
		"resource disable https://api.example.com", "resource show https://api.example.com", "resource enable https://api.example.com", "resource list",
		"client update shop --resource=", "resource delete https://api.example.com --yes", "resource list",
		"directory update staff --sms-provider webhook --sms-url https://sms.example.com/send --captcha-url https://captcha.example.com/",
		"directory set-sms-key staff --key-stdin", "directory set-captcha-key staff --key-stdin --output json", "directory show staff",
		"directory set-captcha-key staff --remove", "directory set-sms-key staff --remove --output json", "directory update staff --sms-provider log --sms-url=", "directory show staff",
		"directory update staff --registration open --documents hosts --document-host claude.ai --device-grant --output json",
		"client initial-token create --name agents --expires 7d --output json", "client initial-token list",
		"client rotate-secret shop --secret-stdin", "client set-app-secret mini --app-secret-stdin", "client show shop",
		"client set-push-keys mini --push-token-file token --encoding-aes-key-stdin", "client show mini", "client set-push-keys mini --remove", "client show mini",
		"user create alice --name Alice --email alice@example.com --phone-number +8613800138000 --group staff --attribute level=3 --password-stdin",
		"user update alice --nickname Ali --group staff --group owners --attribute level= --username alicia",
		"user show alicia", "user show alice@example.com", "user list", "user list --name ali",
		"user disable alicia", "user enable alicia", "user signout alicia", "user set-password alicia --password-stdin",
		"user methods alicia", "user sessions alicia", "user grants alicia", "user grants alicia --remove-client shop", "user reset-methods alicia --yes",
		"user reset-password alicia --output json", "user create bob", "user merge users alicia bob", "user merge candidates",
		"user merge accept-all --dry-run", "user merge batches", "user delete alicia --after-grace --yes", "user restore alicia", "user delete alicia --yes",
		"operator create ann --name Ann --role owner --email ann@example.com --password-stdin", "operator create carol --role admin:default --password-stdin",
		"operator list", "operator show carol", "operator update carol --role support:default", "operator disable carol", "operator enable carol",
		"operator delete carol --yes",
		"operator client create robot --role auditor --expires 90d --output json", "operator client update robot --name Robot --role admin:default",
		"operator client disable robot", "operator client enable robot", "operator client list", "operator client rotate-secret robot --output json",
		"operator client delete robot --yes",
		"keys list --output json", "keys rotate --alg ES256 --output json", "keys secrets rotate --output json",
		"apply -f FILE --dry-run", "apply -f FILE --yes", "apply -f FILE --yes", "client show portal", "apply --drift",
		"client delete shop --yes", "client delete spring --directory staff --yes", "directory disable staff", "directory delete staff --yes", "directory list",
	}
}

// TestServer_CommandsPrintWhatTheyPrintOnTheStore runs the same commands on a store and over the API of another one.
func TestServer_CommandsPrintWhatTheyPrintOnTheStore(t *testing.T) {
	local, remote := newCLIWithStore(t), newAPIServer(t).withServer(t)
	file := filepath.Join(t.TempDir(), "portal.yaml")
	writeFile(t, file, "kind: web\nid: portal\nname: Portal\nredirect_uris: [https://portal.example.com/callback]\nsecret: {env: PORTAL_SECRET}\n")
	local, remote = local.with("PORTAL_SECRET=a-long-secret-of-the-portal"), remote.with("PORTAL_SECRET=a-long-secret-of-the-portal")
	for _, line := range comparedLines() {
		args := strings.Fields(strings.ReplaceAll(line, "FILE", file))
		if strings.Contains(line, "--kind web") {
			compareOutputs(t, local, remote, append(args, "--output", "json"))
			continue
		}
		compareOutputs(t, local, remote, args)
	}
	for _, line := range []string{
		"client show nothing", "client create --kind web --redirect-uri http://shop.example.com/", "client create --kind wechat_miniapp --id mini --app-id wx0123456789abcdef --app-secret-stdin",
		"user show nobody", "directory delete default --yes", "directory create Staff", "operator show nobody", "operator delete ann --yes",
		"client initial-token revoke nothing", "resource show https://nothing.example.com", "directory set-sms-key nothing --remove",
		"operator client update nothing --name x", "user sessions nobody", "user merge undo-all nothing", "user merge accept nothing",
	} {
		compareFailures(t, local, remote, strings.Fields(line))
	}
}

// compareOutputs runs a command on both, and compares the outputs without what is random.
func compareOutputs(t *testing.T, local, remote *cliHarness, args []string) {
	t.Helper()
	var outputs [2]string
	for i, cli := range []*cliHarness{local, remote} {
		cli.out.Reset()
		cli.err.Reset()
		if code := cli.exitCode(t, cli.withSecrets(t, args)...); code != exitDone && code != exitPending {
			t.Fatalf("minifed %s: exit code %d\n%s", strings.Join(args, " "), code, cli.err)
		}
		outputs[i] = stable(cli.out.String())
	}
	if outputs[0] != outputs[1] {
		t.Errorf("minifed %s prints on the store\n%s\nand over the API\n%s", strings.Join(args, " "), outputs[0], outputs[1])
	}
}

func compareFailures(t *testing.T, local, remote *cliHarness, args []string) {
	t.Helper()
	var codes [2]int
	for i, cli := range []*cliHarness{local, remote} {
		cli.err.Reset()
		codes[i] = cli.exitCode(t, cli.withSecrets(t, args)...)
	}
	if codes != [2]int{exitFailed, exitFailed} {
		t.Errorf("minifed %s: exit codes %v\n%s\n%s", strings.Join(args, " "), codes, local.err, remote.err)
	}
}

// withSecrets gives a command the secrets that it reads.
func (s *cliHarness) withSecrets(t *testing.T, args []string) []string {
	t.Helper()
	secret := "correct-horse-battery-staple-42"
	for i, arg := range args {
		switch arg {
		case "--app-secret-stdin":
			secret = "0123456789abcdef0123456789abcdef"
		case "--encoding-aes-key-stdin":
			secret = strings.Repeat("k", 43)
		case "secret", "token":
			file := filepath.Join(t.TempDir(), "secret")
			writeFile(t, file, strings.ReplaceAll(secret, "-", "")[:32-len(arg)])
			args = append(append(append([]string(nil), args[:i]...), file), args[i+1:]...)
		}
	}
	s.In = strings.NewReader(secret)
	return args
}

// stable returns an output without times and what is random. The API masks phone numbers, and withholds incarnations.
func stable(printed string) string {
	var lines []string
	for line := range strings.Lines(printed) {
		fields := strings.Fields(line)
		if strings.Contains(line, "incarnation") {
			continue
		}
		for i, field := range fields {
			field = strings.Trim(field, `",:`)
			if id, _, _ := strings.Cut(field, "."); len(id) == 26 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") == "" || len(id) == 43 {
				fields[i] = "ID"
			}
			if strings.HasPrefix(field, "+86138") {
				fields[i] = "PHONE"
			}
			if strings.Contains(field, "202") && strings.Contains(field, "-") || strings.HasSuffix(field, "Z") {
				fields[i] = "TIME"
			}
		}
		lines = append(lines, strings.Join(fields, " "))
	}
	return strings.Join(lines, "\n")
}

func TestServer_RejectsWhatIsForTheStore(t *testing.T) {
	server := newAPIServer(t)
	cli := server.withServer(t)
	cli.mustFail(t, exitFailed, []string{"calls no server", "not empty", "MINIFED_SERVER"}, "import", filepath.Join(t.TempDir(), "x"))
	newCLI(t).mustFail(t, exitFailed, []string{"it starts one"}, "serve", "--server", server.URL)
	wrong := newCLI(t, "MINIFED_CLIENT_ID=ci", "MINIFED_CLIENT_SECRET=wrong")
	wrong.mustFail(t, exitFailed, []string{"gets no token", "MINIFED_CLIENT_ID"}, "client", "list", "--server", server.URL)
	newCLI(t, "MINIFED_CLIENT_ID=ci").mustFail(t, exitUsage, []string{"MINIFED_CLIENT_SECRET_FILE"}, "client", "list", "--server", server.URL)
	newCLI(t).mustFail(t, exitUsage, []string{"--server http://admin.example.com"}, "client", "list", "--server", "http://admin.example.com")
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	newCLI(t, "MINIFED_CLIENT_ID=ci", "MINIFED_CLIENT_SECRET=x").mustFail(t, exitFailed, []string{"admin.public_url"}, "client", "list", "--server", other.URL)
	if _, err := os.Stat(cli.folder); !os.IsNotExist(err) {
		t.Errorf("a command over the API opened a store: %v", err)
	}
}

// neutralCommands use neither a store nor a server, or sign in at one.
func neutralCommands() []string { return []string{"version", "completion", "login", "logout", "help"} }

// TestServer_EveryCommandCallsItOrSaysWhy compares the commands with those that are tested.
func TestServer_EveryCommandCallsItOrSaysWhy(t *testing.T) {
	// Commands whose outputs on the store and over the API differ, which other tests of this file run.
	tested := []string{
		"client test", "user import", "user export", "user merge accept", "user merge dismiss", "user merge undo", "user merge undo-all", "audit list",
		"audit verify", "audit export", "export", "keys revoke", "connection test", "health", "statistics",
		"client initial-token revoke",
	}
	tested = append(tested, comparedLines()...)
	cli := newAPIServer(t).withServer(t)
	var visit func(command *cobra.Command)
	visit = func(command *cobra.Command) {
		for _, child := range command.Commands() {
			visit(child)
		}
		name := strings.TrimPrefix(command.CommandPath(), "minifed ")
		if command.Args == nil || command.HasSubCommands() && name != "backup" || slices.Contains(neutralCommands(), strings.Fields(name)[0]) {
			return
		}
		if _, local := localCommands()[name]; local {
			if err := (&settings{server: "https://admin.example.com"}).checkServer(cli.Console, command); err == nil {
				t.Errorf("minifed %s does not reject --server", name)
			}
			return
		}
		if !slices.ContainsFunc(tested, func(line string) bool { return line == name || strings.HasPrefix(line, name+" ") }) {
			t.Errorf("minifed %s is tested over the API by no line", name)
		}
	}
	visit(newRoot(cli.Console))
}

func TestServer_RevokesInitialTokens(t *testing.T) {
	cli := newAPIServer(t).withServer(t)
	created := cli.runJSON(t, "client", "initial-token", "create", "--name", "agents")
	id, _ := created["id"].(string)
	if got := cli.run(t, "client", "initial-token", "list"); id == "" || !strings.Contains(got, id) {
		t.Fatalf("the list has no token %q: %s", id, got)
	}
	cli.run(t, "client", "initial-token", "revoke", id)
	if got := cli.run(t, "client", "initial-token", "list"); strings.Contains(got, id) {
		t.Errorf("the list has the revoked token: %s", got)
	}
}

func TestServer_TransfersFiles(t *testing.T) {
	server := newAPIServer(t)
	cli, folder := server.withServer(t), t.TempDir()
	file := filepath.Join(folder, "users.csv")
	writeFile(t, file, "username,name\nalice,Alice\nbob,Bob\n")
	dry := cli.runJSON(t, "user", "import", file, "--dry-run")
	done := cli.runJSON(t, "user", "import", file)
	again := cli.runJSON(t, "user", "import", file)
	if dry["created"] != 2.0 || done["created"] != 2.0 || again["unchanged"] != 2.0 {
		t.Errorf("imported %v, %v, %v", dry, done, again)
	}
	writeFile(t, file, "username,name\na b,Alice\n")
	cli.mustFail(t, exitFailed, []string{"unacceptable rows"}, "user", "import", file)
	users := filepath.Join(folder, "users.jsonl")
	if got := cli.runJSON(t, "user", "export", users); got["users"] != 2.0 {
		t.Errorf("exported %v", got)
	}
	if text, err := os.ReadFile(users); err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"username":"alice"`) {
		t.Errorf("the file is %s, %v", text, err)
	}
	cli.mustFail(t, exitUsage, []string{"exists"}, "user", "export", users)
	archive := filepath.Join(folder, "minifed.export")
	if got := cli.runJSON(t, "export", archive); got["bytes"] != 10.0 {
		t.Errorf("exported %v", got)
	}
	files := filepath.Join(folder, "files")
	cli.run(t, "export", "--as-files", files)
	if got := cli.runJSON(t, "apply", "-f", files, "--yes"); got["pending"] != false {
		t.Errorf("applied %v", got)
	}
}

func TestServer_ReadsAuditAndState(t *testing.T) {
	cli := newAPIServer(t).withServer(t)
	cli.run(t, "user", "create", "alice")
	if got := cli.run(t, "audit", "list", "--action", "user."); !strings.Contains(got, "service:ci") || !strings.Contains(got, "user.create") {
		t.Errorf("the audit is %s", got)
	}
	if got := cli.run(t, "audit", "export", "--since", "1h", "--target", "nothing"); got != "" {
		t.Errorf("exported %s", got)
	}
	if got := cli.run(t, "audit", "export", "--since", "1h"); !strings.Contains(got, `"action":"user.create"`) {
		t.Errorf("exported %s", got)
	}
	for _, command := range []string{"health", "statistics"} {
		if got := cli.run(t, command); got == "" {
			t.Errorf("minifed %s prints nothing", command)
		}
	}
	if got := cli.runJSON(t, "audit", "verify"); got["found"] != 0.0 {
		t.Errorf("verified %v", got)
	}
}

func TestServer_TestsMiniProgramAndMergesInBulk(t *testing.T) {
	server := newAPIServer(t)
	cli := server.withServer(t)
	cli.run(t, cli.withSecrets(t, strings.Fields("client create --kind wechat_miniapp --id mini --app-id wx0123456789abcdef --app-secret-stdin"))...)
	if got := cli.run(t, "client", "test", "mini"); !strings.Contains(got, "accepts the AppID") {
		t.Errorf("tested: %s", got)
	}
	cli.run(t, cli.withSecrets(t, strings.Fields("connection create --kind website --app-id wx1111111111111111 --open-platform shop --app-secret-stdin"))...)
	if got := cli.run(t, "connection", "test", "wx1111111111111111"); !strings.Contains(got, "accepts") {
		t.Errorf("tested: %s", got)
	}
	server.addMergeCandidate(t)
	if got := cli.run(t, "user", "merge", "accept-all", "--reason", "unionid", "--dry-run"); strings.Count(got, "\n") != 2 {
		t.Errorf("the preview is %s", got)
	}
	batch := cli.runJSON(t, "user", "merge", "accept-all", "--yes")
	if got := cli.run(t, "user", "merge", "batches"); !strings.Contains(got, batch["batch"].(string)) {
		t.Errorf("the batches are %s", got)
	}
	undone := cli.runJSON(t, "user", "merge", "undo-all", batch["batch"].(string))
	if items, _ := undone["items"].([]any); len(items) != 1 {
		t.Errorf("undone %v", undone)
	}
}

// addMergeCandidate adds two accounts of one WeChat user.
func (s *apiServer) addMergeCandidate(t *testing.T) {
	t.Helper()
	logins := []identity.Login{
		{Directory: "default", AppID: "wx1", OpenID: "o1"},
		{Directory: "default", AppID: "wx2", OpenID: "o2", OpenPlatform: "op", UnionID: "u"},
		{Directory: "default", AppID: "wx1", OpenID: "o1", OpenPlatform: "op", UnionID: "u"},
	}
	for _, login := range logins {
		if _, err := s.people.Resolve(t.Context(), login, true); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLogin_SignsInByTheBrowserAndRefreshes follows the address that login prints, as a browser does.
func TestLogin_SignsInByTheBrowserAndRefreshes(t *testing.T) {
	server, folder := newAPIServer(t), t.TempDir()
	cli := newCLI(t, "XDG_CONFIG_HOME="+folder)
	cli.mustFail(t, exitUsage, []string{"--server is missing"}, "login")
	cli.mustFail(t, exitFailed, []string{"not signed in", "minifed --server " + server.URL + " login"}, "client", "list", "--server", server.URL)
	cli.err.Reset()
	ended := make(chan int, 1)
	go func() { ended <- cli.exitCode(t, "login", "--no-browser", "--server", server.URL) }()
	waitFor(t, cli.err, "/oauth2/authorize?")
	printed := cli.err.String()
	address := strings.Fields(printed[strings.Index(printed, server.URL):])[0]
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if page, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(page), "signed in") {
		t.Errorf("the browser shows %q, %v", page, err)
	}
	if code := <-ended; code != exitDone {
		t.Fatalf("login: exit code %d\n%s", code, cli.err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "minifed", "logins", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("stored: %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for range 2 {
		cli.run(t, "client", "list", "--server", server.URL)
	}
	if server.refreshed < 2 {
		t.Errorf("%d refreshes", server.refreshed)
	}
	cli.run(t, "logout", "--server", server.URL)
	cli.mustFail(t, exitFailed, []string{"not signed in"}, "client", "list", "--server", server.URL)
}

// TestServer_WorksAtARunningServer uses the real server: a service client that apply created, and the sign-in page of operators.
func TestServer_WorksAtARunningServer(t *testing.T) {
	cli := newCLIWithStore(t)
	file := filepath.Join(t.TempDir(), "operators.yaml")
	writeFile(t, file, "kind: service_client\nid: deploy\nexpires_at: "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+
		"\nsecret: {env: DEPLOY_SECRET}\nassignments: [{directory: '*', role: admin}]\n")
	cli.with("DEPLOY_SECRET=a-long-secret-of-deploy-42").run(t, "apply", "-f", file, "--yes")
	public, listener := porttest.Address(t), porttest.Address(t)
	running := cli.startServerOn(t, public, listener, "MINIFED_ADMIN_PUBLIC_URL=http://"+listener)
	remote := newCLI(t, "MINIFED_SERVER="+running.adminURL, "MINIFED_CLIENT_ID=deploy", "MINIFED_CLIENT_SECRET=a-long-secret-of-deploy-42")
	created := remote.runJSON(t, "client", "create", "--for", "spring-boot", "--url", "https://shop.example.com", "--id", "shop")
	if created["issuer"] != running.url || !strings.Contains(remote.run(t, "client", "list"), "shop") {
		t.Errorf("created %v", created)
	}
	remote.mustFail(t, exitFailed, []string{"is not allowed"}, "directory", "delete", "default", "--yes")
	query := url.Values{
		"client_id": {admin.CommandLineClient}, "response_type": {"code"}, "redirect_uri": {"http://127.0.0.1:1/callback"}, "scope": {"openid offline_access"},
		"state": {"a-state-of-many-letters"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	browser := newPageUser(t)
	if status := browser.get(running.adminURL + "/oauth2/authorize?" + query.Encode()); status != http.StatusOK || !strings.Contains(browser.body, `name="password"`) {
		t.Errorf("the sign-in of the command line: %d %s", status, browser.body)
	}
}
