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

// requestReset requests a link for a new password.
func (b *formBrowser) requestReset(address string) *page {
	b.Helper()
	b.get(b.pageServer.url + "/account/forgot")
	return b.press("send-form", "send", "email", address)
}

// resetLink returns the link of a user who forgot the password.
func (ts *pageTestServer) resetLink(address string) string {
	ts.Helper()
	ts.newFormBrowser().requestReset(address)
	letters := ts.mailTo(address)
	if len(letters) == 0 {
		ts.Fatal("no mail")
	}
	return linkIn(ts.T, letters[len(letters)-1])
}

func TestReset_LinkWorksOnce(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addEmailUser("wanda")
	phone := ts.newFormBrowser()
	phone.signInToAccount("wanda")
	link := ts.resetLink("wanda@example.com")
	b := ts.newFormBrowser()
	// 1. Opening the link spends nothing, and neither does an invalid password.
	for range 2 {
		b.get(link)
		b.wantAt(t, "/account/reset", http.StatusOK, "Choose a new password")
	}
	_, form := b.readForm("save-form", "save")
	if form.Get("account") != "wanda" {
		t.Error("password managers get no username")
	}
	b.press("save-form", "save", "new_password", "short")
	b.wantAt(t, "/account/reset", http.StatusBadRequest, "Too short")
	// 2. A valid one ends every session.
	b.press("save-form", "save", "new_password", "another password")
	b.wantAt(t, "/account/reset", http.StatusOK, "Your password is changed")
	phone.get(ts.url + "/account")
	phone.wantAt(t, "/login", http.StatusOK, "Sign in")
	if found := must(ts.identities.VerifyPassword(ts.Context(), "default", "wanda", "another password"))(t); found.Record.ID != user.ID {
		t.Errorf("user %s", found.Record.ID)
	}
	// 3. The link is spent.
	b.get(link)
	b.wantAt(t, "/account/reset", http.StatusBadRequest, "This link does not work any more")
	if b.cookies["mf-default"] != "" {
		t.Error("the link created a session")
	}
}

func TestReset_LinkEnds(t *testing.T) {
	ts := newPageTestServer(t)
	user := ts.addEmailUser("wanda")
	for name, end := range map[string]func(){
		"time": func() { ts.clock.Advance(30 * time.Minute) },
		"another password": func() {
			must(ts.identities.SetPassword(ts.Context(), "default", user.ID, goodPassword, identity.System))(t)
		},
		"sign out everywhere": func() { check(t, ts.identities.SignOutEverywhere(ts.Context(), "default", user.ID, identity.System)) },
		"disabled":            func() { check(t, ts.identities.Disable(ts.Context(), "default", user.ID, identity.System)) },
	} {
		ts.clock.Advance(3 * time.Hour)
		link := ts.resetLink("wanda@example.com")
		b := ts.newFormBrowser()
		b.get(link)
		action, form := b.readForm("save-form", "save")
		end()
		form.Set("new_password", "another password")
		b.post(action, form, true)
		if b.page.status != http.StatusBadRequest || !strings.Contains(b.page.body, "This link does not work any more") {
			t.Errorf("%s: %d %s", name, b.page.status, b.page.body)
		}
		check(t, ts.identities.Enable(ts.Context(), "default", user.ID, identity.System))
	}
}

