package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func spa() NewClient {
	return NewClient{Client: storage.Client{
		Directory: "default", ID: "shop", Kind: storage.ClientSPA, RedirectURIs: []string{"https://shop.example.com/callback"},
	}}
}

func miniapp() NewClient {
	return NewClient{
		Client: storage.Client{
			Directory: "default", ID: "mini", Kind: storage.ClientMiniapp, Federation: &storage.Federation{AppID: "wx0123456789abcdef"},
		},
		AppSecret: wechat.AppSecret(strings.Repeat("a", 32)),
	}
}

func TestCreateClient_AppliesDefaultsOfKind(t *testing.T) {
	tests := []struct {
		asked      NewClient
		authMethod string
		algorithm  string
		claims     bool
		grants     string
		defaults   string
		hasSecret  bool
	}{
		{spa(), "none", "RS256", true, "authorization_code refresh_token", "", false},
		{miniapp(), "", "ES256", false, grantExchange + " refresh_token", "openid profile offline_access", true},
		{NewClient{Client: storage.Client{
			Directory: "default", Kind: storage.ClientNative, RedirectURIs: []string{"com.example.app:/cb"},
		}}, "none", "RS256", false, "authorization_code refresh_token", "", false},
		{NewClient{Client: storage.Client{
			Directory: "default", Kind: storage.ClientWeb, RedirectURIs: []string{"https://rp.example.com/cb"},
		}}, "", "RS256", true, "authorization_code refresh_token", "", true},
		{NewClient{Client: storage.Client{Directory: "default", Kind: storage.ClientService}}, "", "RS256", false, "client_credentials", "", true},
	}
	h := newServiceHarness(t)
	for _, test := range tests {
		t.Run(string(test.asked.Kind), func(t *testing.T) {
			entry, secret, err := h.CreateClient(t.Context(), test.asked)
			must(t, err)
			client := entry.Record
			if client.AuthMethod != test.authMethod || strings.Join(client.GrantTypes, " ") != test.grants ||
				strings.Join(client.DefaultScopes, " ") != test.defaults {
				t.Errorf("got %+v", client)
			}
			if claims := client.IDTokenClaims != nil && *client.IDTokenClaims; client.IDTokenAlgorithm != test.algorithm || claims != test.claims {
				t.Errorf("ID tokens by %s, with claims %t", client.IDTokenAlgorithm, claims)
			}
			if client.TokenEndpointAuthMethod() != cmp.Or(test.authMethod, "client_secret_basic") {
				t.Errorf("token_endpoint_auth_method %s", client.TokenEndpointAuthMethod())
			}
			if slices.Contains(client.DefaultScopes, ScopeLink) {
				t.Error("the link scope is granted unasked")
			}
			if (secret != "") != test.hasSecret || (len(client.Secrets) == 1) != test.hasSecret {
				t.Errorf("secret %q with %d hashes", secret, len(client.Secrets))
			}
			if client.CreatedAt.IsZero() || !client.UpdatedAt.Equal(client.CreatedAt) {
				t.Errorf("times %v, %v", client.CreatedAt, client.UpdatedAt)
			}
		})
	}
}

func TestSecret_IsReturnedOnceAndHashed(t *testing.T) {
	h := newServiceHarness(t)
	entry, secret, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(secret) {
		t.Errorf("secret %q is not 32 bytes in base64url", secret)
	}
	if want := hashGenerated(secret); entry.Record.Secrets[0] != want || !strings.HasPrefix(want, "sha256:") {
		t.Errorf("stored %q", entry.Record.Secrets[0])
	}
	doc, err := h.engine.Get(t.Context(), storage.KindClient, "default/mini")
	must(t, err)
	for _, hidden := range []string{secret, strings.Repeat("a", 32)} {
		if strings.Contains(string(doc.Body), hidden) {
			t.Errorf("the store holds %q", hidden)
		}
	}
	opened, err := h.master.Open(entry.Record.Federation.AppSecret, keys.AppSecretBinding("default", "mini"))
	must(t, err)
	if string(opened) != strings.Repeat("a", 32) {
		t.Errorf("sealed AppSecret opens as %q", opened)
	}
}

