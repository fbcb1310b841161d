package oauth2_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

func TestClient_HasTheDataOfItsRecord(t *testing.T) {
	k := newKit(t)
	c := k.register(storage.Client{
		ID: "web", Kind: storage.ClientWeb, AuthMethod: "private_key_jwt", AuthAlgorithm: "ES256", Secrets: []string{"new", "old", "older"},
		RedirectURIs: []string{"https://web.example/cb"}, Scopes: []string{"openid"}, DefaultScopes: []string{"openid"},
		Audiences: []string{"https://api.example"}, DefaultAudience: []string{"https://default.example", "https://api.example"},
		IDTokenAlgorithm: "ES256", JWKSURI: "https://web.example/jwks",
	})
	if c.GetID() != "web" || c.IsPublic() || c.GetTokenEndpointAuthMethod() != "private_key_jwt" || c.GetTokenEndpointAuthSigningAlgorithm() != "ES256" {
		t.Errorf("client is %+v", c)
	}
	if string(c.GetHashedSecret()) != "new" || len(c.GetRotatedHashes()) != 2 || string(c.GetRotatedHashes()[1]) != "older" {
		t.Errorf("secrets are %q, %q", c.GetHashedSecret(), c.GetRotatedHashes())
	}
	if want := []string{"https://api.example", "https://default.example", "https://id.example"}; !slices.Equal(c.GetAudience(), want) {
		t.Errorf("audience is %v, want %v: the refresh grant asks for defaults and issuer too", c.GetAudience(), want)
	}
	if !slices.Equal(c.DefaultAudience(), []string{"https://default.example", "https://api.example"}) {
		t.Errorf("default audience is %v", c.DefaultAudience())
	}
	if c.IDTokenAlgorithm() != "ES256" || c.AccessTokenAlgorithm() != "ES256" {
		t.Errorf("algorithms are %s, %s", c.IDTokenAlgorithm(), c.AccessTokenAlgorithm())
	}
	if c.GetJSONWebKeys() != nil || c.GetJSONWebKeysURI() != "https://web.example/jwks" {
		t.Error("keys are not those of jwks_uri")
	}
	if len(c.GetRequestURIs()) != 0 || c.GetRequestObjectSigningAlgorithm() != "" {
		t.Error("request objects are supported")
	}
	if !slices.Contains(c.GetResponseModes(), fosite.ResponseModeFormPost) || slices.Contains(c.GetResponseModes(), fosite.ResponseModeFragment) {
		t.Errorf("response modes are %v", c.GetResponseModes())
	}
}

func TestClient_KindHasDefaults(t *testing.T) {
	k := newKit(t)
	tests := map[storage.ClientKind]struct {
		grantTypes, responseTypes, scopes []string
		refresh                           time.Duration
	}{
		storage.ClientMiniapp: {
			[]string{"urn:ietf:params:oauth:grant-type:token-exchange", "refresh_token"},
			nil,
			[]string{"openid", "profile", "offline_access"},
			7 * 24 * time.Hour,
		},
		storage.ClientService: {[]string{"client_credentials"}, nil, nil, 30 * 24 * time.Hour},
		storage.ClientSPA:     {[]string{"authorization_code", "refresh_token"}, []string{"code"}, nil, 30 * 24 * time.Hour},
		storage.ClientNative:  {[]string{"authorization_code", "refresh_token"}, []string{"code"}, nil, 30 * 24 * time.Hour},
		storage.ClientWeb:     {[]string{"authorization_code", "refresh_token"}, []string{"code"}, nil, 30 * 24 * time.Hour},
	}
	for kind, want := range tests {
		c := k.register(storage.Client{ID: string(kind), Kind: kind})
		if !slices.Equal(c.GetGrantTypes(), want.grantTypes) || !slices.Equal(c.GetResponseTypes(), want.responseTypes) ||
			!slices.Equal(c.GetScopes(), want.scopes) || !slices.Equal(c.DefaultScopes(), want.scopes) {
			t.Errorf("%s: grant types %v, response types %v, scopes %v", kind, c.GetGrantTypes(), c.GetResponseTypes(), c.GetScopes())
		}
		if c.IDTokenAlgorithm() != "RS256" || c.AccessTokenAlgorithm() != "RS256" || !slices.Equal(c.DefaultAudience(), []string{"https://id.example"}) {
			t.Errorf("%s: algorithm %s, audience %v", kind, c.IDTokenAlgorithm(), c.DefaultAudience())
		}
		for token, life := range map[fosite.TokenType]time.Duration{
			fosite.AccessToken: 10 * time.Minute, fosite.IDToken: 10 * time.Minute, fosite.RefreshToken: want.refresh,
			fosite.AuthorizeCode: time.Minute, fosite.UserCode: time.Second,
		} {
			if got := c.GetEffectiveLifespan(fosite.GrantTypeRefreshToken, token, time.Second); got != life {
				t.Errorf("%s: %s lives %v, want %v", kind, token, got, life)
			}
		}
		if c.GetHashedSecret() != nil || c.GetRotatedHashes() != nil {
			t.Errorf("%s has a secret", kind)
		}
	}
}

