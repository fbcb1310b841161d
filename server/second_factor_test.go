package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// wantSignedOut asserts that the browser has no session: neither at the account page, nor for a client, with pages or without.
func (b *formBrowser) wantSignedOut(t *testing.T) {
	t.Helper()
	b.get(b.pageServer.url + "/account")
	b.wantAt(t, "/login", http.StatusOK, "")
	b.openAuthorize("prompt", "none")
	b.wantError(t, "login_required", "state-1")
	b.openAuthorize()
	b.wantAt(t, "/login", http.StatusOK, "")
}

// TestTwoFactor_NoMethodSkipsWhatTheDirectoryRequires signs a user with an authenticator app in by every method with one factor.
func TestTwoFactor_NoMethodSkipsWhatTheDirectoryRequires(t *testing.T) {
	t.Parallel()
	inbox := new(phoneInbox)
	ts := newWebServerOn(t, scanServerOn(newPageTestServer(t, func(c *server.Config) { c.SMSWriter = inbox })))
	codes := &codeServer{ts.pageTestServer, inbox}
	ts.change("shop", func(c *storage.Client) { c.InitiateLoginURI, c.FirstParty = handOffTo, true })
	policy := func(policy storage.TwoFactor) {
		ts.editDirectory(func(d *storage.Directory) {
			d.Policy.TwoFactor, d.SMS.Provider = policy, storage.SMSLog
			d.SignInMethods = []string{
				storage.SignInPassword, storage.SignInPhoneCode, storage.SignInEmailCode, storage.SignInScan, storage.SignInLink, storage.SignInWebsite,
				storage.SignInOfficialAccount, storage.SignInHandOff,
			}
		})
	}
	policy(storage.TwoFactorOff)
	sub := ts.sub(ts.login("mini", "wanda"))
	must(ts.identities.SetUsername(t.Context(), "default", sub, "wanda", identity.System))(t)
	must(ts.identities.SetEmail(t.Context(), "default", sub, "wanda@example.com", identity.System))(t)
	must(ts.identities.ProvePhone(t.Context(), "default", sub, annNumber, identity.Self(sub)))(t)
	must(ts.identities.SetPassword(t.Context(), "default", sub, goodPassword, identity.System))(t)
	check(t, ts.identities.SetTOTP(t.Context(), ts.storedUser(sub), storage.TOTP{Secret: "sealed"}, identity.Self(sub)))
	before := ts.newFormBrowser()
	before.signInToAccount("wanda")
	policy(storage.TwoFactorRequired)

	for name, signIn := range map[string]func(*formBrowser){
		"password": func(b *formBrowser) {
			b.get(ts.url + "/login")
			b.signInAs("wanda")
		},
		"phone-code": func(b *formBrowser) {
			b.askFor(annNumber)
			b.typed(codes.code(annNumber))
		},
		"email-code": func(b *formBrowser) {
			b.askFor("wanda@example.com")
			b.typed(codes.code("wanda@example.com"))
		},
		"scan": func(b *formBrowser) {
			b.agent = agentOfDesk
			ts.signInByScan(b, "wanda")
		},
		"link": func(b *formBrowser) {
			b.agent = agentOfPhone
			b.get(ts.url + "/login")
			b.press("link-form", "link")
			scene := must(ts.sim.OpenLink(regexp.MustCompile(`id="open" href="([^"]*)"`).FindStringSubmatch(b.page.body)[1]))(t).Scene
			ts.seen(scene)
			digits, _ := ts.approve(scene, "wanda", "").object("scan")["digits"].(string)
			b.press("digits-form", "sign-in", "digits", digits)
		},
		"website":          func(b *formBrowser) { b.get(b.signInAtWeChat("website", "wanda")) },
		"official-account": func(b *formBrowser) { b.agent = weChatAgent; b.get(b.signInAtWeChat("official-account", "wanda")) },
	} {
		b := ts.newFormBrowser()
		if signIn(b); !strings.Contains(b.page.url, "/login/code?") {
			t.Errorf("%s: %d %s\n%s", name, b.page.status, b.page.url, b.page.body)
		}
		b.wantSignedOut(t)
	}
	if sessions := list[storage.Session](ts.testServer); len(sessions) != 1 {
		t.Errorf("%d sessions, want that from before alone", len(sessions))
	}
	// A session from before the requirement, and one that the backend of a mini-program started for one client.
	before.wantSignedOut(t)
	a := ts.postJSON("mini", handOffPath, map[string]string{"access_token": ts.login("mini", "wanda").member("access_token"), "target_client_id": "shop"})
	ts.wantStatus(a, http.StatusOK)
	handedOff := ts.newFormBrowser()
	handedOff.agent = webViewUA
	handedOff.get(a.member("url"))
	if to, _, _ := strings.Cut(handedOff.page.callback, "?"); to != "https://web.example/start" {
		t.Errorf("handed off to %q: %d %s", to, handedOff.page.status, handedOff.page.body)
	}
	handedOff.wantSignedOut(t)
}

// isAtAccount reports whether the browser was sent to the account page. A browser does not follow the redirect of another instance.
func isAtAccount(b *formBrowser) bool {
	return b.page.url == b.pageServer.url+"/account" || b.page.status == http.StatusSeeOther
}

func TestTOTP_CodeWorksOnceOnAllInstances(t *testing.T) {
	t.Parallel()
	onEnginesWithTwoInstances(t, func(t *testing.T, ts *pageTestServer, other *testServer) {
		ts.editDirectory(func(d *storage.Directory) { d.Policy.TwoFactor = storage.TwoFactorOptional })
		ts.addEmailUser("wanda")
		owner := ts.newFormBrowser()
		owner.signInToAccount("wanda")
		app := owner.addApp()
		browsers := make([]*formBrowser, 4)
		for i := range browsers {
			browsers[i] = ts.newFormBrowser()
			browsers[i].get(ts.url + "/login")
			browsers[i].signInAs("wanda")
			browsers[i].wantAt(t, "/login/code", http.StatusOK, "")
		}
		for _, code := range []string{app.code(0), app.recovery[0]} {
			signedIn := 0
			for i, b := range browsers {
				if isAtAccount(b) {
					continue
				}
				if i%2 == 1 {
					b.page.url = strings.Replace(b.page.url, ts.url, other.url, 1)
				}
				b.press("verify-form", "verify", "code", code)
				b.page.url = strings.Replace(b.page.url, other.url, ts.url, 1)
				switch {
				case isAtAccount(b):
					signedIn++
				case !strings.Contains(b.page.body, "This code is wrong"):
					t.Errorf("%d %s\n%s", b.page.status, b.page.url, b.page.body)
				}
			}
			if signedIn != 1 {
				t.Errorf("%s signed in %d times", code, signedIn)
			}
		}
	})
}