func TestReset_ConcurrentUsesHaveOneWinner(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	link := ts.resetLink("wanda@example.com")
	statuses := make(chan int, 8)
	var all sync.WaitGroup
	visitors := make([]*formBrowser, cap(statuses))
	for i := range visitors {
		visitors[i] = ts.newFormBrowser()
		visitors[i].get(link)
	}
	for _, b := range visitors {
		all.Go(func() {
			b.press("save-form", "save", "new_password", "another password")
			statuses <- b.page.status
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

func TestReset_HidesWhetherAccountExists(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	disabled := ts.addEmailUser("victor")
	check(t, ts.identities.Disable(ts.Context(), "default", disabled.ID, identity.System))
	answer := func(address string) string {
		p := ts.newFormBrowser().requestReset(address)
		return strings.ReplaceAll(p.body, address, "ADDRESS")
	}
	known := answer("wanda@example.com")
	for _, address := range []string{"nobody@example.com", "victor@example.com"} {
		if got := answer(address); got != known {
			t.Errorf("%s is distinguishable:\n%s", address, got)
		}
	}
	ts.server.Wait()
	if len(ts.mailbox.mails) != 1 || ts.mailbox.mails[0].To != "wanda@example.com" {
		t.Errorf("mail: %+v", ts.mailbox.mails)
	}
	// The limit of mails is reported for every address, whether it has an account or not.
	for _, address := range []string{"wanda@example.com", "nobody@example.com"} {
		var last *page
		for range 4 {
			last = ts.newFormBrowser().requestReset(address)
		}
		if last.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d", address, last.status)
		}
	}
}

// TestReset_OtherUserCannotDelayOwner: requests for the address of another user count against the caller's own network.
func TestReset_OtherUserCannotDelayOwner(t *testing.T) {
	ts := newPageTestServer(t, func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	ts.addEmailUser("wanda")
	forget := func(remote string) int {
		b := ts.newFormBrowser()
		b.get(ts.url + "/account/forgot")
		action, form := b.readForm("send-form", "send")
		form.Set("email", "wanda@example.com")
		request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, action, strings.NewReader(form.Encode())))(t)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Forwarded-For", remote)
		b.open(request, true)
		return b.page.status
	}
	for range 4 {
		forget("203.0.113.7")
	}
	if got := forget("203.0.113.7"); got != http.StatusTooManyRequests {
		t.Errorf("the other user: %d", got)
	}
	if got := forget("198.51.100.1"); got != http.StatusOK {
		t.Errorf("the owner: %d", got)
	}
	// The limit of one address applies to all networks together.
	refused := 0
	for i := range 30 {
		if forget(fmt.Sprintf("192.0.2.%d", i)) == http.StatusTooManyRequests {
			refused++
		}
	}
	if ts.server.Wait(); refused == 0 || len(ts.mailbox.mails) > 14 {
		t.Errorf("%d rejected, %d mails", refused, len(ts.mailbox.mails))
	}
}

func TestReset_MailUsesLocaleOfPage(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/account/forgot?ui_locales=zh-CN")
	b.press("send-form", "send", "email", "wanda@example.com")
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != 1 || letters[0].Subject != "为 Default 设置新密码" || !strings.HasPrefix(letters[0].Text, "Name of wanda，你好：") {
		t.Fatalf("%+v", letters)
	}
	b.get(linkIn(t, letters[0]))
	b.wantAt(t, "/account/reset", http.StatusOK, "设置新密码")
}

func TestReset_LinkIsForItsDirectory(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	ts.addDirectory(teaDirectory())
	link := must(url.Parse(ts.resetLink("wanda@example.com")))(t)
	b := ts.newFormBrowser()
	b.get(ts.url + "/d/tea" + link.Path + "?" + link.RawQuery)
	b.wantAt(t, "/d/tea/account/reset", http.StatusBadRequest, "This link does not work any more")
	// A token of another kind is rejected as well.
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/email")
	b.press("save-form", "save", "email", "new@example.com", "current_password", goodPassword)
	confirm := must(url.Parse(linkIn(t, ts.mailTo("new@example.com")[0])))(t)
	b.get(ts.url + "/account/reset?" + confirm.RawQuery)
	b.wantAt(t, "/account/reset", http.StatusBadRequest, "This link does not work any more")
	b.get(ts.url + "/account/email/confirm?" + link.RawQuery)
	b.wantAt(t, "/account/email/confirm", http.StatusBadRequest, "This link does not work any more")
}

func TestReset_TokensAreNotLogged(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	link := ts.resetLink("wanda@example.com")
	b := ts.newFormBrowser()
	b.get(link)
	b.press("save-form", "save", "new_password", "another password")
	_, token, _ := strings.Cut(link, "proof=")
	for _, secret := range []string{token, "another password", "wanda@example.com", goodPassword} {
		if strings.Contains(ts.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
