package server_test

import (
	"net/http"
	"slices"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
)

// TestPromptCreate_OpensTheRegistrationPage where users may register themselves (Initiating User Registration 1.0 §4).
func TestPromptCreate_OpensTheRegistrationPage(t *testing.T) {
	ts := newPageTestServer(t)
	supported := func() bool {
		return slices.Contains(ts.get(ts.url + "/.well-known/openid-configuration").body["prompt_values_supported"].([]any), any("create"))
	}
	b := ts.newFormBrowser()
	b.openAuthorize("prompt", "create")
	b.wantError(t, "invalid_request", "state-1")
	if supported() {
		t.Error("create is advertised although registration is off")
	}
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	if !supported() {
		t.Error("create is not advertised")
	}
	// 1. A new account, even while a user is signed in.
	b.signInToAccount(ts.addPasswordUser("wanda").Username)
	b.openAuthorize("prompt", "create", "login_hint", "nadia")
	b.wantAt(t, "/register", http.StatusOK, "Create an account")
	b.press("register-form", "register", "new_password", goodPassword)
	b.press("consent-form", "allow")
	a := b.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	sub, _ := claims(t, a.member("id_token"))["sub"].(string)
	if name := ts.storedUser(sub).Username; name != "nadia" {
		t.Errorf("it is %q who signed in", name)
	}
	// 2. A user who has an account signs in instead.
	b = ts.newFormBrowser()
	b.openAuthorize("prompt", "create")
	b.wantAt(t, "/register", http.StatusOK, "Already have an account?")
	b.get(ts.url + b.linkNamed("Sign in"))
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	b.code()
	// 3. Not together with none.
	b.openAuthorize("prompt", "none create")
	b.wantError(t, "invalid_request", "state-1")
}

// linkNamed returns the target of a link of the page.
func (b *formBrowser) linkNamed(text string) string {
	b.Helper()
	found := findElements(b.document(), func(n *html.Node) bool { return n.Data == "a" && textOf(n) == text })
	if len(found) != 1 {
		b.Fatalf("%d links %q on %s", len(found), text, b.page.body)
	}
	return attribute(found[0], "href")
}
