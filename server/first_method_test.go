package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// signInByScan signs a WeChat user in to a browser by a scan, and returns the user.
func (ts *pageTestServer) signInByScan(b *formBrowser, user string) (sub string) {
	ts.Helper()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	sub = ts.sub(ts.approve(scene, user, b.number()))
	b.reload()
	return sub
}

func TestFirstMethod_PasswordWorksAtOnceWithoutChannel(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	b := ts.deskBrowser()
	sub := ts.signInByScan(b, "wanda")
	b.get(ts.url + "/account/password")
	b.wantAt(t, "/account/username", http.StatusOK, "")
	b.press("save-form", "save", "username", "wanda")
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "new_password", goodPassword)
	b.wantAt(t, "/account", http.StatusOK, "Your password is set.")
	if session := b.storedSession(); !session.BackendInitiated {
		t.Error("the session is fresh now")
	}
	other := ts.deskBrowser()
	other.get(ts.url + "/login")
	other.signInAs("wanda")
	other.wantAt(t, "/account", http.StatusOK, "wanda")
	// A second method needs the first one.
	b.get(ts.url + "/account/username")
	b.press("save-form", "save", "username", "mallory")
	b.wantAt(t, "/account/username", http.StatusBadRequest, "")
	if user := ts.storedUser(sub); user.Username != "wanda" {
		t.Errorf("username %q", user.Username)
	}
}

func TestFirstMethod_PasswordIsDelayedWhereMailCanReach(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	sub := ts.sub(ts.login("mini", "wanda"))
	must(ts.identities.SetEmail(ts.Context(), "default", sub, "wanda@example.com", identity.System))(t)
	b := ts.deskBrowser()
	ts.signInByScan(b, "wanda")
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "new_password", goodPassword)
	b.wantAt(t, "/account", http.StatusOK, "It works in 24 hours")
	sent := ts.mailTo("wanda@example.com")
	if last := sent[len(sent)-1]; !strings.Contains(last.Text, "/account/forgot") || !strings.Contains(last.Text, "24 hours") {
		t.Errorf("%+v", last)
	}
	other := ts.deskBrowser()
	other.get(ts.url + "/login")
	other.signInAs("wanda@example.com")
	other.wantAt(t, "/login", http.StatusBadRequest, "")
	// The owner objects.
	link := ts.resetLink("wanda@example.com")
	owner := ts.deskBrowser()
	owner.get(link)
	owner.press("save-form", "save", "new_password", "salt-and-pepper")
	ts.clock.Advance(25 * time.Hour)
	other.get(ts.url + "/login")
	other.signInAs("wanda@example.com")
	other.wantAt(t, "/login", http.StatusBadRequest, "")
}

func TestFirstMethod_PasskeyIsDelayedAndOwnerCanObject(t *testing.T) {
	t.Parallel()
	for name, objects := range map[string]bool{"accepted": false, "rejected": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := scanServerOn(newPasskeyServer(t, storage.TwoFactorOptional))
			ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = append(d.SignInMethods, storage.SignInPasskey) })
			sub := ts.sub(ts.login("mini", "wanda"))
			must(ts.identities.SetEmail(ts.Context(), "default", sub, "wanda@example.com", identity.System))(t)
			b, device := ts.deskBrowser(), ts.newAuthenticator()
			ts.signInByScan(b, "wanda")
			if b.get(ts.url + "/account/totp/new"); b.page.status != http.StatusForbidden {
				t.Errorf("an authenticator app as the first method: %d", b.page.status)
			}
			b.addPasskey(device)
			b.wantAt(t, "/account", http.StatusOK, "It works in 24 hours")
			device.counter = 2
			b.get(ts.url + "/account/passkeys")
			b.wantAt(t, "/account/passkeys", http.StatusOK, "Works from")
			if b.get(ts.url + "/account/passkeys/new"); b.page.status != http.StatusForbidden {
				t.Errorf("a second passkey: %d", b.page.status)
			}
			other := ts.deskBrowser()
			other.signInByPasskey(device)
			other.wantAt(t, "/login/passkey", http.StatusBadRequest, "does not work yet")
			if objects {
				owner := ts.deskBrowser()
				owner.get(ts.resetLink("wanda@example.com"))
				owner.press("save-form", "save", "new_password", "salt-and-pepper")
			}
			ts.clock.Advance(25 * time.Hour)
			other.signInByPasskey(device)
			if at := other.page.url; strings.HasSuffix(at, "/account") == objects {
				t.Errorf("after a day: %s\n%s", at, other.page.body)
			}
		})
	}
}

func TestFirstMethod_IsRefusedToUsersWithAnotherWay(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = append(d.SignInMethods, storage.SignInWebsite) })
	sub := ts.sub(ts.login("mini", "wanda"))
	must(ts.identities.SetEmail(ts.Context(), "default", sub, "wanda@example.com", identity.System))(t)
	must(storage.Insert(ts.Context(), ts.engine, storage.Connection{Directory: "default", AppID: "wxsite", Kind: storage.ConnectionWebsite}))(t)
	must(storage.Insert(ts.Context(), ts.engine, storage.Identity{Directory: "default", Type: storage.IdentityOpenID, Namespace: "wxsite", Value: "o1", User: sub, CreatedAt: ts.clock.Now()}))(t)
	b := ts.deskBrowser()
	ts.signInByScan(b, "wanda")
	b.get(ts.url + "/account/password")
	b.press("save-form", "save", "new_password", goodPassword)
	b.wantAt(t, "/account/password", http.StatusBadRequest, "")
	if ts.storedUser(sub).Password != "" {
		t.Error("a password is stored")
	}
}
