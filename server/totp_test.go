package server_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// newTwoFactorServer is a page test server whose directory has a policy for passkeys and TOTP.
func newTwoFactorServer(t *testing.T, policy storage.TwoFactor) *pageTestServer {
	t.Helper()
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) {
		d.Policy.TwoFactor, d.Policy.SelfRegistration = policy, true
	})
	return ts
}

// authenticatorApp is the app of a user.
type authenticatorApp struct {
	*pageTestServer
	secret   []byte
	recovery []string
}

// code returns the code that the app shows a number of steps from now.
func (a *authenticatorApp) code(later int64) string {
	mac := hmac.New(sha1.New, a.secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(a.clock.Now().Unix()/30+later)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// scanApp reads the secret of the page that sets up an app.
func (b *formBrowser) scanApp() *authenticatorApp {
	b.Helper()
	shown := findElements(b.document(), func(n *html.Node) bool { return attribute(n, "id") == "secret" })
	if len(shown) != 1 {
		b.Fatalf("no secret: %d %s\n%s", b.page.status, b.page.url, b.page.body)
	}
	return &authenticatorApp{pageTestServer: b.pageServer, secret: decodeSecret(b.T, textOf(shown[0]))}
}

// decodeSecret reads a secret as a user types it.
func decodeSecret(t *testing.T, text string) []byte {
	t.Helper()
	return must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(text, " ", "")))(t)
}

// readRecoveryCodes reads the recovery codes that the page shows.
func (b *formBrowser) readRecoveryCodes() []string {
	b.Helper()
	codes := regexp.MustCompile(`<code>([a-z2-7-]{19})</code>`).FindAllStringSubmatch(b.page.body, -1)
	if len(codes) != 10 {
		b.Fatalf("%d recovery codes: %d %s\n%s", len(codes), b.page.status, b.page.url, b.page.body)
	}
	var all []string
	for _, found := range codes {
		all = append(all, found[1])
	}
	return all
}

// addApp sets up an app for the user of a browser that has just signed in.
func (b *formBrowser) addApp() *authenticatorApp {
	b.Helper()
	b.get(b.pageServer.url + "/account/totp/new")
	app := b.scanApp()
	b.press("verify-form", "verify", "code", app.code(0))
	app.recovery = b.readRecoveryCodes()
	b.pageServer.clock.Advance(time.Minute) // A later step, whose codes are unused.
	return app
}

// link returns the address of a link of the page.
func (b *formBrowser) link(id string) string {
	b.Helper()
	for _, n := range findElements(b.document(), func(n *html.Node) bool { return n.Data == "a" && attribute(n, "id") == id }) {
		return must(must(url.Parse(b.page.url))(b.T).Parse(attribute(n, "href")))(b.T).String()
	}
	b.Fatalf("no link %s: %s", id, b.page.body)
	return ""
}

func TestTOTP_SignsInAfterPassword(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorOptional)
	user := ts.addEmailUser("wanda")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	app := owner.addApp()
	if stored := list[storage.TOTP](ts.testServer); len(stored) != 1 || strings.Contains(fmt.Sprint(stored), base32.StdEncoding.EncodeToString(app.secret)) || strings.Contains(fmt.Sprint(stored), app.recovery[0]) {
		t.Errorf("stored %v", stored)
	}
	if letters := ts.mailTo("wanda@example.com"); len(letters) != 1 || !strings.Contains(letters[0].Subject, "authenticator app") {
		t.Errorf("letters: %v", letters)
	}

	b := ts.newFormBrowser()
	b.openAuthorize("nonce", "n", "claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`)
	b.signInAs("wanda")
	b.wantAt(t, "/login/code", http.StatusOK, "Enter your code")
	if sessions := list[storage.Session](ts.testServer); len(sessions) != 1 {
		t.Errorf("%d sessions before the code", len(sessions))
	}
	b.press("verify-form", "verify", "code", "000000")
	b.wantAt(t, "/login/code", http.StatusBadRequest, "This code is wrong")
	b.press("verify-form", "verify", "code", app.code(0))
	b.wantAt(t, "/consent", http.StatusOK, "")
	b.press("consent-form", "allow")
	a := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	told := claims(t, a.member("id_token"))
	if got := fmt.Sprint(told["acr"], told["amr"]); got != "2[pwd otp mfa]" || told["sub"] != user.ID {
		t.Errorf("got %s for %v", got, told["sub"])
	}

	t.Run("a code works once", func(t *testing.T) {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		b.press("verify-form", "verify", "code", app.code(0))
		b.wantAt(t, "/login/code", http.StatusBadRequest, "This code is wrong")
		b.press("verify-form", "verify", "code", app.code(1))
		b.wantAt(t, "/account", http.StatusOK, "Your account")
	})
	t.Run("a recovery code works once", func(t *testing.T) {
		for _, test := range []struct {
			path   string
			status int
		}{{"/account", http.StatusOK}, {"/login/code", http.StatusBadRequest}} {
			b := ts.newFormBrowser()
			b.get(ts.url + "/login")
			b.signInAs("wanda")
			b.press("verify-form", "verify", "code", strings.ToUpper(app.recovery[3]))
			b.wantAt(t, test.path, test.status, "")
		}
		if letters := ts.mailTo("wanda@example.com"); !strings.Contains(letters[len(letters)-1].Subject, "recovery code") {
			t.Errorf("the last letter: %s", letters[len(letters)-1].Subject)
		}
	})
	t.Run("a lower class is a session's too", func(t *testing.T) {
		b.openAuthorize("claims", `{"id_token":{"acr":{"essential":true,"value":"1"}}}`)
		a := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
		if got := claims(t, a.member("id_token"))["acr"]; got != "1" {
			t.Errorf("acr is %v", got)
		}
	})
}

