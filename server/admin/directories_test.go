package admin

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

func TestCreateDirectory_CreatesKeysAndSecrets(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop", Policy: storage.Policy{SigningAlgorithms: []string{"RS256", "EdDSA"}}})
	must(t, err)
	listed, err := h.SigningKeys(t.Context(), "shop")
	must(t, err)
	algorithms := []string{}
	for _, key := range listed {
		algorithms = append(algorithms, key.Algorithm+" "+string(key.State))
	}
	if !slices.Equal(algorithms, []string{"RS256 active", "EdDSA active"}) {
		t.Errorf("keys %v", algorithms)
	}
	if _, err := storage.Get[storage.TokenSecrets](t.Context(), h.engine, "shop"); err != nil {
		t.Errorf("token secrets: %v", err)
	}
	if _, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"}); !errors.Is(err, ErrExists) {
		t.Errorf("again: error %v", err)
	}
}

func TestEnsureDirectory_CompletesUnfinished(t *testing.T) {
	h := newServiceHarness(t)
	must(t, h.engine.Delete(t.Context(), storage.KindTokenSecrets, "default"))
	created, err := h.EnsureDirectory(t.Context(), storage.Directory{ID: "default"})
	if created || err != nil {
		t.Errorf("created %v, error %v", created, err)
	}
	if _, err := storage.Get[storage.TokenSecrets](t.Context(), h.engine, "default"); err != nil {
		t.Errorf("token secrets: %v", err)
	}
}

func TestDirectory_ReportsEveryProblem(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{
		ID: "My Shop", Name: "a\x00b", Issuer: "https://id.example.com/",
		Branding: storage.Branding{
			AccentColor: "green", PolicyURL: "http://example.com/policy", ICPNumber: "ICP", PoliceNumber: "京ICP备12345678号",
		},
		VerificationFiles: []storage.VerificationFile{{Name: "../x.txt", Content: "x"}},
		Policy:            storage.Policy{SigningAlgorithms: []string{"ES256", "HS256"}, PhoneFresh: -1, TwoFactor: "maybe"},
		Lifetimes:         storage.Lifetimes{Code: 3600},
		Claims:            []storage.ClaimMapping{{Claim: "roles", Source: "list:a b", Scope: "roles"}},
		SignInMethods:     []string{"password", "sms", "password"},
		SMS:               storage.SMS{Provider: storage.SMSAliyun, URL: "ftp://x", CountryCodes: []string{"86"}, DailyLimit: -1, NoticeTemplates: storage.SMSTemplates{English: "1"}},
		CaptchaURL:        "http://example.com/",
	})
	wantInvalid(t, err, "id", "name", "issuer", "branding.accent_color", "branding.policy_url", "branding.icp_number", "branding.police_number",
		"verification_files",
		"policy.signing_algorithms", "policy.two_factor", "policy.phone_fresh", "lifetimes.code", "claims", "sign_in_methods",
		"sms.url", "sms.access_key", "sms.signature", "sms.templates.zh", "sms.notice_templates.zh", "sms.country_codes", "sms.daily_limit", "captcha_url")
	_, err = h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.SignInMethods = []string{storage.SignInPasskey} })
	wantInvalid(t, err, "sign_in_methods")
	_, err = h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Issuer = "https://other.example.com" })
	wantInvalid(t, err, "issuer")
}

func TestDirectory_UpdatePreservesIDAndAddsKeys(t *testing.T) {
	h := newServiceHarness(t)
	entry, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) {
		d.ID, d.Disabled, d.Name = "other", true, "New"
		d.Policy.SigningAlgorithms = []string{"RS256", "ES384"}
	})
	must(t, err)
	if entry.Record.ID != "default" || entry.Record.Disabled || entry.Record.Name != "New" {
		t.Errorf("got %+v", entry.Record)
	}
	listed, err := h.SigningKeys(t.Context(), "default")
	must(t, err)
	if !slices.ContainsFunc(listed, func(key keys.Key) bool { return key.Algorithm == "ES384" }) {
		t.Errorf("keys %v", listed)
	}
	if _, err := h.UpdateDirectory(t.Context(), "default", "old", func(*storage.Directory) {}); !errors.Is(err, ErrChanged) {
		t.Errorf("an old revision: error %v", err)
	}
}

func TestDisableDirectory_RejectsDefault(t *testing.T) {
	h := newServiceHarness(t)
	if _, err := h.DisableDirectory(t.Context(), "default"); !errors.Is(err, ErrRefused) {
		t.Errorf("disable: error %v", err)
	}
	if err := h.DeleteDirectory(t.Context(), "default"); !errors.Is(err, ErrRefused) {
		t.Errorf("delete: error %v", err)
	}
}

