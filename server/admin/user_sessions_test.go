package admin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// session stores a session of a user, in which the client "shop" got a token.
func (h *serviceHarness) session(t *testing.T, id string, user storage.User) {
	t.Helper()
	_, err := storage.Insert(t.Context(), h.engine, storage.Session{
		Directory: user.Directory, ID: id, Secret: "digest", User: user.ID, UserEpoch: user.Epoch, Clients: map[string]time.Time{"shop": h.at},
		CreatedAt: h.now(), ExpiresAt: h.at.Add(time.Hour),
	})
	must(t, err)
}

// grant stores a grant of a user for a client.
func (h *serviceHarness) grant(t *testing.T, id string, user storage.User, client storage.Client, session string) {
	t.Helper()
	_, err := storage.Insert(t.Context(), h.engine, storage.Grant{
		Directory: user.Directory, ID: id, Client: client.ID, Incarnation: client.Incarnation, User: user.ID, UserEpoch: user.Epoch,
		State: storage.GrantActive, Session: session, CreatedAt: h.now(), ExpiresAt: h.at.Add(time.Hour), Attempt: "first",
	})
	must(t, err)
}

func states[T any](list []T, next string, err error, of func(T) (string, string)) map[string]string {
	if err != nil || next != "" {
		return map[string]string{"error": next}
	}
	all := map[string]string{}
	for _, item := range list {
		id, state := of(item)
		all[id] = state
	}
	return all
}

func TestUserSessions_AreListedAndEnded(t *testing.T) {
	h := newServiceHarness(t)
	alice, bob := h.user(t, "alice"), h.user(t, "bobby")
	h.session(t, "s1", alice)
	h.session(t, "s2", alice)
	h.session(t, "s3", bob)
	list := func() map[string]string {
		sessions, next, err := h.UserSessions(t.Context(), "default", alice.ID, Page{})
		return states(sessions, next, err, func(s UserSession) (string, string) { return s.ID + s.Secret, s.State })
	}
	if got := list(); len(got) != 2 || got["s1"] != StateActive || got["s2"] != StateActive {
		t.Errorf("got %v", got)
	}
	must(t, h.EndUserSession(t.Context(), "default", alice.ID, "s1"))
	must(t, h.EndUserSession(t.Context(), "default", alice.ID, "s1"))
	if got := list(); got["s1"] != StateEnded || got["s2"] != StateActive {
		t.Errorf("got %v", got)
	}
	ended, err := storage.Get[storage.Session](t.Context(), h.engine, "default/s1")
	must(t, err)
	if ended.Record.DeliverAt.IsZero() || ended.Record.Secret != "digest" {
		t.Errorf("its clients get no logout token: %+v", ended.Record)
	}
	for _, session := range []string{"s3", "none"} {
		if err := h.EndUserSession(t.Context(), "default", alice.ID, session); !errors.Is(err, ErrNotFound) {
			t.Errorf("session %s: error %v", session, err)
		}
	}
	must(t, h.SignOutUser(t.Context(), "default", alice.ID))
	if got := list(); got["s2"] != StateEnded {
		t.Errorf("signed out: %v", got)
	}
}

func TestUserGrants_AreListedAndEnded(t *testing.T) {
	h := newServiceHarness(t)
	alice, bob := h.user(t, "alice"), h.user(t, "bobby")
	shop, _, err := h.CreateClient(t.Context(), spa())
	must(t, err)
	other := shop.Record
	other.Incarnation = "former"
	h.session(t, "s1", alice)
	h.grant(t, "g1", alice, shop.Record, "")
	h.grant(t, "g2", alice, shop.Record, "s1")
	h.grant(t, "g3", alice, shop.Record, "gone")
	h.grant(t, "g4", alice, other, "")
	h.grant(t, "g5", bob, shop.Record, "")
	list := func() map[string]string {
		grants, next, err := h.UserGrants(t.Context(), "default", alice.ID, Page{})
		return states(grants, next, err, func(g UserGrant) (string, string) { return g.ID, g.State })
	}
	want := map[string]string{"g1": StateActive, "g2": StateActive, "g3": StateEnded, "g4": StateEnded}
	for id, state := range list() {
		if want[id] != state {
			t.Errorf("grant %s is %s", id, state)
		}
	}
	must(t, h.EndUserGrant(t.Context(), "default", alice.ID, "g1"))
	must(t, h.EndUserSession(t.Context(), "default", alice.ID, "s1"))
	if got := list(); got["g1"] != StateEnded || got["g2"] != StateEnded {
		t.Errorf("got %v", got)
	}
	ended, err := storage.Get[storage.Grant](t.Context(), h.engine, "default/g1")
	must(t, err)
	if ended.Record.Attempt == "first" || ended.Record.RevokedBecause != "operator" {
		t.Errorf("got %+v", ended.Record)
	}
	for name, end := range map[string]func(context.Context) error{
		"another user's grant": func(ctx context.Context) error { return h.EndUserGrant(ctx, "default", alice.ID, "g5") },
		"no client":            func(ctx context.Context) error { return h.RemoveUserClient(ctx, "default", alice.ID, "none") },
	} {
		if err := end(t.Context()); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	h.grant(t, "g6", alice, shop.Record, "")
	must(t, h.RemoveUserClient(t.Context(), "default", alice.ID, "shop"))
	if got := list(); got["g6"] != StateEnded {
		t.Errorf("client removed: %v", got)
	}
}

func TestResetUserPassword_IsReturnedOnceAndSignsOut(t *testing.T) {
	h := newServiceHarness(t)
	alice := h.user(t, "alice")
	h.session(t, "s1", alice)
	password, err := h.ResetUserPassword(t.Context(), "default", alice.ID)
	must(t, err)
	if user, err := h.config.Identity.VerifyPassword(t.Context(), "default", "alice", password); err != nil || user.Record.ID != alice.ID {
		t.Errorf("the password does not work: %v", err)
	}
	sessions, _, err := h.UserSessions(t.Context(), "default", alice.ID, Page{})
	must(t, err)
	if sessions[0].State != StateEnded {
		t.Error("the session lives")
	}
}
