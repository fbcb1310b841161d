package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func (ts *pageTestServer) storedUser(id string) storage.User {
	ts.Helper()
	return must(ts.identities.User(ts.Context(), "default", id))(ts.T).Record
}

func TestAccount_ShowsStoredData(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addEmailUser("wanda")
	must(ts.identities.LinkPhone(ts.Context(), "default", user.ID, "+8613800138000", ""))(t)
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, text := range []string{"Name of wanda", "wanda", "wanda@example.com", "+8613800138000", "Changed on", "this one", "Recent sign-ins", "Linked: 3"} {
		if !strings.Contains(textOf(b.document()), text) {
			t.Errorf("no %q at the account", text)
		}
	}
}

func TestIssuerURL_RedirectsBrowserToAccount(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.addDirectory(teaDirectory())
	b := ts.newFormBrowser()
	b.get(ts.url + "/d/tea/")
	b.wantAt(t, "/d/tea/login", http.StatusOK, "Sign in")
	b.signInToAccount("wanda")
	b.get(ts.url + "/")
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
}

func TestAccount_RequiresSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	for _, path := range []string{"/account", "/account/profile", "/account/username", "/account/password", "/account/email", "/account/email/confirm?proof=x", "/account/apps", "/account/identities", "/account/sign-ins", "/account/export"} {
		b := ts.newFormBrowser()
		b.get(ts.url + path)
		b.wantAt(t, "/login", http.StatusOK, "Sign in")
	}
	for _, path := range []string{"/account/sessions", "/account/sign-out", "/account/sign-out-everywhere"} {
		b := ts.newFormBrowser()
		if p := b.get(ts.url + path); p.status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, p.status)
		}
		b.post(ts.url+path, url.Values{}, true)
		b.wantAt(t, "/login", http.StatusOK, "Sign in")
	}
}

