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

func (h *house) user(id string) storage.User {
	h.Helper()
	return must(h.people.User(h.Context(), "default", id))(h.T).Record
}

func TestTheAccountShowsWhatIsKnown(t *testing.T) {
	h := newHouse(t)
	user := h.addMailedPerson("wanda")
	must(h.people.LinkPhone(h.Context(), "default", user.ID, "+8613800138000"))(t)
	v := h.visitor()
	v.enter("wanda")
	for _, text := range []string{"Name of wanda", "wanda", "wanda@example.com", "+8613800138000", "Changed on", "this one", "No application has access to your account."} {
		if !strings.Contains(textOf(v.document()), text) {
			t.Errorf("no %q at the account", text)
		}
	}
}

func TestTheAddressOfAnIssuerLeadsToTheAccount(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	h.addDirectory(tea())
	v := h.visitor()
	v.get(h.url + "/d/tea/")
	v.at(t, "/d/tea/login", http.StatusOK, "Sign in")
	v.enter("wanda")
	v.get(h.url + "/")
	v.at(t, "/account", http.StatusOK, "Name of wanda")
}

func TestWhoIsNotSignedInIsAskedTo(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/account", "/account/profile", "/account/username", "/account/password", "/account/email", "/account/email/confirm?proof=x"} {
		v := h.visitor()
		v.get(h.url + path)
		v.at(t, "/login", http.StatusOK, "Sign in")
	}
	for _, path := range []string{"/account/sessions", "/account/apps", "/account/sign-out", "/account/sign-out-everywhere"} {
		v := h.visitor()
		if p := v.get(h.url + path); p.status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, p.status)
		}
		v.post(h.url+path, url.Values{}, true)
		v.at(t, "/login", http.StatusOK, "Sign in")
	}
}

