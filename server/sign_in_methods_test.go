package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestSignInMethods_AreShownInOrder(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	ts.addPasswordUser("wanda")
	list := func(methods ...string) string {
		ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = methods })
		b := ts.newFormBrowser()
		b.get(ts.url + "/login")
		return b.page.body
	}
	before := func(body, first, second string) bool {
		i, j := strings.Index(body, first), strings.Index(body, second)
		return i >= 0 && i < j
	}
	const form, link = `id="login-form"`, `href="/login/passkey"`
	if body := list(); !before(body, form, link) {
		t.Error("without a list, the link to the passkey does not follow the form")
	}
	if body := list(storage.SignInPassword, storage.SignInPasskey); !before(body, form, link) {
		t.Error("password, passkey: the link does not follow the form")
	}
	if body := list(storage.SignInPasskey, storage.SignInPassword); !before(body, link, form) {
		t.Error("passkey, password: the form does not follow the link")
	}
	if body := list(storage.SignInPassword); strings.Contains(body, link) {
		t.Error("the link is shown, and the directory does not list passkeys")
	}
	if body := list(storage.SignInPasskey); strings.Contains(body, form) {
		t.Error("the form is shown, and the directory does not list passwords")
	}
}

func TestSignInMethods_OthersDoNotSignIn(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = []string{storage.SignInPasskey} })
	b.signInAs("wanda")
	if b.page.status != http.StatusNotFound {
		t.Errorf("sign-in by password: %d", b.page.status)
	}
	ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = []string{storage.SignInPassword} })
	if b.get(ts.url + "/login/passkey"); b.page.status != http.StatusNotFound {
		t.Errorf("page of the passkey: %d", b.page.status)
	}
	if got := b.post(ts.url+"/login/passkey", url.Values{}, true); got.status != http.StatusNotFound {
		t.Errorf("sign-in by passkey: %d", got.status)
	}
}
