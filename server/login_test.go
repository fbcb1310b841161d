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

func TestSigningInLeadsToTheAccountAndNowhereElse(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	for _, query := range []string{
		"", "?next=https://evil.example", "?return_to=//evil.example", "?continue=/\\evil.example",
		"?url=https://evil.example&post_logout_redirect_uri=https://evil.example", "?done=https://evil.example", "?other=https://evil.example",
	} {
		v := h.visitor()
		v.get(h.url + "/login" + query)
		v.signInAs("wanda")
		v.at(t, "/account", http.StatusOK, "Name of wanda")
		if v.get(h.url + "/login"); v.page.url != h.url+"/account" {
			t.Errorf("who is signed in is asked again: %s", v.page.url)
		}
	}
}

func TestUsernamesAndProvenAddressesSignInWhateverTheirCase(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	for _, name := range []string{"wanda", "WANDA", "ｗａｎｄａ", "wanda@example.com", "Wanda@Example.COM"} {
		v := h.visitor()
		v.get(h.url + "/login")
		v.signInAs(name)
		v.at(t, "/account", http.StatusOK, "Name of wanda")
	}
}

func TestTheTokensOfASignInByPasswordSayHowAndWhen(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	v := h.visitor()
	v.ask()
	v.signInAs("wanda")
	v.press("consent-form", "allow")
	tokens := h.redeem("shop", v.code(), "redirect_uri", shopRedirect)
	got := claims(t, tokens.text("id_token"))
	if got["sub"] != user.ID || fmt.Sprint(got["amr"]) != "[pwd]" || got["acr"] != "1" || got["auth_time"] != float64(h.clock.Now().Unix()) {
		t.Errorf("%v", got)
	}
}

// guesses notes what is answered to wrong passwords, and what the store is asked meanwhile.
type guesses struct {
	*house
	mu    sync.Mutex
	asked []string // guarded by mu
}

func newGuesses(h *house) *guesses {
	g := &guesses{house: h}
	h.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.asked = append(g.asked, o.Method+" "+string(o.Kind))
		return nil
	}
	return g
}

// try is one guess, by somebody new.
func (g *guesses) try(name, password string) (answer string, asked []string) {
	g.Helper()
	v := g.visitor()
	v.get(g.url + "/login")
	g.mu.Lock()
	g.asked = nil
	g.mu.Unlock()
	v.press("login-form", "login", "username", name, "password", password)
	g.mu.Lock()
	defer g.mu.Unlock()
	body := regexp.MustCompile(`name="csrf" value="[^"]*"`).ReplaceAllString(v.page.body, "")
	return fmt.Sprint(v.page.status) + strings.ReplaceAll(body, name, "NAME"), slices.Clone(g.asked)
}

func TestUnknownUserAndWrongPasswordLookAlike(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	h.addUser("nopassword")
	g := newGuesses(h)
	wrong, asked := g.try("wanda", "not the password")
	if !strings.Contains(wrong, wrongPassword) {
		t.Fatalf("%s", wrong)
	}
	for _, name := range []string{"nobody", "nopassword", "wanda@example.com", "nobody@example.com", "not a name", "a@b"} {
		h.clock.Advance(time.Hour)
		if got, operations := g.try(name, "not the password"); got != wrong || !slices.Equal(operations, asked) {
			t.Errorf("%s is told apart: %v, not %v\n%s", name, operations, asked, got)
		}
	}
}

// A guess that is not even checked, because others failed at the account by another name, must not be known by that: whoever
// could tell it apart would learn that the two names are one account's.
func TestAGuessThatIsNotCheckedLooksLikeOneThatIs(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	g := newGuesses(h)
	g.try("wanda@example.com", "not the password")
	checked, asked := g.try("wanda@example.com", "not the password")
	h.fail("wanda", 5)
	before := list[storage.Throttle](h.world)
	for _, password := range []string{"not the password", goodPassword} {
		if got, operations := g.try("wanda@example.com", password); got != checked || !slices.Equal(operations, asked) {
			t.Errorf("%q is told apart: %v, not %v\n%s", password, operations, asked, got)
		}
	}
	// Nor does it make the owner wait longer.
	after := list[storage.Throttle](h.world)
	for _, was := range before {
		at := slices.IndexFunc(after, func(is storage.Throttle) bool { return is.Document().ID == was.Document().ID })
		if was.Rule == "account" && (at < 0 || after[at].BlockedUntil != was.BlockedUntil || after[at].Failures != was.Failures) {
			t.Errorf("the account's count was %+v", was)
		}
	}
}

