package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// toldMini is a world whose mini-program "mini" has a backend that hears of logouts.
func toldMini(t *testing.T) (*world, *relyingParty) {
	t.Helper()
	party := newRelyingParty(t)
	w := newSite(t).reaching(party)
	w.change("mini", func(c *storage.Client) { c.BackchannelLogoutURI = party.URL + "/bye" })
	w.addMiniProgram("silent", func(*storage.Client) {})
	return w, party
}

func TestBackChannelLogout_AMiniProgramHearsOfTheEndOfItsGrants(t *testing.T) {
	for name, end := range map[string]func(people *identity.Service, t *testing.T, sub string) error{
		"an operator signs the user out": func(people *identity.Service, t *testing.T, sub string) error {
			return people.SignOutEverywhere(t.Context(), "default", sub, identity.Operator("bob"))
		},
		"an operator disables the user": func(people *identity.Service, t *testing.T, sub string) error {
			return people.Disable(t.Context(), "default", sub, identity.Operator("bob"))
		},
		"the user is deleted": func(people *identity.Service, t *testing.T, sub string) error {
			return people.Delete(t.Context(), "default", sub, identity.Operator("bob"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, party := toldMini(t)
			first, second := w.login("mini", "wechat-alice"), w.login("mini", "wechat-alice")
			w.login("silent", "wechat-alice")
			w.login("mini", "wechat-bob")
			check(t, end(w.people(), t, w.sub(first)))
			w.look()
			told := map[any]bool{}
			for _, token := range party.want(t, "of two logins", 2) {
				got := claims(t, token)
				if got["aud"] != "mini" || got["sub"] != w.sub(first) || got["nonce"] != nil || jwtHeader(t, token)["typ"] != "logout+jwt" {
					t.Errorf("told %v", got)
				}
				told[got["sid"]] = true
			}
			for _, login := range []answer{first, second} {
				if sid := claims(t, login.text("id_token"))["sid"]; !told[sid] {
					t.Errorf("not told of %v", sid)
				}
			}
			w.clock.Advance(24 * time.Hour)
			w.look()
			party.want(t, "once is enough", 2)
		})
	}
}

func TestBackChannelLogout_AMiniProgramUserWhoSignsInAgainStaysSignedIn(t *testing.T) {
	w, party := toldMini(t)
	before := w.login("mini", "wechat-alice")
	check(t, w.people().SignOutEverywhere(t.Context(), "default", w.sub(before), identity.Operator("bob")))
	after := w.login("mini", "wechat-alice")
	w.look()
	tokens := party.want(t, "of the login before", 1)
	if got, want := claims(t, tokens[0])["sid"], claims(t, before.text("id_token"))["sid"]; got != want {
		t.Errorf("told of %v, want %v", got, want)
	}
	if got := w.userinfo(after.text("access_token")); got.status != http.StatusOK {
		t.Errorf("the login after: %d %s", got.status, got.raw)
	}
}
