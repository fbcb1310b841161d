package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// buttons returns the IDs of the buttons of a page whose IDs begin with prefix.
func (b *formBrowser) buttons(prefix string) []string {
	b.Helper()
	var ids []string
	for _, n := range findElements(b.document(), func(n *html.Node) bool {
		return n.Data == "button" && strings.HasPrefix(attribute(n, "id"), prefix)
	}) {
		ids = append(ids, attribute(n, "id"))
	}
	return ids
}

// addRichUser creates a user with a mini-program, a username with a password, a passkey and an application.
func (ts *pageTestServer) addRichUser(t *testing.T) string {
	t.Helper()
	sub := ts.sub(ts.login("mini", "wanda"))
	actor := identity.Self(sub)
	must(ts.identities.SetUsername(t.Context(), "default", sub, "wanda", identity.System))(t)
	must(ts.identities.SetEmail(t.Context(), "default", sub, "wanda@example.com", identity.System))(t)
	user := must(ts.identities.User(t.Context(), "default", sub))(t).Record
	must(ts.identities.ReplacePassword(t.Context(), user, goodPassword, identity.System))(t)
	check(t, ts.identities.AddPasskey(t.Context(), ts.storedUser(sub), storage.Passkey{RPID: "localhost", CredentialID: []byte("key of wanda")}, actor))
	return sub
}

func TestAccountPage_ReadsAtMostFourLists(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	ts.addRichUser(t)
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for path, most := range map[string]int{"/account": 4, "/account/apps": 2, "/account/identities": 2, "/account/sign-ins": 0} {
		counted := &operationCounter{}
		ts.engine.Before = counted.count
		b.get(ts.url + path)
		ts.engine.Before = nil
		if b.page.status != http.StatusOK || counted.lists > most || counted.writes > 0 {
			t.Errorf("%s: %d, %d lists, %d writes: %v", path, b.page.status, counted.lists, counted.writes, counted.operations)
		}
	}
}

// TestSignIns_NotMeEndsSessionAndItsGrants reports the sign-in of another browser, which has a refresh token that outlives it.
func TestSignIns_NotMeEndsSessionAndItsGrants(t *testing.T) {
	ts := newPageTestServer(t)
	sub := ts.addRichUser(t)
	thief := ts.newFormBrowser()
	thief.openAuthorize("scope", "openid offline_access")
	thief.signInAs("wanda")
	thief.press("consent-form", "allow")
	stolen := ts.redeem("shop", thief.code(), "redirect_uri", shopRedirect)
	ts.clock.Advance(time.Second)
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid offline_access")
	b.signInAs("wanda")
	own := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	check(t, ts.config.Audit.Flush(t.Context()))
	b.get(ts.url + "/account/sign-ins")
	reports := b.buttons("not-me-")
	if len(reports) != 2 || strings.Count(textOf(b.document()), "this one") != 1 { // The mini-program's and the thief's.
		t.Fatalf("%v\n%s", reports, textOf(b.document()))
	}
	if batch := list[storage.AuditEntry](ts.testServer); slices.ContainsFunc(batch, func(e storage.AuditEntry) bool {
		return slices.ContainsFunc(e.SignIns, func(s storage.SignIn) bool { return s.Session != "" })
	}) {
		t.Error("the audit has a session")
	}
	b.press("not-me-1-form", "not-me-1")
	b.wantAt(t, "/account/sign-ins", http.StatusOK, "Change your password")
	thief.get(ts.url + "/account")
	thief.wantAt(t, "/login", http.StatusOK, "Sign in")
	if got := ts.refresh("shop", stolen.member("refresh_token")); got.member("error") != "invalid_grant" {
		t.Errorf("the refresh token of the session: %s", got.raw)
	}
	if got := ts.refresh("shop", own.member("refresh_token")); got.status != http.StatusOK {
		t.Errorf("the own refresh token: %s", got.raw)
	}
	b.get(ts.url + "/account")
	b.wantAt(t, "/account", http.StatusOK, "wanda")
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != 1 || !strings.Contains(letters[0].Subject, "was ended") {
		t.Errorf("mail: %v", letters)
	}
	// A mini-program's sign-in ends too, and an unknown one ends nothing.
	b.get(ts.url + "/account/sign-ins")
	b.press("not-me-2-form", "not-me-2")
	for _, entry := range list[storage.Grant](ts.testServer) {
		if entry.User == sub && entry.GrantType != "authorization_code" && entry.State != storage.GrantRevoked {
			t.Errorf("a grant of the mini-program is %s", entry.State)
		}
	}
	b.get(ts.url + "/account")
	_, form := b.readForm("sign-out-form", "sign-out")
	form.Set("sign_in", "unknown")
	b.post(ts.url+"/account/sign-ins", form, true)
	b.wantAt(t, "/account/sign-ins", http.StatusOK, "Recent sign-ins")
}

