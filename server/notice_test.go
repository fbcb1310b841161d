package server_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// noticesTo returns the notices that were sent to a number, oldest first.
func (p *phoneInbox) noticesTo(number string) (notices []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, found := range regexp.MustCompile(`SMS to: (\S+)\nDefault: (.*[^\d\n].*)\n`).FindAllStringSubmatch(p.text.String(), -1) {
		if found[1] == number {
			notices = append(notices, found[2])
		}
	}
	return notices
}

func withNotices(d *storage.Directory) {
	d.SMS = storage.SMS{Provider: storage.SMSLog, NoticeTemplates: storage.SMSTemplates{Chinese: "SMS_2"}}
}

// setUsername changes the username of the user of a browser.
func (b *formBrowser) setUsername(name string) {
	b.Helper()
	b.get(b.pageServer.url + "/account/username")
	b.press("save-form", "save", "username", name, "current_password", goodPassword)
	b.wantAt(b.T, "/account", http.StatusOK, "")
}

func TestNotices_GoToThePhoneOfAUserWithoutMail(t *testing.T) {
	t.Parallel()
	ts := newCodeServer(t, withNotices)
	ts.editDirectory(func(d *storage.Directory) {
		d.SignInMethods = []string{storage.SignInPassword, storage.SignInPhoneCode}
	})
	ts.addNumberUser("ann", annNumber)
	bob := ts.addNumberUser("bob", bobNumber)
	must(ts.identities.SetEmail(t.Context(), "default", bob.ID, "bob@example.com", identity.System))(t)
	ann := ts.newFormBrowser()
	ann.signInToAccount("ann")
	ann.setUsername("anna")
	ann.get(ts.url + "/account/phone?remove=1")
	ann.press("remove-form", "remove", "current_password", goodPassword)
	ann.wantAt(t, "/account", http.StatusOK, "Your phone number is removed")
	ann.setUsername("anne")
	other := ts.newFormBrowser()
	other.signInToAccount("bob")
	other.setUsername("bobby")
	ts.server.Wait()
	if got := ts.inbox.noticesTo(annNumber); !slices.Equal(sorted(got), []string{"new browser signed in", "phone number changed", "username changed"}) {
		t.Errorf("ann got %q", got)
	}
	if got := ts.inbox.noticesTo(bobNumber); len(got) > 0 || len(ts.mailTo("bob@example.com")) != 1 {
		t.Errorf("bob got %q and %d mails", got, len(ts.mailTo("bob@example.com")))
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func TestNotices_BySMSAreLimitedAndNeedATemplate(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		edit func(*storage.SMS)
		sent int
	}{
		"of a user":          {func(*storage.SMS) {}, 5},
		"of the directory":   {func(sms *storage.SMS) { sms.DailyLimit = 2 }, 2},
		"without a template": {func(sms *storage.SMS) { sms.NoticeTemplates = storage.SMSTemplates{} }, 0},
		"to another country": {func(sms *storage.SMS) { sms.CountryCodes = []string{"+852"} }, 0},
		"without a provider": {func(sms *storage.SMS) { sms.Provider = "" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := newCodeServer(t, func(d *storage.Directory) {
				withNotices(d)
				row.edit(&d.SMS)
			})
			ts.addNumberUser("ann", annNumber)
			b := ts.newFormBrowser()
			b.signInToAccount("ann")
			for n := range 6 {
				b.setUsername(fmt.Sprintf("ann%d", n))
				ts.server.Wait()
			}
			if got := ts.inbox.noticesTo(annNumber); len(got) != row.sent {
				t.Errorf("%d notices: %q", len(got), got)
			}
		})
	}
}

func TestFirstMethod_IsDelayedWhereAnSMSCanReach(t *testing.T) {
	t.Parallel()
	inbox := new(phoneInbox)
	ts := newScanServer(t, func(c *server.Config) { c.SMSWriter = inbox })
	ts.editDirectory(withNotices)
	sub := ts.sub(ts.login("mini", "wanda"))
	must(ts.identities.SetPhone(t.Context(), "default", sub, annNumber, identity.System))(t)
	must(ts.identities.SetUsername(t.Context(), "default", sub, "wanda", identity.System))(t)
	b := ts.deskBrowser()
	ts.signInByScan(b, "wanda")
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "new_password", goodPassword)
	b.wantAt(t, "/account", http.StatusOK, "It works in 24 hours")
	ts.server.Wait()
	if got := inbox.noticesTo(annNumber); !slices.Contains(got, "password set, works in 24 hours") {
		t.Errorf("got %q", got)
	}
}
