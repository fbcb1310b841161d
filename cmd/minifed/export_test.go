package main

import (
	"bytes"
	"crypto/rand"
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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// part is one part of a JWT.
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

func TestAnImportKeepsSubjectsKeysAndRefreshTokens(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	old := newStation(t)
	running := old.serve(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	_, before, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}})
	if err != nil {
		t.Fatal(err)
	}
	running.stop(t)

	file := filepath.Join(t.TempDir(), "store.export")
	exported := old.json(t, "export", file)
	old.fails(t, exitUsage, []string{"exists and is left alone"}, "export", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	masterKey := "MINIFED_KEYS_MASTER_KEY_FILE=" + filepath.Join(old.folder, "master.key")
	other := newStation(t, masterKey)
	imported := other.json(t, "import", file)
	if fmt.Sprint(imported) != fmt.Sprint(exported) || imported["documents"].(float64) < 8 {
		t.Errorf("exported %v, imported %v", exported, imported)
	}

	again := other.serveAt(t, strings.TrimPrefix(running.url, "http://"), "MINIFED_WECHAT_BASE_URL="+api.URL)
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
	other.fails(t, exitFailed, []string{"another `minifed serve` is using this store"}, "import", file, "--force")
}

// TestExport_KeepsTheSettingsOfClients compares what is shown of clients with each setting of tokens, e-mail and logout.
func TestExport_KeepsTheSettingsOfClients(t *testing.T) {
	old := made(t)
	old.must(t, "client", "create", "--id", "web", "--kind", "web", "--redirect-uri", "https://web.example/cb", "--access-token-type", "JWT",
		"--keep-refresh-token", "--placeholder-email-domain", "users.example.com", "--id-token-claims=false", "--backend-logout")
	old.must(t, "client", "create", "--id", "plain", "--kind", "web", "--redirect-uri", "https://web.example/cb")
	file := filepath.Join(t.TempDir(), "store.export")
	old.must(t, "export", file)
	other := newStation(t, "MINIFED_KEYS_MASTER_KEY_FILE="+filepath.Join(old.folder, "master.key"))
	other.must(t, "import", file)
	for _, id := range []string{"web", "plain"} {
		was, is := old.json(t, "client", "show", id), other.json(t, "client", "show", id)
		if !reflect.DeepEqual(was, is) {
			t.Errorf("%s was %v and is %v", id, was, is)
		}
	}
	is := other.json(t, "client", "show", "web")
	for name, want := range map[string]any{
		"access_token_type": "JWT", "keep_refresh_token": true, "placeholder_email_domain": "users.example.com", "id_token_claims": false, "backend_logout": true,
	} {
		if is[name] != want {
			t.Errorf("%s is %v, want %v", name, is[name], want)
		}
	}
}

