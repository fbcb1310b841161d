package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// publishTerms gives the default directory a version of the terms that is effective now.
func (ts *pageTestServer) publishTerms(version string, required bool) {
	ts.Helper()
	now := storage.Instant(ts.clock.Now())
	ts.editDirectory(func(d *storage.Directory) {
		d.Policy.RequireTerms = required
		for _, locale := range []string{"en", "zh-CN"} {
			d.Terms = append(d.Terms, storage.TermsDocument{
				Version: version, EffectiveAt: now, Locale: locale, TermsURL: "https://shop.example.com/terms/" + locale, PrivacyURL: "https://shop.example.com/privacy/" + locale,
			})
		}
	})
}

func (ts *pageTestServer) wantTermsRequired(what string, a response) {
	ts.Helper()
	documents, _ := a.body["terms"].([]any)
	if a.status != http.StatusForbidden || a.member("error") != "access_denied" || a.member("reason") != "terms_required" || a.member("terms_version") == "" || len(documents) != 2 {
		ts.Errorf("%s: %d %s", what, a.status, a.raw)
	}
}

func TestTerms_BrowserAcceptsEachVersionOnce(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	ts.publishTerms("1", false)
	for _, version := range []string{"1", "2"} {
		if version == "2" {
			ts.publishTerms("2", false)
		}
		b := ts.newFormBrowser()
		sessions := len(b.storedSessions())
		b.get(ts.url + "/login")
		b.signInAs("wanda")
		b.wantAt(t, "/login/terms", http.StatusOK, "version "+version)
		if !strings.Contains(b.page.body, "https://shop.example.com/privacy/en") || len(b.storedSessions()) != sessions {
			t.Errorf("version %s: the user is signed in, or has no link to the notice", version)
		}
		b.press("accept-form", "accept")
		b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
		b = ts.newFormBrowser()
		b.signInToAccount("wanda")
	}
	accepted := ts.storedUser(user.ID).TermsAccepted
	if len(accepted) != 2 || accepted[0].Version != "1" || accepted[1].Version != "2" || accepted[1].Method != storage.TermsByBrowser || accepted[1].At.IsZero() {
		t.Errorf("got %+v", accepted)
	}
}

func TestTerms_AScanIsApprovedWithTheAcceptance(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	ts.publishTerms("1", true)
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	number := b.number()
	ts.wantTermsRequired("scan", ts.approve(scene, "wanda", number))
	approved := ts.approve(scene, "wanda", number, "terms_version", "1")
	if approved.status != http.StatusOK || approved.object("scan")["state"] != "approved" {
		t.Fatalf("approve: %d %s", approved.status, approved.raw)
	}
	b.reload()
	b.wantAt(t, "/account", http.StatusOK, "")
}

func TestTerms_AreAskedBeforeTheFirstSecondFactor(t *testing.T) {
	t.Parallel()
	ts := newTwoFactorServer(t, storage.TwoFactorRequired)
	ts.addPasswordUser("wanda")
	ts.publishTerms("1", false)
	b := ts.newFormBrowser()
	b.openAuthorize()
	b.signInAs("wanda")
	b.wantAt(t, "/login/terms", http.StatusOK, "version 1")
	b.press("accept-form", "accept")
	b.wantAt(t, "/login/setup", http.StatusOK, "Protect your account")
	b.get(strings.Replace(b.page.url, "/login/setup", "/account/totp/new", 1))
	app := b.scanApp()
	b.press("verify-form", "verify", "code", app.code(1))
	b.readRecoveryCodes()
	b.get(b.link("continue"))
	b.wantAt(t, "/consent", http.StatusOK, "")
}

// storedSessions are the sessions of the store.
func (b *formBrowser) storedSessions() []storage.Session {
	return list[storage.Session](b.pageServer.testServer)
}

// A version that became effective while the page was open is not accepted by the form of the earlier one.
func TestTerms_AcceptanceOfAnEarlierVersionAsksAgain(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	ts.publishTerms("1", false)
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	ts.publishTerms("2", false)
	b.press("accept-form", "accept")
	b.wantAt(t, "/login/terms", http.StatusOK, "version 2")
	if accepted := ts.storedUser(user.ID).TermsAccepted; len(accepted) != 0 {
		t.Errorf("got %+v", accepted)
	}
}

func TestTerms_MiniProgramMustAcceptUnderPolicy(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	ts.publishTerms("1", true)
	login := func() string { return ts.app("mini").Login(knownUser) }
	// 1. Nothing is accepted, and no user is created.
	ts.wantTermsRequired("token exchange", ts.exchange("mini", login()))
	ts.wantTermsRequired("profile", ts.profile("mini", map[string]any{"code": login()}))
	ts.wantTermsRequired("bindUser", ts.bindUser("mini", map[string]any{"method": "register", "code": login()}))
	if users := list[storage.User](ts.testServer); len(users) != 0 {
		t.Errorf("%d users without an acceptance", len(users))
	}
	// 2. Another version is rejected, and spends no code.
	code := login()
	ts.wantTermsRequired("another version", ts.profile("mini", map[string]any{"code": code, "terms_version": "0"}))
	a := ts.profile("mini", map[string]any{"code": code, "terms_version": "1"})
	ts.wantStatus(a, http.StatusOK)
	accepted := ts.storedUser(ts.sub(a)).TermsAccepted
	if len(accepted) != 1 || accepted[0].Version != "1" || accepted[0].Method != storage.TermsByBackend || accepted[0].Client != "mini" {
		t.Errorf("got %+v", accepted)
	}
	// 3. A known user who accepted signs in silently, and not after a new version.
	ts.wantStatus(ts.exchange("mini", login()), http.StatusOK)
	ts.clock.Advance(time.Hour)
	ts.publishTerms("2", true)
	ts.wantTermsRequired("a new version", ts.exchange("mini", login()))
	ts.wantStatus(ts.exchange("mini", login(), "terms_version", "2"), http.StatusOK)
}

// An acceptance belongs to the directory where it was given, and a directory without terms has none to accept.
func TestTerms_AcceptanceOfAnotherDirectoryCountsNowhereElse(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	ts.publishTerms("1", true)
	ts.wantStatus(ts.exchange("mini", ts.app("mini").Login(knownUser), "terms_version", "1"), http.StatusOK)
	a := ts.exchange("mini", ts.app("mini").Login("another"), "terms_version", "2")
	ts.wantTermsRequired("a version of another directory", a)
	plain := newPageTestServer(t)
	if a := plain.exchange("mini", plain.app("mini").Login(knownUser), "terms_version", "1"); a.status != http.StatusBadRequest || a.member("error") != "invalid_request" {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

// The acceptance is in the user's record: terms cost a sign-in no operation.
func TestTerms_CostNoOperationOfASignIn(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	ts.publishTerms("1", true)
	ts.wantStatus(ts.exchange("mini", ts.app("mini").Login(knownUser), "terms_version", "1"), http.StatusOK)
	code := ts.app("mini").Login(knownUser)
	counted := &operationCounter{}
	ts.engine.Before = counted.count
	a := ts.exchange("mini", code)
	ts.engine.Before = nil
	ts.wantStatus(a, http.StatusOK)
	if counted.reads > 3 || counted.writes > 1 || counted.lists > 0 {
		t.Errorf("%d reads, %d writes, %d lists: %v", counted.reads, counted.writes, counted.lists, counted.operations)
	}
}
