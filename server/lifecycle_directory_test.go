package server_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// office returns the service that operators' commands use.
func (w *world) office() *admin.Service {
	w.Helper()
	return must(admin.New(admin.Config{
		Engine: w.engine.Engine, Master: w.master, Keys: w.ring, Secrets: w.secret, Identity: w.people(), Now: w.clock.Now, Random: rand.Reader,
		PublicURL: w.url, DefaultDirectory: "default", Actor: identity.System,
	}))(w.T)
}

// recreateDirectory deletes a directory with its clients and users and creates one with its ID, and the same clients. Afterwards every
// instance has loaded the change.
func (w *world) recreateDirectory(id string, instances ...*world) {
	w.Helper()
	office := w.office()
	must(office.DisableDirectory(w.Context(), id))(w.T)
	clients, _, err := office.Clients(w.Context(), id, admin.Page{})
	check(w.T, err)
	for _, client := range clients {
		check(w.T, office.DeleteClient(w.Context(), id, client.ID))
	}
	users, _, err := office.Users(w.Context(), id, "", admin.Page{})
	check(w.T, err)
	for _, user := range users {
		check(w.T, office.DeleteUser(w.Context(), id, user.ID))
	}
	check(w.T, office.DeleteDirectory(w.Context(), id))
	w.clock.Advance(time.Second)
	must(office.CreateDirectory(w.Context(), storage.Directory{ID: id}))(w.T)
	for _, client := range clients {
		client.Incarnation, client.CreatedAt = "second", w.clock.Now()
		must(storage.Insert(w.Context(), w.engine.Engine, client))(w.T)
	}
	w.clock.Advance(5 * time.Second)
	for _, instance := range instances { // What Run does at least every five seconds.
		check(w.T, instance.ring.Load(w.Context()))
		check(w.T, instance.secret.Load(w.Context()))
	}
}

// guess tries a wrong password for a name at the directory acme, and returns the status of the response.
func (h *house) guess(name string) int {
	h.Helper()
	v := h.visitor()
	v.get(h.url + "/d/acme/login")
	return v.press("login-form", "login", "username", name, "password", "wrong").status
}

func TestLifecycle_RecreatedDirectoryStartsWithNothing(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			w := houseOn(newWorldOn(t, c, engine(t, c)))
			w.twoDirectories()
			other := w.secondInstance()
			signIn := func(at *world) answer {
				return at.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(w.acme.Login("alice")))
			}
			for range 13 { // Each failure after the fifth doubles the wait, which begins with a second.
				w.guess("bob")
				w.clock.Advance(2 * time.Minute)
			}
			w.guess("bob")
			if status := w.guess("bob"); status != http.StatusTooManyRequests {
				t.Fatalf("the guess after many failures: %d", status)
			}
			before := signIn(w.world)
			w.recreateDirectory("acme", w.world, other)

			for i, at := range []*world{w.world, other} {
				if a := at.get(at.url+"/d/acme/oauth2/userinfo", "Authorization", "Bearer "+before.text("access_token")); a.status != http.StatusUnauthorized {
					t.Errorf("instance %d: UserInfo answers %d %s", i, a.status, a.raw)
				}
				at.wantInvalidGrant(at.post("acme-mini", "/d/acme/oauth2/token", url.Values{
					"grant_type": {"refresh_token"}, "refresh_token": {before.text("refresh_token")},
				}), "")
			}
			if status := w.guess("bob"); status == http.StatusTooManyRequests {
				t.Error("failures in the deleted directory delay a sign-in")
			}
			after, there := signIn(w.world), signIn(other)
			if w.sub(after) == w.sub(before) || w.sub(there) != w.sub(after) {
				t.Errorf("the subject was %s and is %s, and %s at the other instance", w.sub(before), w.sub(after), w.sub(there))
			}
			keys := fmt.Sprint(w.get(w.url + "/d/acme/oauth2/jwks").body)
			if keys != fmt.Sprint(other.get(other.url+"/d/acme/oauth2/jwks").body) {
				t.Error("the instances publish other keys")
			}
		})
	}
}
