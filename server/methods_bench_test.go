package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// methodBench is a codeBench whose user "ann" has a passkey or an authenticator app, and whose directory lists all methods.
type methodBench struct {
	*codeBench
	device  *authenticator
	options *regexp.Regexp
	secret  []byte
}

func newMethodBench(bench *testing.B) *methodBench {
	bench.Helper()
	b := &methodBench{codeBench: newCodeBench(bench), options: regexp.MustCompile(`data-options="([^"]+)"`), secret: []byte("the secret of an app")}
	entry := must(storage.Get[storage.Directory](b.Context(), b.engine, "default"))(bench)
	next := entry.Record
	next.Policy.TwoFactor, next.SignInMethods = storage.TwoFactorOptional, []string{storage.SignInPassword, storage.SignInPasskey}
	must(entry.Replace(b.Context(), b.engine, next))(bench)
	b.ahead.Add(int64(time.Minute))
	return b
}

// addPasskey stores a passkey of ann.
func (b *methodBench) addPasskey() {
	b.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(b.TB)
	point := must(key.PublicKey.Bytes())(b.TB)
	public := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...) // ES256 at P-256 (RFC 9053)
	public = append(append(public, 0x22, 0x58, 0x20), point[33:]...)
	b.device = &authenticator{
		TB: b.TB, key: key, credentialID: []byte(rand.Text()), rpID: "id.example", origin: benchURL, flags: flagPresent | flagVerified,
		handle: encoded([]byte("default\x00" + storage.Digest("passkey user", "default", "", b.user)[:24])),
	}
	must(storage.Insert(b.Context(), b.engine, storage.Passkey{
		Directory: "default", RPID: "id.example", CredentialID: b.device.credentialID, User: b.user, PublicKey: public, CreatedAt: b.now(),
	}))(b.TB)
}

// addApp stores an authenticator app of ann.
func (b *methodBench) addApp() {
	b.Helper()
	sealed := must(must(preparedKeys.master())(b.TB).Seal(b.secret, keys.TOTPBinding("default", b.user)))(b.TB)
	must(storage.Insert(b.Context(), b.engine, storage.TOTP{Directory: "default", User: b.user, Secret: sealed, CreatedAt: b.now()}))(b.TB)
}

