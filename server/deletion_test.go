package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestDeletion_UserRequestsAndRestores(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	user := ts.addEmailUser("wanda")
	b, other := ts.newFormBrowser(), ts.newFormBrowser()
	other.signInToAccount("wanda")
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/delete")
	b.press("delete-account-form", "delete-account", "current_password", "wrong horse battery")
	if ts.storedUser(user.ID).Status != storage.UserActive {
		t.Fatal("a wrong password deletes the account")
	}
	b.press("delete-account-form", "delete-account", "current_password", goodPassword)
	b.wantAt(t, "/account/delete", http.StatusOK, "The account will be deleted")
	requested := ts.storedUser(user.ID)
	if requested.Status != storage.UserDeletionPending || requested.DeletionDueAt.IsZero() {
		t.Fatalf("got %+v", requested)
	}
	other.get(ts.url + "/account")
	other.wantAt(t, "/login", http.StatusOK, "Sign in")

	b.get(ts.url + "/login")
	b.signInAs("wanda")
	b.wantAt(t, "/login/restore", http.StatusOK, "Restore the account?")
	restoring := b.page.url
	// The page of the sign-in is of this browser alone.
	other.get(restoring)
	other.wantAt(t, "/login", http.StatusOK, "Sign in")
	other.post(restoring, url.Values{}, true)
	if ts.storedUser(user.ID).Status != storage.UserDeletionPending {
		t.Error("another browser restores the account")
	}
	b.press("restore-form", "restore")
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	if got := ts.storedUser(user.ID); got.Status != storage.UserActive || !got.DeletionDueAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	var subjects []string
	for _, mail := range ts.mailTo("wanda@example.com") {
		subjects = append(subjects, mail.Subject)
	}
	if all := strings.Join(subjects, "\n"); !strings.Contains(all, "will be deleted") || !strings.Contains(all, "is restored") {
		t.Errorf("mails %q", all)
	}
}

// The backend of a mini-program can start a session by itself. It deletes the account of no user who has a method of the own.
func TestDeletion_BackendInitiatedSessionNeedsTheUser(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, session := range list[storage.Session](ts.testServer) {
		editRecord(ts.testServer, session.Document().ID, func(s *storage.Session) { s.BackendInitiated = true })
	}
	b.get(ts.url + "/account/delete")
	b.press("delete-account-form", "delete-account", "current_password", "")
	if ts.storedUser(user.ID).Status != storage.UserActive {
		t.Error("the account is deleted without its password")
	}
}

func TestDeletion_SilentLoginNeverRestores(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t)
	token := ts.login("mini", knownUser, "scope", "openid offline_access")
	sub := ts.sub(token)
	must(ts.identityService().RequestDeletion(t.Context(), "default", sub, identity.Self(sub)))(t)
	for name, a := range map[string]response{
		"token exchange": ts.exchange("mini", ts.app("mini").Login(knownUser)),
		"profile":        ts.profile("mini", map[string]any{"code": ts.app("mini").Login(knownUser)}),
		"bindUser":       ts.bindUser("mini", map[string]any{"method": "register", "code": ts.app("mini").Login(knownUser)}),
	} {
		if a.status != http.StatusForbidden || a.member("error") != "access_denied" || a.member("reason") != "deletion_pending" {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	if a := ts.refresh("mini", token.member("refresh_token")); a.status == http.StatusOK {
		t.Errorf("refresh: %s", a.raw)
	}
	if got := ts.stored(sub); got.Status != storage.UserDeletionPending {
		t.Errorf("got %+v", got)
	}
}
