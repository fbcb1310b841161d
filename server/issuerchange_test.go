package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// withOtherPublicURL returns the test server after its public URL was changed.
func (ts *testServer) withOtherPublicURL() *testServer {
	ts.Helper()
	return ts.withConfig(func(c *server.Config) { c.PublicURL = "http://127.0.0.1:9" })
}

func (ts *testServer) wantInvalidGrant(a response, description string) {
	ts.Helper()
	if a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" || !strings.Contains(a.member("error_description"), description) {
		ts.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestRefresh_RejectsGrantOfAnotherIssuer(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	web := b.flow("web", "scope", "openid profile offline_access").member("refresh_token")
	mini := ts.login("mini", "alice").member("refresh_token")
	resource := b.flow("web", "scope", "openid profile offline_access", "resource", "https://api.example").member("refresh_token")
	other := ts.withOtherPublicURL()
	other.wantInvalidGrant(other.refreshAsWeb("web", web), "issuer")
	other.wantInvalidGrant(other.refreshAsWeb("web", resource), "issuer")
	other.wantInvalidGrant(other.refresh("mini", mini), "issuer")
	if a := ts.refresh("mini", mini); a.status != http.StatusOK {
		t.Errorf("under the first URL again: %d %s", a.status, a.raw)
	}
}

func TestRefresh_RejectsOldGrantOfAnotherIssuer(t *testing.T) {
	ts := newPopulatedServer(t)
	token := ts.login("mini", "alice").member("refresh_token")
	grants, _, err := storage.List[storage.Grant](t.Context(), ts.engine, storage.Query{Order: storage.ByID, Limit: storage.MaxPage})
	check(t, err)
	for _, entry := range grants {
		old := entry.Record
		old.Issuer = "" // Earlier versions stored no issuer.
		must(entry.Replace(t.Context(), ts.engine, old))(t)
	}
	other := ts.withOtherPublicURL()
	other.wantInvalidGrant(other.refresh("mini", token), "issuer")
}
