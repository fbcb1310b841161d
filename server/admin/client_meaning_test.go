package admin

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestClient_RejectsSettingsWithoutEffect(t *testing.T) {
	service := func() NewClient {
		return NewClient{Client: storage.Client{Directory: "default", ID: "api", Kind: storage.ClientService}}
	}
	tests := []struct {
		name  string
		base  NewClient
		edit  func(*NewClient)
		field string
	}{
		{"a policy of a service", service(), func(c *NewClient) { c.PolicyURL = "https://a.example.com/" }, "policy_url"},
		{"terms of a service", service(), func(c *NewClient) { c.TermsURL = "https://a.example.com/" }, "terms_url"},
		{"a first-party service", service(), func(c *NewClient) { c.FirstParty = true }, "first_party"},
		{"logouts of a service", service(), func(c *NewClient) { c.BackchannelLogoutURI = "https://a.example.com/" }, "backchannel_logout_uri"},
		{"events of a service", service(), func(c *NewClient) { c.EventURI = "https://a.example.com/" }, "event_uri"},
		{"PKCE of a service", service(), func(c *NewClient) { c.RequirePKCE = true }, "require_pkce"},
		{"PAR of a mini-program", miniapp(), func(c *NewClient) { c.RequirePAR = true }, "require_par"},
		{"introspection by a public client", spa(), func(c *NewClient) { c.Introspection = true }, "introspection"},
		{"keys and a secret", miniapp(), func(c *NewClient) { c.JWKS = publicJWKS() }, "jwks"},
		{"a key address and a secret", miniapp(), func(c *NewClient) { c.JWKSURI = "https://a.example.com/" }, "jwks_uri"},
		{"a key algorithm and a secret", miniapp(), func(c *NewClient) { c.AuthAlgorithm = "ES256" }, "auth_algorithm"},
		{"an idle session", spa(), func(c *NewClient) { c.Lifetimes.SessionIdle = 60 }, "lifetimes.session_idle"},
		{"an old session", miniapp(), func(c *NewClient) { c.Lifetimes.SessionAbsolute = 60 }, "lifetimes.session_absolute"},
		{"ID tokens of a service", service(), func(c *NewClient) { c.Lifetimes.IDToken = 60 }, "lifetimes.id_token"},
		{"refresh tokens of a service", service(), func(c *NewClient) { c.Lifetimes.RefreshIdle = 60 }, "lifetimes.refresh_idle"},
		{"grants of a service", service(), func(c *NewClient) { c.Lifetimes.RefreshAbsolute = 60 }, "lifetimes.refresh_absolute"},
		{"codes of a mini-program", miniapp(), func(c *NewClient) { c.Lifetimes.Code = 60 }, "lifetimes.code"},
	}
	h := newServiceHarness(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.edit(&test.base)
			_, _, err := h.CreateClient(t.Context(), test.base)
			wantInvalid(t, err, test.field)
			if !strings.Contains(err.Error(), "has no effect") {
				t.Errorf("error %q", err)
			}
		})
	}
}

// TestClient_UpdateIgnoresOldProblems covers a client that older rules allowed.
func TestClient_UpdateIgnoresOldProblems(t *testing.T) {
	h := newServiceHarness(t)
	old := spa().Client
	old.AuthMethod, old.GrantTypes = "none", []string{"authorization_code"}
	old.RedirectURIs = []string{"https://shop.example.com/cb?code=1"}
	old.Lifetimes = storage.Lifetimes{SessionIdle: 60, AccessToken: 300}
	old.Introspection = true
	_, err := storage.Insert(t.Context(), h.engine, old)
	must(t, err)
	changed, err := h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.Name = "Shop" })
	must(t, err)
	if got := changed.Record; got.Name != "Shop" || got.Lifetimes != (storage.Lifetimes{AccessToken: 300}) || !got.Introspection {
		t.Errorf("changed to %+v", got)
	}
	directory, err := h.Directory(t.Context(), "default")
	must(t, err)
	if problems := ClientProblems(old, directory.Record); len(problems) != 3 {
		t.Errorf("doctor would see %v", problems)
	}
	_, err = h.UpdateClient(t.Context(), "default", "shop", "", func(c *storage.Client) { c.RedirectURIs = []string{"https://shop.example.com/cb?state=1"} })
	wantInvalid(t, err, "redirect_uris")
}
