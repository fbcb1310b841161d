package identity_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// codeDirectory is the directory of the tests with sign-in by codes.
func codeDirectory(change func(*storage.Policy)) storage.Directory {
	d := storage.Directory{ID: directory, SignInMethods: []string{storage.SignInPhoneCode, storage.SignInEmailCode}}
	if change != nil {
		change(&d.Policy)
	}
	return d
}

func TestSignInByCode_PhoneMustBeProvenHereAndFresh(t *testing.T) {
	h := newStoreHarness(t)
	open := codeDirectory(func(p *storage.Policy) { p.SelfRegistration = true })
	user := h.sub(login("wxsim1", "o1", ""))
	signIn := func(known string) (string, error) {
		found, err := h.SignInByCode(t.Context(), open, identity.PhoneAddress(directory, number), known)
		if err != nil {
			return "", err
		}
		return found.Record.ID, nil
	}
	if err := h.link(user, number); err != nil { // WeChat's proof.
		t.Fatal(err)
	}
	for _, known := range []string{"", user} {
		if got, err := signIn(known); !errors.Is(err, identity.ErrTaken) {
			t.Errorf("a number that WeChat proved signs in %q, %v", got, err)
		}
	}
	if _, err := h.ProvePhone(t.Context(), directory, user, number, identity.Self(user)); err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"", user, "gone"} {
		if got, err := signIn(known); err != nil || got != user {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := h.link(user, number); err != nil { // WeChat proves it again.
		t.Fatal(err)
	}
	if h.user(user).PhoneProvenAt.IsZero() {
		t.Error("WeChat's proof of the same number removed the mark")
	}
	h.clock.Advance(91 * 24 * time.Hour)
	for _, known := range []string{"", user} {
		if got, err := signIn(known); !errors.Is(err, identity.ErrTaken) {
			t.Errorf("an old proof signs in %q, %v", got, err)
		}
	}
	h.wantConsistent()
}

func TestSignInByCode_RenewsAnOldProof(t *testing.T) {
	h := newStoreHarness(t)
	d := codeDirectory(nil)
	user := h.sub(login("wxsim1", "o1", ""))
	if _, err := h.ProvePhone(t.Context(), directory, user, number, identity.Self(user)); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		h.clock.Advance(60 * 24 * time.Hour)
		if _, err := h.SignInByCode(t.Context(), d, identity.PhoneAddress(directory, number), user); err != nil {
			t.Fatal(err)
		}
	}
	h.wantConsistent()
}

func TestSignInByCode_AnotherNumberRemovesTheMark(t *testing.T) {
	h := newStoreHarness(t)
	user := h.sub(login("wxsim1", "o1", ""))
	if _, err := h.ProvePhone(t.Context(), directory, user, number, identity.Self(user)); err != nil {
		t.Fatal(err)
	}
	if err := h.link(user, number2); err != nil {
		t.Fatal(err)
	}
	if !h.user(user).PhoneProvenAt.IsZero() {
		t.Error("a number that WeChat proved has the mark of another one")
	}
	if _, err := h.SignInByCode(t.Context(), codeDirectory(nil), identity.PhoneAddress(directory, number), user); !errors.Is(err, identity.ErrUnknownUser) {
		t.Errorf("got %v", err)
	}
}

func TestSignInByCode_CreatesUsersUnderThePolicyAlone(t *testing.T) {
	h := newStoreHarness(t)
	addresses := []storage.Identity{identity.PhoneAddress(directory, number), identity.EmailAddress(directory, "ann@example.com")}
	open := codeDirectory(func(p *storage.Policy) { p.SelfRegistration = true })
	for _, address := range addresses {
		if _, err := h.SignInByCode(t.Context(), codeDirectory(nil), address, ""); !errors.Is(err, identity.ErrUnknownUser) {
			t.Errorf("got %v", err)
		}
		created, err := h.SignInByCode(t.Context(), open, address, "")
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.SignInByCode(t.Context(), open, address, "")
		if err != nil || again.Record.ID != created.Record.ID || created.Record.Shadow {
			t.Errorf("got %+v, %v", again, err)
		}
	}
	h.wantConsistent()
}