func TestTOTP_UnfinishedSignInIsBoundToItsBrowserAndRequest(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorOptional)
	ts.addPasswordUser("wanda")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	app := owner.addApp()
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	waiting := b.page.url
	for name, open := range map[string]func() *formBrowser{
		"another browser": func() *formBrowser {
			other := ts.newFormBrowser()
			other.get(ts.url + "/login")
			other.get(waiting)
			return other
		},
		"another page": func() *formBrowser {
			b.get(strings.Replace(waiting, "/login/code", "/account/totp/new", 1))
			return b
		},
		"another request": func() *formBrowser {
			b.openAuthorize()
			interaction := must(url.Parse(b.page.url))(t).Query().Get("interaction")
			b.get(waiting + "&interaction=" + url.QueryEscape(interaction))
			return b
		},
		"after a while": func() *formBrowser {
			ts.clock.Advance(31 * time.Minute)
			b.get(waiting)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			open().wantAt(t, "/login", http.StatusOK, "Sign in")
		})
	}
	t.Run("after a new password", func(t *testing.T) {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		user := must(ts.identities.Named(ts.Context(), "default", "wanda"))(t).Record
		must(ts.identities.ReplacePassword(ts.Context(), user, "another "+goodPassword, identity.System))(t)
		b.press("verify-form", "verify", "code", app.code(0))
		b.wantAt(t, "/login", http.StatusOK, "Sign in")
	})
}

func TestTOTP_AllowsTenWrongCodesAnHour(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorOptional)
	ts.addPasswordUser("wanda")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	app := owner.addApp()
	guess := func(code string) *formBrowser {
		b := ts.newFormBrowser() // A browser becomes known by both factors only.
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		b.press("verify-form", "verify", "code", code)
		return b
	}
	for range 10 {
		guess("000000").wantAt(t, "/login/code", http.StatusBadRequest, "This code is wrong")
	}
	guess(app.code(0)).wantAt(t, "/login/code", http.StatusTooManyRequests, "Please try again in 60 min")
	guess(app.recovery[0]).wantAt(t, "/login/code", http.StatusTooManyRequests, "Please try again in 60 min")
	owner.get(ts.url + "/account")
	owner.press("sign-out-form", "sign-out")
	owner.get(ts.url + "/account")
	owner.signInAs("wanda")
	owner.press("verify-form", "verify", "code", app.code(0))
	owner.wantAt(t, "/account", http.StatusOK, "Your account") // The guesses of others do not block a known browser.
	ts.clock.Advance(time.Hour)
	guess(app.code(0)).wantAt(t, "/account", http.StatusOK, "Your account")
}

func TestTwoFactor_RequiredDirectorySetsUpBeforeItSignsIn(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorRequired)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize()
	b.signInAs("wanda")
	b.wantAt(t, "/login/setup", http.StatusOK, "Protect your account")
	setup := b.page.url
	if sessions := list[storage.Session](ts.testServer); len(sessions) != 0 {
		t.Fatalf("sessions: %v", sessions)
	}
	b.get(strings.Replace(setup, "/login/setup", "/account/totp/new", 1))
	app := b.scanApp()
	b.press("verify-form", "verify", "code", app.code(1))
	b.readRecoveryCodes()
	b.get(b.link("continue"))
	b.wantAt(t, "/consent", http.StatusOK, "")
	b.get(ts.url + "/account")
	b.wantAt(t, "/account", http.StatusOK, "Authenticator app")

	t.Run("only the first method is added without another", func(t *testing.T) {
		for _, path := range []string{"/account/totp/new", "/account/passkeys/new"} {
			b.get(strings.Replace(setup, "/login/setup", path, 1))
			b.wantAt(t, "/consent", http.StatusOK, "") // By the login page, which finds the session.
		}
	})
	t.Run("the last method stays", func(t *testing.T) {
		b.get(ts.url + "/account/totp")
		b.press("remove-form", "remove")
		b.wantAt(t, "/account/totp/remove", http.StatusConflict, "This is your last way to sign in")
	})
	t.Run("a session with one factor does not sign in", func(t *testing.T) {
		for _, session := range list[storage.Session](ts.testServer) {
			editRecord(ts.testServer, session.Document().ID, func(s *storage.Session) { s.ACR = "1" })
		}
		b.get(ts.url + "/account")
		b.wantAt(t, "/login", http.StatusOK, "Sign in")
	})
	t.Run("a new account sets up too", func(t *testing.T) {
		b := ts.newFormBrowser()
		b.get(ts.url + "/register")
		b.press("register-form", "register", "username", "newcomer", "new_password", goodPassword)
		b.wantAt(t, "/login/setup", http.StatusOK, "Protect your account")
	})
}

