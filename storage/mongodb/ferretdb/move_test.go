package ferretdb

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// program is a built minifed with the environment that its commands run in.
type program struct {
	binary      string
	environment []string
}

// at adds variables.
func (p program) at(variables ...string) program {
	p.environment = append(append([]string{}, p.environment...), variables...)
	return p
}

// run runs a command to its end and decodes what it prints.
func (p program) run(t *testing.T, input string, args ...string) map[string]any {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.binary, append(args, "--output", "json")...)
	command.Env, command.Stdin = p.environment, strings.NewReader(input)
	var failure strings.Builder
	command.Stderr = &failure
	out, err := command.Output()
	if err != nil {
		t.Fatalf("minifed %v: %v\n%s", args, err, failure.String())
	}
	decoded := map[string]any{}
	if err := json.Unmarshal(out, &decoded); err != nil {
		t.Fatalf("minifed %v: %v\n%s", args, err, out)
	}
	return decoded
}

// serve starts the server, waits until it serves, and returns what stops it.
func (p program) serve(t *testing.T) (stop func()) {
	t.Helper()
	command := exec.CommandContext(t.Context(), p.binary, "serve")
	command.Env = p.environment
	logs, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	for lines := bufio.NewScanner(logs); lines.Scan(); {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "msg=serving") {
			go func() { _, _ = io.Copy(io.Discard, logs) }()
			return func() {
				_ = command.Process.Signal(os.Interrupt)
				_ = command.Wait()
			}
		}
	}
	t.Fatalf("minifed serve ended:\n%s", &seen)
	return nil
}

// post sends a form as the client and decodes the answer.
func post(t *testing.T, address string, client map[string]any, form url.Values) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client["client_id"].(string), client["client_secret"].(string))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v, %v", address, response.StatusCode, answer, err)
	}
	return answer
}

// identityOf is what must not change in an ID token: the key that signed it and whom it is about.
func identityOf(t *testing.T, token any) (kid, sub any) {
	t.Helper()
	parts := strings.Split(token.(string), ".")
	decoded := map[string]any{}
	for _, part := range parts[:2] {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil {
			err = json.Unmarshal(raw, &decoded)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return decoded["kid"], decoded["sub"]
}

func TestAStoreMovesFromSQLiteToMongoDBAndBack(t *testing.T) {
	t.Parallel()
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, folder := listener.Addr().String(), t.TempDir()
	_ = listener.Close() // The issuer is part of the configuration, so the port must be known before.
	issuer := "http://" + address
	base := program{minifed, append(os.Environ(),
		"MINIFED_CONFIG="+os.DevNull, "MINIFED_PUBLIC_URL="+issuer, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS=off",
		"MINIFED_DATA_DIR="+filepath.Join(folder, "data"), "MINIFED_WECHAT_BASE_URL="+api.URL)}
	first := base.at("MINIFED_STORAGE_URI=sqlite:" + filepath.Join(folder, "first.db"))
	second := base.at("MINIFED_STORAGE_URI=" + ferret.Proxy(t).URI(ferret.Database(t)))
	third := base.at("MINIFED_STORAGE_URI=sqlite:" + filepath.Join(folder, "third.db"))

	// 1. A user of a mini-program, in SQLite.
	app, err := simulator.AddApp(wechat.App{ID: "wxsimmove"})
	if err != nil {
		t.Fatal(err)
	}
	stop := first.serve(t)
	client := first.run(t, string(app.Credential().Secret), "client", "create", "--kind", "wechat_miniapp", "--app-id", "wxsimmove", "--app-secret-stdin")
	tokens := post(t, issuer+"/federation/wechat/miniapp/profile", client, url.Values{"code": {app.Login("alice")}})
	stop()
	kid, sub := identityOf(t, tokens["id_token"])

	// 2. In MongoDB, then in SQLite again: the same user, key and refresh token.
	for number, move := range []struct{ from, to program }{{first, second}, {second, third}} {
		file := filepath.Join(folder, "export"+string(rune('1'+number)))
		exported, imported := move.from.run(t, "", "export", file), move.to.run(t, "", "import", file)
		if exported["digest"] != imported["digest"] || exported["documents"] != imported["documents"] {
			t.Errorf("exported %v, imported %v", exported, imported)
		}
		stop := move.to.serve(t)
		tokens = post(t, issuer+"/oauth2/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
		if gotKid, gotSub := identityOf(t, tokens["id_token"]); gotKid != kid || gotSub != sub {
			t.Errorf("move %d: kid %v, sub %v; they were %v, %v", number+1, gotKid, gotSub, kid, sub)
		}
		login := post(t, issuer+"/federation/wechat/miniapp/profile", client, url.Values{"code": {app.Login("alice")}})
		if _, again := identityOf(t, login["id_token"]); again != sub {
			t.Errorf("move %d: alice is %v now, she was %v", number+1, again, sub)
		}
		stop()
	}
}
