package main

import (
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
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// apiServer is a server with the admin API on a store in memory. Its authorization server issues tokens to the service client
// "ci", and to the command line after a sign-in.
type apiServer struct {
	*httptest.Server
	service *admin.Service
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
	s := &apiServer{}
	s.service, err = admin.New(admin.Config{
		Engine: engine, Audit: trail, Master: master, Keys: ring, Secrets: secrets, Identity: people, Now: time.Now, Random: rand.Reader,
		PublicURL: "http://localhost:8080", DefaultDirectory: "default", Actor: admin.LocalActor("alice"),
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

// TestServer_CommandsPrintWhatTheyPrintOnTheStore runs the same commands on a store and over the API of another one.
func TestServer_CommandsPrintWhatTheyPrintOnTheStore(t *testing.T) {
	local, remote := newCLIWithStore(t), newAPIServer(t).withServer(t)
	for _, line := range []string{
		"directory create staff --name Staff --self-registration",
		"directory update staff --name People --access-token-lifetime 5m --self-registration=false --claim groups",
		"directory disable staff", "directory show staff", "directory enable staff", "directory list",
		"client create --kind web --id shop --redirect-uri https://shop.example.com/callback --secret-stdin",
		"client create --for spring-boot --url https://spring.example.com --id spring --directory staff --secret-stdin",
		"client create --kind wechat_miniapp --id mini --app-id wx0123456789abcdef --app-secret-stdin --secret-file secret",
		"client update shop --name Shop --redirect-uri https://shop.example.com/a --scope openid --scope groups --require-pkce --access-token-lifetime 10m",
		"client update shop --name= --require-pkce=false", "client disable shop", "client show shop", "client enable shop", "client list", "client show mini",
		"client rotate-secret shop --secret-stdin", "client set-app-secret mini --app-secret-stdin", "client show shop",
		"user create alice --name Alice --email alice@example.com --phone-number +8613800138000 --group staff --attribute level=3 --password-stdin",
		"user update alice --nickname Ali --group staff --group owners --attribute level= --username alicia",
		"user show alicia", "user show alice@example.com", "user list", "user list --name ali",
		"user disable alicia", "user enable alicia", "user signout alicia", "user set-password alicia --password-stdin",
		"user create bob", "user merge users alicia bob", "user merge candidates", "user delete alicia --yes",
		"client delete shop --yes", "client delete spring --directory staff --yes", "directory disable staff", "directory delete staff --yes", "directory list",
	} {
		args := strings.Fields(line)
		if strings.Contains(line, "--kind web") {
			compareOutputs(t, local, remote, append(args, "--output", "json"))
			continue
		}
		compareOutputs(t, local, remote, args)
	}
	for _, line := range []string{
		"client show nothing", "client create --kind web --redirect-uri http://shop.example.com/", "client create --kind wechat_miniapp --id mini --app-id wx0123456789abcdef --app-secret-stdin",
		"user show nobody", "directory delete default --yes", "directory create Staff",
	} {
		compareFailures(t, local, remote, strings.Fields(line))
	}
}

// compareOutputs runs a command on both, and compares the outputs without what is random.
func compareOutputs(t *testing.T, local, remote *cliHarness, args []string) {
	t.Helper()
	var outputs [2]string
	for i, cli := range []*cliHarness{local, remote} {
		outputs[i] = stable(cli.run(t, cli.withSecrets(t, args)...))
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
		case "secret":
			file := filepath.Join(t.TempDir(), "secret")
			writeFile(t, file, secret)
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
	cli.mustFail(t, exitFailed, []string{"works on the store"}, "export", filepath.Join(t.TempDir(), "x"))
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

// TestLogin_SignsInByTheBrowserAndRefreshes follows the address that login prints, as a browser does.
func TestLogin_SignsInByTheBrowserAndRefreshes(t *testing.T) {
	server, folder := newAPIServer(t), t.TempDir()
	cli := newCLI(t, "XDG_CONFIG_HOME="+folder)
	cli.mustFail(t, exitUsage, []string{"--server is missing"}, "login")
	cli.mustFail(t, exitFailed, []string{"not signed in", "minifed --server " + server.URL + " login"}, "client", "list", "--server", server.URL)
	cli.err.Reset()
	ended := make(chan int, 1)
	go func() { ended <- cli.exitCode(t, "login", "--no-browser", "--server", server.URL) }()
	if err := cli.err.waitFor(t.Context(), "/oauth2/authorize?"); err != nil {
		t.Fatal(err)
	}
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
