package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestLogin_LeadsToAccountOnly(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	for _, query := range []string{
		"", "?next=https://evil.example", "?return_to=//evil.example", "?continue=/\\evil.example",
		"?url=https://evil.example&post_logout_redirect_uri=https://evil.example", "?done=https://evil.example", "?other=https://evil.example",
	} {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login" + query)
		b.signInAs("wanda")
		b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
		if b.get(ts.url + "/login"); b.page.url != ts.url+"/account" {
			t.Errorf("a signed-in user gets the login page: %s", b.page.url)
		}
	}
}

func TestLogin_IgnoresCaseOfUsernameAndEmail(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	for _, name := range []string{"wanda", "WANDA", "ｗａｎｄａ", "wanda@example.com", "Wanda@Example.COM"} {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.signInAs(name)
		b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	}
}

func TestLogin_IDTokenHasMethodAndTime(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize()
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	tokens := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	got := claims(t, tokens.member("id_token"))
	if got["sub"] != user.ID || fmt.Sprint(got["amr"]) != "[pwd]" || got["acr"] != "1" || got["auth_time"] != float64(ts.clock.Now().Unix()) {
		t.Errorf("%v", got)
	}
}

// loginProbe records the responses to wrong passwords, and the store operations meanwhile.
type loginProbe struct {
	*pageTestServer
	mu         sync.Mutex
	operations []string // guarded by mu
}

func newLoginProbe(ts *pageTestServer) *loginProbe {
	probe := &loginProbe{pageTestServer: ts}
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		probe.mu.Lock()
		defer probe.mu.Unlock()
		probe.operations = append(probe.operations, o.Method+" "+string(o.Kind))
		return nil
	}
	return probe
}

// tryPassword is one guess, from a new browser.
func (probe *loginProbe) tryPassword(name, password string) (answer string, asked []string) {
	probe.Helper()
	b := probe.newFormBrowser()
	b.get(probe.url + "/login")
	probe.mu.Lock()
	probe.operations = nil
	probe.mu.Unlock()
	b.press("login-form", "login", "username", name, "password", password)
	probe.mu.Lock()
	defer probe.mu.Unlock()
	body := regexp.MustCompile(`name="csrf" value="[^"]*"`).ReplaceAllString(b.page.body, "")
	return fmt.Sprint(b.page.status) + strings.ReplaceAll(body, name, "NAME"), slices.Clone(probe.operations)
}

func TestLogin_UnknownUserLooksLikeWrongPassword(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	ts.addUser("nopassword")
	probe := newLoginProbe(ts)
	wrong, asked := probe.tryPassword("wanda", "not the password")
	if !strings.Contains(wrong, wrongPassword) {
		t.Fatalf("%s", wrong)
	}
	for _, name := range []string{"nobody", "nopassword", "wanda@example.com", "nobody@example.com", "not a name", "a@b"} {
		ts.clock.Advance(time.Hour)
		if got, operations := probe.tryPassword(name, "not the password"); got != wrong || !slices.Equal(operations, asked) {
			t.Errorf("%s is distinguishable: %v, not %v\n%s", name, operations, asked, got)
		}
	}
}

// A guess that is not checked, because others failed at the account by another name, must look like a checked one. The
// difference would reveal that the two names belong to one account.
func TestLogin_UncheckedGuessLooksLikeChecked(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	probe := newLoginProbe(ts)
	probe.tryPassword("wanda@example.com", "not the password")
	checked, asked := probe.tryPassword("wanda@example.com", "not the password")
	ts.failSignIns("wanda", 5)
	before := list[storage.Throttle](ts.testServer)
	for _, password := range []string{"not the password", goodPassword} {
		if got, operations := probe.tryPassword("wanda@example.com", password); got != checked || !slices.Equal(operations, asked) {
			t.Errorf("%q is distinguishable: %v, not %v\n%s", password, operations, asked, got)
		}
	}
	// It does not make the owner wait longer either.
	after := list[storage.Throttle](ts.testServer)
	for _, was := range before {
		at := slices.IndexFunc(after, func(is storage.Throttle) bool { return is.Document().ID == was.Document().ID })
		if was.Rule == "account" && (at < 0 || after[at].BlockedUntil != was.BlockedUntil || after[at].Failures != was.Failures) {
			t.Errorf("the account's count was %+v", was)
		}
	}
}

