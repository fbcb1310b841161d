package ferretdb

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// wantOver asserts that an instance rejects the refresh token of a deleted client or directory, and the repeat of an exchanged code.
func (i *instance) wantOver(refreshToken, code string) {
	i.Helper()
	if a := i.refresh("mini", refreshToken); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
		i.Errorf("%s: refresh answers %d %s", i.address, a.status, a.raw)
	}
	if a := i.exchange("mini", code); a.status != http.StatusBadRequest || a.text("reason") != "new_code" {
		i.Errorf("%s: a repeat of the code answers %d %s", i.address, a.status, a.raw)
	}
}

func TestLifecycle_RecreatedMiniProgramStartsWithNothingOnTwoInstances(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	code := app.Login("alice")
	before := a.exchange("mini", code).wantOK(t)
	b.exchange("mini", code).wantOK(t)
	key := storage.Key("default", "mini")
	next := must(storage.Get[storage.Client](t.Context(), a.engine, key))(t).Record
	check(t, a.engine.Delete(t.Context(), storage.KindClient, key))
	next.Incarnation = "second"
	must(storage.Insert(t.Context(), a.engine, next))(t)
	a.clock.Advance(5 * time.Second)
	a.wantOver(before.text("refresh_token"), code)
	b.wantOver(before.text("refresh_token"), code)
	after := a.exchange("mini", app.Login("alice")).wantOK(t)
	b.refresh("mini", after.text("refresh_token")).wantOK(t)
}

func TestLifecycle_RecreatedDirectoryStartsWithNothingOnTwoInstances(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	code := app.Login("alice")
	before := a.exchange("mini", code).wantOK(t)
	b.exchange("mini", code).wantOK(t)
	for _, keys := range list[storage.SigningKeys](a) {
		check(t, a.engine.Delete(t.Context(), storage.KindSigningKeys, keys.Document().ID))
	}
	check(t, a.engine.Delete(t.Context(), storage.KindTokenSecrets, "default"))
	next := must(storage.Get[storage.Directory](t.Context(), a.engine, "default"))(t).Record
	check(t, a.engine.Delete(t.Context(), storage.KindDirectory, "default"))
	next.Incarnation = "second"
	check(t, a.keys.EnsureDirectory(t.Context(), next))
	check(t, a.secrets.Ensure(t.Context(), "default"))
	must(storage.Insert(t.Context(), a.engine, next))(t)
	a.clock.Advance(5 * time.Second)
	a.load()
	b.load()
	for _, i := range []*instance{a, b} {
		i.wantOver(before.text("refresh_token"), code)
		if answer := i.get("/oauth2/userinfo", before.text("access_token")); answer.status != http.StatusUnauthorized {
			t.Errorf("%s: UserInfo answers %d %s", i.address, answer.status, answer.raw)
		}
	}
	after := a.exchange("mini", app.Login("alice")).wantOK(t)
	b.refresh("mini", after.text("refresh_token")).wantOK(t)
}
