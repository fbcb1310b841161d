package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// beginMerge begins a merge in a signed-in browser, which shows the login page then.
func (b *formBrowser) beginMerge() {
	b.Helper()
	b.get(b.pageServer.url + "/account/merge")
	b.press("merge-form", "merge")
	b.wantAt(b.T, "/login", http.StatusOK, "Sign in to the other account")
}

// newMergeServer returns two users with e-mail addresses, the older one first, and a browser that is signed in as one of them.
func newMergeServer(t *testing.T, signedIn string) (ts *pageTestServer, older, younger storage.User, b *formBrowser) {
	t.Helper()
	ts = newTwoFactorServer(t, storage.TwoFactorOptional)
	older = ts.addEmailUser("anna")
	ts.clock.Advance(time.Minute)
	younger = ts.addEmailUser("bella")
	b = ts.newFormBrowser()
	b.signInToAccount(signedIn)
	return ts, older, younger, b
}

func TestMergePage_PersonMergesAndSeparates(t *testing.T) {
	t.Parallel()
	for _, signedIn := range []string{"anna", "bella"} {
		ts, older, younger, b := newMergeServer(t, signedIn)
		other := map[string]string{"anna": "bella", "bella": "anna"}[signedIn]
		session := b.cookies["mf-default"]
		b.beginMerge()
		b.press("login-form", "login", "username", other, "password", goodPassword)
		b.wantAt(t, "/account/merge/confirm", http.StatusOK, "This account remains")
		if b.cookies["mf-default"] != session {
			t.Error("the proof replaced the session")
		}
		if text := textOf(b.document()); !strings.Contains(text, "The username and password of the joined account stop working.") {
			t.Errorf("the preview:\n%s", text)
		}
		if status := ts.storedUser(younger.ID).Status; status != storage.UserActive {
			t.Errorf("the preview merged: %s", status)
		}
		b.press("confirm-form", "confirm")
		b.wantAt(t, "/account", http.StatusOK, "Both accounts are one now.")
		if user := ts.storedUser(younger.ID); user.ID != older.ID || b.storedSession().User != older.ID {
			t.Errorf("signed in as %s, of %s", b.storedSession().User, user.ID)
		}
		for _, to := range []string{"anna@example.com", "bella@example.com"} {
			if letters := ts.mailTo(to); len(letters) != 1 || !strings.Contains(letters[0].Subject, "are one now") {
				t.Errorf("%s got %v", to, letters)
			}
		}
		b.get(ts.url + "/account/merge")
		b.press("undo-0-form", "undo-0")
		b.wantAt(t, "/account/merge", http.StatusOK, "The accounts are separate again")
		b.get(ts.url + "/account")
		b.wantAt(t, "/login", http.StatusOK, "")
		b.signInAs("bella")
		if got := b.storedSession().User; got != younger.ID {
			t.Errorf("bella is %s", got)
		}
	}
}

