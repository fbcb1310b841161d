package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const password = "correct horse battery"

func (h *storeHarness) verify(name, password string) (string, error) {
	h.t.Helper()
	user, err := h.VerifyPassword(h.t.Context(), directory, name, password)
	if err != nil {
		return "", err
	}
	return user.Record.ID, nil
}

func TestVerifyPassword_AcceptsRightPassword(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("Alice", password)
	for _, name := range []string{"Alice", "alice", "ＡＬＩＣＥ"} {
		if got, err := h.verify(name, password); got != user || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if stored := h.user(user).Password; !strings.HasPrefix(stored, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Errorf("stored as %s", stored)
	}
}

func TestVerifyPassword_NormalizesUnicode(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", "caf\u00e9 au lait")
	if got, err := h.verify("alice", "cafe\u0301 au lait"); got != user || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestVerifyPassword_FailuresLookTheSame(t *testing.T) {
	h := newStoreHarness(t)
	h.account("alice", password)
	h.account("nopassword", "")
	disabled, deleted := h.account("disabled", password), h.account("deleted", password)
	for user, act := range map[string]func(context.Context, string, string, string) error{disabled: h.Disable, deleted: h.Delete} {
		if err := act(t.Context(), directory, user, identity.System); err != nil {
			t.Fatal(err)
		}
	}
	for name, try := range map[string][2]string{
		"wrong password":         {"alice", "wrong horse battery"},
		"endless password":       {"alice", strings.Repeat(password, 100)},
		"empty password":         {"alice", ""},
		"unknown user":           {"nobody", password},
		"impossible name":        {"a b", password},
		"unknown address":        {"nobody@example.com", password},
		"impossible address":     {"@", password},
		"user without password":  {"nopassword", ""},
		"deleted user":           {"deleted", password},
		"disabled user, guessed": {"disabled", "wrong horse battery"},
	} {
		var err error
		reads, writes := h.counted(func() { _, err = h.verify(try[0], try[1]) })
		if !errors.Is(err, identity.ErrWrongPassword) || err.Error() != identity.ErrWrongPassword.Error() {
			t.Errorf("%s: %v", name, err)
		}
		if reads != 2 || writes != 0 {
			t.Errorf("%s: %d reads and %d writes, want 2 and 0", name, reads, writes)
		}
	}
	_, err := h.verify("disabled", password)
	wantError(t, err, identity.ErrUserDisabled)
}

func TestVerifyPassword_IsForOneDirectory(t *testing.T) {
	h := newStoreHarness(t)
	h.account("alice", password)
	_, err := h.VerifyPassword(t.Context(), "other", "alice", password)
	wantError(t, err, identity.ErrWrongPassword)
}

func TestVerifyPassword_AcceptsVerifiedEmail(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	if _, err := h.SetEmail(t.Context(), directory, user, "Alice@Example.com", identity.Self(user)); err != nil {
		t.Fatal(err)
	}
	if got, err := h.verify("alice@example.COM", password); got != user || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	other := h.account("bob", "")
	_, err := h.SetEmail(t.Context(), directory, other, "alice@example.com", identity.Self(other))
	wantError(t, err, identity.ErrTaken)
	_, err = h.SetEmail(t.Context(), directory, other, "bob", identity.Self(other))
	wantInvalid(t, err, "email")
}

func TestSetPassword_RejectsShortLongAndKnown(t *testing.T) {
	h := newStoreHarnessWith(t, func(cfg *identity.Config) { cfg.Breached = breachedList{"password1"} })
	user := h.account("wonderland", "")
	for name, bad := range map[string]string{
		"short":        "1234567",
		"seven runes":  "密码密码密码密",
		"long":         strings.Repeat("a", 257),
		"not UTF-8":    "\xff\xff\xff\xff\xff\xff\xff\xff",
		"the username": "WonderLand",
		"breached":     "password1",
	} {
		_, err := h.SetPassword(t.Context(), directory, user, bad, identity.Self(user))
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantInvalid(t, err, "password")
		}
	}
	if _, err := h.SetPassword(t.Context(), directory, user, strings.Repeat("密", 256), identity.Self(user)); err != nil {
		t.Errorf("256 characters: %v", err)
	}
	_, err := h.SetPassword(t.Context(), directory, user, "unavailable", identity.Self(user))
	if err == nil || errors.As(err, new(*identity.InvalidError)) {
		t.Errorf("a list that is unavailable: %v", err)
	}
}

// breachedList is a list of passwords that fails for "unavailable".
type breachedList []string

func (b breachedList) Breached(_ context.Context, password string) (bool, error) {
	if password == "unavailable" {
		return false, errors.New("list: down")
	}
	return password == b[0], nil
}

func TestVerifyPassword_RehashesWithNewParameters(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	h.Service = newStoreHarnessWith(t, func(cfg *identity.Config) {
		cfg.Engine, cfg.Argon2 = h.hooks, identity.Argon2{Memory: 16, Time: 2, Threads: 1}
	}).Service
	for range 2 {
		if got, err := h.verify("alice", password); got != user || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if stored := h.user(user).Password; !strings.HasPrefix(stored, "$argon2id$v=19$m=16,t=2,p=1$") {
		t.Errorf("stored as %s", stored)
	}
	if _, writes := h.counted(func() { _, _ = h.verify("alice", password) }); writes != 0 {
		t.Errorf("%d writes although nothing has changed", writes)
	}
}

func TestParsePasswordHash_IsStrict(t *testing.T) {
	const good = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
	hash, err := identity.ParsePasswordHash(good)
	if err != nil || hash.String() != good || hash.Argon2 != identity.DefaultArgon2() {
		t.Fatalf("got %+v, %v", hash, err)
	}
	for _, change := range [][2]string{
		{"$argon2id", "$argon2i"},
		{"$argon2id", "argon2id"},
		{"v=19", "v=16"},
		{"v=19$", ""},
		{"m=19456", "m=4294967295"},
		{"m=19456", "m=1"},
		{"t=2", "t=0"},
		{"t=2", "t=33"},
		{"p=1", "p=0"},
		{"p=1", "p=256"},
		{"p=1", "p=01"},
		{"t=2", "t=+2"},
		{"t=2,", ""},
		{",p=1", ",p=1,x=1"},
		{"c2FsdHNhbHRzYWx0", "c2Fs"},
		{"c2FsdHNhbHRzYWx0", "c2FsdHNhbHRzYWx"},
		{"aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g", "aGFzaA"},
		{"aGFzaGhhc2g", "aGFzaGhhc2g="},
		{"aGFzaGhhc2g", "aGFzaGhhc2g$"},
		{"c2FsdHNhbHRzYWx0", strings.Repeat("c2Fs", 99)},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if _, err := identity.ParsePasswordHash(bad); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}

func TestNew_RejectsArgon2OutOfBounds(t *testing.T) {
	for _, bad := range []identity.Argon2{
		{Memory: 1}, {Memory: 7, Time: 1, Threads: 1}, {Memory: 2 << 20, Time: 1, Threads: 1}, {Memory: 64, Time: 33, Threads: 1}, {Memory: 64, Time: 1, Threads: 33},
	} {
		_, err := identity.New(identity.Config{
			Engine: storagetest.NewMemory(time.Now), Now: time.Now, Rand: strings.NewReader(strings.Repeat("x", 999)), Argon2: bad,
		})
		if err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
	if _, err := identity.New(identity.Config{}); err == nil {
		t.Error("accepted an empty string")
	}
}

func TestUsername_IsUniqueIgnoringCase(t *testing.T) {
	h := newStoreHarness(t)
	h.account("Alice", "")
	_, err := h.Create(t.Context(), directory, identity.Account{Username: "aLICE"}, identity.System)
	wantError(t, err, identity.ErrTaken)
	bob := h.account("bob", "")
	_, err = h.SetUsername(t.Context(), directory, bob, "ALICE", identity.Self(bob))
	wantError(t, err, identity.ErrTaken)
	_, err = h.SetUsername(t.Context(), directory, bob, "b", identity.Self(bob))
	wantInvalid(t, err, "username")
}

func TestSetUsername_ReplacesFormer(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	if _, err := h.SetUsername(t.Context(), directory, user, "Alicia", identity.Self(user)); err != nil {
		t.Fatal(err)
	}
	_, err := h.verify("alice", password)
	wantError(t, err, identity.ErrWrongPassword)
	if got, err := h.verify("alicia", password); got != user || err != nil || h.user(user).Username != "Alicia" {
		t.Errorf("got %q, %v", got, err)
	}
	h.clock.Advance(time.Hour)
	if other := h.account("alice", ""); other == user {
		t.Error("the former name still leads to the user")
	}
	if _, err := h.SetUsername(t.Context(), directory, user, "ALICIA", identity.Self(user)); err != nil || h.user(user).Username != "ALICIA" {
		t.Errorf("another spelling: %v", err)
	}
}

func TestSetUsername_InterruptedWorksAfterRepeat(t *testing.T) {
	var user string
	rename := func(h *storeHarness) error {
		_, err := h.SetUsername(t.Context(), directory, user, "alicia", identity.Self(user))
		return err
	}
	interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
		func(h *storeHarness) { user = h.account("alice", password) }, rename,
		func(h *storeHarness, _ int) {
			_, former := h.verify("alice", password)
			_, next := h.verify("alicia", password)
			if (former == nil) == (next == nil) {
				t.Errorf("the former name: %v, the next: %v; exactly one should sign in", former, next)
			}
			if err := rename(h); err != nil {
				t.Fatal(err)
			}
			if got, err := h.verify("alicia", password); got != user || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
}

func TestCreate_InterruptedLosesNoUsername(t *testing.T) {
	create := func(h *storeHarness) error {
		_, err := h.Create(t.Context(), directory, identity.Account{Username: "alice", Password: password}, identity.Operator("ann"))
		return err
	}
	for name, heal := range map[string]func(*storeHarness) error{
		"by its repetition": create,
		"by another user's username": func(h *storeHarness) error {
			user := h.account("bob", password)
			_, err := h.SetUsername(t.Context(), directory, user, "alice", identity.Self(user))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) }, func(*storeHarness) {}, create,
				func(h *storeHarness, _ int) {
					if err := heal(h); err != nil && !errors.Is(err, identity.ErrTaken) {
						t.Errorf("heal: %v", err)
					}
					if _, err := h.verify("alice", password); err != nil {
						t.Errorf("sign in: %v", err)
					}
					h.wantConsistent()
				})
		})
	}
}

func TestCreate_ConcurrentSameUsernameHasOneWinner(t *testing.T) {
	for seed := range uint64(rounds) {
		h := newStoreHarness(t)
		won := 0
		var tasks []func(context.Context)
		for range 5 {
			tasks = append(tasks, func(ctx context.Context) {
				_, err := h.Create(ctx, directory, identity.Account{Username: "alice"}, identity.System)
				if err == nil {
					won++
				} else {
					wantError(t, err, identity.ErrTaken)
				}
			})
		}
		h.interleave(seeded(seed), 0, tasks...)
		if won != 1 || len(h.users()) != 1 {
			t.Fatalf("seed %d: %d won, %d users", seed, won, len(h.users()))
		}
		h.wantConsistent()
	}
}

func TestSetUsername_ConcurrentRenamesSignIn(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		h := newStoreHarness(t)
		a, b := h.account("alice", password), h.account("bob", password)
		rename := func(user, name string) func(context.Context) {
			return func(ctx context.Context) { _, _ = h.SetUsername(ctx, directory, user, name, identity.System) }
		}
		h.interleave(seeded(seed), 0.05,
			rename(a, "carol"), rename(a, "alice"), rename(b, "carol"), rename(b, "alice"), rename(a, "bob"), rename(b, "bob"))
		h.clock.Advance(time.Hour)
		for _, id := range []string{a, b} {
			if got, err := h.verify(h.user(id).Username, password); got != id || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		}
		h.wantConsistent()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzParsePasswordHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("$argon2id$v=19$m=10,t=1,p=1$\r00000000000$00000000000000000000000")
	f.Fuzz(func(t *testing.T, phc string) {
		hash, err := identity.ParsePasswordHash(phc)
		if err != nil {
			return
		}
		if hash.String() != phc {
			t.Fatalf("%q came back as %q", phc, hash.String())
		}
		if hash.Memory > 1<<20 || hash.Time > 32 || hash.Threads > 32 {
			t.Fatalf("%q is out of bounds", phc)
		}
	})
}

func (h *storeHarness) password(user string) string { return h.user(user).Password }

func TestSetPassword_OfDisabledUserNeedsOwnerOrOperator(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	if err := h.Disable(t.Context(), directory, user, identity.System); err != nil {
		t.Fatal(err)
	}
	before := h.password(user)
	_, err := h.SetPassword(t.Context(), directory, user, "another password", identity.Self(user))
	wantError(t, err, identity.ErrUserDisabled)
	_, err = h.SetPassword(t.Context(), directory, user, "another password", identity.Operator("ann"))
	if err != nil || h.password(user) == before || h.user(user).Status != storage.UserDisabled {
		t.Errorf("got %v", err)
	}
}
