package console_test

import (
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/console"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

func TestClient_CreateShowsSecretOnce(t *testing.T) {
	b := newHarness(t).browser()
	b.get("d/default/new-client")
	b.expect(http.StatusOK, "WeChat mini-program (third-party authz client)", "Single-page app")
	b.get("d/default/new-client?kind=wechat_miniapp")
	b.submit("Create the client", "name", "Tea to go", "app_id", "wxNO", "app_secret", "short")
	b.expect(http.StatusBadRequest, "must be wx and 16 hexadecimal digits", "must be the 32 hexadecimal digits", `value="Tea to go"`, `value="wxNO"`)
	if strings.Contains(b.page.body, "short") {
		t.Error("the page repeats a secret")
	}
	const appSecret = "0123456789abcdef0123456789abcdef"
	form := formValues(b.page.form("Create the client"))
	b.submit("Create the client", "app_id", "wx0123456789abcdef", "app_secret", appSecret)
	b.expect(http.StatusOK, "The client is created", "It is shown only this once")
	shown := regexp.MustCompile(`<h2>Client secret</h2>\s*<p><span class="copy"><code>([^<]{43})<`).FindStringSubmatch(b.page.body)
	if shown == nil || strings.Contains(b.page.body, appSecret) {
		t.Fatalf("the secrets on the page: %s", b.page.body)
	}
	client := must(b.service.Client(t.Context(), "default", form.Get("id")))(t).Record
	if client.Name != "Tea to go" || client.Federation.AppID != "wx0123456789abcdef" || client.Federation.Provisioning != storage.ProvisionAuto ||
		strings.Join(client.Scopes, " ") != "openid profile email phone address offline_access" {
		t.Errorf("created %+v", client)
	}
	// The form is sent again: it creates no second client, and shows no secret.
	form.Set("app_id", "wx0123456789abcdef")
	form.Set("app_secret", appSecret)
	b.post("d/default/new-client?kind=wechat_miniapp", form)
	b.expect(http.StatusBadRequest, "exists already")
	b.get("d/default/clients/" + form.Get("id"))
	b.expect(http.StatusOK, "Tea to go")
	if strings.Contains(b.page.body, shown[1]) || strings.Contains(b.page.body, appSecret) {
		t.Error("a secret is shown again")
	}
}

func TestClient_RotateAndDelete(t *testing.T) {
	b := newFilledHarness(t).browser()
	b.get("d/default/clients/shop/secret")
	b.expect(http.StatusOK, "Valid secrets: 1")
	b.submit("New secret")
	b.expect(http.StatusOK, "There is a new secret", "It is shown only this once")
	if got := must(b.service.Client(t.Context(), "default", "shop"))(t).Record; len(got.Secrets) != 2 {
		t.Errorf("%d secrets", len(got.Secrets))
	}
	b.get("d/default/clients/shop/secret?alone=1")
	b.submit("New secret, and reject all earlier ones")
	if got := must(b.service.Client(t.Context(), "default", "shop"))(t).Record; len(got.Secrets) != 1 {
		t.Errorf("%d secrets", len(got.Secrets))
	}
	b.get("d/default/clients/mini/app-secret")
	b.submit("Replace the AppSecret", "app_secret", strings.Repeat("s", 65))
	b.expect(http.StatusBadRequest, "must be the 32")
	b.submit("Replace the AppSecret", "app_secret", "another")
	b.expect(http.StatusOK, "The AppSecret is replaced")
	b.get("d/default/clients/mini/push-keys")
	b.expect(http.StatusOK, "/federation/wechat/events/mini")
	b.submit("Save the keys", "push_token", "Token1", "encoding_aes_key", "short")
	b.expect(http.StatusBadRequest, "must be the 43 letters")
	b.submit("Save the keys", "push_token", "Token1", "encoding_aes_key", strings.Repeat("k", 43))
	b.expect(http.StatusOK, "The keys of the message push are stored")
	b.get("d/default/clients/mini/push-keys")
	b.submit("Save the keys", "push_token", "", "encoding_aes_key", "")
	b.expect(http.StatusOK, "The keys are removed")
	b.get("d/default/clients/shop/disable")
	b.submit("Disable the client")
	b.expect(http.StatusOK, "Disabled.", "disabled")
	b.submit("Enable the client")
	b.expect(http.StatusOK, "Enabled.")
	b.get("d/default/clients/shop/delete")
	b.submit("Delete the client")
	b.expect(http.StatusOK, "Deleted.")
	b.get("d/default/clients/shop")
	b.expect(http.StatusNotFound, "does not exist")
}

// TestSettings_EveryMemberHasField: the forms have an input with a label for every setting of directories and of clients.
func TestSettings_EveryMemberHasField(t *testing.T) {
	h := newFilledHarness(t)
	for _, language := range []string{"en", "zh-CN"} {
		b := h.browser()
		b.language = language
		inputs := func(path string) map[string]bool {
			names := map[string]bool{}
			for _, n := range b.get(path).all(func(n *html.Node) bool { return hasAttribute(n, "name") }) {
				names[attribute(n, "name")] = true
			}
			return names
		}
		has := inputs("d/default/settings")
		for _, s := range setting.Directory() {
			if !has[s.Member] {
				t.Errorf("the form of a directory has no %s", s.Member)
			}
		}
		has = map[string]bool{}
		for _, id := range []string{"mini", "shop", "app", "phone", "robot"} {
			for name := range inputs("d/default/clients/" + id) {
				has[name] = true
			}
		}
		for _, s := range setting.Client() {
			if !has[s.Member] {
				t.Errorf("no form of a client has %s", s.Member)
			}
		}
	}
}

// TestSettings_SavedUnchangedStaySame: a form that is sent as it is changes nothing.
func TestSettings_SavedUnchangedStaySame(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	truth := false
	must(h.service.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.IDTokenClaims, c.Pairwise, c.SectorIdentifier = "private_key_jwt", nil, &truth, true, "https://shop.example.com/sector"
		c.JWKS = []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
		c.Audiences, c.Lifetimes.AccessToken, c.RequirePAR = []string{"orders", "https://api.example.com"}, 90, true
	}))(t)
	must(h.service.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) {
		d.Claims = []storage.ClaimMapping{{Claim: "roles", Source: "list:role", Scope: "profile"}}
		d.Policy.SigningAlgorithms, d.Policy.PhoneFresh = []string{"RS256", "ES256"}, 86400
	}))(t)
	for _, id := range []string{"mini", "shop", "app", "phone", "robot"} {
		before := must(h.service.Client(t.Context(), "default", id))(t).Record
		b.get("d/default/clients/" + id)
		b.submit("Save")
		b.expect(http.StatusOK, "The settings are saved")
		after := must(h.service.Client(t.Context(), "default", id))(t).Record
		after.UpdatedAt = before.UpdatedAt
		if got, want := storedForm(t, after), storedForm(t, before); got != want {
			t.Errorf("before %s\nafter  %s", want, got)
		}
	}
	before := must(h.service.Directory(t.Context(), "default"))(t).Record
	b.get("d/default/settings")
	b.submit("Save")
	b.expect(http.StatusOK, "The settings are saved")
	after := must(h.service.Directory(t.Context(), "default"))(t).Record
	after.UpdatedAt = before.UpdatedAt
	if got, want := storedForm(t, after), storedForm(t, before); got != want {
		t.Errorf("before %s\nafter  %s", want, got)
	}
}

