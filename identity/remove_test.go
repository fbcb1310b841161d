package identity_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// ids returns the IDs of a user's identities by type and namespace, such as "wechat_openid wxsim1".
func (h *storeHarness) ids(user string) map[string]string {
	h.t.Helper()
	links, err := h.Identities(h.t.Context(), h.user(user))
	if err != nil {
		h.t.Fatal(err)
	}
	found := map[string]string{}
	for _, link := range links {
		found[strings.TrimSpace(string(link.Record.Type)+" "+link.Record.Namespace)] = identity.LinkID(link.Record)
	}
	return found
}

// remove removes an identity as its user does.
func (h *storeHarness) remove(ctx context.Context, user, id string) error {
	_, err := h.RemoveIdentity(ctx, h.user(user), id, identity.Removal{Actor: identity.Self(user)})
	return err
}

func TestRemoveIdentity_RemovesLinkAndValue(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", "u1"))
	h.resolve(login("wxsim2", "o2", "u1"))
	actor := identity.Self(sub)
	must := func(_ *storage.Entry[storage.User], err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.SetUsername(t.Context(), directory, sub, "alice", actor))
	must(h.SetEmail(t.Context(), directory, sub, "alice@example.com", actor))
	must(h.LinkPhone(t.Context(), directory, sub, "+8613800138000", "wxsim1"))
	for _, name := range []string{"username", "email", "phone", "wechat_openid wxsim1"} {
		before := h.ids(sub)
		if err := h.remove(t.Context(), sub, before[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after := h.ids(sub)
		if _, left := after[name]; left || len(after) != len(before)-1 {
			t.Errorf("%s: left %v", name, after)
		}
		if err := h.remove(t.Context(), sub, before[name]); !errors.Is(err, identity.ErrUnknownMethod) {
			t.Errorf("%s, again: %v", name, err)
		}
	}
	if user := h.user(sub); user.Username+user.Email+user.Phone != "" || user.EmailVerified || !user.PhoneVerifiedAt.IsZero() {
		t.Errorf("values are left: %+v", user)
	}
	if !slices.Contains(h.actions(), identity.ActionIdentityRemove) {
		t.Errorf("audit: %v", h.actions())
	}
	if other := h.account("other", ""); h.remove(t.Context(), other, h.ids(sub)["wechat_openid wxsim2"]) == nil {
		t.Error("an identity of another user was removed")
	}
}

func TestRemoveIdentity_RejectsTheLastWayToSignIn(t *testing.T) {
	h := newStoreHarness(t)
	wechat := h.sub(login("wxsim1", "o1", "u1"))
	if err := h.remove(t.Context(), wechat, h.ids(wechat)["wechat_openid wxsim1"]); !errors.Is(err, identity.ErrLastMethod) {
		t.Errorf("the last OpenID: %v", err)
	}
	named := h.account("alice", "correct horse")
	if err := h.remove(t.Context(), named, h.ids(named)["username"]); !errors.Is(err, identity.ErrLastMethod) {
		t.Errorf("the name of the only password: %v", err)
	}
	if _, err := h.SetEmail(t.Context(), directory, named, "alice@example.com", identity.System); err != nil {
		t.Fatal(err)
	}
	if err := h.remove(t.Context(), named, h.ids(named)["username"]); err != nil {
		t.Errorf("a username beside an address: %v", err)
	}
	if err := h.remove(t.Context(), named, h.ids(named)["email"]); !errors.Is(err, identity.ErrLastMethod) {
		t.Errorf("the address, then: %v", err)
	}
	h.addPasskey(named, "key")
	required := identity.Removal{Actor: identity.Self(named), Directory: storage.Directory{Policy: storage.Policy{TwoFactor: storage.TwoFactorRequired}}}
	if _, err := h.RemoveIdentity(t.Context(), h.user(named), h.ids(named)["email"], required); err != nil {
		t.Errorf("the address beside a passkey: %v", err)
	}
}

// TestRemoveIdentity_LastOpenIDTakesUnionIDAlong: otherwise the next login of the mini-program would join the account again.
func TestRemoveIdentity_LastOpenIDTakesUnionIDAlong(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", "u1"))
	h.addPasskey(sub, "key")
	if err := h.remove(t.Context(), sub, h.ids(sub)["wechat_openid wxsim1"]); err != nil {
		t.Fatal(err)
	}
	if left := h.ids(sub); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if again := h.sub(login("wxsim1", "o1", "u1")); again == sub {
		t.Error("the WeChat user is in the account again")
	}
}

// TestRemove_OfTwoAtOnceOneStays removes the second passkey between the check and the decision about the first one, and between that
// decision and its deletion.
func TestRemove_OfTwoAtOnceOneStays(t *testing.T) {
	for name, test := range map[string]struct {
		kind         storage.Kind
		left         string
		outer, inner error
	}{
		"before the decision": {storage.KindUser, "first", identity.ErrLastMethod, nil},
		"after the decision":  {storage.KindPasskey, "second", nil, identity.ErrLastMethod},
	} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			sub := h.account("alice", "")
			first, second := h.addPasskey(sub, "first"), h.addPasskey(sub, "second")
			user, how := h.user(sub), identity.Removal{Actor: identity.Self(sub)}
			var inner error
			h.hooks.Before = func(ctx context.Context, operation storagetest.Operation) error {
				if operation.Kind == test.kind && operation.Write() {
					h.removeHooks()
					inner = h.RemovePasskey(ctx, user, second, how)
				}
				return nil
			}
			outer := h.RemovePasskey(t.Context(), user, first, how)
			if got := h.methods(sub); !errors.Is(outer, test.outer) || !errors.Is(inner, test.inner) || got != test.left {
				t.Errorf("left %q, errors %v and %v", got, outer, inner)
			}
		})
	}
}