func TestSecret_ChosenIsHashedByArgon2(t *testing.T) {
	h := newServiceHarness(t)
	asked := miniapp()
	asked.Secret = "correct-horse-battery"
	entry, secret, err := h.CreateClient(t.Context(), asked)
	must(t, err)
	if secret != asked.Secret {
		t.Errorf("secret %q", secret)
	}
	hash, err := identity.ParsePasswordHash(entry.Record.Secrets[0])
	must(t, err)
	derived := argon2.IDKey([]byte(secret), hash.Salt, hash.Time, hash.Memory, hash.Threads, uint32(len(hash.Hash)))
	if !slices.Equal(derived, hash.Hash) {
		t.Error("the hash is not of this secret")
	}
	asked = miniapp()
	asked.ID, asked.Secret = "other", "short"
	_, _, err = h.CreateClient(t.Context(), asked)
	wantInvalid(t, err, "secret")
}

func TestNewID_IsSafeForShellsAndPeople(t *testing.T) {
	h := newServiceHarness(t)
	asked := spa()
	asked.ID = ""
	entry, _, err := h.CreateClient(t.Context(), asked)
	must(t, err)
	if !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(entry.Record.ID) {
		t.Errorf("ID %q", entry.Record.ID)
	}
}

func TestCreateClient_RequiresDirectoryAndFreeID(t *testing.T) {
	h := newServiceHarness(t)
	asked := spa()
	asked.Directory = "nowhere"
	if _, _, err := h.CreateClient(t.Context(), asked); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `directory "nowhere"`) {
		t.Errorf("error %v", err)
	}
	_, _, err := h.CreateClient(t.Context(), spa())
	must(t, err)
	if _, _, err := h.CreateClient(t.Context(), spa()); !errors.Is(err, ErrExists) {
		t.Errorf("error %v", err)
	}
}