func storedForm[R any](t *testing.T, record R) string {
	t.Helper()
	return string(must(storage.Encode(record, nil))(t))
}

func TestSettings_ConcurrentChangeIsExplained(t *testing.T) {
	h := newFilledHarness(t)
	one, other := h.browser(), h.browser()
	one.get("d/default/clients/shop")
	other.get("d/default/clients/shop")
	one.submit("Save", "name", "First", "redirect_uris", "https://one.example.com/")
	one.expect(http.StatusOK, "The settings are saved")
	other.submit("Save", "name", "Second")
	other.expect(http.StatusConflict, "Another operator changed these settings", `value="Second"`, "Stored now:", "First", "https://one.example.com/")
	other.submit("Save", "redirect_uris", "https://two.example.com/")
	other.expect(http.StatusOK, "The settings are saved")
	if got := must(h.service.Client(t.Context(), "default", "shop"))(t).Record; got.Name != "Second" || !reflect.DeepEqual(got.RedirectURIs, []string{"https://two.example.com/"}) {
		t.Errorf("stored %+v", got)
	}
}

func TestConsole_FormsOfOtherSitesAreRejected(t *testing.T) {
	h := newFilledHarness(t)
	before := must(h.service.Client(t.Context(), "default", "shop"))(t).Record
	for name, headers := range map[string]map[string]string{
		"another site":             {"Sec-Fetch-Site": "cross-site", "Origin": h.url},
		"another port of the host": {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
		"an old browser":           {"Origin": "http://127.0.0.1:1"},
		"an opaque origin":         {"Origin": "null"},
		"no header":                {},
	} {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/console/d/default/clients/shop/disable", http.NoBody))(t)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for header, value := range headers {
			r.Header.Set(header, value)
		}
		b := h.browser()
		if b.do(r); b.page.status != http.StatusForbidden {
			t.Errorf("%s: status %d", name, b.page.status)
		}
	}
	if got := must(h.service.Client(t.Context(), "default", "shop"))(t).Record; !reflect.DeepEqual(got, before) {
		t.Errorf("changed to %+v", got)
	}
}

