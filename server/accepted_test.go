package server_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"github.com/minifed/minifed/storage"
)

// What a user accepted is on the account page, in the account API and in the export.
func TestAccount_ShowsAcceptedTermsEverywhere(t *testing.T) {
	t.Parallel()
	ts, sub := newAccountServer(t)
	token := ts.accountToken("wanda")
	ts.publishTerms("2", false)
	if a := ts.account(http.MethodGet, "/terms", token, ""); a.status != http.StatusOK || len(a.items("accepted")) != 0 || a.member("current_version") != "2" || len(a.items("current")) != 2 {
		t.Errorf("%d %s", a.status, a.raw)
	}
	at := storage.Instant(ts.clock.Now())
	ts.changeUser(sub, func(u *storage.User) {
		u.TermsAccepted = []storage.TermsAcceptance{
			{Version: "1", At: at, Method: storage.TermsByBackend, Client: "mini"}, {Version: "2", At: at, Method: storage.TermsByBrowser},
		}
		u.GuardianConsent, u.GuardianConsentAt = "case-1", at
	})
	a := ts.account(http.MethodGet, "/terms", token, "")
	ts.wantStatus(a, http.StatusOK)
	accepted := a.items("accepted")
	if len(accepted) != 2 || accepted[0]["version"] != "1" || accepted[0]["client_id"] != "mini" || accepted[1]["method"] != "browser" || a.member("guardian_consent") != "case-1" {
		t.Errorf("got %s", a.raw)
	}
	var exported struct {
		User struct {
			Terms map[string]any `json:"terms"`
		} `json:"user"`
	}
	check(t, json.Unmarshal([]byte(ts.account(http.MethodGet, "/export", token, "").raw), &exported))
	if !reflect.DeepEqual(exported.User.Terms, a.body) {
		t.Errorf("the export has %v, want %v", exported.User.Terms, a.body)
	}
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, text := range []string{"Terms and privacy notice, version 1", "reported by mini", "version 2", "case-1"} {
		b.wantAt(t, "/account", http.StatusOK, text)
	}
}
