package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// newMiniProgramLogoutServer returns a test server whose mini-program "mini" has a backend that receives logout tokens.
func newMiniProgramLogoutServer(t *testing.T) (*testServer, *relyingParty) {
	t.Helper()
	party := newRelyingParty(t)
	ts := newPopulatedServer(t).reaching(party)
	ts.change("mini", func(c *storage.Client) { c.BackchannelLogoutURI = party.URL + "/bye" })
	ts.addMiniProgram("silent", func(*storage.Client) {})
	return ts, party
}

func TestBackChannelLogout_NotifiesMiniProgramOfEndedGrants(t *testing.T) {
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
			ts, party := newMiniProgramLogoutServer(t)
			first, second := ts.login("mini", "wechat-alice"), ts.login("mini", "wechat-alice")
			ts.login("silent", "wechat-alice")
			ts.login("mini", "wechat-bob")
			check(t, end(ts.identityService(), t, ts.sub(first)))
			ts.deliverDue()
			told := map[any]bool{}
			for _, token := range party.wantLogoutTokens(t, "of two logins", 2) {
				got := claims(t, token)
				if got["aud"] != "mini" || got["sub"] != ts.sub(first) || got["nonce"] != nil || jwtHeader(t, token)["typ"] != "logout+jwt" {
					t.Errorf("sent %v", got)
				}
				told[got["sid"]] = true
			}
			for _, login := range []response{first, second} {
				if sid := claims(t, login.member("id_token"))["sid"]; !told[sid] {
					t.Errorf("no logout token for %v", sid)
				}
			}
			ts.clock.Advance(24 * time.Hour)
			ts.deliverDue()
			party.wantLogoutTokens(t, "once is enough", 2)
		})
	}
}

func TestBackChannelLogout_NewMiniProgramSignInIsUnaffected(t *testing.T) {
	ts, party := newMiniProgramLogoutServer(t)
	before := ts.login("mini", "wechat-alice")
	check(t, ts.identityService().SignOutEverywhere(t.Context(), "default", ts.sub(before), identity.Operator("bob")))
	after := ts.login("mini", "wechat-alice")
	ts.deliverDue()
	tokens := party.wantLogoutTokens(t, "of the login before", 1)
	if got, want := claims(t, tokens[0])["sid"], claims(t, before.member("id_token"))["sid"]; got != want {
		t.Errorf("logout tokens for %v, want %v", got, want)
	}
	if got := ts.userinfo(after.member("access_token")); got.status != http.StatusOK {
		t.Errorf("the login after: %d %s", got.status, got.raw)
	}
}