// Who owns the account is told what to do, whatever kept them out.
func TestWhoCannotSignInIsToldToTryLaterOrToChooseANewPasswordWhereThatIsOffered(t *testing.T) {
	withMail, without := newHouse(t), newHouse(t, func(c *server.Config) { c.Mailer = nil })
	for h, want := range map[*house]string{withMail: wrongPassword + " Please check both, try again later, or choose a new password.", without: wrongPassword + " Please check both, or try again later."} {
		h.fail("nobody", 1).at(t, "/login", http.StatusBadRequest, want)
	}
}

func TestADisabledUserIsToldSoOnlyWithThePassword(t *testing.T) {
	h := newHouse(t)
	check(t, h.people.Disable(h.Context(), "default", h.addPerson("wanda").ID, identity.Operator("op")))
	v := h.visitor()
	v.get(h.url + "/login")
	v.press("login-form", "login", "username", "wanda", "password", "wrong")
	v.at(t, "/login", http.StatusBadRequest, wrongPassword)
	v.signInAs("wanda")
	v.at(t, "/login", http.StatusForbidden, "This account has been disabled.")
}

// wrongPassword is what everybody reads whose sign-in failed.
const wrongPassword = "The username or the password is wrong, or there were too many attempts."

// fail tries a wrong password so many times, each time as somebody new.
func (h *house) fail(name string, times int) *visitor {
	h.Helper()
	var v *visitor
	for range times {
		v = h.visitor()
		v.get(h.url + "/login")
		v.press("login-form", "login", "username", name, "password", "wrong")
	}
	return v
}

func TestWhoGuessesHasToWaitAndTheOwnerDoesNot(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	h.addPerson("victor")
	owner := h.visitor()
	owner.enter("wanda")
	owner.press("sign-out-form", "sign-out")
	// 1. Five failures are free, whatever the name looks like.
	h.fail("wanda", 3)
	v := h.fail("WANDA", 2)
	v.at(t, "/login", http.StatusBadRequest, wrongPassword)
	v = h.fail("wanda", 1)
	v.at(t, "/login", http.StatusBadRequest, wrongPassword)
	// 2. Then even the right password has to wait.
	v.signInAs("wanda")
	v.at(t, "/login", http.StatusTooManyRequests, "Too many failed attempts. Please try again in 1 s.")
	if got := v.page.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	// 3. Another account does not, nor does the browser that the owner has used.
	v.signInAs("victor")
	v.at(t, "/account", http.StatusOK, "Name of victor")
	owner.get(h.url + "/login")
	owner.signInAs("wanda")
	owner.at(t, "/account", http.StatusOK, "Name of wanda")
	// 4. Who has waited may try again.
	h.clock.Advance(time.Second)
	v = h.visitor()
	v.get(h.url + "/login")
	v.signInAs("wanda")
	v.at(t, "/account", http.StatusOK, "Name of wanda")
	// 5. Each further failure doubles the wait, up to a quarter of an hour.
	var waits []string
	for range 13 {
		v = h.fail("wanda", 1)
		v.signInAs("wanda")
		waits = append(waits, v.page.header.Get("Retry-After"))
		h.clock.Advance(15*time.Minute + time.Second)
	}
	if want := "[2 4 8 16 32 64 128 256 512 900 900 900 900]"; fmt.Sprint(waits) != want {
		t.Errorf("waits are %v, want %s", waits, want)
	}
}