// plant stores an unverified e-mail address in a user's record, as another person could have entered it in an older system.
func (h *storeHarness) plant(id, address string) {
	h.t.Helper()
	if _, err := h.SetEmail(h.t.Context(), directory, id, address, identity.System); err != nil {
		h.t.Fatal(err)
	}
	entry, err := h.User(h.t.Context(), directory, id)
	if err == nil {
		planted := entry.Record
		planted.EmailVerified = false
		_, err = entry.Replace(h.t.Context(), h.memory, planted)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestSignInByCode_FirstProofOfAnEmailEndsWhatWasSetBefore(t *testing.T) {
	h := newStoreHarness(t)
	created, err := h.Create(t.Context(), directory, identity.Account{Username: "attacker", Password: "correct horse battery"}, identity.System)
	if err != nil {
		t.Fatal(err)
	}
	id := created.Record.ID
	h.plant(id, "ann@example.com")
	if err := h.AddPasskey(t.Context(), h.user(id), storage.Passkey{RPID: "localhost", CredentialID: []byte("c")}, identity.Self(id)); err != nil {
		t.Fatal(err)
	}
	if err := h.SetTOTP(t.Context(), h.user(id), storage.TOTP{Secret: "sealed"}, identity.Self(id)); err != nil {
		t.Fatal(err)
	}
	before := h.user(id)
	signed, err := h.SignInByCode(t.Context(), codeDirectory(nil), identity.EmailAddress(directory, "ann@example.com"), id)
	if err != nil {
		t.Fatal(err)
	}
	got := signed.Record
	if !got.EmailVerified || got.Password != "" || got.Epoch <= before.Epoch || got.SessionsDueAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	methods, err := h.Methods(t.Context(), got)
	if err != nil || len(methods.Passkeys) > 0 || methods.TOTP != nil {
		t.Errorf("got %+v, %v", methods, err)
	}
	again, err := h.SignInByCode(t.Context(), codeDirectory(nil), identity.EmailAddress(directory, "ann@example.com"), id)
	if err != nil || again.Record.Epoch != got.Epoch {
		t.Errorf("the second proof: %+v, %v", again, err)
	}
}

func TestSignInByCode_UnverifiedEmailDoesNotOpenAWeChatAccount(t *testing.T) {
	h := newStoreHarness(t)
	id := h.sub(login("wxsim1", "o1", ""))
	h.plant(id, "ann@example.com")
	open := codeDirectory(func(p *storage.Policy) { p.SelfRegistration = true })
	if _, err := h.SignInByCode(t.Context(), open, identity.EmailAddress(directory, "ann@example.com"), id); !errors.Is(err, identity.ErrTaken) {
		t.Errorf("got %v", err)
	}
}

func TestRemoveAddress_NeverTheLastWayIn(t *testing.T) {
	h := newStoreHarness(t)
	open := codeDirectory(func(p *storage.Policy) { p.SelfRegistration = true })
	created, err := h.SignInByCode(t.Context(), open, identity.PhoneAddress(directory, number), "")
	if err != nil {
		t.Fatal(err)
	}
	id := created.Record.ID
	how := identity.Removal{Actor: identity.Self(id), Directory: open}
	wantError(t, h.RemovePhone(t.Context(), h.user(id), how), identity.ErrLastMethod)
	wantError(t, h.RemoveEmail(t.Context(), h.user(id), how), identity.ErrUnknownMethod)
	if h.user(id).Phone != number || h.user(id).PhoneProvenAt.IsZero() {
		t.Error("the last way was removed")
	}
	if _, err := h.SetEmail(t.Context(), directory, id, "ann@example.com", identity.Self(id)); err != nil {
		t.Fatal(err)
	}
	withoutMail := how
	withoutMail.Directory.SignInMethods = []string{storage.SignInPhoneCode}
	wantError(t, h.RemovePhone(t.Context(), h.user(id), withoutMail), identity.ErrLastMethod)
	wantError(t, h.RemovePhone(t.Context(), h.user(id), how), nil)
	wantError(t, h.RemoveEmail(t.Context(), h.user(id), how), identity.ErrLastMethod)
	if got := h.user(id); got.Phone != "" || !got.PhoneVerifiedAt.IsZero() || !got.PhoneProvenAt.IsZero() || got.Email == "" {
		t.Errorf("got %+v", got)
	}
	links, err := h.Identities(t.Context(), h.user(id))
	if err != nil || slices.ContainsFunc(links, func(l *storage.Entry[storage.Identity]) bool { return l.Record.Type == storage.IdentityPhone }) {
		t.Errorf("the link of the number remains: %v, %v", links, err)
	}
	other, err := h.SignInByCode(t.Context(), open, identity.PhoneAddress(directory, number), "")
	if err != nil || other.Record.ID == id {
		t.Errorf("the number is not free: %v, %v", other, err)
	}
}

func TestRemoveAddress_BothAtOnceLeaveOne(t *testing.T) {
	for range 20 {
		h := newStoreHarness(t)
		open := codeDirectory(func(p *storage.Policy) { p.SelfRegistration = true })
		created, err := h.SignInByCode(t.Context(), open, identity.PhoneAddress(directory, number), "")
		if err != nil {
			t.Fatal(err)
		}
		id := created.Record.ID
		if err := h.AddPasskey(t.Context(), h.user(id), storage.Passkey{RPID: "localhost", CredentialID: []byte("c")}, identity.Self(id)); err != nil {
			t.Fatal(err)
		}
		methods, err := h.Methods(t.Context(), h.user(id))
		if err != nil {
			t.Fatal(err)
		}
		user, how := h.user(id), identity.Removal{Actor: identity.Self(id), Directory: open}
		done := make(chan error, 2)
		go func() { done <- h.RemovePhone(t.Context(), user, how) }()
		go func() { done <- h.RemovePasskey(t.Context(), user, methods.Passkeys[0].Record.ID(), how) }()
		for range 2 {
			if err := <-done; err != nil && !errors.Is(err, identity.ErrLastMethod) {
				t.Fatal(err)
			}
		}
		left, err := h.Methods(t.Context(), h.user(id))
		if err != nil || h.user(id).Phone == "" && len(left.Passkeys) == 0 {
			t.Fatalf("no way in is left, %v", err)
		}
	}
}
