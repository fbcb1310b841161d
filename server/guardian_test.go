package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// guardianServer is a server whose directory needs the consent of a guardian under the age of 14, and the birth date of a child.
func guardianServer(t *testing.T) (ts *pageTestServer, child string) {
	t.Helper()
	ts = newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.GuardianConsentUnder = 14 })
	return ts, ts.clock.Now().AddDate(-9, 0, 0).Format(time.DateOnly)
}

func (ts *pageTestServer) setGuardianConsent(user, consent string) {
	ts.Helper()
	edit := func(m *identity.Membership) { m.GuardianConsent = consent }
	must(ts.identities.EditMembership(ts.Context(), "default", user, edit, identity.Operator("ops")))(ts.T)
}

func TestGuardian_BrowserSignInNeedsConsentOfMinors(t *testing.T) {
	t.Parallel()
	ts, child := guardianServer(t)
	user := ts.addPasswordUser("wanda")
	ts.publishTerms("1", false)
	ts.changeUser(user.ID, func(u *storage.User) { u.Profile.Birthdate = child })
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	b.wantAt(t, "/login/guardian", http.StatusOK, "younger than 14")
	if sessions := b.storedSessions(); len(sessions) != 0 {
		t.Errorf("%d sessions without a consent", len(sessions))
	}
	// The consent lets the same sign-in go on, and ends when the operator withdraws it.
	ts.setGuardianConsent(user.ID, "case-1")
	if stored := ts.storedUser(user.ID); stored.GuardianConsentAt.IsZero() {
		t.Error("the consent has no time")
	}
	b.get(b.page.url)
	b.wantAt(t, "/login/terms", http.StatusOK, "version 1")
	b.press("accept-form", "accept")
	b.wantAt(t, "/account", http.StatusOK, "case-1")
	ts.setGuardianConsent(user.ID, "")
	b.get(ts.url + "/account")
	b.wantAt(t, "/login", http.StatusOK, "")
	b.signInAs("wanda")
	b.wantAt(t, "/login/guardian", http.StatusOK, "")
	// An adult needs none.
	ts.changeUser(user.ID, func(u *storage.User) { u.Profile.Birthdate = "1990" })
	b = ts.newFormBrowser()
	b.signInToAccount("wanda")
}

func TestGuardian_MiniProgramNeedsConsentOfMinors(t *testing.T) {
	t.Parallel()
	ts, child := guardianServer(t)
	login := func() string { return ts.app("mini").Login(knownUser) }
	asserted := map[string]any{"birthdate": child}
	wantRejected := func(what string, a response) {
		t.Helper()
		if a.status != http.StatusForbidden || a.member("error") != "access_denied" || a.member("reason") != "guardian_consent_required" {
			t.Errorf("%s: %d %s", what, a.status, a.raw)
		}
	}
	// 1. A minor without consent is not created.
	wantRejected("profile", ts.profile("mini", map[string]any{"code": login(), "user": asserted}))
	wantRejected("bindUser", ts.bindUser("mini", map[string]any{"code": login(), "method": "register", "user": asserted}))
	if users := list[storage.User](ts.testServer); len(users) != 0 {
		t.Errorf("%d users without a consent", len(users))
	}
	// 2. The backend reports the consent once. Another report does not replace it.
	a := ts.profile("mini", map[string]any{"code": login(), "user": asserted, "guardian_consent": "case-1"})
	ts.wantStatus(a, http.StatusOK)
	sub := ts.sub(a)
	ts.wantStatus(ts.exchange("mini", login(), "guardian_consent", "case-2"), http.StatusOK)
	if user := ts.storedUser(sub); user.GuardianConsent != "case-1" || user.Profile.Birthdate != child {
		t.Errorf("got %q, %q", user.GuardianConsent, user.Profile.Birthdate)
	}
	// 3. The withdrawal ends the grants, and the next sign-in is rejected.
	refresh := a.member("refresh_token")
	ts.setGuardianConsent(sub, "")
	if a := ts.refresh("mini", refresh); a.status != http.StatusBadRequest {
		t.Errorf("a refresh after the withdrawal: %d %s", a.status, a.raw)
	}
	wantRejected("after the withdrawal", ts.exchange("mini", login()))
	// 4. A malformed consent is rejected.
	if a := ts.exchange("mini", login(), "guardian_consent", string(make([]byte, 129))); a.status != http.StatusBadRequest {
		t.Errorf("a long consent: %d %s", a.status, a.raw)
	}
	if a := ts.exchange("mini", login(), "guardian_consent", "case\x00"); a.status != http.StatusBadRequest {
		t.Errorf("a malformed consent: %d %s", a.status, a.raw)
	}
}

func TestGuardian_ApprovalOfABrowserNeedsConsentOfMinors(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.GuardianConsentUnder = 14 })
	sub := ts.sub(ts.exchange("mini", ts.app("mini").Login("wanda")))
	ts.changeUser(sub, func(u *storage.User) { u.Profile.Birthdate = ts.clock.Now().AddDate(-9, 0, 0).Format(time.DateOnly) })
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.wantStatus(ts.seen(scene), http.StatusOK)
	b.reload()
	ts.approve(scene, "wanda", b.number()).wantReason(t, http.StatusForbidden, "guardian_consent_required")
	ts.setGuardianConsent(sub, "case-1")
	ts.wantStatus(ts.approve(scene, "wanda", b.number()), http.StatusOK)
}

func TestGuardian_CostsNoOperationOfASignIn(t *testing.T) {
	t.Parallel()
	ts, child := guardianServer(t)
	a := ts.profile("mini", map[string]any{"code": ts.app("mini").Login(knownUser), "user": map[string]any{"birthdate": child}, "guardian_consent": "case-1"})
	ts.wantStatus(a, http.StatusOK)
	code := ts.app("mini").Login(knownUser)
	counted := &operationCounter{}
	ts.engine.Before = counted.count
	a = ts.exchange("mini", code)
	ts.engine.Before = nil
	ts.wantStatus(a, http.StatusOK)
	if counted.reads > 3 || counted.writes > 1 || counted.lists > 0 {
		t.Errorf("%d reads, %d writes, %d lists: %v", counted.reads, counted.writes, counted.lists, counted.operations)
	}
}
