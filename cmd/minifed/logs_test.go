package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// panickingReader is a source of randomness that panics, with a secret as the value, when a request of the server reads it. Armed with
// "early" it panics before the request is read, otherwise while it is processed.
type panickingReader struct {
	armed atomic.Pointer[panickingReaderSettings]
	went  atomic.Int64
}

type panickingReaderSettings struct {
	secret string
	early  bool
}

func (l *panickingReader) Read(p []byte) (int, error) {
	if set := l.armed.Load(); set != nil {
		stack := string(debug.Stack())
		if strings.Contains(stack, "minifed/server.") && strings.Contains(stack, ".RequestID(") == set.early {
			l.went.Add(1)
			l.armed.Store(nil)
			panic(set.secret)
		}
	}
	return rand.Read(p)
}

// secretLeakChecker has the values that must not be printed, by their kind.
type secretLeakChecker map[string]string

// note records the secret members of a response.
func (s secretLeakChecker) note(what string, answer map[string]any) {
	for _, member := range []string{"access_token", "refresh_token", "id_token", "bind_ticket", "phone_number", "request_uri"} {
		if value, ok := answer[member].(string); ok {
			s[what+" "+member] = value
		}
	}
	if profile, ok := answer["profile"].(map[string]any); ok {
		s.note(what+" profile", profile)
	}
}

// leaks returns the secrets that a text contains: plain, percent-encoded, in hex, or in base64 at any offset.
func (s secretLeakChecker) leaks(text string) (found []string) {
	for what, secret := range s {
		for form, encoded := range encodings(secret) {
			if strings.Contains(text, encoded) {
				found = append(found, what+" ("+form+")")
			}
		}
	}
	return found
}

func encodings(secret string) map[string]string {
	all := map[string]string{
		"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "hex": hex.EncodeToString([]byte(secret)),
	}
	for offset := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			// The text before shifts the bits, and the text after changes the last characters.
			encoded := encoding.EncodeToString(append(make([]byte, offset), secret...))
			all[name+string(rune('0'+offset))] = encoded[(offset*8+5)/6 : len(encoded)-2]
		}
	}
	return all
}

func TestSecretLeakChecker_FindsEveryEncoding(t *testing.T) {
	seen := secretLeakChecker{"token": "s3cret+value/of a token"}
	for _, text := range []string{
		"x s3cret+value/of a token y", "?token=s3cret%2Bvalue%2Fof+a+token", hex.EncodeToString([]byte("s3cret+value/of a token")),
		base64.StdEncoding.EncodeToString([]byte("id:s3cret+value/of a token!")), base64.RawURLEncoding.EncodeToString([]byte("ab:c:s3cret+value/of a token")),
		base64.StdEncoding.EncodeToString([]byte("i:s3cret+value/of a token")),
	} {
		if len(seen.leaks(text)) == 0 {
			t.Errorf("not found in %q", text)
		}
	}
	if found := seen.leaks("another text"); found != nil {
		t.Errorf("found %v", found)
	}
}

// leakHarness is a running server with the clients, users and browser of a full run.
type leakHarness struct {
	*testing.T
	*testServer
	mine       *panickingReader
	seen       secretLeakChecker
	shop, club miniProgram
}

