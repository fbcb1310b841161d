package server_test

import (
	"net/http"
	"slices"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
)

// TestPromptCreate_OpensTheRegistrationPage where people may register themselves (Initiating User Registration 1.0 §4).
func TestPromptCreate_OpensTheRegistrationPage(t *testing.T) {
	h := newHouse(t)
	supported := func() bool {
		return slices.Contains(h.get(h.url + "/.well-known/openid-configuration").body["prompt_values_supported"].([]any), any("create"))
	}
	v := h.visitor()
	v.ask("prompt", "create")
	v.wantError(t, "invalid_request", "state-1")
	if supported() {
		t.Error("create is advertised although nobody may register")
	}
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	if !supported() {
		t.Error("create is not advertised")
	}
	// 1. A new account, even where somebody is signed in.
	v.enter(h.addPerson("wanda").Username)
	v.ask("prompt", "create", "login_hint", "newcomer")
	v.at(t, "/register", http.StatusOK, "Create an account")
	v.press("register-form", "register", "new_password", goodPassword)
	v.press("consent-form", "allow")
	a := v.redeem("shop", v.code(), "redirect_uri", shopRedirect)
	sub, _ := claims(t, a.text("id_token"))["sub"].(string)
	if name := h.user(sub).Username; name != "newcomer" {
		t.Errorf("it is %q who signed in", name)
	}
	// 2. Who has an account after all signs in.
	v = h.visitor()
	v.ask("prompt", "create")
	v.at(t, "/register", http.StatusOK, "Already have an account?")
	v.get(h.url + v.link("Sign in"))
	v.signInAs("wanda")
	v.press("consent-form", "allow")
	v.code()
	// 3. Not together with none.
	v.ask("prompt", "none create")
	v.wantError(t, "invalid_request", "state-1")
}

// link is the address that a link of the page leads to.
func (v *visitor) link(text string) string {
	v.Helper()
	found := find(v.document(), func(n *html.Node) bool { return n.Data == "a" && textOf(n) == text })
	if len(found) != 1 {
		v.Fatalf("%d links %q on %s", len(found), text, v.page.body)
	}
	return attribute(found[0], "href")
}
