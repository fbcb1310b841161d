package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// part returns a part of a JWT.
func part(t *testing.T, token string, number int) map[string]any {
	t.Helper()
	decoded := map[string]any{}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[number])
	if err == nil {
		err = json.Unmarshal(raw, &decoded)
	}
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// refresh uses a refresh token.
func (m miniProgram) refresh(t *testing.T, issuer, token string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	request, err := http.NewRequest(http.MethodPost, issuer+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(m.id, m.secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func TestImport_PreservesSubjectsKeysAndRefreshTokens(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	old := newCLI(t)
	running := old.startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	_, before, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}})
	if err != nil {
		t.Fatal(err)
	}
	running.stop(t)

	file := filepath.Join(t.TempDir(), "store.export")
	exported := old.runJSON(t, "export", file)
	old.mustFail(t, exitUsage, []string{"exists and is not changed"}, "export", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	masterKey := "MINIFED_KEYS_MASTER_KEY_FILE=" + filepath.Join(old.folder, "master.key")
	other := newCLI(t, masterKey)
	imported := other.runJSON(t, "import", file)
	if fmt.Sprint(imported) != fmt.Sprint(exported) || imported["documents"].(float64) < 8 {
		t.Errorf("exported %v, imported %v", exported, imported)
	}

	again := other.startServerAt(t, strings.TrimPrefix(running.url, "http://"), "MINIFED_WECHAT_BASE_URL="+api.URL)
	status, after := mini.refresh(t, again.url, before["refresh_token"].(string))
	if status != http.StatusOK {
		t.Fatalf("refresh: %d %v", status, after)
	}
	idBefore, idAfter := before["id_token"].(string), after["id_token"].(string)
	if part(t, idBefore, 0)["kid"] != part(t, idAfter, 0)["kid"] || part(t, idBefore, 1)["sub"] != part(t, idAfter, 1)["sub"] {
		t.Errorf("kid or sub changed: %v, %v", part(t, idBefore, 1), part(t, idAfter, 1))
	}
	status, login, err := mini.signIn(again.url, url.Values{"code": {mini.app.Login("alice")}})
	if err != nil || status != http.StatusOK || login["profile"].(map[string]any)["sub"] != part(t, idBefore, 1)["sub"] {
		t.Errorf("login afterwards: %d %v, %v", status, login, err)
	}
	if was, is := old.subjectMAC(t), other.subjectMAC(t); was != is {
		t.Errorf("pairwise subjects derive from %s before and %s after", was, is)
	}
	other.mustFail(t, exitFailed, []string{"another `minifed serve` uses this store"}, "import", file, "--force")
}

// TestExport_PreservesTheSettingsOfClients compares the output for clients with each setting of tokens, e-mail and logout.
func TestExport_PreservesTheSettingsOfClients(t *testing.T) {
	old := newCLIWithStore(t)
	old.run(t, "client", "create", "--id", "web", "--kind", "web", "--redirect-uri", "https://web.example/cb", "--access-token-type", "JWT",
		"--keep-refresh-token", "--placeholder-email-domain", "users.example.com", "--id-token-claims=false", "--backend-logout")
	old.run(t, "client", "create", "--id", "plain", "--kind", "web", "--redirect-uri", "https://web.example/cb")
	file := filepath.Join(t.TempDir(), "store.export")
	old.run(t, "export", file)
	other := newCLI(t, "MINIFED_KEYS_MASTER_KEY_FILE="+filepath.Join(old.folder, "master.key"))
	other.run(t, "import", file)
	for _, id := range []string{"web", "plain"} {
		was, is := old.runJSON(t, "client", "show", id), other.runJSON(t, "client", "show", id)
		if !reflect.DeepEqual(was, is) {
			t.Errorf("%s was %v and is %v", id, was, is)
		}
	}
	is := other.runJSON(t, "client", "show", "web")
	for name, want := range map[string]any{
		"access_token_type": "JWT", "keep_refresh_token": true, "placeholder_email_domain": "users.example.com", "id_token_claims": false, "backend_logout": true,
	} {
		if is[name] != want {
			t.Errorf("%s is %v, want %v", name, is[name], want)
		}
	}
}

// subjectMAC returns the MAC of one message with the key of pairwise subjects of the default directory.
func (s *cliHarness) subjectMAC(t *testing.T) string {
	t.Helper()
	config, err := (&settings{}).load(s.Console)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := deployment.Open(t.Context(), s.Console, config, deployment.Purpose{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := opened.Secrets.SubjectMAC(t.Context(), "default", []byte("message"))
	if err := errors.Join(err, opened.Close()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum)
}

func TestImport_RejectsANonEmptyStoreWithoutForce(t *testing.T) {
	s := newCLIWithStore(t)
	s.run(t, "client", "create", "--kind", "service", "--id", "kept", "--name", "as exported")
	file := filepath.Join(t.TempDir(), "store.export")
	exported := s.runJSON(t, "export", file)
	s.run(t, "client", "update", "kept", "--name", "changed since")
	s.run(t, "client", "create", "--kind", "service", "--id", "younger")
	s.mustFail(t, exitFailed, []string{"the store is not empty", "--force"}, "import", file)
	if shown := s.run(t, "client", "show", "kept"); !strings.Contains(shown, "changed since") {
		t.Errorf("a refused import changed %s", shown)
	}
	if imported := s.runJSON(t, "import", file, "--force"); fmt.Sprint(imported["documents"]) != fmt.Sprint(exported["documents"]) {
		t.Errorf("imported %v of %v", imported, exported)
	}
	list := s.run(t, "client", "list")
	if !strings.Contains(list, "as exported") || !strings.Contains(list, "younger") {
		t.Errorf("clients afterwards: %s", list)
	}
}

func TestImport_RejectsAnotherMasterKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store.export")
	newCLIWithStore(t).run(t, "export", file)
	other := newCLI(t)
	other.mustFail(t, exitFailed, []string{"the master key is missing"}, "import", file)
	other.run(t, "keys", "master", "new")
	other.mustFail(t, exitFailed, []string{"sealed with master key", "use the master key of the exported store"}, "import", file)
	if _, err := os.Stat(filepath.Join(other.folder, "minifed.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused import made the store: %v", err)
	}
}

// A user belongs to the directory that the user was created in: see storage.User.BelongsTo.
func TestImport_RejectsReplacingADirectoryWithUsers(t *testing.T) {
	s := newCLIWithStore(t)
	s.run(t, "user", "create", "alice")
	file := filepath.Join(t.TempDir(), "store.export")
	s.run(t, "export", file)
	s.run(t, "user", "create", "bob")
	s.run(t, "import", file, "--force") // It is the same directory.
	if list := s.run(t, "user", "list"); !strings.Contains(list, "alice") || !strings.Contains(list, "bob") {
		t.Errorf("users after an import of the same directory: %s", list)
	}
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		entry, err := storage.Get[storage.Directory](ctx, engine, "default")
		if err != nil {
			return err
		}
		other := entry.Record
		other.Incarnation = "other"
		_, err = entry.Replace(ctx, engine, other)
		return err
	})
	s.run(t, "user", "create", "carol")
	s.mustFail(t, exitFailed, []string{"directory default of this store is not that of the file, and has users", "minifed user list --directory default"}, "import", file, "--force")
	if list := s.run(t, "user", "list"); !strings.Contains(list, "carol") {
		t.Errorf("users after an import that was rejected: %s", list)
	}
	s.run(t, "user", "delete", "carol", "--yes")
	s.run(t, "import", file, "--force")
	if list := s.run(t, "user", "list"); !strings.Contains(list, "alice") || !strings.Contains(list, "bob") {
		t.Errorf("users after the import: %s", list)
	}
}