// TestNotMe_LinkOfMailEndsOnlyItsSession opens the link of the notice in a browser that is not signed in.
func TestNotMe_LinkOfMailEndsOnlyItsSession(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addDirectory(teaDirectory())
	ts.addEmailUser("wanda")
	first, second := ts.newFormBrowser(), ts.newFormBrowser()
	first.signInToAccount("wanda")
	second.signInToAccount("wanda")
	notices := ts.noticesTo("wanda@example.com")
	if len(notices) != 2 {
		t.Fatalf("notices: %v", notices)
	}
	first.get(ts.url + "/account")
	first.press("sign-out-form", "sign-out")
	first.signInToAccount("wanda") // not new any more
	if again := ts.noticesTo("wanda@example.com"); len(again) != 2 {
		t.Errorf("a known browser is told: %v", again)
	}
	link := linkIn(t, notices[1])
	stranger := ts.newFormBrowser()
	stranger.get(link)
	stranger.wantAt(t, "/account/not-me", http.StatusOK, "End it if it was not you.")
	second.get(ts.url + "/account")
	second.wantAt(t, "/account", http.StatusOK, "Name of wanda") // The GET request ended nothing.
	if p := stranger.post(link, url.Values{}, true); p.status < http.StatusBadRequest {
		t.Errorf("without the token of the form: %d", p.status)
	}
	stranger.get(link)
	stranger.press("end-form", "end")
	stranger.wantAt(t, "/account/not-me", http.StatusOK, "The session is ended")
	second.get(ts.url + "/account")
	second.wantAt(t, "/login", http.StatusOK, "Sign in")
	first.get(ts.url + "/account")
	first.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	stranger.get(ts.url + "/account")
	stranger.wantAt(t, "/login", http.StatusOK, "Sign in")
	for name, bad := range map[string]string{
		"of another directory": strings.Replace(link, "/account/", "/d/tea/account/", 1), "changed": link + "x", "missing": ts.url + "/account/not-me",
	} {
		if p := stranger.get(bad); p.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	ts.clock.Advance(31 * 24 * time.Hour)
	if p := stranger.get(link); p.status != http.StatusBadRequest {
		t.Errorf("after its time: %d", p.status)
	}
}

func TestIdentities_AreListedAndRemoved(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	sub := ts.addRichUser(t)
	ts.addPasswordUser("other")
	other := ts.newFormBrowser()
	other.signInToAccount("other")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/identities")
	for _, text := range []string{"wanda@example.com", "WeChat in", "Username"} {
		if !strings.Contains(textOf(b.document()), text) {
			t.Errorf("no %q: %s", text, textOf(b.document()))
		}
	}
	_, form := b.readForm("remove-1-form", "remove-1") // the address
	_, token := other.readForm("sign-out-form", "sign-out")
	token.Set("identity", form.Get("identity"))
	other.post(ts.url+"/account/identities", token, true)
	if ts.storedUser(sub).Email == "" {
		t.Fatal("another user removed the address")
	}
	ts.clock.Advance(6 * time.Minute)
	b.press("remove-1-form", "remove-1")
	b.wantAt(t, "/account/identities", http.StatusForbidden, "")
	b.get(ts.url + "/account")
	b.press("sign-out-form", "sign-out")
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/identities")
	b.press("remove-1-form", "remove-1")
	b.wantAt(t, "/account", http.StatusOK, "It is removed from your account.")
	if letters := ts.mailTo("wanda@example.com"); len(letters) != 1 || !strings.Contains(letters[0].Subject, "removed") {
		t.Errorf("mail: %v", letters)
	}
	b.get(ts.url + "/account/identities")
	b.press("remove-1-form", "remove-1") // the mini-program
	b.wantAt(t, "/account", http.StatusOK, "It is removed from your account.")
	check(t, ts.identities.RemovePasskey(t.Context(), ts.storedUser(sub), storage.Passkey{Directory: "default", RPID: "localhost", CredentialID: []byte("key of wanda")}.ID(), identity.Removal{Actor: identity.Self(sub)}))
	b.get(ts.url + "/account/identities")
	b.press("remove-0-form", "remove-0") // the name of the only password
	b.wantAt(t, "/account/identities", http.StatusConflict, "This is your last way to sign in.")
}

func TestExport_HasOwnDataAndNeedsRecentSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	sub := ts.addRichUser(t)
	ts.addPasswordUser("other")
	other := ts.newFormBrowser()
	other.signInToAccount("other")
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid offline_access")
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	check(t, ts.config.Audit.Flush(t.Context()))
	b.get(ts.url + "/account/export")
	b.press("export-form", "export")
	var got struct {
		User struct {
			Sub, Username string
			Identities    []map[string]any
			SignIns       []map[string]any `json:"sign_ins"`
		}
		Sessions, Grants, Consents []map[string]any
	}
	if err := json.Unmarshal([]byte(b.page.body), &got); err != nil {
		t.Fatalf("%v in %s", err, b.page.body)
	}
	if got.User.Sub != sub || got.User.Username != "wanda" || len(got.User.Identities) != 3 || len(got.User.SignIns) != 2 ||
		len(got.Sessions) != 1 || len(got.Grants) != 2 || len(got.Consents) != 1 {
		t.Errorf("export %s", b.page.body)
	}
	if b.page.header.Get("Content-Disposition") == "" || b.page.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", b.page.header)
	}
	for _, secret := range []string{"secret", "argon2", "refresh", "other"} {
		if strings.Contains(b.page.body, secret) {
			t.Errorf("the export has %q", secret)
		}
	}
	if letters := ts.mailTo("wanda@example.com"); len(letters) != 1 || !strings.Contains(letters[0].Subject, "downloaded") {
		t.Errorf("mail: %v", letters)
	}
	if p := b.post(ts.url+"/account/export", url.Values{}, true); p.status < http.StatusBadRequest {
		t.Errorf("without the token of the form: %d", p.status)
	}
	ts.clock.Advance(6 * time.Minute)
	if p := b.get(ts.url + "/account/export"); p.status != http.StatusForbidden {
		t.Errorf("after six minutes: %d", p.status)
	}
}