func TestAccount_UserEditsProfile(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/profile")
	b.press("save-form", "save", "name", "  王小明 ", "nickname", "", "birthdate", "0000-05-21", "locale", "zh-cn", "zoneinfo", "Asia/Shanghai")
	b.wantAt(t, "/account", http.StatusOK, "Your profile is saved.")
	want := storage.Profile{Name: "王小明", Birthdate: "0000-05-21", Locale: "zh-CN", Zoneinfo: "Asia/Shanghai"}
	if got := ts.storedUser(user.ID).Profile; got != want {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(b.page.body, "CST") {
		t.Error("times are not in the user's time zone")
	}
	for name, wrong := range map[string][2]string{
		"birthdate": {"21.5.1990", "Write it as year-month-day"}, "locale": {"Klingonisch", "Write a language tag"}, "zoneinfo": {"Mars", "Write the name of a time zone"},
		"name": {"\u202eevil", "characters that cannot be displayed"}, "nickname": {strings.Repeat("n", 300), "too long"},
	} {
		b.get(ts.url + "/account/profile")
		b.press("save-form", "save", name, wrong[0])
		b.wantAt(t, "/account/profile", http.StatusBadRequest, wrong[1])
		if _, form := b.readForm("save-form", "save"); form.Get(name) != wrong[0] {
			t.Errorf("%s: the typed value is missing: %q", name, form.Get(name))
		}
	}
	if got := ts.storedUser(user.ID).Profile; got != want {
		t.Errorf("%+v", got)
	}
}

func TestAccount_UserChangesUsername(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, c := range []struct{ name, password, want string }{
		{"victor", goodPassword, "This username is already in use."},
		{"VICTOR", goodPassword, "This username is already in use."},
		{"w", goodPassword, "A username has 3 to 64 characters."},
		{"wan da", goodPassword, "Use letters, digits"},
		{".wanda", goodPassword, "Begin and end with a letter or a digit."},
		{"wаnda", goodPassword, "Do not mix similar letters of different alphabets"},
		{"wendy", "wrong", "This is not your current password."},
	} {
		b.get(ts.url + "/account/username")
		b.press("save-form", "save", "username", c.name, "current_password", c.password)
		b.wantAt(t, "/account/username", http.StatusBadRequest, c.want)
	}
	b.get(ts.url + "/account/username")
	b.press("save-form", "save", "username", "wendy", "current_password", goodPassword)
	b.wantAt(t, "/account", http.StatusOK, "Your username is saved.")
	if got := ts.storedUser(user.ID).Username; got != "wendy" {
		t.Errorf("username is %q", got)
	}
}

func TestChangePassword_EndsOtherSessionsAndGrants(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addEmailUser("wanda")
	other := ts.newFormBrowser()
	other.openAuthorize("scope", "openid offline_access")
	other.signInAs("wanda")
	other.press("consent-form", "allow")
	tokens := ts.redeem("shop", other.code(), "redirect_uri", shopRedirect)
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, c := range []struct{ current, next, want string }{
		{"wrong", "another password", "This is not your current password."},
		{goodPassword, "sh0rt", "Too short"},
		{goodPassword, strings.Repeat("p", 257), "too long"},
		{goodPassword, "", "Too short"},
	} {
		b.get(ts.url + "/account/password")
		b.press("save-form", "save", "current_password", c.current, "new_password", c.next)
		b.wantAt(t, "/account/password", http.StatusBadRequest, c.want)
		if strings.Contains(b.page.body, c.next) && c.next != "" {
			t.Errorf("the page holds the password %q", c.next)
		}
	}
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "current_password", goodPassword, "new_password", "another password")
	b.wantAt(t, "/account", http.StatusOK, "Your password is changed.")
	other.get(ts.url + "/account")
	other.wantAt(t, "/login", http.StatusOK, "Sign in")
	if got := ts.userinfo(tokens.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("the former access token: %d", got.status)
	}
	if got := ts.refresh("shop", tokens.member("refresh_token")); got.member("error") != "invalid_grant" {
		t.Errorf("the former refresh token: %s", got.raw)
	}
	must(ts.identities.VerifyPassword(ts.Context(), "default", "wanda", "another password"))(t)
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != 1 || letters[0].Subject != "Your password at Default was changed" || strings.Contains(letters[0].Text, "another password") {
		t.Errorf("mail: %+v", letters)
	}
	if ts.storedUser(user.ID).Epoch != user.Epoch+1 {
		t.Error("the epoch is not one more")
	}
}

func TestChangePassword_RejectsUsernameAndBreachedPassword(t *testing.T) {
	ts := newPageTestServer(t, func(c *serverConfig) { c.Breached = breachedList{"password1234"} })
	ts.addPasswordUser("wandawanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wandawanda")
	for password, want := range map[string]string{"WandaWanda": "must not be the username", "password1234": "known from data leaks"} {
		b.get(ts.url + "/account/password")
		b.press("save-form", "save", "current_password", goodPassword, "new_password", password)
		b.wantAt(t, "/account/password", http.StatusBadRequest, want)
	}
}

func TestChangePassword_RejectsCommonPasswordWithoutList(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, password := range []string{"password123", "PASSWORD123", "woaini1314", "12345678"} {
		b.get(ts.url + "/account/password")
		b.press("save-form", "save", "current_password", goodPassword, "new_password", password)
		b.wantAt(t, "/account/password", http.StatusBadRequest, "known from data leaks")
	}
}

func TestReauthentication_LimitsWrongPasswords(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for range 6 {
		b.get(ts.url + "/account/password")
		b.press("save-form", "save", "current_password", "wrong", "new_password", "another password")
	}
	b.get(ts.url + "/account/username")
	b.press("save-form", "save", "username", "wendy", "current_password", goodPassword)
	b.wantAt(t, "/account/username", http.StatusTooManyRequests, "Too many failed attempts.")
}

