package server_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
)

// forget asks for a link to choose a new password.
func (v *visitor) forget(address string) *page {
	v.Helper()
	v.get(v.house.url + "/account/forgot")
	return v.press("send-form", "send", "email", address)
}

// resetLink is the link that somebody gets who forgot the password.
func (h *house) resetLink(address string) string {
	h.Helper()
	h.visitor().forget(address)
	letters := h.letters(address)
	if len(letters) == 0 {
		h.Fatal("no mail")
	}
	return linkIn(h.T, letters[len(letters)-1])
}

func TestAForgottenPasswordIsReplacedByALinkThatWorksOnce(t *testing.T) {
	h := newHouse(t)
	user := h.addMailedPerson("wanda")
	phone := h.visitor()
	phone.enter("wanda")
	link := h.resetLink("wanda@example.com")
	v := h.visitor()
	// 1. Looking at the link spends nothing, and neither does a bad password.
	for range 2 {
		v.get(link)
		v.at(t, "/account/reset", http.StatusOK, "Choose a new password")
	}
	_, form := v.read("save-form", "save")
	if form.Get("account") != "wanda" {
		t.Error("password managers are not told whose password it is")
	}
	v.press("save-form", "save", "new_password", "short")
	v.at(t, "/account/reset", http.StatusBadRequest, "Too short")
	// 2. A good one ends every session.
	v.press("save-form", "save", "new_password", "another password")
	v.at(t, "/account/reset", http.StatusOK, "Your password is changed")
	phone.get(h.url + "/account")
	phone.at(t, "/login", http.StatusOK, "Sign in")
	if found := must(h.people.VerifyPassword(h.Context(), "default", "wanda", "another password"))(t); found.Record.ID != user.ID {
		t.Errorf("user %s", found.Record.ID)
	}
	// 3. The link is spent.
	v.get(link)
	v.at(t, "/account/reset", http.StatusBadRequest, "This link does not work any more")
	if v.cookies["mf-default"] != "" {
		t.Error("the link has signed somebody in")
	}
}

func TestALinkToResetAPasswordEnds(t *testing.T) {
	h := newHouse(t)
	user := h.addMailedPerson("wanda")
	for name, end := range map[string]func(){
		"time":                func() { h.clock.Advance(30 * time.Minute) },
		"another password":    func() { must(h.people.SetPassword(h.Context(), "default", user.ID, goodPassword, identity.System))(t) },
		"sign out everywhere": func() { check(t, h.people.SignOutEverywhere(h.Context(), "default", user.ID, identity.System)) },
		"disabled":            func() { check(t, h.people.Disable(h.Context(), "default", user.ID, identity.System)) },
	} {
		h.clock.Advance(3 * time.Hour)
		link := h.resetLink("wanda@example.com")
		v := h.visitor()
		v.get(link)
		action, form := v.read("save-form", "save")
		end()
		form.Set("new_password", "another password")
		v.post(action, form, true)
		if v.page.status != http.StatusBadRequest || !strings.Contains(v.page.body, "This link does not work any more") {
			t.Errorf("%s: %d %s", name, v.page.status, v.page.body)
		}
		check(t, h.people.Enable(h.Context(), "default", user.ID, identity.System))
	}
}

func TestTwoWhoUseALinkAtOnceAreOneTooMany(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	link := h.resetLink("wanda@example.com")
	statuses := make(chan int, 8)
	var all sync.WaitGroup
	visitors := make([]*visitor, cap(statuses))
	for i := range visitors {
		visitors[i] = h.visitor()
		visitors[i].get(link)
	}
	for _, v := range visitors {
		all.Go(func() {
			v.press("save-form", "save", "new_password", "another password")
			statuses <- v.page.status
		})
	}
	all.Wait()
	close(statuses)
	won := 0
	for status := range statuses {
		if status == http.StatusOK {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of them changed the password", won)
	}
}

func TestAForgottenPasswordDoesNotTellWhoHasAnAccount(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	disabled := h.addMailedPerson("victor")
	check(t, h.people.Disable(h.Context(), "default", disabled.ID, identity.System))
	answer := func(address string) string {
		p := h.visitor().forget(address)
		return strings.ReplaceAll(p.body, address, "ADDRESS")
	}
	known := answer("wanda@example.com")
	for _, address := range []string{"nobody@example.com", "victor@example.com"} {
		if got := answer(address); got != known {
			t.Errorf("%s is told apart:\n%s", address, got)
		}
	}
	h.server.Wait()
	if len(h.mail.mails) != 1 || h.mail.mails[0].To != "wanda@example.com" {
		t.Errorf("mail: %+v", h.mail.mails)
	}
	// Who has too much mail already is told so, whoever that is.
	for _, address := range []string{"wanda@example.com", "nobody@example.com"} {
		var last *page
		for range 4 {
			last = h.visitor().forget(address)
		}
		if last.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d", address, last.status)
		}
	}
}