// The owner of the account gets advice, for every reason of the failure.
func TestLogin_SuggestsResetWhereOffered(t *testing.T) {
	withMail, without := newPageTestServer(t), newPageTestServer(t, func(c *server.Config) { c.Mailer = nil })
	for ts, want := range map[*pageTestServer]string{withMail: wrongPassword + " Please check both, try again later, or choose a new password.", without: wrongPassword + " Please check both, or try again later."} {
		ts.failSignIns("nobody", 1).wantAt(t, "/login", http.StatusBadRequest, want)
	}
}

func TestLogin_DisabledIsShownOnlyWithPassword(t *testing.T) {
	ts := newPageTestServer(t)
	check(t, ts.identities.Disable(ts.Context(), "default", ts.addPasswordUser("wanda").ID, identity.Operator("op")))
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.press("login-form", "login", "username", "wanda", "password", "wrong")
	b.wantAt(t, "/login", http.StatusBadRequest, wrongPassword)
	b.signInAs("wanda")
	b.wantAt(t, "/login", http.StatusForbidden, "This account has been disabled.")
}

// wrongPassword is the text after every failed sign-in.
const wrongPassword = "The username or the password is wrong, or there were too many attempts."

// failSignIns tries a wrong password so many times, each time from a new browser.
func (ts *pageTestServer) failSignIns(name string, times int) *formBrowser {
	ts.Helper()
	var b *formBrowser
	for range times {
		b = ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.press("login-form", "login", "username", name, "password", "wrong")
	}
	return b
}

func TestLockout_DelaysGuessesButNotOwner(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	owner.press("sign-out-form", "sign-out")
	// 1. Five failures are free, in any spelling of the name.
	ts.failSignIns("wanda", 3)
	b := ts.failSignIns("WANDA", 2)
	b.wantAt(t, "/login", http.StatusBadRequest, wrongPassword)
	b = ts.failSignIns("wanda", 1)
	b.wantAt(t, "/login", http.StatusBadRequest, wrongPassword)
	// 2. Then even the right password has to wait.
	b.signInAs("wanda")
	b.wantAt(t, "/login", http.StatusTooManyRequests, "Too many failed attempts. Please try again in 1 s.")
	if got := b.page.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	// 3. Another account is not affected, nor is the browser that the owner has used.
	b.signInAs("victor")
	b.wantAt(t, "/account", http.StatusOK, "Name of victor")
	owner.get(ts.url + "/login")
	owner.signInAs("wanda")
	owner.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	// 4. After the wait there is another attempt.
	ts.clock.Advance(time.Second)
	b = ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	// 5. Each further failure doubles the wait, up to a quarter of an hour.
	var waits []string
	for range 13 {
		b = ts.failSignIns("wanda", 1)
		b.signInAs("wanda")
		waits = append(waits, b.page.header.Get("Retry-After"))
		ts.clock.Advance(15*time.Minute + time.Second)
	}
	if want := "[2 4 8 16 32 64 128 256 512 900 900 900 900]"; fmt.Sprint(waits) != want {
		t.Errorf("waits are %v, want %s", waits, want)
	}
}

// Two names of an account would double the guesses. The error must not reveal that they belong to one account: while the
// account is locked, the right password gets the wrong-password error as well.
func TestLockout_CountsNamesOfAccountTogetherWithoutRevealing(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	owner.press("sign-out-form", "sign-out")
	attack := func(username, address string) (answers []string) {
		for _, name := range []string{username, address, username, address, username, address, username, address} {
			b := ts.newFormBrowser()
			b.get(ts.url + "/login")
			b.press("login-form", "login", "username", name, "password", "wrong")
			answers = append(answers, fmt.Sprint(b.page.status, strings.Contains(b.page.body, wrongPassword)))
		}
		return answers
	}
	if known, unknown := attack("wanda", "wanda@example.com"), attack("nobody", "nobody@example.com"); !slices.Equal(known, unknown) {
		t.Errorf("an account gets %v, unknown names %v", known, unknown)
	}
	for _, name := range []string{"wanda", "wanda@example.com"} {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.press("login-form", "login", "username", name, "password", goodPassword)
		b.wantAt(t, "/login", http.StatusBadRequest, wrongPassword)
	}
	// The browser that the owner has used is not affected, by either name. The same applies to one that opened a link in a
	// mail.
	owner.get(ts.url + "/login")
	owner.press("login-form", "login", "username", "wanda@example.com", "password", goodPassword)
	owner.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	other := ts.newFormBrowser()
	other.get(ts.resetLink("wanda@example.com"))
	other.press("save-form", "save", "new_password", "another password")
	ts.failSignIns("wanda", 3)
	other.get(ts.url + "/login")
	other.press("login-form", "login", "username", "wanda", "password", "another password")
	other.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	// After the wait the guess is checked again.
	ts.clock.Advance(time.Hour)
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.press("login-form", "login", "username", "wanda", "password", "another password")
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
}

