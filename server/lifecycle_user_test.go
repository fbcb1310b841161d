package server_test

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// atFirstInsert calls do once, before the first insert of a kind.
func (ts *testServer) atFirstInsert(kind storage.Kind, do func()) {
	var seen atomic.Bool
	ts.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == "Insert" && operation.Kind == kind && seen.CompareAndSwap(false, true) {
			do()
		}
		return nil
	}
}

// activeUsers returns the users of a directory that operators see and that are no tombstones.
func (ts *testServer) activeUsers(directory string) (active []storage.User) {
	ts.Helper()
	users, _, err := ts.adminService().Users(ts.Context(), directory, "", admin.Page{})
	check(ts.T, err)
	for _, user := range users {
		if user.Status != storage.UserDeleted {
			active = append(active, user)
		}
	}
	return active
}

func TestLifecycle_UserWhoSignsInDuringTheDeletionOfTheDirectoryIsNotInTheRecreatedOne(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, ts *pageTestServer, other *testServer) {
		ts.twoDirectories()
		ts.atFirstInsert(storage.KindUser, func() { ts.recreateDirectory("acme", ts.testServer, other) })
		signIn := func(at *testServer) response {
			return at.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(ts.acme.Login("alice")))
		}
		before := signIn(ts.testServer)
		if active := ts.activeUsers("acme"); len(active) > 0 {
			t.Errorf("the recreated directory has %+v", active)
		}
		for i, at := range []*testServer{ts.testServer, other} {
			if before.status != http.StatusOK {
				break // It was rejected.
			}
			if a := at.get(at.url+"/d/acme/oauth2/userinfo", "Authorization", "Bearer "+before.member("access_token")); a.status != http.StatusUnauthorized {
				t.Errorf("instance %d: UserInfo: %d %s", i, a.status, a.raw)
			}
			at.wantInvalidGrant(at.post("acme-mini", "/d/acme/oauth2/token", url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {before.member("refresh_token")},
			}), "")
		}
		after, there := signIn(ts.testServer), signIn(other)
		if ts.sub(after) == ts.sub(before) || ts.sub(there) != ts.sub(after) {
			t.Errorf("the subject was %s and is %s, and %s at the other instance", ts.sub(before), ts.sub(after), ts.sub(there))
		}
		if active := ts.activeUsers("acme"); len(active) != 1 {
			t.Errorf("the recreated directory has %d users", len(active))
		}
	})
}

func TestLifecycle_UserWhoRegistersDuringTheDeletionOfTheDirectoryIsNotInTheRecreatedOne(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, ts *pageTestServer, other *testServer) {
		ts.twoDirectories()
		allow := func() {
			_, err := ts.adminService().UpdateDirectory(t.Context(), "acme", "", func(d *storage.Directory) { d.Policy.SelfRegistration = true })
			check(t, err)
			ts.clock.Advance(5 * time.Second)
		}
		allow()
		register := func() *formBrowser {
			b := ts.newFormBrowser()
			b.get(ts.url + "/d/acme/register")
			b.press("register-form", "register", "username", "wanda", "new_password", goodPassword)
			return b
		}
		ts.atFirstInsert(storage.KindUser, func() { ts.recreateDirectory("acme", ts.testServer, other) })
		before := register()
		for i, at := range []*testServer{ts.testServer, other} {
			before.get(at.url + "/d/acme/account")
			if before.page.status == http.StatusOK && before.page.url == at.url+"/d/acme/account" {
				t.Errorf("instance %d: the browser is signed in", i)
			}
			b := ts.newFormBrowser()
			b.get(at.url + "/d/acme/login")
			if page := b.press("login-form", "login", "username", "wanda", "password", goodPassword); page.status == http.StatusOK && page.url == at.url+"/d/acme/account" {
				t.Errorf("instance %d: the password works", i)
			}
		}
		if active := ts.activeUsers("acme"); len(active) > 0 {
			t.Errorf("the recreated directory has %+v", active)
		}
		allow()
		register()
		if active := ts.activeUsers("acme"); len(active) != 1 || active[0].Username != "wanda" {
			t.Errorf("the recreated directory has %+v", active)
		}
	})
}
