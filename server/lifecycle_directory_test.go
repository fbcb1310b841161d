package server_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// adminService returns the service that operators' commands use.
func (ts *testServer) adminService() *admin.Service {
	ts.Helper()
	return must(admin.New(admin.Config{
		Engine: ts.engine.Engine, Audit: audittest.New(ts.T, ts.engine.Engine, ts.clock.Now), Master: ts.master, Keys: ts.ring, Secrets: ts.secret, Identity: ts.identityService(), Now: ts.clock.Now, Random: rand.Reader,
		PublicURL: ts.url, DefaultDirectory: "default", Actor: admin.LocalActor("test"),
	}))(ts.T)
}

// recreateDirectory deletes a directory with its clients and users and creates one with its ID, and the same clients.
// Afterwards every instance has loaded the change.
func (ts *testServer) recreateDirectory(id string, instances ...*testServer) {
	ts.Helper()
	office := ts.adminService()
	must(office.DisableDirectory(ts.Context(), id))(ts.T)
	clients, _, err := office.Clients(ts.Context(), id, admin.Page{})
	check(ts.T, err)
	for _, client := range clients {
		check(ts.T, office.DeleteClient(ts.Context(), id, client.ID))
	}
	users, _, err := office.Users(ts.Context(), id, "", admin.Page{})
	check(ts.T, err)
	for _, user := range users {
		check(ts.T, office.DeleteUser(ts.Context(), id, user.ID))
	}
	check(ts.T, office.DeleteDirectory(ts.Context(), id))
	ts.clock.Advance(time.Second)
	must(office.CreateDirectory(ts.Context(), storage.Directory{ID: id}))(ts.T)
	for _, client := range clients {
		client.Incarnation, client.CreatedAt = "second", ts.clock.Now()
		must(storage.Insert(ts.Context(), ts.engine.Engine, client))(ts.T)
	}
	ts.clock.Advance(5 * time.Second)
	for _, instance := range instances { // What Run does at least every five seconds.
		check(ts.T, instance.ring.Load(ts.Context()))
		check(ts.T, instance.secret.Load(ts.Context()))
	}
}

// tryWrongPassword tries a wrong password for a name at the directory acme, and returns the status of the response.
func (ts *pageTestServer) tryWrongPassword(name string) int {
	ts.Helper()
	b := ts.newFormBrowser()
	b.get(ts.url + "/d/acme/login")
	return b.press("login-form", "login", "username", name, "password", "wrong").status
}

func TestLifecycle_RecreatedDirectoryStartsWithNothing(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			ts := pageTestServerOn(newTestServerOn(t, c, engine(t, c)))
			ts.twoDirectories()
			other := ts.secondInstance()
			signIn := func(at *testServer) response {
				return at.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(ts.acme.Login("alice")))
			}
			for range 13 { // Each failure after the fifth doubles the wait, which begins with a second.
				ts.tryWrongPassword("bob")
				ts.clock.Advance(2 * time.Minute)
			}
			ts.tryWrongPassword("bob")
			if status := ts.tryWrongPassword("bob"); status != http.StatusTooManyRequests {
				t.Fatalf("the guess after many failures: %d", status)
			}
			before := signIn(ts.testServer)
			ts.recreateDirectory("acme", ts.testServer, other)

			for i, at := range []*testServer{ts.testServer, other} {
				if a := at.get(at.url+"/d/acme/oauth2/userinfo", "Authorization", "Bearer "+before.member("access_token")); a.status != http.StatusUnauthorized {
					t.Errorf("instance %d: UserInfo: %d %s", i, a.status, a.raw)
				}
				at.wantInvalidGrant(at.post("acme-mini", "/d/acme/oauth2/token", url.Values{
					"grant_type": {"refresh_token"}, "refresh_token": {before.member("refresh_token")},
				}), "")
			}
			if status := ts.tryWrongPassword("bob"); status == http.StatusTooManyRequests {
				t.Error("failures in the deleted directory delay a sign-in")
			}
			after, there := signIn(ts.testServer), signIn(other)
			if ts.sub(after) == ts.sub(before) || ts.sub(there) != ts.sub(after) {
				t.Errorf("the subject was %s and is %s, and %s at the other instance", ts.sub(before), ts.sub(after), ts.sub(there))
			}
			keys := fmt.Sprint(ts.get(ts.url + "/d/acme/oauth2/jwks").body)
			if keys != fmt.Sprint(other.get(other.url+"/d/acme/oauth2/jwks").body) {
				t.Error("the instances publish other keys")
			}
		})
	}
}