func TestAccount_UserWithoutPasswordNeedsFreshSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	entry := must(storage.Get[storage.User](ts.Context(), ts.engine, storage.Key("default", user.ID)))(t)
	next := entry.Record
	next.Password = ""
	must(entry.Replace(ts.Context(), ts.engine, next))(t)
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "new_password", "another password")
	b.wantAt(t, "/account", http.StatusOK, "Your password is changed.")
	// Five minutes later the sign-in is no longer fresh.
	entry = must(storage.Get[storage.User](ts.Context(), ts.engine, storage.Key("default", user.ID)))(t)
	next = entry.Record
	next.Password = ""
	must(entry.Replace(ts.Context(), ts.engine, next))(t)
	ts.clock.Advance(5*time.Minute + time.Second)
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "new_password", "a third password")
	b.wantAt(t, "/account/password", http.StatusBadRequest, "You have to sign in again")
}

func TestChangeEmail_TakesEffectOnConfirmation(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addEmailUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/email?ui_locales=zh-CN")
	b.press("save-form", "save", "email", "New@Example.com", "current_password", goodPassword)
	b.wantAt(t, "/account/email", http.StatusOK, "请查收邮件")
	letters := ts.mailTo("new@example.com")
	if len(letters) != 1 || letters[0].Subject != "确认你在 Default 的邮箱" || ts.storedUser(user.ID).Email != "wanda@example.com" {
		t.Fatalf("%+v, address %s", letters, ts.storedUser(user.ID).Email)
	}
	link := linkIn(t, letters[0])
	// 1. A program that follows links confirms nothing. Another signed-in user confirms nothing either.
	otherBrowser := ts.newFormBrowser()
	otherBrowser.get(link)
	otherBrowser.wantAt(t, "/login", http.StatusOK, "登录")
	ts.addPasswordUser("mallory")
	otherBrowser.signInToAccount("mallory")
	otherBrowser.get(link)
	otherBrowser.wantAt(t, "/account/email/confirm", http.StatusBadRequest, "该链接已失效")
	b.get(link)
	b.wantAt(t, "/account/email/confirm", http.StatusOK, "要把 new@example.com 设为账号 Name of wanda 的邮箱吗？")
	if got := ts.storedUser(user.ID).Email; got != "wanda@example.com" {
		t.Errorf("address is %s already", got)
	}
	// 2. The owner confirms, and the old address is notified.
	b.press("confirm-form", "confirm")
	b.wantAt(t, "/account", http.StatusOK, "邮箱已验证")
	if got := ts.storedUser(user.ID); got.Email != "new@example.com" || !got.EmailVerified {
		t.Errorf("%+v", got)
	}
	if letters := ts.mailTo("wanda@example.com"); len(letters) != 1 || letters[0].Subject != "Your e-mail address at Default was changed" {
		t.Errorf("the old address got %+v", letters)
	}
}

func TestEmailLink_WorksAfterRequiredSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	desk := ts.newFormBrowser()
	desk.signInToAccount("wanda")
	desk.get(ts.url + "/account/email")
	desk.press("save-form", "save", "email", "new@example.com", "current_password", goodPassword)
	link := linkIn(t, ts.mailTo("new@example.com")[0])
	phone := ts.newFormBrowser()
	phone.get(link)
	phone.wantAt(t, "/login", http.StatusOK, "Sign in")
	phone.press("login-form", "login", "username", "wanda", "password", "wrong")
	phone.wantAt(t, "/login", http.StatusBadRequest, "is wrong")
	phone.signInAs("wanda")
	phone.wantAt(t, "/account/email/confirm", http.StatusOK, "new@example.com")
	phone.press("confirm-form", "confirm")
	phone.wantAt(t, "/account", http.StatusOK, "Your e-mail address is confirmed.")
	if got := ts.storedUser(user.ID); got.Email != "new@example.com" || !got.EmailVerified {
		t.Errorf("%+v", got)
	}
	other := ts.newFormBrowser()
	other.get(link)
	other.signInAs("victor")
	other.wantAt(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
}

