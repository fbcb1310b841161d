package grants_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/grants"
)

// FuzzTokenExchange sends any body. The server never fails, WeChat never receives an impossible code, and the granted scopes
// are allowed to the client.
func FuzzTokenExchange(f *testing.F) {
	f.Add(exchange("good").Encode())
	f.Add(exchange("good", "scope", "openid profile offline_access", "audience", api, "resource", issuer, "nonce", "12345678", "phone_code", "p").Encode())
	f.Add(exchange("good", "id_token_hint", "x", "prompt", "none", "max_age", "-1", "acr_values", "1").Encode())
	f.Add(exchange("the code is a mock one", "subject_token", "good").Encode())
	f.Add(exchange("bad", "requested_token_type", grants.AccessTokenType, "actor_token", "x").Encode())
	f.Add("grant_type=" + url.QueryEscape(grants.GrantType) + "&subject_token=%00%ff&subject_token_type=&resource=%23&scope=%22")
	s := newServer(f)
	f.Fuzz(func(t *testing.T, body string) {
		clear(s.wechat.spent)
		s.users.asked = nil
		calls := s.wechat.calls.Load()
		got := s.send(t, t.Context(), clientID, body)
		switch {
		case got.status == 200:
			checkGrant(t, s, got)
		case got.status >= 500:
			t.Errorf("%q gets %d %s", body, got.status, got.text)
		default:
			checkDescription(t, got)
		}
		form, err := url.ParseQuery(body)
		if s.wechat.calls.Load() == calls || err != nil {
			return
		}
		if code := form.Get("subject_token"); code == "" || len(code) > 512 || strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("WeChat received %q", code)
		}
	})
}

func checkGrant(t *testing.T, s *server, got tokenResponse) {
	t.Helper()
	if len(s.users.asked) == 0 {
		return // another grant of the server
	}
	asked := s.users.asked[0]
	for _, scope := range asked.Scopes {
		if !slices.Contains(s.client.Scopes, scope) {
			t.Errorf("scope %q is granted", scope)
		}
	}
	for _, target := range asked.Audience {
		if !slices.Contains(s.client.Audience, target) {
			t.Errorf("audience %q is granted", target)
		}
	}
	if got.member("scope") != strings.Join(asked.Scopes, " ") {
		t.Errorf("scope %q is returned, %q is granted", got.member("scope"), asked.Scopes)
	}
}