func TestLockout_LimitsKnownBrowser(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	b := ts.newFormBrowser()
	b.signInToAccount("victor")
	b.press("sign-out-form", "sign-out")
	for range 6 {
		b.get(ts.url + "/login")
		b.press("login-form", "login", "username", "victor", "password", "wrong")
	}
	b.signInAs("victor")
	b.wantAt(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
	// A device cookie of victor has no effect for wanda.
	ts.failSignIns("wanda", 6)
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	b.wantAt(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
}

func TestDeviceCookie_CannotBeForgedOrMoved(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.addDirectory(storage.Directory{ID: "tea", Name: "Tea"})
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	known := b.cookies["mf-default.device"]
	if known == "" {
		t.Fatal("no cookie")
	}
	must(ts.identities.Create(ts.Context(), "tea", identity.Account{Username: "wanda", Password: goodPassword}, identity.System))(t)
	for name, cookie := range map[string]string{"made up": "AAAA", "cut": known[:len(known)-2], "changed": known[:len(known)-3] + "AAA", "moved": known} {
		otherBrowser := ts.newFormBrowser()
		base := ts.url + "/d/tea"
		if name != "moved" {
			base = ts.url
		}
		for range 6 {
			otherBrowser.get(base + "/login")
			otherBrowser.press("login-form", "login", "username", "wanda", "password", "wrong")
		}
		otherBrowser.cookies["mf-default.device"], otherBrowser.cookies["mf-tea.device"] = cookie, cookie
		otherBrowser.get(base + "/login")
		otherBrowser.signInAs("wanda")
		if otherBrowser.page.status != http.StatusTooManyRequests {
			t.Errorf("a cookie that was %s counts: %d %s", name, otherBrowser.page.status, otherBrowser.page.url)
		}
		ts.clock.Advance(time.Hour)
	}
}

func TestLockout_DelaysNetwork(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	owner := ts.newFormBrowser()
	owner.signInToAccount("wanda")
	owner.press("sign-out-form", "sign-out")
	for i := range 51 {
		ts.failSignIns(fmt.Sprintf("nobody-%d", i), 1)
	}
	b := ts.failSignIns("somebody", 1)
	b.wantAt(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
	owner.get(ts.url + "/login")
	owner.signInAs("wanda")
	owner.wantAt(t, "/account", http.StatusOK, "Name of wanda")
}

func TestLockout_CountsConcurrentGuesses(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	statuses := make(chan int, 24)
	var all sync.WaitGroup
	for range cap(statuses) {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		all.Go(func() {
			b.press("login-form", "login", "username", "wanda", "password", "wrong")
			statuses <- b.page.status
		})
	}
	all.Wait()
	close(statuses)
	tried := 0
	for status := range statuses {
		if status == http.StatusBadRequest {
			tried++
		} else if status != http.StatusTooManyRequests {
			t.Errorf("status %d", status)
		}
	}
	if tried > 6 {
		t.Errorf("%d guesses were tried", tried)
	}
}

func TestLogin_WritesOnlySession(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	var mu sync.Mutex
	var writes []storage.Kind
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		if slices.Contains([]string{"Insert", "Replace", "Delete"}, o.Method) {
			writes = append(writes, o.Kind)
		}
		return nil
	}
	b.signInAs("wanda")
	if !slices.Equal(writes, []storage.Kind{storage.KindSession}) {
		t.Errorf("writes: %v", writes)
	}
}

func TestLogin_ReplacesPlantedCookie(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	attacker := ts.newFormBrowser()
	attacker.get(ts.url + "/login")
	victim := ts.newFormBrowser()
	for name, value := range attacker.cookies {
		victim.cookies[name] = value
	}
	victim.get(ts.url + "/login")
	victim.signInAs("wanda")
	attacker.get(ts.url + "/account")
	attacker.wantAt(t, "/login", http.StatusOK, "Sign in")
	// A session of another user does not become the victim's.
	ts.addPasswordUser("mallory")
	attacker.get(ts.url + "/login")
	attacker.signInAs("mallory")
	planted := attacker.cookies["mf-default"]
	victim = ts.newFormBrowser()
	victim.cookies["mf-default"] = planted
	victim.get(ts.url + "/login?other=1")
	victim.signInAs("wanda")
	if victim.cookies["mf-default"] == planted {
		t.Error("the cookie is the one that was planted")
	}
	attacker.get(ts.url + "/account")
	attacker.wantAt(t, "/login", http.StatusOK, "Sign in")
}

func TestLogin_DirectoriesAreSeparate(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.addDirectory(storage.Directory{ID: "tea", Name: "Tea"})
	must(ts.identities.Create(ts.Context(), "tea", identity.Account{Username: "teawanda", Password: goodPassword}, identity.System))(t)
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	b.get(ts.url + "/d/tea/account")
	b.wantAt(t, "/d/tea/login", http.StatusOK, "Sign in")
	// The account of one directory does not exist in the other.
	b.signInAs("wanda")
	b.wantAt(t, "/d/tea/login", http.StatusBadRequest, wrongPassword)
	b.signInAs("teawanda")
	b.wantAt(t, "/d/tea/account", http.StatusOK, "teawanda")
	// Signing out of one directory leaves the other signed in.
	b.press("sign-out-form", "sign-out")
	b.wantAt(t, "/d/tea/logged-out", http.StatusOK, "You are signed out")
	b.get(ts.url + "/account")
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	for name := range b.cookies {
		if !strings.HasPrefix(name, "mf-default") && !strings.HasPrefix(name, "mf-tea") {
			t.Errorf("the cookie %s belongs to no directory", name)
		}
	}
}

func TestConsentPage_ScopesAreChosenAndRemembered(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid profile email orders")
	b.signInAs("wanda")
	b.wantAt(t, "/consent", http.StatusOK, "Tea & Co requests access to your account")
	for _, text := range []string{"Know who you are", "See your profile", "See your e-mail address", "Use “orders”", "shop.example"} {
		if !strings.Contains(textOf(b.document()), text) {
			t.Errorf("the page does not have %q", text)
		}
	}
	// 1. One of the scopes is deselected.
	action, form := b.readForm("consent-form", "allow")
	form["scope"] = slices.DeleteFunc(form["scope"], func(scope string) bool { return scope == "email" })
	b.post(action, form, true)
	tokens := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	if got := tokens.member("scope"); got != "openid orders profile" {
		t.Errorf("scope is %q", got)
	}
	// 2. Allowed scopes are not shown again.
	b.openAuthorize("scope", "openid orders")
	b.code()
	// 3. Declined scopes are, and new ones are marked.
	b.openAuthorize("scope", "openid profile email")
	b.wantAt(t, "/consent", http.StatusOK, "See your e-mail address new")
	if strings.Contains(textOf(b.document()), "See your profile new") {
		t.Error("a scope that was allowed before is marked as new")
	}
	// 4. Declining everything denies the request.
	b.press("consent-form", "deny")
	b.wantError(t, "access_denied", "state-1")
	// 5. A scope that was not requested is not granted, even if the form has it.
	b.openAuthorize("scope", "openid email")
	action, form = b.readForm("consent-form", "allow")
	form.Add("scope", "phone")
	b.post(action, form, true)
	if got := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("scope"); got != "email openid" {
		t.Errorf("scope is %q", got)
	}
}

func TestLogin_CancelReturnsErrorToClient(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	b.openAuthorize("state", "s")
	b.press("cancel-form", "cancel")
	b.wantError(t, "access_denied", "s")
}

func TestLogin_OffersCurrentOrAnotherAccount(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	victor := ts.addPasswordUser("victor")
	ts.changeShop(func(c *storage.Client) { c.FirstParty = true })
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	b.openAuthorize("prompt", "select_account")
	b.wantAt(t, "/login", http.StatusOK, "Continue as Name of wanda")
	b.press("account-form", "continue")
	b.code()
	b.openAuthorize("prompt", "select_account")
	other := findElements(b.document(), func(n *html.Node) bool { return attribute(n, "id") == "other" })
	b.get(ts.url + attribute(other[0], "href"))
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	b.signInAs("victor")
	if got := ts.sub(ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)); got != victor.ID {
		t.Errorf("sub is %s, not victor's %s", got, victor.ID)
	}
}

// changeShop edits the client, and waits until the server knows.
func (ts *pageTestServer) changeShop(edit func(*storage.Client)) { ts.change("shop", edit) }

func TestLoginHint_FillsUsername(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	b.openAuthorize("login_hint", "wanda@example.com")
	_, form := b.readForm("login-form", "login")
	if form.Get("username") != "wanda@example.com" {
		t.Errorf("username is %q", form.Get("username"))
	}
	if !strings.Contains(b.page.body, `type="password" autocomplete="current-password" maxlength="256" autocapitalize="none" autocorrect="off" spellcheck="false" required autofocus`) {
		t.Errorf("the password has not the focus: %s", b.page.body)
	}
}

func TestAccount_EndedSessionRequiresSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize()
	b.signInAs("wanda")
	b.wantAt(t, "/consent", http.StatusOK, "requests access")
	check(t, ts.identities.SignOutEverywhere(ts.Context(), "default", user.ID, identity.Operator("op")))
	b.press("consent-form", "allow")
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	b.signInAs("wanda")
	b.wantAt(t, "/consent", http.StatusOK, "requests access")
}