func TestEmailLink_Ends(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	ask := func(address string) string {
		b.get(ts.url + "/account/email")
		b.press("save-form", "save", "email", address, "current_password", goodPassword)
		letters := ts.mailTo(address)
		return linkIn(t, letters[len(letters)-1])
	}
	link := ask("one@example.com")
	ts.clock.Advance(24 * time.Hour)
	b.signInToAccount("wanda")
	b.get(link)
	b.wantAt(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
	link = ask("two@example.com")
	check(t, ts.identities.SignOutEverywhere(ts.Context(), "default", user.ID, identity.Self(user.ID)))
	b.signInToAccount("wanda")
	b.get(link)
	b.wantAt(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
	link = ask("three@example.com")
	ts.addPasswordUser("three")
	other := must(ts.identities.VerifyPassword(ts.Context(), "default", "three", goodPassword))(t).Record
	must(ts.identities.SetEmail(ts.Context(), "default", other.ID, "three@example.com", identity.System))(t)
	b.get(link)
	b.press("confirm-form", "confirm")
	b.wantAt(t, "/account/email/confirm", http.StatusConflict, "Another account has this e-mail address already.")
}

func TestMail_IsRateLimited(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for i := range 6 {
		b.get(ts.url + "/account/email")
		b.press("save-form", "save", "email", fmt.Sprintf("a%d@example.com", i), "current_password", goodPassword)
	}
	b.wantAt(t, "/account/email", http.StatusTooManyRequests, "Please try again in")
	ts.server.Wait()
	if got := len(ts.mailbox.mails); got != 4 {
		t.Errorf("%d mails", got)
	}
}

func TestAccount_UserEndsSessions(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	phone := ts.newFormBrowser()
	phone.signInToAccount("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	forms := findElements(b.document(), func(n *html.Node) bool {
		return n.Data == "form" && attribute(n, "action") == "/account/sessions" && attribute(n, "id") == ""
	})
	if len(forms) != 1 {
		t.Fatalf("%d other sessions", len(forms))
	}
	form := url.Values{}
	for _, n := range findElements(forms[0], func(n *html.Node) bool { return n.Data == "input" }) {
		form.Set(attribute(n, "name"), attribute(n, "value"))
	}
	b.post(ts.url+"/account/sessions", form, true)
	b.wantAt(t, "/account", http.StatusOK, "That browser is signed out.")
	phone.get(ts.url + "/account")
	phone.wantAt(t, "/login", http.StatusOK, "Sign in")
	b.get(ts.url + "/account")
	b.press("sign-out-form", "sign-out")
	b.wantAt(t, "/logged-out", http.StatusOK, "You are signed out")
	if _, kept := b.cookies["mf-default"]; kept {
		t.Error("the cookie is still there")
	}
	b.get(ts.url + "/account")
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
}

func TestSignOutEverywhere_EndsSessionsAndGrants(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	phone := ts.newFormBrowser()
	phone.openAuthorize("scope", "openid offline_access")
	phone.signInAs("wanda")
	phone.press("consent-form", "allow")
	tokens := ts.redeem("shop", phone.code(), "redirect_uri", shopRedirect)
	v := ts.newFormBrowser()
	v.signInToAccount("wanda")
	v.press("sign-out-everywhere-form", "sign-out-everywhere")
	v.wantAt(t, "/logged-out", http.StatusOK, "You are signed out")
	for _, b := range []*formBrowser{v, phone} {
		b.get(ts.url + "/account")
		b.wantAt(t, "/login", http.StatusOK, "Sign in")
	}
	if got := ts.userinfo(tokens.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("UserInfo: %d", got.status)
	}
}

func TestAccount_UserRemovesApplication(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid profile offline_access")
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	tokens := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	b.get(ts.url + "/account/apps")
	for _, text := range []string{"Tea & Co", "Know who you are · See your profile · Keep this access while you are away"} {
		if !strings.Contains(textOf(b.document()), text) {
			t.Errorf("no %q", text)
		}
	}
	b.get(ts.url + "/account")
	_, form := b.readForm("sign-out-form", "sign-out")
	form.Set("client", "shop")
	b.post(ts.url+"/account/apps", form, true)
	b.wantAt(t, "/account", http.StatusOK, "That application has no access any more.")
	b.get(ts.url + "/account/apps")
	b.wantAt(t, "/account/apps", http.StatusOK, "No application has access to your account.")
	if strings.Contains(textOf(b.document()), "Tea & Co") {
		t.Error("the application is still there")
	}
	if got := ts.refresh("shop", tokens.member("refresh_token")); got.member("error") != "invalid_grant" {
		t.Errorf("refresh: %s", got.raw)
	}
	b.openAuthorize("scope", "openid profile")
	b.wantAt(t, "/consent", http.StatusOK, "requests access")
	if strings.Contains(textOf(b.document()), " new") {
		t.Error("removed consent is still stored")
	}
}

func TestPages_OfferNoMailWithoutMailer(t *testing.T) {
	ts := newPageTestServer(t, func(c *serverConfig) { c.Mailer = nil })
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	if strings.Contains(b.page.body, "Forgot") {
		t.Error("a forgotten password is offered")
	}
	b.get(ts.url + "/register")
	if _, form := b.readForm("register-form", "register"); form.Has("email") {
		t.Error("registration has a field for an address")
	}
	b.signInToAccount("wanda")
	if strings.Contains(b.page.body, "/account/email") {
		t.Error("an address can be set")
	}
	for _, path := range []string{"/account/forgot", "/account/reset", "/account/email"} {
		if p := b.get(ts.url + path); p.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, p.status)
		}
	}
}