// TestForgottenPassword_AStrangerDoesNotDelayTheOwner: who asks for another's address uses up the allowance of the own network.
func TestForgottenPassword_AStrangerDoesNotDelayTheOwner(t *testing.T) {
	h := newHouse(t, func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	h.addMailedPerson("wanda")
	forget := func(remote string) int {
		v := h.visitor()
		v.get(h.url + "/account/forgot")
		action, form := v.read("send-form", "send")
		form.Set("email", "wanda@example.com")
		request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, action, strings.NewReader(form.Encode())))(t)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Forwarded-For", remote)
		v.open(request, true)
		return v.page.status
	}
	for range 4 {
		forget("203.0.113.7")
	}
	if got := forget("203.0.113.7"); got != http.StatusTooManyRequests {
		t.Errorf("the stranger: %d", got)
	}
	if got := forget("198.51.100.1"); got != http.StatusOK {
		t.Errorf("the owner: %d", got)
	}
	// All together one address gets so much mail.
	refused := 0
	for i := range 30 {
		if forget(fmt.Sprintf("192.0.2.%d", i)) == http.StatusTooManyRequests {
			refused++
		}
	}
	if h.server.Wait(); refused == 0 || len(h.mail.mails) > 14 {
		t.Errorf("%d refused, %d mails", refused, len(h.mail.mails))
	}
}

func TestTheMailOfAResetIsInTheLanguageOfThePage(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/account/forgot?ui_locales=zh-CN")
	v.press("send-form", "send", "email", "wanda@example.com")
	letters := h.letters("wanda@example.com")
	if len(letters) != 1 || letters[0].Subject != "为 Default 设置新密码" || !strings.HasPrefix(letters[0].Text, "Name of wanda，你好：") {
		t.Fatalf("%+v", letters)
	}
	v.get(linkIn(t, letters[0]))
	v.at(t, "/account/reset", http.StatusOK, "设置新密码")
}

func TestALinkOfOneDirectoryIsNothingInAnother(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	h.addDirectory(tea())
	link := must(url.Parse(h.resetLink("wanda@example.com")))(t)
	v := h.visitor()
	v.get(h.url + "/d/tea" + link.Path + "?" + link.RawQuery)
	v.at(t, "/d/tea/account/reset", http.StatusBadRequest, "This link does not work any more")
	// Nor is a token of another kind.
	v.enter("wanda")
	v.get(h.url + "/account/email")
	v.press("save-form", "save", "email", "new@example.com", "current_password", goodPassword)
	confirm := must(url.Parse(linkIn(t, h.letters("new@example.com")[0])))(t)
	v.get(h.url + "/account/reset?" + confirm.RawQuery)
	v.at(t, "/account/reset", http.StatusBadRequest, "This link does not work any more")
	v.get(h.url + "/account/email/confirm?" + link.RawQuery)
	v.at(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
}

func TestTokensOfLinksAreNotLogged(t *testing.T) {
	h := newHouse(t)
	h.addMailedPerson("wanda")
	link := h.resetLink("wanda@example.com")
	v := h.visitor()
	v.get(link)
	v.press("save-form", "save", "new_password", "another password")
	_, token, _ := strings.Cut(link, "proof=")
	for _, secret := range []string{token, "another password", "wanda@example.com", goodPassword} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