func TestClient_LifetimesDefaultToTheDirectory(t *testing.T) {
	directory := storage.Directory{ID: "main", Lifetimes: storage.Lifetimes{AccessToken: 60, IDToken: 120, RefreshIdle: 3600, SessionIdle: 5}}
	issuer := &oauth2.Issuer{Directory: directory, URL: "https://id.example"}
	c, err := oauth2.NewClient(storage.Client{Kind: storage.ClientMiniapp, Lifetimes: storage.Lifetimes{AccessToken: 30, Code: 10}}, issuer)
	if err != nil {
		t.Fatal(err)
	}
	want := oauth2.Lifetimes{
		AccessToken: 30 * time.Second, IDToken: 2 * time.Minute, RefreshIdle: time.Hour, RefreshAbsolute: 180 * 24 * time.Hour,
		SessionIdle: 5 * time.Second, SessionAbsolute: 30 * 24 * time.Hour, Code: 10 * time.Second,
	}
	if c.Lifetimes() != want {
		t.Errorf("got %+v, want %+v", c.Lifetimes(), want)
	}
	if got := oauth2.DirectoryLifetimes(storage.Directory{}); got.RefreshIdle != 30*24*time.Hour || got.SessionIdle != 12*time.Hour || got.Code != time.Minute {
		t.Errorf("defaults are %+v", got)
	}
}

func TestClient_KeysHaveTheTypeOfFosite(t *testing.T) {
	const ec = `{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	issuer := &oauth2.Issuer{URL: "https://id.example"}
	c, err := oauth2.NewClient(storage.Client{JWKS: json.RawMessage(`{"keys":[{"kty":"future"},` + ec + `,{"kty":"oct","k":"AAAA"}]}`)}, issuer)
	if err != nil {
		t.Fatal(err)
	}
	keys := c.GetJSONWebKeys().Keys
	if len(keys) != 1 || keys[0].KeyID != "1" {
		t.Fatalf("keys are %+v", keys)
	}
	if _, ok := keys[0].Key.(*ecdsa.PublicKey); !ok {
		t.Errorf("key is %T", keys[0].Key)
	}
	if _, err := oauth2.NewClient(storage.Client{JWKS: json.RawMessage(`[]`)}, issuer); err == nil {
		t.Error("a JWK Set that is no object was accepted")
	}
}

func TestClient_DisabledOrOfAnotherDirectoryIsNotFound(t *testing.T) {
	k := newKit(t)
	record := k.client("spa").Record()
	record.ID, record.Disabled = "off", true
	k.register(record)
	k.clients["main/lost"] = k.clients["main/spa"] // A cache that mixes directories up must not matter.
	other := oauth2.Begin(t.Context(), &oauth2.Issuer{Directory: storage.Directory{ID: "other"}})
	k.clients["other/spa"] = k.clients["main/spa"]
	if _, err := k.store.GetClient(k.begin(), "off"); !errors.Is(err, fosite.ErrNotFound) {
		t.Errorf("disabled: %v", err)
	}
	if _, err := k.store.GetClient(k.begin(), "unknown"); !errors.Is(err, fosite.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := k.store.GetClient(other, "spa"); !errors.Is(err, fosite.ErrNotFound) {
		t.Errorf("of another directory: %v", err)
	}
	if c, err := k.store.GetClient(k.begin(), "spa"); err != nil || c.GetID() != "spa" {
		t.Errorf("enabled: %v, %v", c, err)
	}
}

func FuzzClientKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC"}]}`))
	f.Add([]byte(`{"keys":[null]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := oauth2.NewClient(storage.Client{JWKS: raw}, &oauth2.Issuer{})
		if err != nil {
			return
		}
		if set := c.GetJSONWebKeys(); set != nil {
			for _, key := range set.Keys {
				if !key.IsPublic() {
					t.Fatalf("%s is not a public key", raw)
				}
			}
		}
	})
}