func TestDeleteDirectory_RequiresDisabledAndEmpty(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
	must(t, err)
	asked := spa()
	asked.Directory = "shop"
	_, _, err = h.CreateClient(t.Context(), asked)
	must(t, err)
	user, err := h.CreateUser(t.Context(), "shop", identity.Account{Username: "alice"})
	must(t, err)

	refused := func(because string) {
		t.Helper()
		if err := h.DeleteDirectory(t.Context(), "shop"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), because) {
			t.Errorf("error %v, want one about %q", err, because)
		}
	}
	refused("disable")
	_, err = h.DisableDirectory(t.Context(), "shop")
	must(t, err)
	refused("clients")
	must(t, h.DeleteClient(t.Context(), "shop", "shop"))
	refused("users")
	must(t, h.DeleteUser(t.Context(), "shop", user.ID))
	must(t, h.DeleteDirectory(t.Context(), "shop"))
	if _, err := h.Directory(t.Context(), "shop"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after delete: error %v", err)
	}
	for _, algorithm := range keys.Algorithms() {
		if _, err := h.engine.Get(t.Context(), storage.KindSigningKeys, "shop/"+algorithm); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("keys of %s are left", algorithm)
		}
	}
}

func TestDirectories_AreListed(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "acme"})
	must(t, err)
	directories, next, err := h.Directories(t.Context(), Page{})
	must(t, err)
	if len(directories) != 2 || directories[0].ID != "acme" || directories[1].ID != "default" || next != "" {
		t.Errorf("listed %v, next %q", directories, next)
	}
	entry, err := h.EnableDirectory(t.Context(), "acme")
	must(t, err)
	if entry.Record.Disabled {
		t.Error("it is disabled")
	}
}

func TestSigningKeys_Rotate(t *testing.T) {
	h := newServiceHarness(t)
	next, err := h.RotateSigningKey(t.Context(), "default", keys.ES256)
	must(t, err)
	if next.State != keys.StateNext {
		t.Errorf("next key is %s", next.State)
	}
	if _, err := h.RotateSigningKey(t.Context(), "default", keys.EdDSA); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "RS256, ES256") {
		t.Errorf("an algorithm without keys: error %v", err)
	}
	if _, err := h.RotateSigningKey(t.Context(), "nowhere", keys.ES256); !errors.Is(err, ErrNotFound) {
		t.Errorf("no directory: error %v", err)
	}
	generation, useAt, err := h.RotateTokenSecrets(t.Context(), "default")
	must(t, err)
	if generation != 2 || !useAt.After(h.at) {
		t.Errorf("generation %d from %v", generation, useAt)
	}
	changed, err := h.Reseal(t.Context())
	if changed != 0 || err != nil {
		t.Errorf("reseal with the same key: %d, %v", changed, err)
	}
	if got := h.actions(t, "default"); !slices.Equal(got, []string{"directory.create", "keys.rotate", "secrets.rotate", "master.reseal"}) {
		t.Errorf("audit trail %v", got)
	}
}

func TestDirectory_ClaimMappingsAreChecked(t *testing.T) {
	h := newServiceHarness(t)
	for name, mapping := range map[string]storage.ClaimMapping{
		"a claim of the protocol":   {Claim: "sub", Source: "groups", Scope: "groups"},
		"a standard claim":          {Claim: "email", Source: "text:email", Scope: "groups"},
		"a claim with a space":      {Claim: "my groups", Source: "groups", Scope: "groups"},
		"no claim":                  {Source: "groups", Scope: "groups"},
		"an unknown source":         {Claim: "groups", Source: "password", Scope: "groups"},
		"a source without its name": {Claim: "groups", Source: "list:", Scope: "groups"},
		"no scope":                  {Claim: "groups", Source: "groups"},
		"every sign-in":             {Claim: "groups", Source: "groups", Scope: "openid"},
	} {
		_, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Claims = []storage.ClaimMapping{mapping} })
		if invalid := (*Invalid)(nil); !errors.As(err, &invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	twice := storage.ClaimMapping{Claim: "groups", Source: "groups", Scope: "groups"}
	_, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Claims = []storage.ClaimMapping{twice, twice} })
	wantInvalid(t, err, "claims")
	_, err = h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.Claims = []storage.ClaimMapping{twice} })
	must(t, err)
}