// Two names would be twice as many guesses. That they are one account's is said to nobody, because it would tell whose they are:
// while the account has to wait, the right password is wrong as well.
func TestAUsernameAndAnAddressAreNoMoreGuessesThanOneAndAreNotToldToBelongTogether(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	owner := h.visitor()
	owner.enter("wanda")
	owner.press("sign-out-form", "sign-out")
	attack := func(username, address string) (answers []string) {
		for _, name := range []string{username, address, username, address, username, address, username, address} {
			v := h.visitor()
			v.get(h.url + "/login")
			v.press("login-form", "login", "username", name, "password", "wrong")
			answers = append(answers, fmt.Sprint(v.page.status, strings.Contains(v.page.body, wrongPassword)))
		}
		return answers
	}
	if known, unknown := attack("wanda", "wanda@example.com"), attack("nobody", "nobody@example.com"); !slices.Equal(known, unknown) {
		t.Errorf("an account is answered %v, nobody's names %v", known, unknown)
	}
	for _, name := range []string{"wanda", "wanda@example.com"} {
		v := h.visitor()
		v.get(h.url + "/login")
		v.press("login-form", "login", "username", name, "password", goodPassword)
		v.at(t, "/login", http.StatusBadRequest, wrongPassword)
	}
	// The browser that the owner has used is spared, by whichever name, and so is one that a link in a mail was opened with.
	owner.get(h.url + "/login")
	owner.press("login-form", "login", "username", "wanda@example.com", "password", goodPassword)
	owner.at(t, "/account", http.StatusOK, "Name of wanda")
	other := h.visitor()
	other.get(h.resetLink("wanda@example.com"))
	other.press("save-form", "save", "new_password", "another password")
	h.fail("wanda", 3)
	other.get(h.url + "/login")
	other.press("login-form", "login", "username", "wanda", "password", "another password")
	other.at(t, "/account", http.StatusOK, "Name of wanda")
	// Who waits long enough gets in.
	h.clock.Advance(time.Hour)
	v := h.visitor()
	v.get(h.url + "/login")
	v.press("login-form", "login", "username", "wanda", "password", "another password")
	v.at(t, "/account", http.StatusOK, "Name of wanda")
}