func TestPeopleEditTheirProfile(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	v.get(h.url + "/account/profile")
	v.press("save-form", "save", "name", "  王小明 ", "nickname", "", "birthdate", "0000-05-21", "locale", "zh-cn", "zoneinfo", "Asia/Shanghai")
	v.at(t, "/account", http.StatusOK, "Your profile is saved.")
	want := storage.Profile{Name: "王小明", Birthdate: "0000-05-21", Locale: "zh-CN", Zoneinfo: "Asia/Shanghai"}
	if got := h.user(user.ID).Profile; got != want {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(v.page.body, "CST") {
		t.Error("times are not in the user's time zone")
	}
	for name, wrong := range map[string][2]string{
		"birthdate": {"21.5.1990", "Write it as year-month-day"}, "locale": {"Klingonisch", "Write a language tag"}, "zoneinfo": {"Mars", "Write the name of a time zone"},
		"name": {"\u202eevil", "characters in it that cannot be shown"}, "nickname": {strings.Repeat("n", 300), "too long"},
	} {
		v.get(h.url + "/account/profile")
		v.press("save-form", "save", name, wrong[0])
		v.at(t, "/account/profile", http.StatusBadRequest, wrong[1])
		if _, form := v.read("save-form", "save"); form.Get(name) != wrong[0] {
			t.Errorf("%s: what was typed is gone: %q", name, form.Get(name))
		}
	}
	if got := h.user(user.ID).Profile; got != want {
		t.Errorf("%+v", got)
	}
}

func TestPeopleChangeTheirUsername(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	h.addPerson("victor")
	v := h.visitor()
	v.enter("wanda")
	for _, c := range []struct{ name, password, want string }{
		{"victor", goodPassword, "Somebody has this username already."},
		{"VICTOR", goodPassword, "Somebody has this username already."},
		{"w", goodPassword, "A username has 3 to 64 characters."},
		{"wan da", goodPassword, "Use letters, digits"},
		{".wanda", goodPassword, "Begin and end with a letter or a digit."},
		{"wаnda", goodPassword, "Do not mix letters of different alphabets"},
		{"wendy", "wrong", "This is not your current password."},
	} {
		v.get(h.url + "/account/username")
		v.press("save-form", "save", "username", c.name, "current_password", c.password)
		v.at(t, "/account/username", http.StatusBadRequest, c.want)
	}
	v.get(h.url + "/account/username")
	v.press("save-form", "save", "username", "wendy", "current_password", goodPassword)
	v.at(t, "/account", http.StatusOK, "Your username is saved.")
	if got := h.user(user.ID).Username; got != "wendy" {
		t.Errorf("username is %q", got)
	}
}

func TestANewPasswordEndsEverythingElse(t *testing.T) {
	h := newHouse(t)
	user := h.addMailedPerson("wanda")
	other := h.visitor()
	other.ask("scope", "openid offline_access")
	other.signInAs("wanda")
	other.press("consent-form", "allow")
	tokens := h.redeem("shop", other.code(), "redirect_uri", shopRedirect)
	v := h.visitor()
	v.enter("wanda")
	for _, c := range []struct{ current, next, want string }{
		{"wrong", "another password", "This is not your current password."},
		{goodPassword, "sh0rt", "Too short"},
		{goodPassword, strings.Repeat("p", 257), "too long"},
		{goodPassword, "", "Too short"},
	} {
		v.get(h.url + "/account/password")
		v.press("save-form", "save", "current_password", c.current, "new_password", c.next)
		v.at(t, "/account/password", http.StatusBadRequest, c.want)
		if strings.Contains(v.page.body, c.next) && c.next != "" {
			t.Errorf("the page holds the password %q", c.next)
		}
	}
	v.get(h.url + "/account/password")
	v.press("save-form", "save", "current_password", goodPassword, "new_password", "another password")
	v.at(t, "/account", http.StatusOK, "Your password is changed.")
	other.get(h.url + "/account")
	other.at(t, "/login", http.StatusOK, "Sign in")
	if got := h.userinfo(tokens.text("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("the access token of before: %d", got.status)
	}
	if got := h.refresh("shop", tokens.text("refresh_token")); got.text("error") != "invalid_grant" {
		t.Errorf("the refresh token of before: %s", got.raw)
	}
	must(h.people.VerifyPassword(h.Context(), "default", "wanda", "another password"))(t)
	letters := h.letters("wanda@example.com")
	if len(letters) != 1 || letters[0].Subject != "Your password at Default was changed" || strings.Contains(letters[0].Text, "another password") {
		t.Errorf("mail: %+v", letters)
	}
	if h.user(user.ID).Epoch != user.Epoch+1 {
		t.Error("the epoch is not one more")
	}
}

func TestThePasswordMustNotBeTheUsernameNorKnownToAttackers(t *testing.T) {
	h := newHouse(t, func(c *serverConfig) { c.Breached = breachedList{"password1234"} })
	h.addPerson("wandawanda")
	v := h.visitor()
	v.enter("wandawanda")
	for password, want := range map[string]string{"WandaWanda": "must not be the username", "password1234": "known from data leaks"} {
		v.get(h.url + "/account/password")
		v.press("save-form", "save", "current_password", goodPassword, "new_password", password)
		v.at(t, "/account/password", http.StatusBadRequest, want)
	}
}

func TestCommonPasswordsAreRefusedWithoutAnyList(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	for _, password := range []string{"password123", "PASSWORD123", "woaini1314", "12345678"} {
		v.get(h.url + "/account/password")
		v.press("save-form", "save", "current_password", goodPassword, "new_password", password)
		v.at(t, "/account/password", http.StatusBadRequest, "known from data leaks")
	}
}

func TestWhoIsSignedInCannotGuessThePasswordEither(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	for range 6 {
		v.get(h.url + "/account/password")
		v.press("save-form", "save", "current_password", "wrong", "new_password", "another password")
	}
	v.get(h.url + "/account/username")
	v.press("save-form", "save", "username", "wendy", "current_password", goodPassword)
	v.at(t, "/account/username", http.StatusTooManyRequests, "Too many failed attempts.")
}

func TestWithoutAPasswordOnlyAFreshSignInChangesHowOneSignsIn(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	entry := must(storage.Get[storage.User](h.Context(), h.engine, storage.Key("default", user.ID)))(t)
	next := entry.Record
	next.Password = ""
	must(entry.Replace(h.Context(), h.engine, next))(t)
	v.get(h.url + "/account/password")
	v.press("save-form", "save", "new_password", "another password")
	v.at(t, "/account", http.StatusOK, "Your password is changed.")
	// Five minutes later that is over.
	entry = must(storage.Get[storage.User](h.Context(), h.engine, storage.Key("default", user.ID)))(t)
	next = entry.Record
	next.Password = ""
	must(entry.Replace(h.Context(), h.engine, next))(t)
	h.clock.Advance(5*time.Minute + time.Second)
	v.get(h.url + "/account/password")
	v.press("save-form", "save", "new_password", "a third password")
	v.at(t, "/account/password", http.StatusBadRequest, "You have to sign in again")
}

func TestAnAddressIsTakenOnceItsOwnerConfirms(t *testing.T) {
	h := newHouse(t)
	user := h.addMailedPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	v.get(h.url + "/account/email?ui_locales=zh-CN")
	v.press("save-form", "save", "email", "New@Example.com", "current_password", goodPassword)
	v.at(t, "/account/email", http.StatusOK, "请查收邮件")
	letters := h.letters("new@example.com")
	if len(letters) != 1 || letters[0].Subject != "确认你在 Default 的邮箱" || h.user(user.ID).Email != "wanda@example.com" {
		t.Fatalf("%+v, address %s", letters, h.user(user.ID).Email)
	}
	link := linkIn(t, letters[0])
	// 1. A program that follows links confirms nothing; nor does somebody else who is signed in.
	stranger := h.visitor()
	stranger.get(link)
	stranger.at(t, "/login", http.StatusOK, "登录")
	h.addPerson("mallory")
	stranger.enter("mallory")
	stranger.get(link)
	stranger.at(t, "/account/email/confirm", http.StatusBadRequest, "该链接已失效")
	v.get(link)
	v.at(t, "/account/email/confirm", http.StatusOK, "要把 new@example.com 设为账号 Name of wanda 的邮箱吗？")
	if got := h.user(user.ID).Email; got != "wanda@example.com" {
		t.Errorf("address is %s already", got)
	}
	// 2. The owner does, and the old address hears of it.
	v.press("confirm-form", "confirm")
	v.at(t, "/account", http.StatusOK, "邮箱已验证")
	if got := h.user(user.ID); got.Email != "new@example.com" || !got.EmailVerified {
		t.Errorf("%+v", got)
	}
	if letters := h.letters("wanda@example.com"); len(letters) != 1 || letters[0].Subject != "Your e-mail address at Default was changed" {
		t.Errorf("the old address got %+v", letters)
	}
}

func TestALinkToConfirmAnAddressOutlivesTheSignInThatItNeeds(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	h.addPerson("victor")
	desk := h.visitor()
	desk.enter("wanda")
	desk.get(h.url + "/account/email")
	desk.press("save-form", "save", "email", "new@example.com", "current_password", goodPassword)
	link := linkIn(t, h.letters("new@example.com")[0])
	phone := h.visitor()
	phone.get(link)
	phone.at(t, "/login", http.StatusOK, "Sign in")
	phone.press("login-form", "login", "username", "wanda", "password", "wrong")
	phone.at(t, "/login", http.StatusBadRequest, "is wrong")
	phone.signInAs("wanda")
	phone.at(t, "/account/email/confirm", http.StatusOK, "new@example.com")
	phone.press("confirm-form", "confirm")
	phone.at(t, "/account", http.StatusOK, "Your e-mail address is confirmed.")
	if got := h.user(user.ID); got.Email != "new@example.com" || !got.EmailVerified {
		t.Errorf("%+v", got)
	}
	other := h.visitor()
	other.get(link)
	other.signInAs("victor")
	other.at(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
}

func TestALinkToConfirmAnAddressEnds(t *testing.T) {
	h := newHouse(t)
	user := h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	ask := func(address string) string {
		v.get(h.url + "/account/email")
		v.press("save-form", "save", "email", address, "current_password", goodPassword)
		letters := h.letters(address)
		return linkIn(t, letters[len(letters)-1])
	}
	link := ask("one@example.com")
	h.clock.Advance(24 * time.Hour)
	v.enter("wanda")
	v.get(link)
	v.at(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
	link = ask("two@example.com")
	check(t, h.people.SignOutEverywhere(h.Context(), "default", user.ID, identity.Self(user.ID)))
	v.enter("wanda")
	v.get(link)
	v.at(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
	link = ask("three@example.com")
	h.addPerson("three")
	other := must(h.people.VerifyPassword(h.Context(), "default", "three", goodPassword))(t).Record
	must(h.people.SetEmail(h.Context(), "default", other.ID, "three@example.com", identity.System))(t)
	v.get(link)
	v.press("confirm-form", "confirm")
	v.at(t, "/account/email/confirm", http.StatusConflict, "Another account has this e-mail address already.")
}

func TestMailIsRationed(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	for i := range 6 {
		v.get(h.url + "/account/email")
		v.press("save-form", "save", "email", fmt.Sprintf("a%d@example.com", i), "current_password", goodPassword)
	}
	v.at(t, "/account/email", http.StatusTooManyRequests, "Please try again in")
	h.server.Wait()
	if got := len(h.mail.mails); got != 4 {
		t.Errorf("%d mails", got)
	}
}

func TestPeopleEndTheirSessions(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	phone := h.visitor()
	phone.enter("wanda")
	v := h.visitor()
	v.enter("wanda")
	forms := find(v.document(), func(n *html.Node) bool { return n.Data == "form" && attribute(n, "action") == "/account/sessions" })
	if len(forms) != 1 {
		t.Fatalf("%d other sessions", len(forms))
	}
	form := url.Values{}
	for _, n := range find(forms[0], func(n *html.Node) bool { return n.Data == "input" }) {
		form.Set(attribute(n, "name"), attribute(n, "value"))
	}
	v.post(h.url+"/account/sessions", form, true)
	v.at(t, "/account", http.StatusOK, "That browser is signed out.")
	phone.get(h.url + "/account")
	phone.at(t, "/login", http.StatusOK, "Sign in")
	v.get(h.url + "/account")
	v.press("sign-out-form", "sign-out")
	v.at(t, "/logged-out", http.StatusOK, "You are signed out")
	if _, kept := v.cookies["mf-default"]; kept {
		t.Error("the cookie is still there")
	}
	v.get(h.url + "/account")
	v.at(t, "/login", http.StatusOK, "Sign in")
}

func TestSigningOutEverywhereEndsSessionsAndGrants(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	phone := h.visitor()
	phone.ask("scope", "openid offline_access")
	phone.signInAs("wanda")
	phone.press("consent-form", "allow")
	tokens := h.redeem("shop", phone.code(), "redirect_uri", shopRedirect)
	v := h.visitor()
	v.enter("wanda")
	v.press("sign-out-everywhere-form", "sign-out-everywhere")
	v.at(t, "/logged-out", http.StatusOK, "You are signed out")
	for _, b := range []*visitor{v, phone} {
		b.get(h.url + "/account")
		b.at(t, "/login", http.StatusOK, "Sign in")
	}
	if got := h.userinfo(tokens.text("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("UserInfo: %d", got.status)
	}
}

func TestPeopleTakeBackWhatApplicationsHave(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.ask("scope", "openid profile offline_access")
	v.signInAs("wanda")
	v.press("consent-form", "allow")
	tokens := h.redeem("shop", v.code(), "redirect_uri", shopRedirect)
	v.get(h.url + "/account")
	for _, text := range []string{"Tea & Co", "Know who you are · See your profile · Keep this access while you are away"} {
		if !strings.Contains(textOf(v.document()), text) {
			t.Errorf("no %q", text)
		}
	}
	_, form := v.read("sign-out-form", "sign-out")
	form.Set("client", "shop")
	v.post(h.url+"/account/apps", form, true)
	v.at(t, "/account", http.StatusOK, "That application has no access any more.")
	if strings.Contains(textOf(v.document()), "Tea & Co") {
		t.Error("the application is still there")
	}
	if got := h.refresh("shop", tokens.text("refresh_token")); got.text("error") != "invalid_grant" {
		t.Errorf("refresh: %s", got.raw)
	}
	v.ask("scope", "openid profile")
	v.at(t, "/consent", http.StatusOK, "wants access")
	if strings.Contains(textOf(v.document()), " new") {
		t.Error("consent that was taken back is remembered")
	}
}

func TestWithoutAMailerPagesOfferNoMail(t *testing.T) {
	h := newHouse(t, func(c *serverConfig) { c.Mailer = nil })
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	h.addPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/login")
	if strings.Contains(v.page.body, "Forgot") {
		t.Error("a forgotten password is offered")
	}
	v.get(h.url + "/register")
	if _, form := v.read("register-form", "register"); form.Has("email") {
		t.Error("registration asks for an address")
	}
	v.enter("wanda")
	if strings.Contains(v.page.body, "/account/email") {
		t.Error("an address can be set")
	}
	for _, path := range []string{"/account/forgot", "/account/reset", "/account/email"} {
		if p := v.get(h.url + path); p.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, p.status)
		}
	}
}

func TestPeopleRegister(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	if p := v.get(h.url + "/register"); p.status != http.StatusNotFound || !strings.Contains(p.body, "There is nothing here") {
		t.Errorf("registration is off, and answers %d", p.status)
	}
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	v.ask("scope", "openid profile")
	register := find(v.document(), func(n *html.Node) bool { return n.Data == "a" && textOf(n) == "Create an account" })
	v.get(h.url + attribute(register[0], "href"))
	for _, c := range []struct{ name, password, email, want string }{
		{"w", goodPassword, "", "A username has 3 to 64 characters."},
		{"wanda", "short", "", "Too short"},
		{"wandawanda", "wandawanda", "", "must not be the username"},
		{"wanda", goodPassword, "nonsense", "This is not an e-mail address."},
	} {
		v.press("register-form", "register", "username", c.name, "new_password", c.password, "email", c.email)
		v.at(t, "/register", http.StatusBadRequest, c.want)
	}
	v.press("register-form", "register", "username", "wanda", "new_password", goodPassword, "name", "Wanda", "email", "wanda@example.com")
	v.at(t, "/consent", http.StatusOK, "wants access")
	v.press("consent-form", "allow")
	info := h.userinfo(h.redeem("shop", v.code(), "redirect_uri", shopRedirect).text("access_token"))
	if info.text("preferred_username") != "wanda" || info.text("name") != "Wanda" {
		t.Errorf("UserInfo: %s", info.raw)
	}
	letters := h.letters("wanda@example.com")
	if len(letters) != 1 {
		t.Fatalf("mail: %+v", letters)
	}
	v.get(linkIn(t, letters[0]))
	v.press("confirm-form", "confirm")
	v.at(t, "/account", http.StatusOK, "wanda@example.com")
}

// TestRegistrationsOfOneNetworkAreRationed: a school behind one address registers, and a program that goes on has to wait.
func TestRegistrationsOfOneNetworkAreRationed(t *testing.T) {
	h := newHouse(t)
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	var statuses []int
	for i := range 303 {
		v := h.visitor()
		v.get(h.url + "/register")
		v.press("register-form", "register", "username", fmt.Sprintf("bot-%d", i), "new_password", goodPassword)
		statuses = append(statuses, v.page.status)
	}
	if slices.Contains(statuses[:301], http.StatusTooManyRequests) || !slices.Contains(statuses[301:], http.StatusTooManyRequests) {
		t.Errorf("%v", statuses)
	}
}