func TestLogin_RejectsMalformedForms(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	_, form := b.readForm("login-form", "login")
	for name, odd := range map[string]url.Values{
		"long":     {"username": {strings.Repeat("w", 60000)}, "password": {"x"}},
		"too long": {"username": {strings.Repeat("w", 70000)}, "password": {"x"}},
		"twice":    {"username": {"wanda", "victor"}, "password": {goodPassword}},
		"binary":   {"username": {"\xff\xfe"}, "password": {"\x00"}},
		"empty":    {},
		"many":     manyValues(200),
	} {
		odd.Set("csrf", form.Get("csrf"))
		b.post(ts.url+"/login", odd, true)
		if b.page.status < 400 || b.page.status >= 500 || len(b.page.body) > 32<<10 {
			t.Errorf("%s: %d, %d bytes", name, b.page.status, len(b.page.body))
		}
	}
}

func manyValues(n int) url.Values {
	form := url.Values{}
	for i := range n {
		form.Set(fmt.Sprint("p", i), "v")
	}
	return form
}

// TestTypedIdentifiers_SurroundingBlanksAreIgnored, as keyboards and clipboards create them. Blanks in a password count.
func TestTypedIdentifiers_SurroundingBlanksAreIgnored(t *testing.T) {
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	ts.addEmailUser("wanda")
	for _, name := range []string{"wanda ", " wanda", "wanda\u3000", "wanda@example.com ", "\u3000Wanda@example.com\t", "\u202awanda\u202c"} {
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		b.press("login-form", "login", "username", name, "password", goodPassword)
		b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	}
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.press("login-form", "login", "username", "wanda", "password", goodPassword+" ")
	b.wantAt(t, "/login", http.StatusBadRequest, "wrong")
	b.get(ts.url + "/account/forgot")
	b.press("send-form", "send", "email", " wanda@example.com\u3000")
	if n := len(ts.mailTo("wanda@example.com")); n != 1 {
		t.Errorf("%d letters", n)
	}
	b.get(ts.url + "/register")
	b.press("register-form", "register", "username", "nadia\u3000", "new_password", goodPassword, "name", " New Comer ", "email", " new@example.com ")
	b.wantAt(t, "/account", http.StatusOK, "New Comer")
	if n := len(ts.mailTo("new@example.com")); n != 1 {
		t.Errorf("%d letters", n)
	}
	b.get(ts.url + "/account/username")
	b.press("save-form", "save", "username", " renamed ", "current_password", goodPassword)
	b.wantAt(t, "/account", http.StatusOK, "renamed")
	// The lockout of the account applies to every spelling of the name.
	for i := range 30 {
		g := ts.newFormBrowser()
		g.get(ts.url + "/login")
		g.press("login-form", "login", "username", "wanda@example.com"+strings.Repeat(" ", i), "password", "wrong")
		if g.page.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("blanks make names that are counted apart")
}
