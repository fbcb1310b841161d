package console_test

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestConnections_LifecycleInTheConsole(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/new-connection")
	b.submit("Connect", "kind", "native-app", "app_id", "wxsimapp", "app_secret", "", "name", "App")
	if !strings.Contains(b.page.text(), "32 hexadecimal digits") {
		t.Errorf("a connection without a secret: %s", b.page.text())
	}
	b.submit("Connect", "kind", "native-app", "app_id", "wxsimapp", "app_secret", "secret", "name", "App", "open_platform", "tea")
	if !strings.HasSuffix(b.page.url.Path, "/connections/wxsimapp") || !strings.Contains(b.page.text(), "Created.") {
		t.Fatalf("at %s: %s", b.page.url, b.page.text())
	}
	stored := must(h.service.Connection(t.Context(), "default", "wxsimapp"))(t).Record
	if stored.Kind != storage.ConnectionNativeApp || stored.OpenPlatform != "tea" || stored.AppSecret == "" {
		t.Errorf("stored %+v", stored)
	}
	b.get("d/default/connections")
	for _, text := range []string{"App", "Mobile app", "wxsimsite", "names no Open Platform account"} {
		if !strings.Contains(b.page.text(), text) {
			t.Errorf("the list has no %q: %s", text, b.page.text())
		}
	}
	b.get("d/default/connections/wxsimsite")
	for _, text := range []string{"/federation/wechat/callback", "no button", "names no Open Platform account"} {
		if !strings.Contains(b.page.text(), text) {
			t.Errorf("the page has no %q: %s", text, b.page.text())
		}
	}
	b.get("d/default/clients/mini")
	if !strings.Contains(b.page.text(), "Open Platform account") {
		t.Errorf("the mini-program's page: %s", b.page.text())
	}
	b.get("d/default/connections/wxsimapp/push-keys")
	if !strings.Contains(b.page.text(), "/federation/wechat/events/wxsimapp") {
		t.Errorf("no push URL: %s", b.page.text())
	}
	b.submit("Save the keys", "push_token", "Token1", "encoding_aes_key", "short")
	if !strings.Contains(b.page.text(), "must be the 43 letters") {
		t.Errorf("a short key: %s", b.page.text())
	}
	b.submit("Save the keys", "push_token", "Token1", "encoding_aes_key", strings.Repeat("k", 43))
	if !strings.Contains(b.page.text(), "keys of the message push are stored") || !strings.Contains(b.page.text(), "set up") {
		t.Errorf("after the keys: %s", b.page.text())
	}
	b.get("d/default/connections/wxsimapp/act/disable")
	b.submit("Disable the connection")
	if !strings.Contains(b.page.text(), "Disabled.") {
		t.Errorf("after the disabling: %s", b.page.text())
	}
	b.get("d/default/connections/wxsimapp/act/delete")
	b.submit("Delete the connection")
	if _, err := h.service.Connection(t.Context(), "default", "wxsimapp"); err == nil {
		t.Error("the connection is still there")
	}
}

// The settings are right, and WeChat sends no UnionID for some users all the same.
func TestConnections_NameUsersWithoutUnionID(t *testing.T) {
	h := newFilledHarness(t)
	must(h.service.UpdateConnection(t.Context(), "default", "wxsimsite", "", func(c *storage.Connection) { c.OpenPlatform = "tea" }))(t)
	with, without := loginWithoutUnionID(), loginWithoutUnionID()
	with.OpenID, with.OpenPlatform, with.UnionID = "oABCDEFGHIJKLMNOPQRSTUVWXYZ98", "tea", "uABCDEFGHIJKLMNOPQRSTUVWXYZ98"
	b := h.browser()
	const hint = "users without a UnionID: 1 of 2"
	must(h.people.Resolve(t.Context(), with, true))(t)
	if b.get("d/default/connections"); strings.Contains(b.page.text(), "without a UnionID") {
		t.Errorf("all users have a UnionID: %s", b.page.text())
	}
	must(h.people.Resolve(t.Context(), without, true))(t)
	for _, path := range []string{"d/default/connections", "d/default/connections/wxsimsite", "d/default/"} {
		if b.get(path); !strings.Contains(b.page.text(), hint) || !strings.Contains(b.page.text(), "Open Platform account tea") {
			t.Errorf("%s does not say %q: %s", path, hint, b.page.text())
		}
	}
	if b.get("d/default/clients/mini"); strings.Contains(b.page.text(), "without a UnionID") {
		t.Error("the hint is at another app")
	}
}

func TestUser_PageSaysWhyThePersonIsAnotherUser(t *testing.T) {
	h := newFilledHarness(t)
	const hint = "WeChat sent no UnionID for this app"
	b := h.browser()
	b.get("d/default/users/" + h.shadow)
	if strings.Contains(b.page.text(), hint) {
		t.Error("a user with a UnionID has the hint")
	}
	alone := must(h.people.Resolve(t.Context(), loginWithoutUnionID(), true))(t)
	b.get("d/default/users/" + alone.User.Record.ID)
	if !strings.Contains(b.page.text(), hint) {
		t.Errorf("no hint: %s", b.page.text())
	}
}

func loginWithoutUnionID() identity.Login {
	return identity.Login{Directory: "default", AppID: "wxsimsite", OpenID: "oABCDEFGHIJKLMNOPQRSTUVWXYZ99"}
}