func TestAKnownBrowserCanGuessNoMoreThanAnother(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	h.addPerson("victor")
	v := h.visitor()
	v.enter("victor")
	v.press("sign-out-form", "sign-out")
	for range 6 {
		v.get(h.url + "/login")
		v.press("login-form", "login", "username", "victor", "password", "wrong")
	}
	v.signInAs("victor")
	v.at(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
	// Known for victor, it is nobody special for wanda.
	h.fail("wanda", 6)
	v.get(h.url + "/login")
	v.signInAs("wanda")
	v.at(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
}

func TestTheCookieOfAKnownBrowserCannotBeMadeUpOrMoved(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	h.addDirectory(storage.Directory{ID: "tea", Name: "Tea"})
	v := h.visitor()
	v.enter("wanda")
	known := v.cookies["mf-default.device"]
	if known == "" {
		t.Fatal("no cookie")
	}
	must(h.people.Create(h.Context(), "tea", identity.Account{Username: "wanda", Password: goodPassword}, identity.System))(t)
	for name, cookie := range map[string]string{"made up": "AAAA", "cut": known[:len(known)-2], "changed": known[:len(known)-3] + "AAA", "moved": known} {
		stranger := h.visitor()
		base := h.url + "/d/tea"
		if name != "moved" {
			base = h.url
		}
		for range 6 {
			stranger.get(base + "/login")
			stranger.press("login-form", "login", "username", "wanda", "password", "wrong")
		}
		stranger.cookies["mf-default.device"], stranger.cookies["mf-tea.device"] = cookie, cookie
		stranger.get(base + "/login")
		stranger.signInAs("wanda")
		if stranger.page.status != http.StatusTooManyRequests {
			t.Errorf("a cookie that was %s counts: %d %s", name, stranger.page.status, stranger.page.url)
		}
		h.clock.Advance(time.Hour)
	}
}

func TestANetworkThatGuessesAtManyAccountsHasToWait(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	owner := h.visitor()
	owner.enter("wanda")
	owner.press("sign-out-form", "sign-out")
	for i := range 51 {
		h.fail(fmt.Sprintf("nobody-%d", i), 1)
	}
	v := h.fail("somebody", 1)
	v.at(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
	owner.get(h.url + "/login")
	owner.signInAs("wanda")
	owner.at(t, "/account", http.StatusOK, "Name of wanda")
}

func TestGuessesAtOnceAreNoMoreThanGuessesOneAfterTheOther(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	statuses := make(chan int, 24)
	var all sync.WaitGroup
	for range cap(statuses) {
		v := h.visitor()
		v.get(h.url + "/login")
		all.Go(func() {
			v.press("login-form", "login", "username", "wanda", "password", "wrong")
			statuses <- v.page.status
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

func TestASuccessfulSignInWritesNothingButTheSession(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/login")
	var mu sync.Mutex
	var writes []storage.Kind
	h.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		if slices.Contains([]string{"Insert", "Replace", "Delete"}, o.Method) {
			writes = append(writes, o.Kind)
		}
		return nil
	}
	v.signInAs("wanda")
	if !slices.Equal(writes, []storage.Kind{storage.KindSession}) {
		t.Errorf("writes: %v", writes)
	}
}

func TestACookieThatWasPlantedBeforeSigningInOpensNothing(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	attacker := h.visitor()
	attacker.get(h.url + "/login")
	victim := h.visitor()
	for name, value := range attacker.cookies {
		victim.cookies[name] = value
	}
	victim.get(h.url + "/login")
	victim.signInAs("wanda")
	attacker.get(h.url + "/account")
	attacker.at(t, "/login", http.StatusOK, "Sign in")
	// A session that somebody else was given does not become the victim's.
	h.addPerson("mallory")
	attacker.get(h.url + "/login")
	attacker.signInAs("mallory")
	planted := attacker.cookies["mf-default"]
	victim = h.visitor()
	victim.cookies["mf-default"] = planted
	victim.get(h.url + "/login?other=1")
	victim.signInAs("wanda")
	if victim.cookies["mf-default"] == planted {
		t.Error("the cookie is the one that was planted")
	}
	attacker.get(h.url + "/account")
	attacker.at(t, "/login", http.StatusOK, "Sign in")
}

func TestTwoDirectoriesInOneBrowserAreStrangers(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	h.addDirectory(storage.Directory{ID: "tea", Name: "Tea"})
	must(h.people.Create(h.Context(), "tea", identity.Account{Username: "teawanda", Password: goodPassword}, identity.System))(t)
	v := h.visitor()
	v.enter("wanda")
	v.get(h.url + "/d/tea/account")
	v.at(t, "/d/tea/login", http.StatusOK, "Sign in")
	// The account of one is none in the other.
	v.signInAs("wanda")
	v.at(t, "/d/tea/login", http.StatusBadRequest, wrongPassword)
	v.signInAs("teawanda")
	v.at(t, "/d/tea/account", http.StatusOK, "teawanda")
	// Signing out of one leaves the other.
	v.press("sign-out-form", "sign-out")
	v.at(t, "/d/tea/logged-out", http.StatusOK, "You are signed out")
	v.get(h.url + "/account")
	v.at(t, "/account", http.StatusOK, "Name of wanda")
	for name := range v.cookies {
		if !strings.HasPrefix(name, "mf-default") && !strings.HasPrefix(name, "mf-tea") {
			t.Errorf("the cookie %s is nobody's", name)
		}
	}
}

func TestConsentIsGivenScopeByScopeAndRemembered(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	v := h.visitor()
	v.ask("scope", "openid profile email orders")
	v.signInAs("wanda")
	v.at(t, "/consent", http.StatusOK, "Tea & Co wants access to your account")
	for _, text := range []string{"Know who you are", "See your profile", "See your e-mail address", "Use “orders”", "shop.example"} {
		if !strings.Contains(textOf(v.document()), text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	// 1. One of them is unticked.
	action, form := v.read("consent-form", "allow")
	form["scope"] = slices.DeleteFunc(form["scope"], func(scope string) bool { return scope == "email" })
	v.post(action, form, true)
	tokens := h.redeem("shop", v.code(), "redirect_uri", shopRedirect)
	if got := tokens.text("scope"); got != "openid orders profile" {
		t.Errorf("scope is %q", got)
	}
	// 2. What was allowed is not asked for again.
	v.ask("scope", "openid orders")
	v.code()
	// 3. What was not, is; and what is new is marked.
	v.ask("scope", "openid profile email")
	v.at(t, "/consent", http.StatusOK, "See your e-mail address new")
	if strings.Contains(textOf(v.document()), "See your profile new") {
		t.Error("a scope that was allowed before is marked as new")
	}
	// 4. No means no.
	v.press("consent-form", "deny")
	v.wantError(t, "access_denied", "state-1")
	// 5. A scope that was not asked for is not given, whatever the form says.
	v.ask("scope", "openid email")
	action, form = v.read("consent-form", "allow")
	form.Add("scope", "phone")
	v.post(action, form, true)
	if got := h.redeem("shop", v.code(), "redirect_uri", shopRedirect).text("scope"); got != "email openid" {
		t.Errorf("scope is %q", got)
	}
}

func TestCancellingTheSignInTellsTheClient(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.ask("state", "s")
	v.press("cancel-form", "cancel")
	v.wantError(t, "access_denied", "s")
}

func TestWhoIsSignedInChoosesToGoOnOrToBeSomebodyElse(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	victor := h.addPerson("victor")
	h.changeShop(func(c *storage.Client) { c.FirstParty = true })
	v := h.visitor()
	v.enter("wanda")
	v.ask("prompt", "select_account")
	v.at(t, "/login", http.StatusOK, "Continue as Name of wanda")
	v.press("account-form", "continue")
	v.code()
	v.ask("prompt", "select_account")
	other := find(v.document(), func(n *html.Node) bool { return attribute(n, "id") == "other" })
	v.get(h.url + attribute(other[0], "href"))
	v.at(t, "/login", http.StatusOK, "Sign in")
	v.signInAs("victor")
	if got := h.sub(h.redeem("shop", v.code(), "redirect_uri", shopRedirect)); got != victor.ID {
		t.Errorf("sub is %s, not victor's %s", got, victor.ID)
	}
}

// changeShop edits the client, and waits until the server knows.
func (h *house) changeShop(edit func(*storage.Client)) { h.change("shop", edit) }

func TestTheLoginHintIsFilledIn(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.ask("login_hint", "wanda@example.com")
	_, form := v.read("login-form", "login")
	if form.Get("username") != "wanda@example.com" {
		t.Errorf("username is %q", form.Get("username"))
	}
	if !strings.Contains(v.page.body, `type="password" autocomplete="current-password" maxlength="256" autocapitalize="none" autocorrect="off" spellcheck="false" required autofocus`) {
		t.Errorf("the password has not the focus: %s", v.page.body)
	}
}

func TestAPageOfASessionThatEndedAsksToSignInAgain(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	v := h.visitor()
	v.ask()
	v.signInAs("wanda")
	v.at(t, "/consent", http.StatusOK, "wants access")
	check(t, h.people.SignOutEverywhere(h.Context(), "default", user.ID, identity.Operator("op")))
	v.press("consent-form", "allow")
	v.at(t, "/login", http.StatusOK, "Sign in")
	v.signInAs("wanda")
	v.at(t, "/consent", http.StatusOK, "wants access")
}

func TestOddFormsDoNoHarm(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/login")
	_, form := v.read("login-form", "login")
	for name, odd := range map[string]url.Values{
		"long":     {"username": {strings.Repeat("w", 60000)}, "password": {"x"}},
		"too long": {"username": {strings.Repeat("w", 70000)}, "password": {"x"}},
		"twice":    {"username": {"wanda", "victor"}, "password": {goodPassword}},
		"binary":   {"username": {"\xff\xfe"}, "password": {"\x00"}},
		"empty":    {},
		"many":     manyValues(200),
	} {
		odd.Set("csrf", form.Get("csrf"))
		v.post(h.url+"/login", odd, true)
		if v.page.status < 400 || v.page.status >= 500 || len(v.page.body) > 32<<10 {
			t.Errorf("%s: %d, %d bytes", name, v.page.status, len(v.page.body))
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

// TestTypedIdentifiers_BlanksAroundThemDoNotCount, as keyboards and clipboards make them; those in a password do.
func TestTypedIdentifiers_BlanksAroundThemDoNotCount(t *testing.T) {
	h := newHouse(t)
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	h.addMailedPerson("wanda")
	for _, name := range []string{"wanda ", " wanda", "wanda\u3000", "wanda@example.com ", "\u3000Wanda@example.com\t", "\u202awanda\u202c"} {
		v := h.visitor()
		v.get(h.url + "/login")
		v.press("login-form", "login", "username", name, "password", goodPassword)
		v.at(t, "/account", http.StatusOK, "Name of wanda")
	}
	v := h.visitor()
	v.get(h.url + "/login")
	v.press("login-form", "login", "username", "wanda", "password", goodPassword+" ")
	v.at(t, "/login", http.StatusBadRequest, "wrong")
	v.get(h.url + "/account/forgot")
	v.press("send-form", "send", "email", " wanda@example.com\u3000")
	if n := len(h.letters("wanda@example.com")); n != 1 {
		t.Errorf("%d letters", n)
	}
	v.get(h.url + "/register")
	v.press("register-form", "register", "username", "newcomer\u3000", "new_password", goodPassword, "name", " New Comer ", "email", " new@example.com ")
	v.at(t, "/account", http.StatusOK, "New Comer")
	if n := len(h.letters("new@example.com")); n != 1 {
		t.Errorf("%d letters", n)
	}
	v.get(h.url + "/account/username")
	v.press("save-form", "save", "username", " renamed ", "current_password", goodPassword)
	v.at(t, "/account", http.StatusOK, "renamed")
	// Who guesses is slowed down by the account, however the name is typed.
	for i := range 30 {
		g := h.visitor()
		g.get(h.url + "/login")
		g.press("login-form", "login", "username", "wanda@example.com"+strings.Repeat(" ", i), "password", "wrong")
		if g.page.status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("blanks make names that are counted apart")
}