func TestSecrets_AreNotInLogsOutputOrMetrics(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	s := newCLI(t, "MINIFED_LOG_LEVEL=debug", "MINIFED_WECHAT_BASE_URL="+api.URL)
	b := &leakHarness{T: t, mine: new(panickingReader), seen: secretLeakChecker{}}
	s.Random = b.mine
	b.testServer = s.startServer(t)
	b.club = b.client(simulator, "club", "--provisioning", "bind", "--password-binding", "--first-party")
	b.shop = b.client(simulator, "shop", "--audience", "club", "--account-linking")
	for _, user := range []string{"alice", "bob", "carol", "dave"} {
		number := simulator.Phone(user)
		b.seen[user+"'s number"] = number.PureNumber
		for _, app := range []*wechattest.App{b.shop.app, b.club.app} {
			b.seen[user+"'s OpenID"] = string(app.OpenID(user))
			b.seen[user+"'s UnionID"] = string(app.UnionID(user))
		}
	}

	b.logins()
	b.binding()
	b.browsing()
	b.clientRequests()
	b.operatorCommands()
	b.rejectedRequests()
	b.faults()
	b.panics()

	_, metrics := get(t, b.adminURL+"/metrics")
	b.stop(t)
	logs := b.err.String()
	for what, text := range map[string]string{"the log": logs, "the output": b.out.String(), "the metrics": metrics} {
		found := b.seen.leaks(text)
		slices.Sort(found)
		for _, leak := range slices.Compact(found) {
			t.Errorf("%s holds %s", what, leak)
		}
	}
	if len(b.seen) < 90 || b.mine.went.Load() != 3 {
		t.Errorf("%d secrets were used, %d panics provoked", len(b.seen), b.mine.went.Load())
	}
	for _, line := range []string{
		"msg=panic", "endpoint=token", "errcode=40125", "remedy=", "reason=new_code", "reason=misconfigured", "endpoint=userinfo", "error=invalid_grant",
		"endpoint=par", "endpoint=authorize", "endpoint=login", "endpoint=consent", "endpoint=logout", "endpoint=introspect", "endpoint=revoke", "endpoint=bindUser", "endpoint=set_password",
	} {
		if !strings.Contains(logs, line) {
			t.Errorf("the run did not log %s", line)
		}
	}
}

// operatorCLI returns a second console, for the operator's commands.
func (b *leakHarness) operatorCLI() *cliHarness {
	beside := b.with()
	beside.out, beside.err = newOutputBuffer(), newOutputBuffer()
	beside.Out, beside.Err, beside.Random = beside.out, beside.err, rand.Reader
	return beside
}

// client creates a mini-program at the simulator and its client, and records their secrets.
func (b *leakHarness) client(simulator *wechattest.Server, id string, flags ...string) miniProgram {
	b.Helper()
	app, err := simulator.AddApp(wechat.App{ID: wechat.AppID("wxsim" + id)})
	if err != nil {
		b.Fatal(err)
	}
	app.BindOpenPlatform("acme")
	beside := b.operatorCLI()
	beside.typed = []string{string(app.Credential().Secret)}
	args := append([]string{"client", "create", "--kind", "wechat_miniapp", "--id", id, "--app-id", "wxsim" + id, "--open-platform", "acme"}, flags...)
	made := miniProgram{app, id, beside.runJSON(b.T, args...)["client_secret"].(string)}
	b.seen[id+"'s AppSecret"], b.seen[id+"'s client secret"] = string(app.Credential().Secret), made.secret
	return made
}