func TestMergePage_RequiresProofOfBoth(t *testing.T) {
	t.Parallel()
	ts, _, younger, b := newMergeServer(t, "anna")
	b.beginMerge()
	b.press("login-form", "login", "username", "bella", "password", goodPassword)
	confirm := b.page.url
	unmerged := func(what string) {
		t.Helper()
		if user := ts.storedUser(younger.ID); user.ID != younger.ID {
			t.Fatalf("%s: merged", what)
		}
	}
	t.Run("in the session that asked", func(t *testing.T) {
		thief := ts.newFormBrowser()
		thief.signInToAccount("anna")
		thief.get(confirm)
		thief.wantAt(t, "/account/merge", http.StatusOK, "")
	})
	t.Run("from its form", func(t *testing.T) {
		if p := b.post(confirm, nil, true); p.status < http.StatusBadRequest {
			t.Errorf("without the token of the form: %d", p.status)
		}
		unmerged("forged")
	})
	t.Run("of an account that did not change", func(t *testing.T) {
		check(t, ts.identities.SignOutEverywhere(t.Context(), "default", younger.ID, identity.System))
		b.get(confirm)
		b.wantAt(t, "/account/merge", http.StatusOK, "")
		unmerged("changed")
	})
	t.Run("in five minutes", func(t *testing.T) {
		b.beginMerge()
		b.press("login-form", "login", "username", "bella", "password", goodPassword)
		late := b.page.url
		ts.clock.Advance(6 * time.Minute)
		b.get(late)
		b.wantAt(t, "/account/merge", http.StatusOK, "")
		b.press("merge-form", "merge")
		b.wantAt(t, "/account/merge", http.StatusForbidden, "")
		unmerged("late")
	})
	t.Run("of another account", func(t *testing.T) {
		b := ts.newFormBrowser()
		b.signInToAccount("anna")
		b.beginMerge()
		b.press("login-form", "login", "username", "anna", "password", goodPassword)
		b.wantAt(t, "/account/merge", http.StatusOK, "You signed in to the account that you already use.")
	})
	t.Run("that is not disabled", func(t *testing.T) {
		check(t, ts.identities.Disable(t.Context(), "default", younger.ID, identity.System))
		b := ts.newFormBrowser()
		b.signInToAccount("anna")
		b.beginMerge()
		b.press("login-form", "login", "username", "bella", "password", goodPassword)
		if b.page.status != http.StatusForbidden {
			t.Errorf("a disabled user: %d", b.page.status)
		}
		unmerged("disabled")
	})
	t.Run("of the same directory", func(t *testing.T) {
		ts.addDirectory(teaDirectory())
		b := ts.newFormBrowser()
		b.signInToAccount("anna")
		b.beginMerge()
		tea := &formBrowser{b.browser, ts}
		tea.get(ts.url + "/d/tea/login")
		tea.press("login-form", "login", "username", "anna", "password", goodPassword)
		if strings.Contains(tea.page.url, "/merge/confirm") {
			t.Error("a user of another directory")
		}
	})
}

// TestMergePage_AsksForSecondFactorOfJoinedAccount: the proof has all factors, and the joined account's app is asked for later too.
func TestMergePage_AsksForSecondFactorOfJoinedAccount(t *testing.T) {
	t.Parallel()
	ts, older, _, b := newMergeServer(t, "anna")
	owner := ts.newFormBrowser()
	owner.signInToAccount("bella")
	app := owner.addApp()
	b.beginMerge()
	b.press("login-form", "login", "username", "bella", "password", goodPassword)
	b.wantAt(t, "/login/code", http.StatusOK, "")
	b.get(ts.url + "/account/merge/confirm")
	b.wantAt(t, "/account/merge", http.StatusOK, "")
	b.beginMerge()
	b.press("login-form", "login", "username", "bella", "password", goodPassword)
	b.press("verify-form", "verify", "code", app.code(0))
	b.wantAt(t, "/account/merge/confirm", http.StatusOK, "The authenticator app of the joined account is asked for from now on.")
	b.press("confirm-form", "confirm")
	b.wantAt(t, "/account", http.StatusOK, "Both accounts are one now.")
	again := ts.newFormBrowser()
	again.get(ts.url + "/login")
	again.signInAs("anna")
	again.wantAt(t, "/login/code", http.StatusOK, "")
	again.press("verify-form", "verify", "code", app.code(1))
	again.wantAt(t, "/account", http.StatusOK, "")
	if got := again.storedSession().User; got != older.ID {
		t.Errorf("signed in as %s", got)
	}
}

func TestMergePage_DeletionPendingAccountIsRestoredFirst(t *testing.T) {
	t.Parallel()
	ts, _, younger, b := newMergeServer(t, "anna")
	must(ts.identities.RequestDeletion(t.Context(), "default", younger.ID, identity.System))(t)
	b.beginMerge()
	b.press("login-form", "login", "username", "bella", "password", goodPassword)
	b.wantAt(t, "/login/restore", http.StatusOK, "")
	b.press("restore-form", "restore")
	b.wantAt(t, "/account/merge/confirm", http.StatusOK, "This account remains")
}