// subjectMAC is what pairwise subjects of the default directory derive from, for one message.
func (s *station) subjectMAC(t *testing.T) string {
	t.Helper()
	config, err := (&settings{}).load(s.console)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := openDeployment(t.Context(), s.console, config, purpose{logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := opened.secrets.SubjectMAC(t.Context(), "default", []byte("message"))
	if err := errors.Join(err, opened.close()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum)
}

func TestAnImportIntoAStoreThatHoldsSomethingNeedsForce(t *testing.T) {
	s := made(t)
	s.must(t, "client", "create", "--kind", "service", "--id", "kept", "--name", "as exported")
	file := filepath.Join(t.TempDir(), "store.export")
	exported := s.json(t, "export", file)
	s.must(t, "client", "update", "kept", "--name", "changed since")
	s.must(t, "client", "create", "--kind", "service", "--id", "younger")
	s.fails(t, exitFailed, []string{"the store is not empty", "--force"}, "import", file)
	if shown := s.must(t, "client", "show", "kept"); !strings.Contains(shown, "changed since") {
		t.Errorf("a refused import changed %s", shown)
	}
	if imported := s.json(t, "import", file, "--force"); fmt.Sprint(imported["documents"]) != fmt.Sprint(exported["documents"]) {
		t.Errorf("imported %v of %v", imported, exported)
	}
	list := s.must(t, "client", "list")
	if !strings.Contains(list, "as exported") || !strings.Contains(list, "younger") {
		t.Errorf("clients afterwards: %s", list)
	}
}

func TestAnImportNeedsTheMasterKeyOfTheExport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store.export")
	made(t).must(t, "export", file)
	other := newStation(t)
	other.fails(t, exitFailed, []string{"the master key is missing"}, "import", file)
	other.must(t, "keys", "master", "new")
	other.fails(t, exitFailed, []string{"sealed by master key", "the store that it was made from"}, "import", file)
	if _, err := os.Stat(filepath.Join(other.folder, "minifed.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused import made the store: %v", err)
	}
}

// archiveOf returns an archive of n documents, and its master key.
func archiveOf(t testing.TB, n int) ([]byte, *keys.Master) {
	t.Helper()
	master, err := keys.ParseMaster(demoMasterKey(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	archive, err := newArchiveWriter(&out, master, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := archive.add(archivedDocument(i)); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := archive.close(); err != nil || held.Documents != n {
		t.Fatal(held, err)
	}
	return out.Bytes(), master
}

func archivedDocument(i int) storage.Document {
	noise := make([]byte, 200)
	_, _ = rand.Read(noise)
	at := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
	return storage.Document{
		Kind: storage.KindUser, ID: fmt.Sprint("default/u", i), Owner: "default", Name: "<&>  \u2028", CreatedAt: at, DueAt: at, ExpiresAt: at,
		Body: []byte(fmt.Sprintf(`{"v":1,"n":12345678901234567890.10,"text":"%x"}`, noise)),
	}
}

func TestAnArchiveHoldsWhatWasPutIn(t *testing.T) {
	for _, n := range []int{0, 1, 1000} { // 1000 are several chunks
		sealed, master := archiveOf(t, n)
		i := 0
		held, err := readArchive(bytes.NewReader(sealed), master, func(doc storage.Document) error {
			want := archivedDocument(i)
			want.Body = doc.Body // random
			if !same(doc, want) || doc.ID != want.ID || doc.Kind != want.Kind || !strings.Contains(string(doc.Body), "12345678901234567890.10") {
				t.Fatalf("%+v", doc)
			}
			i++
			return nil
		})
		if err != nil || i != n || held.Documents != n || n > 0 && held.Kinds[storage.KindUser] != n {
			t.Errorf("%d documents: %d, %+v, %v", n, i, held, err)
		}
	}
}

func TestAnArchiveThatIsNotWholeOrWasChangedIsRefused(t *testing.T) {
	sealed, master := archiveOf(t, 1000)
	head := bytes.IndexByte(sealed, '\n') + 1
	chunk := sealedChunk + 16
	changed := func(at int) []byte {
		other := slices.Clone(sealed)
		other[at] ^= 1
		return other
	}
	for name, text := range map[string][]byte{
		"empty":              nil,
		"another file":       []byte("SQLite format 3\x00"),
		"a long line":        bytes.Repeat([]byte("x"), 1<<20),
		"the head alone":     sealed[:head],
		"cut in a chunk":     sealed[:len(sealed)-1],
		"cut between chunks": sealed[:head+chunk],
		"a changed head":     changed(head - 3),
		"a changed chunk":    changed(head + 5),
		"a changed end":      changed(len(sealed) - 1),
		"something appended": append(slices.Clone(sealed), 0),
		"a chunk left out":   append(slices.Clone(sealed[:head]), sealed[head+chunk:]...),
		"a chunk twice":      slices.Concat(sealed[:head+chunk], sealed[head:]),
		"the head of another": func() []byte {
			other, _ := archiveOf(t, 0)
			return append(other[:bytes.IndexByte(other, '\n')+1], sealed[head:]...)
		}(),
		"two archives in a row": append(slices.Clone(sealed), sealed...),
	} {
		if _, err := readArchive(bytes.NewReader(text), master, func(storage.Document) error { return nil }); !errors.Is(err, errArchive) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnArchiveOfAnotherVersionSaysSo(t *testing.T) {
	sealed, master := archiveOf(t, 1)
	other := bytes.Replace(sealed, []byte("export 1 "), []byte("export 2 "), 1)
	_, err := readArchive(bytes.NewReader(other), master, func(storage.Document) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("said %v", err)
	}
}

func TestAnArchiveWhoseEndDoesNotFitIsRefused(t *testing.T) {
	master, err := keys.ParseMaster(demoMasterKey(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*archiveWriter){
		"one more counted": func(w *archiveWriter) { w.tally.total++ },
		"another kind":     func(w *archiveWriter) { w.tally.kinds[storage.KindGrant]++ },
		"another digest": func(w *archiveWriter) {
			w.tally.add(storage.KindUser, []byte("{}"))
			w.tally.total--
			w.tally.kinds[storage.KindUser]--
		},
	} {
		var out bytes.Buffer
		archive, err := newArchiveWriter(&out, master, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.add(archivedDocument(1)); err != nil {
			t.Fatal(err)
		}
		spoil(archive)
		if _, err := archive.close(); err != nil {
			t.Fatal(err)
		}
		if _, err := readArchive(&out, master, func(storage.Document) error { return nil }); !errors.Is(err, errArchive) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAnArchiveIsReadOrRefused(f *testing.F) {
	sealed, master := archiveOf(f, 3)
	f.Add(sealed)
	f.Add([]byte(archiveHead + "mk1:000000000000:AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		held, err := readArchive(bytes.NewReader(text), master, func(storage.Document) error { return nil })
		if err == nil && (held.Documents != 3 || !bytes.Equal(text, sealed)) {
			t.Errorf("a forged archive was read: %+v", held)
		}
	})
}