func TestClient_ReportsEveryProblem(t *testing.T) {
	tests := []struct {
		name   string
		base   NewClient
		change func(*NewClient)
		fields []string
	}{
		{"unknown kind", spa(), func(c *NewClient) { c.Kind = "robot" }, []string{"kind"}},
		{"a bad ID", spa(), func(c *NewClient) { c.ID = "-x" }, []string{"id"}},
		{"a secret in a browser", spa(), func(c *NewClient) { c.AuthMethod = "client_secret_basic" }, []string{"auth_method"}},
		{"a public mini-program", miniapp(), func(c *NewClient) { c.AuthMethod = "none" }, []string{"auth_method"}},
		{"no redirect URI", spa(), func(c *NewClient) { c.RedirectURIs = nil }, []string{"redirect_uris"}},
		{"several problems", spa(), func(c *NewClient) {
			c.RedirectURIs = []string{"http://shop.example.com", "https://shop.example.com/#x"}
			c.Scopes, c.DefaultScopes = []string{"two words"}, []string{"email"}
			c.Lifetimes.AccessToken = 5
			c.IDTokenAlgorithm = "PS256"
		}, []string{"redirect_uris", "scopes", "default_scopes", "lifetimes.access_token", "id_token_algorithm"}},
		{"redirect URIs of a mini-program", miniapp(), func(c *NewClient) { c.RedirectURIs = []string{"https://a.example.com/"} }, []string{"redirect_uris"}},
		{"origins of a native app's private scheme", spa(), func(c *NewClient) { c.Kind, c.Origins = storage.ClientNative, []string{"capacitor:localhost"} }, []string{"origins"}},
		{"a foreign grant type", spa(), func(c *NewClient) { c.GrantTypes = []string{"password"} }, []string{"grant_types"}},
		{"no grant type", spa(), func(c *NewClient) { c.GrantTypes = []string{} }, []string{"grant_types"}},
		{"an audience not allowed", miniapp(), func(c *NewClient) { c.DefaultAudience = []string{"https://api.example.com"} }, []string{"default_audience"}},
		{"a link scope without account linking", miniapp(), func(c *NewClient) { c.Scopes = []string{"openid", ScopeLink} }, []string{"scopes"}},
		{"account linking without users", NewClient{Client: storage.Client{Directory: "default", Kind: storage.ClientService}}, func(c *NewClient) { c.AccountLinking = true }, []string{"account_linking"}},
		{"a link scope unasked", miniapp(), func(c *NewClient) { c.DefaultScopes = []string{ScopeLink} }, []string{"default_scopes"}},
		{"no AppID", miniapp(), func(c *NewClient) { c.Federation = nil }, []string{"app_id"}},
		{"a wrong AppID", miniapp(), func(c *NewClient) { c.Federation.AppID = "gh_0123456789ab" }, []string{"app_id"}},
		{"no AppSecret", miniapp(), func(c *NewClient) { c.AppSecret = "" }, []string{"app_secret"}},
		{"an AppSecret cut short", miniapp(), func(c *NewClient) { c.AppSecret = "abc" }, []string{"app_secret"}},
		{"an AppSecret in a browser", spa(), func(c *NewClient) { c.AppSecret = "abc" }, []string{"app_secret"}},
		{"passwords for strangers", miniapp(), func(c *NewClient) { c.Federation.PasswordBinding = true }, []string{"password_binding"}},
		{"browser sessions of a browser application", spa(), func(c *NewClient) { c.StartsSessions = true }, []string{"starts_sessions"}},
		{"an unknown policy", miniapp(), func(c *NewClient) { c.Federation.Provisioning = "maybe" }, []string{"provisioning"}},
		{"federation of a service", spa(), func(c *NewClient) { c.Federation = &storage.Federation{AppID: "wx0123456789abcdef"} }, []string{"federation"}},
		{"private_key_jwt without keys", miniapp(), func(c *NewClient) { c.AuthMethod = "private_key_jwt" }, []string{"jwks"}},
		{"both kinds of keys", miniapp(), func(c *NewClient) {
			c.AuthMethod, c.JWKS, c.JWKSURI = "private_key_jwt", publicJWKS(), "https://a.example.com/jwks"
		}, []string{"jwks"}},
		{"a private key", miniapp(), func(c *NewClient) {
			c.AuthMethod, c.JWKS = "private_key_jwt", json.RawMessage(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`)
		}, []string{"jwks"}},
		{"a secret without use", miniapp(), func(c *NewClient) {
			c.AuthMethod, c.JWKS, c.Secret = "private_key_jwt", publicJWKS(), "correct-horse-battery"
		}, []string{"secret"}},
		{"a pairwise mini-program", miniapp(), func(c *NewClient) { c.Pairwise = true }, []string{"subject_type"}},
		{"a sector without pairwise", spa(), func(c *NewClient) { c.SectorIdentifier = "https://a.example.com/x" }, []string{"sector_identifier"}},
		{"pairwise without a sector", spa(), func(c *NewClient) {
			c.Pairwise, c.RedirectURIs = true, []string{"https://a.example.com/", "https://b.example.com/"}
		}, []string{"sector_identifier"}},
		{"a sector by plain http", spa(), func(c *NewClient) { c.Pairwise, c.SectorIdentifier = true, "http://a.example.com/x" }, []string{"sector_identifier"}},
		{"an unknown assertion algorithm", miniapp(), func(c *NewClient) { c.AuthAlgorithm = "HS256" }, []string{"auth_algorithm"}},
		{"tokens that outlive their keys", spa(), func(c *NewClient) { c.Lifetimes.AccessToken, c.Lifetimes.IDToken = 86401, 86401 }, []string{"lifetimes.access_token", "lifetimes.id_token"}},
		{"grants that outlive their secrets", spa(), func(c *NewClient) { c.Lifetimes.RefreshAbsolute = 400 * 86400 }, []string{"lifetimes.refresh_absolute"}},
		{"idle beyond absolute", spa(), func(c *NewClient) { c.Lifetimes.RefreshIdle, c.Lifetimes.RefreshAbsolute = 3600, 600 }, []string{"lifetimes.refresh_idle"}},
		{"too many redirect URIs", spa(), func(c *NewClient) {
			for i := range 21 {
				c.RedirectURIs = append(c.RedirectURIs, "https://a.example.com/"+strconv.Itoa(i))
			}
		}, []string{"redirect_uris"}},
		{"the same twice", spa(), func(c *NewClient) { c.RedirectURIs = append(c.RedirectURIs, c.RedirectURIs...) }, []string{"redirect_uris"}},
		{"a plain logout URI", spa(), func(c *NewClient) { c.BackchannelLogoutURI = "http://shop.example.com/out" }, []string{"backchannel_logout_uri"}},
	}
	h := newServiceHarness(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked := test.base
			test.change(&asked)
			_, _, err := h.CreateClient(t.Context(), asked)
			wantInvalid(t, err, test.fields...)
		})
	}
}

func publicJWKS() json.RawMessage {
	return json.RawMessage(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
}

func TestClient_UpdatePreservesFixedMembers(t *testing.T) {
	h := newServiceHarness(t)
	before, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	after, err := h.UpdateClient(t.Context(), "default", "mini", before.Revision(), func(client *storage.Client) {
		*client = storage.Client{
			ID: "x", Directory: "y", Kind: storage.ClientService, Disabled: true, Secrets: []string{"sha256:forged"}, Name: "New",
			AuthMethod: client.AuthMethod, GrantTypes: client.GrantTypes,
			Federation: &storage.Federation{AppID: "wx0123456789abcde0", AppSecret: "forged", Provisioning: storage.ProvisionBind},
		}
	})
	must(t, err)
	got, was := after.Record, before.Record
	if got.ID != "mini" || got.Directory != "default" || got.Kind != was.Kind || got.Disabled || !slices.Equal(got.Secrets, was.Secrets) ||
		got.Federation.AppSecret != was.Federation.AppSecret || !got.CreatedAt.Equal(was.CreatedAt) {
		t.Errorf("altered: %+v", got)
	}
	if got.Name != "New" || got.Federation.Provisioning != storage.ProvisionBind || got.Federation.AppID != "wx0123456789abcde0" {
		t.Errorf("not altered: %+v", got)
	}
	_, err = h.UpdateClient(t.Context(), "default", "mini", "", func(client *storage.Client) { client.Federation.AppID = "x" })
	wantInvalid(t, err, "app_id")
}

// Another sector gives each user another subject, and the client would not recognize its users.
func TestOIDCCore_8_1_SectorChangesOnlyOnRequest(t *testing.T) {
	h := newServiceHarness(t)
	asked := spa()
	asked.ID, asked.Pairwise, asked.RedirectURIs = "app", true, []string{"https://old.example.com/cb"}
	_, _, err := h.CreateClient(t.Context(), asked)
	must(t, err)
	change := func(edit func(*storage.Client)) error {
		_, err := h.UpdateClient(t.Context(), "default", "app", "", edit)
		return err
	}
	moved := []string{"https://new.example.com/cb"}
	wantInvalid(t, change(func(c *storage.Client) { c.RedirectURIs = moved }), "sector_identifier")
	must(t, change(func(c *storage.Client) { c.RedirectURIs = []string{"https://old.example.com/other"} }))
	must(t, change(func(c *storage.Client) { c.RedirectURIs, c.SectorIdentifier = moved, "https://old.example.com" }))
	must(t, change(func(c *storage.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://third.example.com/cb") }))
	must(t, change(func(c *storage.Client) { c.SectorIdentifier = "https://new.example.com" }))
	must(t, change(func(c *storage.Client) { c.Pairwise, c.SectorIdentifier = false, "" }))
}

func TestSecret_Rotates(t *testing.T) {
	h := newServiceHarness(t)
	_, first, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	second, err := h.RotateClientSecret(t.Context(), "default", "mini", "", false)
	must(t, err)
	entry, err := h.Client(t.Context(), "default", "mini")
	must(t, err)
	if want := []string{hashGenerated(second), hashGenerated(first)}; !slices.Equal(entry.Record.Secrets, want) {
		t.Errorf("after one rotation: %v", entry.Record.Secrets)
	}
	for range 5 {
		_, err = h.RotateClientSecret(t.Context(), "default", "mini", "", false)
		must(t, err)
	}
	entry, err = h.Client(t.Context(), "default", "mini")
	must(t, err)
	if len(entry.Record.Secrets) != maxSecrets {
		t.Errorf("%d secrets are stored", len(entry.Record.Secrets))
	}
	last, err := h.RotateClientSecret(t.Context(), "default", "mini", "correct-horse-battery", true)
	must(t, err)
	entry, err = h.Client(t.Context(), "default", "mini")
	must(t, err)
	if len(entry.Record.Secrets) != 1 || last != "correct-horse-battery" || !strings.HasPrefix(entry.Record.Secrets[0], "$argon2id$") {
		t.Errorf("single secret: %v", entry.Record.Secrets)
	}
	_, _, err = h.CreateClient(t.Context(), spa())
	must(t, err)
	if _, err := h.RotateClientSecret(t.Context(), "default", "shop", "", false); !errors.Is(err, ErrRefused) {
		t.Errorf("a public client: error %v", err)
	}
	_, err = h.RotateClientSecret(t.Context(), "default", "mini", "short", false)
	wantInvalid(t, err, "secret")
}

func TestAppSecret_ChangesNothingElse(t *testing.T) {
	h := newServiceHarness(t)
	before, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	must(t, h.SetAppSecret(t.Context(), "default", "mini", wechat.AppSecret(strings.Repeat("c", 32))))
	entry, err := h.Client(t.Context(), "default", "mini")
	must(t, err)
	opened, err := h.master.Open(entry.Record.Federation.AppSecret, keys.AppSecretBinding("default", "mini"))
	must(t, err)
	if string(opened) != strings.Repeat("c", 32) || entry.Record.Federation.AppID != before.Record.Federation.AppID {
		t.Errorf("got %+v", entry.Record.Federation)
	}
	wantInvalid(t, h.SetAppSecret(t.Context(), "default", "mini", "short"), "app_secret")
	_, _, err = h.CreateClient(t.Context(), spa())
	must(t, err)
	if err := h.SetAppSecret(t.Context(), "default", "shop", wechat.AppSecret(strings.Repeat("c", 32))); !errors.Is(err, ErrRefused) {
		t.Errorf("a client without: error %v", err)
	}
}

func TestPushKeys_AreSealedReplacedAndRemoved(t *testing.T) {
	h := newServiceHarness(t)
	push := PushKeys{"Token1", strings.Repeat("k", 43)}
	asked := miniapp()
	asked.Push = push
	created, _, err := h.CreateClient(t.Context(), asked)
	must(t, err)
	stored := func() storage.Client {
		entry, err := h.Client(t.Context(), "default", "mini")
		must(t, err)
		return entry.Record
	}
	has := func(push PushKeys) bool {
		has, err := h.HasPushKeys(stored(), push)
		must(t, err)
		return has
	}
	if !ReceivesPush(created.Record) || !has(push) || strings.Contains(created.Record.Federation.PushToken, "Token1") {
		t.Errorf("got %+v", created.Record.Federation)
	}
	other := PushKeys{"Token2", strings.Repeat("m", 43)}
	must(t, h.SetPushKeys(t.Context(), "default", "mini", other))
	_, err = h.UpdateClient(t.Context(), "default", "mini", "", func(c *storage.Client) {
		c.Name, c.Federation.PushToken = "New", "x"
	})
	must(t, err)
	if has(push) || !has(other) || stored().Federation.AppSecret == "" {
		t.Errorf("got %+v", stored().Federation)
	}
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{}, Page{})
	must(t, err)
	for _, entry := range entries {
		for _, value := range []string{entry.After["federation.push_token"], entry.After["federation.encoding_aes_key"], entry.Before["federation.push_token"]} {
			if value != "" && value != "set" {
				t.Errorf("the audit shows %q", value)
			}
		}
	}
	for member, wrong := range map[string]PushKeys{
		"push_token":       {"no", other.EncodingAESKey},
		"encoding_aes_key": {"Token1", "short"},
	} {
		wantInvalid(t, h.SetPushKeys(t.Context(), "default", "mini", wrong), member)
	}
	wantInvalid(t, h.SetPushKeys(t.Context(), "default", "mini", PushKeys{EncodingAESKey: other.EncodingAESKey}), "push_token")
	must(t, h.SetPushKeys(t.Context(), "default", "mini", PushKeys{}))
	if ReceivesPush(stored()) || stored().Federation.EncodingAESKey != "" {
		t.Errorf("got %+v", stored().Federation)
	}
	web := spa()
	web.Push = push
	_, _, err = h.CreateClient(t.Context(), web)
	wantInvalid(t, err, "push_token")
	_, _, err = h.CreateClient(t.Context(), spa())
	must(t, err)
	if err := h.SetPushKeys(t.Context(), "default", "shop", push); !errors.Is(err, ErrRefused) {
		t.Errorf("a client without: error %v", err)
	}
}

func TestClient_IsDisabledEnabledAndDeleted(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), spa())
	must(t, err)
	entry, err := h.DisableClient(t.Context(), "default", "shop")
	must(t, err)
	if !entry.Record.Disabled {
		t.Error("it is not disabled")
	}
	entry, err = h.EnableClient(t.Context(), "default", "shop")
	must(t, err)
	if entry.Record.Disabled {
		t.Error("it is still disabled")
	}
	must(t, h.DeleteClient(t.Context(), "default", "shop"))
	if _, err := h.Client(t.Context(), "default", "shop"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after delete: error %v", err)
	}
	if err := h.DeleteClient(t.Context(), "default", "shop"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted again: error %v", err)
	}
	want := []string{"directory.create", "client.create", "client.disable", "client.enable", "client.delete"}
	if got := h.actions(t, "default"); !slices.Equal(got, want) {
		t.Errorf("audit trail %v", got)
	}
}

func TestClients_ArePaged(t *testing.T) {
	h := newServiceHarness(t)
	for i := range 5 {
		asked := spa()
		asked.ID = "c" + strconv.Itoa(i)
		_, _, err := h.CreateClient(t.Context(), asked)
		must(t, err)
	}
	seen := []string{}
	for page := (Page{Limit: 2}); ; {
		clients, next, err := h.Clients(t.Context(), "default", page)
		must(t, err)
		for _, client := range clients {
			seen = append(seen, client.ID)
		}
		if next == "" {
			break
		}
		page.After = next
	}
	if !slices.Equal(seen, []string{"c0", "c1", "c2", "c3", "c4"}) {
		t.Errorf("listed %v", seen)
	}
	if _, _, err := h.Clients(t.Context(), "nowhere", Page{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no directory: error %v", err)
	}
}

// webApp returns a web client.
func webApp() NewClient {
	asked := spa()
	asked.Kind = storage.ClientWeb
	return asked
}

func TestClient_BackendLogoutIsForWebClientsWithPublicSubjects(t *testing.T) {
	h := newServiceHarness(t)
	for name, asked := range map[string]NewClient{"spa": spa(), "mini-program": miniapp(), "pairwise": webApp()} {
		asked.ID, asked.BackendLogout, asked.Pairwise = "x", true, name == "pairwise"
		if _, _, err := h.CreateClient(t.Context(), asked); err == nil || !strings.Contains(err.Error(), "backend_logout") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	asked := webApp()
	asked.BackendLogout = true
	if _, _, err := h.CreateClient(t.Context(), asked); err != nil {
		t.Error(err)
	}
}

func TestClient_TokenSettingsAreChecked(t *testing.T) {
	h := newServiceHarness(t)
	for field, edit := range map[string]func(*storage.Client){
		"access_token_type":        func(c *storage.Client) { c.AccessTokenType = "jwt" },
		"keep_refresh_token":       func(c *storage.Client) { c.KeepRefreshToken = true }, // of a public client
		"placeholder_email_domain": func(c *storage.Client) { c.PlaceholderEmailDomain = "users@example.com" },
	} {
		asked := spa()
		edit(&asked.Client)
		if _, _, err := h.CreateClient(t.Context(), asked); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	asked := miniapp()
	asked.AccessTokenType, asked.KeepRefreshToken, asked.PlaceholderEmailDomain = "JWT", true, "users.example.com"
	if _, _, err := h.CreateClient(t.Context(), asked); err != nil {
		t.Error(err)
	}
	asked.ID, asked.OpaqueAccessTokens = "opaque", true
	if _, _, err := h.CreateClient(t.Context(), asked); err == nil || !strings.Contains(err.Error(), "access_token_type") {
		t.Errorf("JWT and opaque: got %v", err)
	}
}