// TestMergePage_ScanProvesAccountWithoutOtherWay: the backend of a mini-program can start the proof, so that it counts only for a user
// who has nothing else.
func TestMergePage_ScanProvesAccountWithoutOtherWay(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	ts.addEmailUser("anna")
	ts.clock.Advance(time.Minute)
	only := ts.sub(ts.login("mini", "wanda"))
	rich := ts.sub(ts.login("mini", "rita"))
	must(ts.identities.SetUsername(t.Context(), "default", rich, "rita", identity.System))(t)
	must(ts.identities.SetPassword(t.Context(), "default", rich, goodPassword, identity.System))(t)
	scan := func(b *formBrowser, user string) {
		b.press("scan-form", "scan")
		scene := b.readScene()
		ts.seen(scene)
		b.reload()
		ts.approve(scene, user, b.number())
		b.reload()
	}
	b := ts.deskBrowser()
	b.signInToAccount("anna")
	b.get(ts.url + "/account/identities")
	b.press("wechat-form", "wechat")
	b.wantAt(t, "/login", http.StatusOK, "Prove that the WeChat account is yours.")
	if strings.Contains(b.page.body, `id="login-form"`) {
		t.Error("the page to add a WeChat user offers the password")
	}
	scan(b, "rita")
	b.wantAt(t, "/account/merge/confirm", http.StatusForbidden, "does not prove that this account is yours")
	b.get(ts.url + "/account/identities")
	b.press("wechat-form", "wechat")
	scan(b, "wanda")
	b.wantAt(t, "/account/merge/confirm", http.StatusOK, "WeChat in")
	b.press("confirm-form", "confirm")
	b.wantAt(t, "/account", http.StatusOK, "Both accounts are one now.")
	if ts.storedUser(only).Username != "anna" || ts.storedUser(rich).Username != "rita" {
		t.Error("the wrong user was merged")
	}
}

func TestAddWeChat_FreeUserIsLinkedAndOtherLeadsToMerge(t *testing.T) {
	t.Parallel()
	ts := newWebServer(t)
	anna := ts.addEmailUser("anna")
	ts.clock.Advance(time.Minute)
	taken := ts.sub(ts.login("mini", "wanda"))
	b := ts.newFormBrowser()
	b.signInToAccount("anna")
	atWeChat := func(user string) string {
		b.get(ts.url + "/account/identities")
		b.press("wechat-form", "wechat")
		address := must(ts.sim.Approve(b.beginWeb("website"), user))(t)
		b.get(address)
		return address
	}
	users := len(list[storage.User](ts.testServer))
	again := atWeChat("zoe")
	b.wantAt(t, "/account", http.StatusOK, "WeChat is linked to your account.")
	b.get(again)
	b.wantAt(t, "/account", http.StatusOK, "")
	if got := ts.sub(ts.login("mini", "zoe")); got != anna.ID || len(list[storage.User](ts.testServer)) != users {
		t.Errorf("zoe is %s, not %s", got, anna.ID)
	}
	if letters := ts.mailTo("anna@example.com"); len(letters) != 1 || !strings.Contains(letters[0].Subject, "WeChat was linked") {
		t.Errorf("letters: %v", letters)
	}
	atWeChat("zoe") // again
	b.wantAt(t, "/account", http.StatusOK, "WeChat is linked to your account.")
	atWeChat("wanda")
	b.wantAt(t, "/account/merge/confirm", http.StatusOK, "This account remains")
	if user := ts.storedUser(taken); user.ID != taken {
		t.Error("the WeChat user was moved without a confirmation")
	}
	b.press("confirm-form", "confirm")
	if got := ts.sub(ts.login("mini", "wanda")); got != anna.ID {
		t.Errorf("wanda is %s", got)
	}
}