func TestRegistration_CreatesUser(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	if p := b.get(ts.url + "/register"); p.status != http.StatusNotFound || !strings.Contains(p.body, "Page not found") {
		t.Errorf("registration is off: got %d", p.status)
	}
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	b.openAuthorize("scope", "openid profile")
	register := findElements(b.document(), func(n *html.Node) bool { return n.Data == "a" && textOf(n) == "Create an account" })
	b.get(ts.url + attribute(register[0], "href"))
	for _, c := range []struct{ name, password, email, want string }{
		{"w", goodPassword, "", "A username has 3 to 64 characters."},
		{"wanda", "short", "", "Too short"},
		{"wandawanda", "wandawanda", "", "must not be the username"},
		{"wanda", goodPassword, "nonsense", "This is not an e-mail address."},
	} {
		b.press("register-form", "register", "username", c.name, "new_password", c.password, "email", c.email)
		b.wantAt(t, "/register", http.StatusBadRequest, c.want)
	}
	b.press("register-form", "register", "username", "wanda", "new_password", goodPassword, "name", "Wanda", "email", "wanda@example.com")
	b.wantAt(t, "/consent", http.StatusOK, "requests access")
	b.press("consent-form", "allow")
	info := ts.userinfo(ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("access_token"))
	if info.member("preferred_username") != "wanda" || info.member("name") != "Wanda" {
		t.Errorf("UserInfo: %s", info.raw)
	}
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != 1 {
		t.Fatalf("mail: %+v", letters)
	}
	b.get(linkIn(t, letters[0]))
	b.press("confirm-form", "confirm")
	b.wantAt(t, "/account", http.StatusOK, "wanda@example.com")
}

// TestRegistration_IsRateLimitedByNetwork: a school behind one address can register, and a program that continues has to wait.
func TestRegistration_IsRateLimitedByNetwork(t *testing.T) {
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	var statuses []int
	for i := range 303 {
		b := ts.newFormBrowser()
		b.get(ts.url + "/register")
		b.press("register-form", "register", "username", fmt.Sprintf("bot-%d", i), "new_password", goodPassword)
		statuses = append(statuses, b.page.status)
	}
	if slices.Contains(statuses[:301], http.StatusTooManyRequests) || !slices.Contains(statuses[301:], http.StatusTooManyRequests) {
		t.Errorf("%v", statuses)
	}
}
