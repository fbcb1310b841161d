package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// acrOf redeems the code of the browser and returns acr of the ID token.
func (b *formBrowser) acrOf() string {
	b.Helper()
	if b.page.status == http.StatusOK && strings.Contains(b.page.body, "consent-form") {
		b.press("consent-form", "allow")
	}
	return fmt.Sprint(claims(b.T, b.testServer.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("id_token"))["acr"])
}

// TestRFC9470_5_AcrValuesStepUp: a session with one factor signs in again where acr_values asks for two.
func TestRFC9470_5_AcrValuesStepUp(t *testing.T) {
	ts, b, a := newPasskeyUser(t, storage.TwoFactorOptional)
	b.openAuthorize("acr_values", "1")
	if got := b.acrOf(); got != "1" {
		t.Errorf("acr_values=1: acr %s", got)
	}
	b.openAuthorize("acr_values", "2 1")
	if got := b.acrOf(); got != "1" {
		t.Errorf("acr_values=2 1: acr %s", got)
	}
	b.openAuthorize("acr_values", "2", "prompt", "none")
	if got := b.acrOf(); got != "1" {
		t.Errorf("without pages: acr %s", got)
	}
	b.openAuthorize("acr_values", "2")
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	login := b.page.url
	b.signInAs("wanda")
	b.wantAt(t, "/login", http.StatusBadRequest, "this account also needs your passkey")
	b.get(strings.Replace(login, "/login?", "/login/passkey?", 1))
	a.counter = 2
	attacker := ts.newFormBrowser() // It has the cookie from before the step-up.
	attacker.cookies["mf-default"] = b.cookies["mf-default"]
	b.press("passkey-form", "passkey", "credential", a.get(b.passkeyOptions()))
	if got := b.acrOf(); got != "2" {
		t.Errorf("after the passkey: acr %s", got)
	}
	attacker.openAuthorize("prompt", "none")
	attacker.wantError(t, "login_required", "state-1")
	b.openAuthorize("acr_values", "1")
	if got := b.acrOf(); got != "1" {
		t.Errorf("acr_values=1 with two factors: acr %s", got)
	}
	// A user without a second factor continues, unless the class is essential.
	ts.addPasswordUser("hanna")
	h := ts.newFormBrowser()
	h.openAuthorize("acr_values", "2")
	h.signInAs("hanna")
	if got := h.acrOf(); got != "1" {
		t.Errorf("without a second factor: acr %s", got)
	}
	h.openAuthorize("claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`)
	h.wantAt(t, "/login", http.StatusOK, "Sign in")
	h.signInAs("hanna")
	h.wantError(t, "unmet_authentication_requirements", "state-1")
	// A directory without second factors cannot do better.
	ts.editDirectory(func(d *storage.Directory) { d.Policy.TwoFactor = storage.TwoFactorOff })
	h.openAuthorize("acr_values", "2")
	if got := h.acrOf(); got != "1" {
		t.Errorf("without second factors in the directory: acr %s", got)
	}
}

func TestPasskeyForNewBrowser_RequiresPasskeyOfUsersWhoHaveOne(t *testing.T) {
	ts, known, a := newPasskeyUser(t, storage.TwoFactorOptional)
	ts.addPasswordUser("hanna")
	ts.editDirectory(func(d *storage.Directory) { d.Policy.PasskeyForNewBrowser = true })
	unseen := ts.newFormBrowser()
	unseen.get(ts.url + "/login")
	unseen.signInAs("wanda")
	unseen.wantAt(t, "/login", http.StatusBadRequest, "You have not signed in with this browser before.")
	if got := len(list[storage.Session](ts.testServer)); got != 1 {
		t.Errorf("%d sessions are stored", got)
	}
	unseen.signInToAccount("hanna") // without a passkey
	a.counter = 2
	unseen.get(ts.url + "/login/passkey")
	unseen.signInByPasskey(a)
	unseen.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	for name, b := range map[string]*formBrowser{"with an earlier sign-in": known, "after the passkey": unseen} {
		b.get(ts.url + "/account")
		b.press("sign-out-form", "sign-out")
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		if b.page.status != http.StatusOK || !strings.HasSuffix(b.page.url, "/account") {
			t.Errorf("%s: %d %s", name, b.page.status, b.page.url)
		}
	}
}

// TestPasskeyForNewBrowser_StopsRelayedScan: a phisher shows the picture of an own browser, and the user approves it.
func TestPasskeyForNewBrowser_StopsRelayedScan(t *testing.T) {
	ts := newScanServer(t)
	sub := ts.sub(ts.login("mini", "wanda"))
	ts.editDirectory(func(d *storage.Directory) {
		d.Policy.TwoFactor, d.Policy.PasskeyForNewBrowser = storage.TwoFactorOptional, true
		d.SignInMethods = append(d.ShownSignInMethods(), storage.SignInPasskey)
	})
	user := must(storage.Get[storage.User](t.Context(), ts.engine, storage.Key("default", sub)))(t)
	must(storage.Insert(t.Context(), ts.engine, storage.Passkey{
		Directory: "default", DirectoryIncarnation: user.Record.DirectoryIncarnation, RPID: "localhost", CredentialID: []byte("credential"), User: sub, CreatedAt: ts.clock.Now(),
	}))(t)
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	if a := ts.approve(scene, "wanda", b.number()); a.status != http.StatusOK {
		t.Fatalf("approve: %d %s", a.status, a.raw)
	}
	b.reload()
	if !strings.Contains(b.page.body, "You have not signed in with this browser before.") {
		t.Errorf("%d %s", b.page.status, b.page.body)
	}
	if got := b.get(ts.url + "/account"); !strings.Contains(must(url.Parse(got.url))(t).Path, "/login") {
		t.Errorf("signed in: %s", got.url)
	}
}
