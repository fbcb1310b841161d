package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// moved is the world after its public URL was changed.
func (w *world) moved() *world {
	w.Helper()
	return w.with(func(c *server.Config) { c.PublicURL = "http://127.0.0.1:9" })
}

func (w *world) wantInvalidGrant(a answer, description string) {
	w.Helper()
	if a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" || !strings.Contains(a.text("error_description"), description) {
		w.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestRefresh_RefusesAGrantOfAnotherIssuer(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	web := b.flow("web", "scope", "openid profile offline_access").text("refresh_token")
	mini := w.login("mini", "alice").text("refresh_token")
	resource := b.flow("web", "scope", "openid profile offline_access", "resource", "https://api.example").text("refresh_token")
	other := w.moved()
	other.wantInvalidGrant(other.refresh2("web", web), "issuer")
	other.wantInvalidGrant(other.refresh2("web", resource), "issuer")
	other.wantInvalidGrant(other.refresh("mini", mini), "issuer")
	if a := w.refresh("mini", mini); a.status != http.StatusOK {
		t.Errorf("under the first URL again: %d %s", a.status, a.raw)
	}
}

func TestRefresh_RefusesAnOldGrantOfAnotherIssuer(t *testing.T) {
	w := newSite(t)
	token := w.login("mini", "alice").text("refresh_token")
	grants, _, err := storage.List[storage.Grant](t.Context(), w.engine, storage.Query{Order: storage.ByID, Limit: storage.MaxPage})
	check(t, err)
	for _, entry := range grants {
		old := entry.Record
		old.Issuer = "" // Versions before wrote none.
		must(entry.Replace(t.Context(), w.engine, old))(t)
	}
	other := w.moved()
	other.wantInvalidGrant(other.refresh("mini", token), "issuer")
}