func TestConsole_SignIn(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	h.as(admin.Actor{Name: "operator:alice", Assignments: []admin.Assignment{{Directory: "*", Role: admin.RoleOwner}}})
	b.get("d/default/clients/shop/delete")
	if at := b.page.header.Get("Location"); b.page.status != http.StatusSeeOther || at != "/sign-in?again=1&back="+url.QueryEscape("/console/d/default/clients/shop/delete") {
		t.Errorf("an act that cannot be undone, long after the sign-in: %d %s", b.page.status, at)
	}
	h.signedOut = console.ErrSignedOut
	b.get("d/default/clients?after=x")
	if at := b.page.header.Get("Location"); b.page.status != http.StatusSeeOther || at != "/sign-in?back="+url.QueryEscape("/console/d/default/clients?after=x") {
		t.Errorf("without a sign-in: %d %s", b.page.status, at)
	}
}

func TestConsole_RolesSeeOnlyWhatTheyMay(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	h.as(admin.Actor{Name: "operator:otto", Assignments: []admin.Assignment{{Directory: "staff", Role: admin.RoleAuditor}}, AuthTime: h.at})
	b.get("")
	b.expect(http.StatusOK, "Our people")
	if strings.Contains(b.page.body, "Tea House") || strings.Contains(b.page.body, "New identity application") {
		t.Errorf("an auditor of one directory sees %s", b.page.text())
	}
	for _, path := range []string{"new", "d/default/", "d/default/clients/shop", "d/staff/new-client", "d/staff/disable"} {
		b.get(path)
		b.expect(http.StatusForbidden, "Your roles do not allow this.")
	}
	b.get("d/staff/settings")
	b.expect(http.StatusOK)
	if strings.Contains(b.page.body, `class="primary" type="submit"`) {
		t.Error("an auditor has a button to save")
	}
}

func TestConsole_RemembersLanguage(t *testing.T) {
	b := newHarness(t).browser()
	b.get("")
	b.expect(http.StatusOK, "Identity applications")
	links := b.page.all(func(n *html.Node) bool { return attribute(n, "hreflang") == "zh-CN" })
	b.get(attribute(links[0], "href"))
	b.expect(http.StatusOK, "身份应用")
	b.get("new")
	b.expect(http.StatusOK, "新建身份应用")
	for _, back := range []string{"https://evil.example/console/", "//evil.example", "/account", "/console/../account", "javascript:alert(1)"} {
		b.get("language?to=en&back=" + url.QueryEscape(back))
		if b.page.url.Path != "/console/" || b.page.url.Host != strings.TrimPrefix(b.url, "http://") {
			t.Errorf("%s leads to %s", back, b.page.url)
		}
	}
}