// TestRemove_CrashLeavesNoWayThatCountsTwice: the record of a removal that did not finish counts as gone, and goes with the next one.
func TestRemove_CrashLeavesNoWayThatCountsTwice(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.account("alice", "")
	first, second := h.addPasskey(sub, "first"), h.addPasskey(sub, "second")
	user, how := h.user(sub), identity.Removal{Actor: identity.Self(sub)}
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindPasskey && operation.Write() {
			return storage.ErrUnavailable
		}
		return nil
	}
	if err := h.RemovePasskey(t.Context(), user, first, how); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	h.removeHooks()
	if err := h.RemovePasskey(t.Context(), user, second, how); !errors.Is(err, identity.ErrLastMethod) || h.methods(sub) != "second" {
		t.Errorf("got %v, left %q", err, h.methods(sub))
	}
}

func TestRace_RemovalsLeaveOneWayToSignIn(t *testing.T) {
	for name, faults := range map[string]float64{"all goes well": 0, "the store fails now and then": 0.02} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(rounds) {
				h := newStoreHarness(t)
				sub := h.sub(login("wxsim1", "o1", "u1"))
				h.resolve(login("wxsim2", "o2", "u1"))
				user, how := h.user(sub), identity.Removal{Actor: identity.Self(sub)}
				var removed, rejected int
				count := func(err error) {
					switch {
					case err == nil:
						removed++
					case errors.Is(err, identity.ErrLastMethod):
						rejected++
					case faults == 0 || !errors.Is(err, storage.ErrUnavailable):
						t.Errorf("removal: %v", err)
					}
				}
				var tasks []func(context.Context)
				for _, key := range []string{"first", "second"} {
					id := h.addPasskey(sub, key)
					tasks = append(tasks, func(ctx context.Context) { count(h.RemovePasskey(ctx, user, id, how)) })
				}
				for _, name := range []string{"wechat_openid wxsim1", "wechat_openid wxsim2"} {
					id := h.ids(sub)[name]
					tasks = append(tasks, func(ctx context.Context) {
						_, err := h.RemoveIdentity(ctx, user, id, how)
						count(err)
					})
				}
				h.interleave(seeded(seed), faults, tasks...)
				links := h.ids(sub)
				delete(links, "wechat_unionid op")
				methods := h.methods(sub)
				if left := len(links) + strings.Count(methods, "first") + strings.Count(methods, "second"); left == 0 || faults == 0 && (removed != 3 || rejected != 1 || left != 1) {
					t.Fatalf("seed %d: %d removed, %d rejected, left %v %q", seed, removed, rejected, links, methods)
				}
			}
		})
	}
}

func TestRemovePassword_OfItAndThePasskeyAtOnceOneStays(t *testing.T) {
	for name, first := range map[string]string{"the password first": "password", "the passkey first": "passkey"} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			sub := h.account("alice", "correct horse")
			user, how, key := h.user(sub), identity.Removal{Actor: identity.Self(sub)}, h.addPasskey(sub, "key")
			remove := map[string]func(context.Context) error{
				"password": func(ctx context.Context) error { return h.RemovePassword(ctx, user, how) },
				"passkey":  func(ctx context.Context) error { return h.RemovePasskey(ctx, user, key, how) },
			}
			second := map[string]string{"password": "passkey", "passkey": "password"}[first]
			var inner error
			h.hooks.Before = func(ctx context.Context, operation storagetest.Operation) error {
				if operation.Kind == storage.KindUser && operation.Write() {
					h.removeHooks()
					inner = remove[first](ctx)
				}
				return nil
			}
			if outer := remove[second](t.Context()); !errors.Is(outer, identity.ErrLastMethod) || inner != nil {
				t.Errorf("errors %v and %v", outer, inner)
			}
			if hasPassword := h.user(sub).Password != ""; hasPassword == (first == "password") || (h.methods(sub) != "") == (first == "passkey") {
				t.Errorf("a password: %v, passkeys %q", hasPassword, h.methods(sub))
			}
		})
	}
}

// TestRemove_APasswordThatDoesNotSignInIsNoWay: one that works later, and one in a directory that does not list it.
func TestRemove_APasswordThatDoesNotSignInIsNoWay(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.account("alice", "")
	if _, err := h.SetFirstPassword(t.Context(), h.user(sub), "correct horse", h.clock.Now().Add(time.Hour), identity.Self(sub)); err != nil {
		t.Fatal(err)
	}
	how := identity.Removal{Actor: identity.Self(sub)}
	key := h.addPasskey(sub, "key")
	if err := h.RemovePasskey(t.Context(), h.user(sub), key, how); !errors.Is(err, identity.ErrLastMethod) {
		t.Errorf("beside a delayed password: %v", err)
	}
	h.clock.Advance(time.Hour)
	how.Directory.SignInMethods = []string{storage.SignInPasskey}
	if err := h.RemovePasskey(t.Context(), h.user(sub), key, how); !errors.Is(err, identity.ErrLastMethod) {
		t.Errorf("beside a password that is not listed: %v", err)
	}
	how.Directory.SignInMethods = nil
	if err := h.RemovePasskey(t.Context(), h.user(sub), key, how); err != nil {
		t.Errorf("beside a password that works: %v", err)
	}
	if err := h.RemovePassword(t.Context(), h.user(sub), how); !errors.Is(err, identity.ErrLastMethod) {
		t.Errorf("the password alone: %v", err)
	}
}