func TestTOTP_LostAppEndsAfterADayUnlessItsUserObjects(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorOptional)
	ts.addEmailUser("wanda")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	app := owner.addApp()
	request := func() *formBrowser {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		b.get(strings.Replace(b.page.url, "/login/code", "/login/code/lost", 1))
		b.press("lost-form", "lost")
		b.wantAt(t, "/login/code/lost", http.StatusOK, "your password signs you in without a code")
		return b
	}
	signIn := func(path string) *formBrowser {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		b.wantAt(t, path, http.StatusOK, "")
		return b
	}
	request()
	if letters := ts.mailTo("wanda@example.com"); !strings.Contains(letters[len(letters)-1].Text, "takes effect in 24 hours") {
		t.Errorf("the last letter: %s", letters[len(letters)-1].Text)
	}
	t.Run("the use of a code cancels it", func(t *testing.T) {
		signIn("/login/code").press("verify-form", "verify", "code", app.code(0))
		ts.clock.Advance(24 * time.Hour)
		signIn("/login/code")
	})
	t.Run("a session cancels it", func(t *testing.T) {
		request()
		b := signIn("/login/code")
		b.press("verify-form", "verify", "code", app.code(0))
		request()
		b.get(ts.url + "/account/totp")
		b.wantAt(t, "/account/totp", http.StatusOK, "Keep the app")
		b.press("keep-form", "keep")
		b.wantAt(t, "/account/totp", http.StatusOK, "Unused recovery codes")
		ts.clock.Advance(24 * time.Hour)
		signIn("/login/code")
	})
	t.Run("a repeated request does not delay it", func(t *testing.T) {
		request()
		ts.clock.Advance(23 * time.Hour)
		request()
		signIn("/login/code")
		ts.clock.Advance(time.Hour)
		signIn("/account").get(ts.url + "/account/totp/new")
	})
	t.Run("not without a way to tell its user", func(t *testing.T) {
		ts.addPasswordUser("otto")
		b := ts.newFormBrowser()
		b.signInToAccount("otto")
		b.addApp()
		b = ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.signInAs("otto")
		b.get(strings.Replace(b.page.url, "/login/code", "/login/code/lost", 1))
		b.wantAt(t, "/login/code/lost", http.StatusOK, "Only an operator can help you")
	})
}

func TestTOTP_IsManagedByFreshSignIn(t *testing.T) {
	ts := newTwoFactorServer(t, storage.TwoFactorOptional)
	ts.addEmailUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	first := b.addApp()
	b.get(ts.url + "/account/totp")
	b.press("recovery-form", "recovery")
	second := b.readRecoveryCodes()
	if second[0] == first.recovery[0] {
		t.Error("the recovery codes are the former ones")
	}
	b.get(ts.url + "/account/totp")
	b.wantAt(t, "/account/totp", http.StatusOK, "Unused recovery codes: 10")
	ts.clock.Advance(5 * time.Minute)
	for _, button := range []string{"recovery", "remove"} {
		b.get(ts.url + "/account/totp")
		b.press(button+"-form", button)
		b.wantAt(t, "/account/totp/"+button, http.StatusForbidden, "Sign in again")
	}
	b.get(ts.url + "/account/totp/new")
	b.wantAt(t, "/account/totp/new", http.StatusForbidden, "Sign in again")
	b.get(ts.url + "/login?other=1")
	b.signInAs("wanda")
	b.press("verify-form", "verify", "code", first.recovery[0])
	b.wantAt(t, "/login/code", http.StatusBadRequest, "This code is wrong")
	b.press("verify-form", "verify", "code", second[0])
	b.get(ts.url + "/account/totp")
	b.press("remove-form", "remove")
	b.wantAt(t, "/account", http.StatusOK, "The authenticator app is removed")
	if left := list[storage.TOTP](ts.testServer); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	var actions []string
	for _, entry := range list[storage.AuditEntry](ts.testServer) {
		if strings.Contains(entry.Action, "totp") || strings.Contains(entry.Action, "recovery") {
			actions = append(actions, entry.Action)
		}
	}
	if len(actions) != 4 {
		t.Errorf("audit entries: %v", actions)
	}
	next := ts.newFormBrowser()
	next.signInToAccount("wanda")
}

func TestTwoFactor_OffHasNoPages(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, path := range []string{"/account/totp", "/account/totp/new", "/account/passkeys", "/account/passkeys/new", "/login/passkey"} {
		b.get(ts.url + path)
		b.wantAt(t, path, http.StatusNotFound, "")
	}
}
