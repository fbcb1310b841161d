package oauth2_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// request is what a fosite handler stores.
func request(k *kit, id string, form url.Values) *fosite.Request {
	return &fosite.Request{ID: id, Client: k.client("spa"), Form: form, Session: &oauth2.Session{}}
}

func isExists(err error) bool { return errors.Is(err, storage.ErrExists) }

// endings are the ways to end the grants of alice's browser session and client spa.
func endings() map[string]func(*testing.T, *kit) {
	user := func(change func(*storage.User)) func(*testing.T, *kit) {
		return func(t *testing.T, k *kit) { t.Helper(); update(t, k, "alice", change) }
	}
	return map[string]func(*testing.T, *kit){
		"user disabled":         user(func(u *storage.User) { u.Status = storage.UserDisabled }),
		"user deleted":          user(func(u *storage.User) { u.Status = storage.UserDeleted }),
		"user merged":           user(func(u *storage.User) { u.Status, u.AliasOf = storage.UserAlias, "bob" }),
		"signed out everywhere": user(func(u *storage.User) { u.Epoch++ }),
		"app removed":           user(func(u *storage.User) { u.ClientEpochs = map[string]int64{"spa": 1} }),
		"disabled and enabled":  user(func(u *storage.User) { u.Epoch += 2 }),
		"logged out": func(t *testing.T, k *kit) {
			update(t, k, "browser", func(s *storage.Session) { s.EndedAt = time.Now() })
		},
		"session gone":           func(t *testing.T, k *kit) { remove(t, k, storage.KindSession, "browser") },
		"user gone":              func(t *testing.T, k *kit) { remove(t, k, storage.KindUser, "alice") },
		"session of another one": func(t *testing.T, k *kit) { update(t, k, "browser", func(s *storage.Session) { s.User = "bob" }) },
		"client disabled": func(_ *testing.T, k *kit) {
			record := k.client("spa").Record()
			record.Disabled = true
			k.register(record)
		},
		"client deleted and another one made with its ID": func(_ *testing.T, k *kit) {
			record := k.client("spa").Record()
			record.CreatedAt = time.Now().Add(storage.ClockBound - time.Second)
			k.register(record)
		},
		"client deleted": func(_ *testing.T, k *kit) { delete(k.clients, "main/spa") },
	}
}

func remove(t *testing.T, k *kit, kind storage.Kind, id string) {
	t.Helper()
	if err := k.memory.Delete(t.Context(), kind, "main/"+id); err != nil {
		t.Fatal(err)
	}
}

func TestActiveGrant_EndsWithItsUserClientAndDirectory(t *testing.T) {
	for name, end := range endings() {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			insert(t, k, storage.Session{Directory: "main", ID: "browser", User: "alice", UserEpoch: 3})
			a := k.redeem(k.mustAuthorize(nil, func(g *storage.Grant) { g.Session = "browser" }))
			wantOK(t, a)
			id := k.grantOf(a.access).ID
			live, err := k.store.ActiveGrant(k.begin(), id)
			if err != nil {
				t.Fatal(err)
			}
			if live.User.ID != "alice" || live.Session.ID != "browser" || live.Client.GetID() != "spa" || live.Subject != "alice" {
				t.Errorf("live is %+v", live)
			}

			end(t, k)
			if _, err := k.store.ActiveGrant(k.begin(), id); !errors.Is(err, oauth2.ErrNoGrant) {
				t.Errorf("Live: %v, want ErrNoGrant", err)
			} else if errors.Is(err, oauth2.ErrUserDisabled) != (name == "user disabled") {
				t.Errorf("Live: %v", err)
			}
			if r := k.refresh(a.refresh); r.error != "invalid_grant" && r.error != "invalid_client" {
				t.Errorf("refresh: %d %s: %s", r.status, r.error, r.explanation)
			}
			if g := k.stored(id); g.State != storage.GrantActive || g.Refresh.Generation != 1 {
				t.Errorf("the refused refresh changed the grant: %+v", g)
			}
		})
	}
}

func TestActiveGrant_RejectsOtherStates(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	id := k.grantOf(a.access).ID
	for _, state := range []storage.GrantState{storage.GrantCode, storage.GrantPending, storage.GrantRevoked} {
		update(t, k, id, func(g *storage.Grant) { g.State = state })
		if _, err := k.store.ActiveGrant(k.begin(), id); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("state %s: %v, want ErrNoGrant", state, err)
		}
	}
	for _, id := range []string{"", "alice", "../alice", id + "x"} {
		if _, err := k.store.ActiveGrant(k.begin(), id); !errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("ID %q: %v, want ErrNoGrant", id, err)
		}
	}
}

func TestActiveGrant_StoreErrorEndsNothing(t *testing.T) {
	k := newKit(t)
	a := k.signIn()
	id := k.grantOf(a.access).ID
	for _, kind := range []storage.Kind{storage.KindGrant, storage.KindUser} {
		k.hooks.Before = failOn("Get", kind)
		if _, err := k.store.ActiveGrant(k.begin(), id); !errors.Is(err, storage.ErrUnavailable) || errors.Is(err, oauth2.ErrNoGrant) {
			t.Errorf("%s out of reach: %v, want ErrUnavailable", kind, err)
		}
		wantError(t, k.refresh(a.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	k.hooks.Before = nil
	k.secrets.err = storage.ErrUnavailable
	wantError(t, k.refresh(a.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
	k.secrets.err = nil
	wantOK(t, k.refresh(a.refresh))
}

func TestPairwise_SubjectIsTheSameInEveryToken(t *testing.T) {
	k := newKit(t)
	k.store.Subject = pairwise
	a := k.signIn()
	refreshed := k.refresh(a.refresh)
	wantOK(t, refreshed)
	for name, token := range map[string]string{"ID token": a.id, "access token": a.access, "refreshed ID token": refreshed.id, "refreshed access token": refreshed.access} {
		if sub := claims(t, token)["sub"]; sub != "spa:alice" {
			t.Errorf("%s: sub = %v", name, sub)
		}
	}
	live, err := k.store.ActiveGrant(k.begin(), k.grantOf(a.access).ID)
	if err != nil || live.Subject != "spa:alice" || live.User.ID != "alice" {
		t.Errorf("Live: %+v, %v", live, err)
	}
}
