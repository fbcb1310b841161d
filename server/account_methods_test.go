package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// TestAccountAPI_PhoneNumberIsConfirmedByItsUser: an app suggests a number, and the user proves it on the page of the issuer.
func TestAccountAPI_PhoneNumberIsConfirmedByItsUser(t *testing.T) {
	t.Parallel()
	pages, sub := newAccountServer(t)
	ts := &codeServer{pages, new(phoneInbox)}
	ts.editDirectory(func(d *storage.Directory) { d.SMS.Provider = storage.SMSLog })
	token := ts.accountToken("wanda")
	for _, bad := range []string{"12", "+14155550100", "+86abc"} {
		if a := ts.account(http.MethodPost, "/identities", token, `{"type":"phone","value":"`+bad+`"}`); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, a.status, a.raw)
		}
	}
	a := ts.account(http.MethodPost, "/identities", token, `{"type":"phone","value":"`+annNumber+`"}`)
	address := a.member("confirm_url")
	if a.status != http.StatusAccepted || !strings.HasPrefix(address, ts.url+"/account/phone?") || strings.Contains(address, "138") && strings.Contains(address, annNumber[1:]) {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if user := ts.storedUser(sub); user.Phone != "" {
		t.Errorf("the number is stored: %s", user.Phone)
	}
	shows := func(user string) bool {
		b := ts.newFormBrowser()
		b.signInToAccount(user)
		b.get(address)
		b.wantAt(t, "/account/phone", http.StatusOK, "Your phone number")
		return strings.Contains(b.page.body, annNumber) || strings.Contains(b.page.body, "&#43;"+annNumber[1:])
	}
	ts.addPasswordUser("mallory")
	if !shows("wanda") || shows("mallory") {
		t.Error("the number is for its user alone")
	}
	ts.clock.Advance(31 * time.Minute)
	if shows("wanda") {
		t.Error("the number is suggested for too long")
	}
}

func TestAccount_PasswordIsRemovedUnlessItIsTheLastWay(t *testing.T) {
	t.Parallel()
	ts, sub := newAccountServer(t)
	other := ts.addEmailUser("hanna")
	b := ts.newFormBrowser()
	b.signInToAccount("hanna")
	ts.editDirectory(func(d *storage.Directory) {
		d.SignInMethods = []string{storage.SignInPassword, storage.SignInEmailCode}
	})
	b.get(ts.url + "/account/password?remove=1")
	b.press("remove-form", "remove", "current_password", "wrong")
	b.wantAt(t, "/account/password", http.StatusBadRequest, "")
	b.press("remove-form", "remove", "current_password", goodPassword)
	b.wantAt(t, "/account", http.StatusOK, "Your password is removed.")
	if user := ts.storedUser(other.ID); user.Password != "" || !user.PasswordChangedAt.IsZero() {
		t.Errorf("%+v", user)
	}
	if sent := ts.mailTo("hanna@example.com"); len(sent) != 1 || !strings.Contains(sent[0].Subject, "password") {
		t.Errorf("%+v", sent)
	}
	b.get(ts.url + "/account/password?remove=1")
	if strings.Contains(b.page.body, "remove-form") {
		t.Error("a password that is gone can be removed")
	}
	// By the API, rejected while it is the last way.
	last := ts.addPasswordUser("lena")
	token := ts.accountToken("lena")
	ts.account(http.MethodDelete, "/methods/password", token, "").wantReason(t, http.StatusConflict, "last_method")
	check(t, ts.identities.AddPasskey(t.Context(), ts.storedUser(last.ID), storage.Passkey{RPID: "localhost", CredentialID: []byte("key of lena")}, identity.System))
	methods := ts.account(http.MethodGet, "/methods", token, "")
	if pages := methods.object("pages"); pages["password"] != ts.url+"/account/password" {
		t.Errorf("pages: %v", pages)
	}
	for _, status := range []int{http.StatusNoContent, http.StatusNotFound} {
		if a := ts.account(http.MethodDelete, "/methods/password", token, ""); a.status != status {
			t.Errorf("%d %s", a.status, a.raw)
		}
	}
	if ts.storedUser(sub).Password == "" {
		t.Error("another user lost the password")
	}
}