// code is the code of the app at a step.
func (b *methodBench) code(step uint64) string {
	mac := hmac.New(sha1.New, b.secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// newClient returns a new browser that stops at the account page.
func (b *methodBench) newClient() *http.Client {
	return &http.Client{Transport: b, Jar: must(cookiejar.New(nil))(b.TB), CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if next.URL.Path == "/account" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// submit submits a form and asserts that it leads to the account page if end is set.
func (b *methodBench) submit(browser *http.Client, page benchPage, end bool, fields url.Values) benchPage {
	b.Helper()
	fields.Set("csrf", page.csrf)
	next := b.read(must(browser.PostForm(page.url, fields))(b.TB))
	if end && !strings.HasSuffix(next.next, "/account") {
		b.Fatalf("it does not sign in: %s\n%s", next.url, next.text)
	}
	return next
}

// signInByPasskey signs ann in by the passkey, in a browser that is new, and returns 200.
func (b *methodBench) signInByPasskey() int {
	b.ahead.Add(int64(time.Hour)) // A passkey signs in at most 32 times in 20 minutes.
	browser := b.newClient()
	page := b.read(must(browser.Get(benchURL + "/login/passkey"))(b.TB))
	var options map[string]any
	check(b.TB, json.Unmarshal([]byte(html.UnescapeString(b.options.FindStringSubmatch(page.text)[1])), &options))
	challenge := regexp.MustCompile(`name="challenge" value="([^"]+)"`).FindStringSubmatch(page.text)[1]
	b.submit(browser, page, true, url.Values{"challenge": {challenge}, "credential": {b.device.get(options)}})
	return http.StatusOK
}

// signInByApp signs ann in by the password and a code of the app, in a browser that is new, and returns 200.
func (b *methodBench) signInByApp() int {
	b.ahead.Add(int64(time.Minute)) // A code works once.
	browser := b.newClient()
	page := b.read(must(browser.Get(benchURL + "/login"))(b.TB))
	page = b.submit(browser, page, false, url.Values{"username": {"ann"}, "password": {goodPassword}})
	b.submit(browser, page, true, url.Values{"code": {b.code(uint64(b.now().Unix() / 30))}})
	return http.StatusOK
}

// floor is handlers that parse the forms of a sign-in, read and write the record of ann so often, and do the necessary cryptography.
func (b *methodBench) floor(forms, reads, writes int, necessary func()) func() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		check(b.TB, r.ParseForm())
		w.WriteHeader(http.StatusSeeOther)
	})
	return func() {
		for range forms {
			request := httptest.NewRequest(http.MethodPost, benchURL+"/login", strings.NewReader("username=ann&password=password&code=123456"))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			handler.ServeHTTP(httptest.NewRecorder(), request)
		}
		for range max(reads, writes) {
			entry := must(storage.Get[storage.User](b.Context(), b.engine, storage.Key("default", b.user)))(b.TB)
			if writes--; writes >= 0 {
				must(entry.Replace(b.Context(), b.engine, entry.Record))(b.TB)
			}
		}
		necessary()
	}
}

// BenchmarkPasskey measures a sign-in by a passkey: its page and its response, without the network. Its floor is handlers that parse
// two forms, read two records and write two, and one signature of the authenticator with its verification.
func BenchmarkPasskey(bench *testing.B) {
	b := newMethodBench(bench)
	b.addPasskey()
	digest := sha256.Sum256([]byte("client data"))
	b.reportWithFloor(bench, b.floor(2, 2, 2, func() {
		signature := must(ecdsa.SignASN1(rand.Reader, b.device.key, digest[:]))(bench)
		if !ecdsa.VerifyASN1(&b.device.key.PublicKey, digest[:], signature) {
			bench.Fatal("it does not verify")
		}
	}), b.signInByPasskey)
}

// BenchmarkTOTP measures a sign-in by a password and a code of an authenticator app, without the network. Its floor is handlers that
// parse three forms, read four records and write two, and the hash of the password.
func BenchmarkTOTP(bench *testing.B) {
	b := newMethodBench(bench)
	b.addApp()
	hash := identity.DefaultArgon2()
	b.reportWithFloor(bench, b.floor(3, 4, 2, func() {
		argon2.IDKey([]byte(goodPassword), b.secret, hash.Time, hash.Memory, hash.Threads, sha256.Size)
	}), b.signInByApp)
}

// BenchmarkAccountPage measures /account of a signed-in user with a passkey. Its floor is a handler that reads two records and four
// lists, and writes as many bytes.
func BenchmarkAccountPage(bench *testing.B) {
	b := newMethodBench(bench)
	b.addPasskey()
	browser := b.newClient()
	page := b.read(must(browser.Get(benchURL + "/login"))(bench))
	b.submit(browser, page, true, url.Values{"username": {"ann"}, "password": {goodPassword}})
	shown := b.read(must(browser.Get(benchURL + "/account"))(bench))
	if !strings.Contains(shown.text, `id="sign-out"`) {
		bench.Fatalf("no account page: %s\n%s", shown.url, shown.text)
	}
	owner := storage.Query{Order: storage.ByCreated, Owner: storage.Key("default", b.user)}
	floor := func() {
		request, response := httptest.NewRequest(http.MethodGet, benchURL+"/account", nil), httptest.NewRecorder()
		for range 2 {
			must(storage.Get[storage.User](request.Context(), b.engine, storage.Key("default", b.user)))(bench)
			_, _, err := storage.List[storage.Identity](request.Context(), b.engine, owner)
			check(bench, err)
			_, _, err = storage.List[storage.Passkey](request.Context(), b.engine, owner)
			check(bench, err)
		}
		must(response.WriteString(shown.text))(bench)
	}
	b.reportWithFloor(bench, floor, func() int { return must(browser.Get(benchURL + "/account"))(bench).StatusCode })
}