// send posts a form as a client, records the secrets in it and in the response, and returns the response.
func (b *leakHarness) send(what string, as miniProgram, path string, form url.Values) map[string]any {
	b.Helper()
	request, err := http.NewRequest(http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if as.secret != "" {
		request.SetBasicAuth(as.id, as.secret)
	}
	for _, name := range []string{"code", "subject_token", "phone_code", "password", "refresh_token", "bind_ticket", "access_token", "nonce"} {
		if form.Has(name) {
			b.seen[what+" sent "+name] = form.Get(name)
		}
	}
	return b.do(what, request)
}

// do sends a request. A connection that a panic closed has no response.
func (b *leakHarness) do(what string, request *http.Request) map[string]any {
	b.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	answer := map[string]any{}
	_ = json.Unmarshal(body, &answer) // pages and empty responses are not JSON
	b.seen.note(what, answer)
	if request.Header.Get("Authorization") != "" {
		refused := maps.Clone(answer)
		for _, member := range []string{"access_token", "refresh_token", "id_token", "bind_ticket", "profile", "phone_number"} {
			delete(refused, member)
		}
		if leaks := b.seen.leaks(printable(refused)); len(leaks) > 0 {
			b.Errorf("%s: the answer %v holds %v", what, refused, leaks)
		}
	}
	return answer
}

func printable(answer map[string]any) string {
	text, _ := json.Marshal(answer)
	return string(text)
}

const profilePath, bindPath, tokenPath = "/federation/wechat/miniapp/profile", "/federation/wechat/miniapp/bindUser", "/oauth2/token"

// required returns a member of a response, which must have it.
func (b *leakHarness) required(answer map[string]any, member string) string {
	b.Helper()
	value, ok := answer[member].(string)
	if !ok {
		b.Fatalf("no %s in %v\n%s", member, answer, b.err)
	}
	return value
}

func (b *leakHarness) logins() {
	first := b.send("a login", b.shop, profilePath, url.Values{
		"code": {b.shop.app.Login("alice")}, "phone_code": {b.shop.app.TapPhone("alice")}, "nonce": {"nonce-" + rand.Text()}, "scope": {"openid profile phone offline_access"},
	})
	b.required(first, "id_token")
	second := b.send("an exchange", b.shop, tokenPath, url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:minifed:params:oauth:token-type:wechat-miniapp-code"}, "subject_token": {b.shop.app.Login("bob")},
	})
	b.required(second, "access_token")
	token := b.required(second, "refresh_token")
	for _, number := range []string{"first", "second", "late"} {
		answer := b.send("the "+number+" refresh", b.shop, tokenPath, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		if number != "second" { // this one sends an old token again
			token = b.required(answer, "refresh_token")
		}
	}
	for name, bearer := range map[string]string{"right": b.required(second, "access_token"), "wrong": "not-a-token-" + rand.Text()} {
		request, err := http.NewRequest(http.MethodGet, b.url+"/oauth2/userinfo", nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+bearer)
		b.seen["the "+name+" bearer"] = bearer
		b.do("userinfo", request)
	}
}

func (b *leakHarness) binding() {
	unknown := b.send("an unknown one", b.club, profilePath, url.Values{"code": {b.club.app.Login("carol")}})
	registered := b.send("register", b.club, bindPath, url.Values{"method": {"register"}, "bind_ticket": {b.required(unknown, "bind_ticket")}})
	b.required(registered, "access_token")
	b.send("register again", b.club, bindPath, url.Values{"method": {"register"}, "bind_ticket": {b.required(unknown, "bind_ticket")}})
	beside := b.operatorCLI()
	beside.typed = []string{"a password of dave's"}
	beside.run(b.T, "user", "create", "dave", "--ask-password")
	for _, password := range []string{"not dave's password", "a password of dave's"} {
		b.send("bind by "+password, b.club, bindPath, url.Values{"method": {"password"}, "username": {"dave"}, "password": {password}, "code": {b.club.app.Login("dave")}})
	}
	b.send("bind by phone", b.club, bindPath, url.Values{"method": {"phone"}, "phone_code": {b.club.app.TapPhone("bob")}, "code": {b.club.app.Login("bob")}})
	b.send("bind by session", b.club, bindPath, url.Values{"method": {"session"}, "access_token": {b.required(registered, "access_token")}, "code": {b.club.app.Login("carol")}})
}

// browsing is a sign-in with pages: a pushed request, a wrong password, consent, the code, the account, and sign-out.
func (b *leakHarness) browsing() {
	callback := httptest.NewServer(http.NotFoundHandler())
	b.Cleanup(callback.Close)
	b.operatorCLI().run(b.T, "client", "create", "--kind", "native", "--id", "app", "--redirect-uri", "http://127.0.0.1/callback")
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	b.seen["the verifier"] = verifier
	pushed := b.send("a pushed request", miniProgram{id: "app"}, "/oauth2/par", url.Values{
		"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {callback.URL + "/callback"}, "scope": {"openid offline_access"}, "nonce": {rand.Text()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	})
	page := b.open(browser, b.url+"/oauth2/authorize?"+url.Values{"client_id": {"app"}, "request_uri": {b.required(pushed, "request_uri")}}.Encode(), nil)
	for _, password := range []string{"wrong password of dave", "a password of dave's"} {
		b.seen["the "+password] = password
		page = b.open(browser, page.url.String(), page.form("username", "dave", "password", password))
	}
	page = b.open(browser, page.url.String(), page.form("decision", "allow"))
	code := page.url.Query().Get("code")
	if code == "" {
		b.Fatalf("no code at %s: %s", page.url, page.body)
	}
	b.seen["the code"] = code
	tokens := b.send("tokens of the browser", miniProgram{id: "app"}, tokenPath, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"app"}, "code": {code}, "redirect_uri": {callback.URL + "/callback"}, "code_verifier": {verifier},
	})
	b.open(browser, b.url+"/account", nil)
	page = b.open(browser, b.url+"/account/password", nil)
	b.seen["a new password"] = "another password of dave's"
	b.open(browser, page.url.String(), page.form("current_password", "a password of dave's", "new_password", "another password of dave's"))
	address, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	for _, cookie := range jar.Cookies(address) {
		b.seen["the cookie "+cookie.Name] = cookie.Value
	}
	b.open(browser, b.url+"/oauth2/logout?id_token_hint="+b.required(tokens, "id_token"), nil)
}

// openedPage is a page.
type openedPage struct {
	url  *url.URL
	body string
}

// form returns the form of the page with values for its fields.
func (p openedPage) form(fields ...string) url.Values {
	form := url.Values{}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(p.body, -1) {
		form.Set(hidden[1], html.UnescapeString(hidden[2])) // A page may have it in several forms.
	}
	for _, box := range regexp.MustCompile(`type="checkbox"[^>]* name="([^"]*)" value="([^"]*)" checked`).FindAllStringSubmatch(p.body, -1) {
		form.Add(box[1], html.UnescapeString(box[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return form
}

// open requests a page, or posts a form to it.
func (b *leakHarness) open(browser *http.Client, address string, form url.Values) openedPage {
	b.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if form != nil {
		request, err = http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	}
	if err != nil {
		b.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", b.url)
	}
	response, err := browser.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	if onward, ok := strings.CutPrefix(response.Header.Get("Refresh"), "0; url="); ok {
		next, err := response.Request.URL.Parse(onward)
		if err != nil {
			b.Fatal(err)
		}
		return b.open(browser, next.String(), nil)
	}
	return openedPage{response.Request.URL, string(body)}
}

// clientRequests are the requests of a client for itself, introspections and revocations.
func (b *leakHarness) clientRequests() {
	made := b.operatorCLI().runJSON(b.T, "client", "create", "--kind", "service", "--id", "service", "--introspection", "--opaque-access-tokens")
	service := miniProgram{id: "service", secret: made["client_secret"].(string)}
	b.seen["the service's secret"] = service.secret
	token := b.required(b.send("a token of its own", service, tokenPath, url.Values{"grant_type": {"client_credentials"}}), "access_token")
	user := b.send("a login to end", b.shop, profilePath, url.Values{"code": {b.shop.app.Login("bob")}, "scope": {"openid offline_access urn:minifed:link"}})
	for _, shown := range []string{token, b.required(user, "access_token"), b.required(user, "refresh_token"), "mf_rt_" + rand.Text()} {
		b.seen["asked about "+shown] = shown
		b.send("a question", service, "/oauth2/introspect", url.Values{"token": {shown}})
	}
	request, err := http.NewRequest(http.MethodPost, b.url+"/federation/wechat/miniapp/password", strings.NewReader("username=bobby&password=the+password+of+bobby"))
	if err != nil {
		b.Fatal(err)
	}
	b.seen["a chosen password"] = "the password of bobby"
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "Bearer "+b.required(user, "access_token"))
	b.do("choosing a password", request)
	b.send("giving up another's", service, "/oauth2/revoke", url.Values{"token": {b.required(user, "refresh_token")}})
	b.send("giving up", b.shop, "/oauth2/revoke", url.Values{"token": {b.required(user, "access_token")}})
}

// operatorCommands are the commands of an operator. Their output is searched like the log, except for secrets that a command must print.
func (b *leakHarness) operatorCommands() {
	aside := b.operatorCLI()
	for _, args := range [][]string{{"user", "list"}, {"client", "list"}, {"client", "show", "shop"}, {"keys", "list"}, {"keys", "secrets", "rotate"}, {"doctor"}, {"client", "show", "nobody"}} {
		aside.exitCode(b.T, args...)
	}
	rotated := b.operatorCLI().runJSON(b.T, "client", "rotate-secret", "service")
	b.seen["the service's next secret"] = rotated["client_secret"].(string)
	aside.exitCode(b.T, "backup", filepath.Join(b.TempDir(), "backup.db"))
	aside.exitCode(b.T, "export", filepath.Join(b.TempDir(), "store.export"))
	for _, said := range []string{aside.out.String(), aside.err.String()} {
		for _, leak := range b.seen.leaks(said) {
			b.Errorf("a command printed %s", leak)
		}
	}
}

// rejectedRequests are requests with secrets in wrong places.
func (b *leakHarness) rejectedRequests() {
	wrong := miniProgram{b.shop.app, "shop", "wrong-client-secret-" + rand.Text()}
	b.seen["a wrong client secret"] = wrong.secret
	b.send("a wrong secret", wrong, profilePath, url.Values{"code": {b.shop.app.Login("alice")}})
	b.send("a secret as ID", miniProgram{b.shop.app, b.shop.secret, "shop"}, profilePath, url.Values{"code": {b.shop.app.Login("alice")}})
	b.send("an unknown refresh token", b.shop, tokenPath, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"mf_rt_" + rand.Text()}})
	b.send("an unknown code", b.shop, profilePath, url.Values{"code": {"code-" + rand.Text()}})
	used := b.shop.app.Login("alice")
	b.send("a code", b.shop, profilePath, url.Values{"code": {used}})
	b.send("a code again, differently", b.shop, profilePath, url.Values{"code": {used}, "nonce": {rand.Text()}})
	b.send("a code in a grant type", b.shop, tokenPath, url.Values{"grant_type": {used}})
	b.send("a code twice", b.shop, profilePath, url.Values{"code": {used, b.seen["a login sent code"]}})
	token := b.seen["a login refresh_token"]
	b.send("a token in the path", b.shop, "/oauth2/"+token, nil)
	b.send("a token in the query", b.shop, tokenPath+"?refresh_token="+token+"&"+token, nil)
	b.send("a token in a name", b.shop, tokenPath, url.Values{token: {token}})
	for name, body := range map[string]string{"half JSON": `{"code":"` + used, "a wrong type": `{"code":{"value":"` + used + `"}}`, "no form": "%zz" + token} {
		request, err := http.NewRequest(http.MethodPost, b.url+profilePath, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("User-Agent", token)
		request.Header.Set("Cookie", "session="+token)
		request.SetBasicAuth(b.shop.id, b.shop.secret)
		b.do(name, request)
	}
	for _, query := range []string{"client_id=shop&redirect_uri=https://" + token + "/&response_type=code&state=" + token, "request=" + token, "id_token_hint=" + b.seen["a login id_token"]} {
		request, err := http.NewRequest(http.MethodGet, b.url+"/oauth2/authorize?"+query, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.do("an authorization request", request)
	}
}

// faults are all faults of WeChat.
func (b *leakHarness) faults() {
	for name, fault := range map[string]wechattest.Fault{
		"busy": {Errcode: -1}, "a wrong AppSecret": {Errcode: 40125}, "a lost code": {Errcode: 40163}, "a quota": {Errcode: 45011}, "a blocked one": {Errcode: 40226},
		"a gateway": {Status: http.StatusBadGateway}, "a hang-up": {Drop: wechattest.RST}, "half an answer": {Truncate: true}, "an unknown errcode": {Errcode: 99999},
	} {
		b.shop.app.Fail(wechattest.Code2Session, fault)
		b.send(name, b.shop, profilePath, url.Values{"code": {b.shop.app.Login("alice")}})
		b.shop.app.Fail(wechattest.PhoneNumber, fault)
		b.send(name+" about a number", b.shop, profilePath, url.Values{"code": {b.shop.app.Login("alice")}, "phone_code": {b.shop.app.TapPhone("alice")}})
		b.shop.app.Heal()
	}
}

// panics causes early and late panics, with the secrets of the request as their value.
func (b *leakHarness) panics() {
	for name, early := range map[string]bool{"early": true, "late": false} {
		code := b.shop.app.Login("erin, " + name)
		b.mine.armed.Store(&panickingReaderSettings{secret: code, early: early})
		b.send("a panic that comes "+name, b.shop, profilePath, url.Values{"code": {code}})
		b.mine.armed.Store(nil)
	}
	b.mine.armed.Store(&panickingReaderSettings{secret: b.shop.secret, early: true})
	request, err := http.NewRequest(http.MethodGet, b.url+"/oauth2/authorize", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.do("a panic on a page", request)
	key, err := os.ReadFile(filepath.Join(b.folder, "master.key"))
	if err != nil {
		b.Fatal(err)
	}
	b.seen["the master key"] = strings.Fields(string(key))[0]
}
