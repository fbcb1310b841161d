package grants_test

import (
	"crypto"
	"fmt"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

// verify checks the ID token of a response with go-oidc, at_hash included.
func verify(t *testing.T, s *server, got tokenResponse) *oidc.IDToken {
	t.Helper()
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{s.signer.public}}
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: clientID, SupportedSigningAlgs: []string{string(s.signer.algorithm)}})
	token, err := verifier.Verify(t.Context(), got.member("id_token"))
	if err != nil {
		t.Fatalf("go-oidc rejects the ID token: %v", err)
	}
	if err := token.VerifyAccessToken(got.member("access_token")); err != nil {
		t.Errorf("go-oidc rejects at_hash %q: %v", token.AccessTokenHash, err)
	}
	return token
}

// OpenID Connect Core §3.1.3.6: at_hash uses the hash of the algorithm that signs the ID token, whether or not the session
// names the algorithm.
func TestIDToken_HasAtHashOfItsAlgorithm(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA} {
		for _, announced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/announced=%v", algorithm, announced), func(t *testing.T) {
				s := newServer(t, func(s *server) {
					s.signer = newSigner(t, algorithm)
					s.newSession = func() fosite.Session {
						session := openid.NewDefaultSession()
						if announced {
							session.Headers.Add("alg", string(algorithm))
						}
						return session
					}
				}, withSigner)
				verify(t, s, wantGranted(t, s, exchange("good")))
				if signatures := s.signer.signatures.Load(); announced && signatures != 1 {
					t.Errorf("the ID token was signed %d times although its algorithm was known", signatures)
				}
			})
		}
	}
}

func TestIDToken_HasSubjectOfJWTAccessToken(t *testing.T) {
	s := newServer(t, withJWTAccessTokens)
	got := wantGranted(t, s, exchange("good", "scope", "openid offline_access"))
	if token := verify(t, s, got); token.Subject != "u-1" {
		t.Errorf("ID token's sub is %q", token.Subject)
	}
	if claims := claimsOf(t, got.member("access_token")); claims["sub"] != "u-1" || claims["scope"] != "openid offline_access" || claims["iss"] != issuer {
		t.Errorf("access token has %v", claims)
	}
}

func TestIDToken_HasClaims(t *testing.T) {
	authTime := time.Now().Add(-time.Hour).Truncate(time.Second)
	s := newServer(t, func(s *server) {
		s.users.subject = grants.Subject{
			AuthTime: authTime, AMR: []string{"wechat_miniapp", "sms"}, ACR: "1",
			Claims: map[string]any{
				"sid": "s-1", "azp": clientID,
				"sub": "other", "iss": "other", "aud": "other", "exp": 1, "iat": 1, "auth_time": 1, "nonce": "other", "amr": "other",
				"acr": "other", "at_hash": "other", "c_hash": "other", "jti": "other",
			},
		}
	})
	got := wantGranted(t, s, exchange("good", "nonce", "nonce-of-mine"))
	token := verify(t, s, got)
	claims := claimsOf(t, got.member("id_token"))
	want := map[string]any{
		"sub": "u-1", "iss": issuer, "aud": []any{clientID}, "auth_time": float64(authTime.Unix()), "nonce": "nonce-of-mine",
		"amr": []any{"wechat_miniapp", "sms"}, "acr": "1", "sid": "s-1", "azp": clientID,
	}
	for name, value := range want {
		if !reflect.DeepEqual(claims[name], value) {
			t.Errorf("%s is %v, want %v", name, claims[name], value)
		}
	}
	if claims["jti"] == "other" || claims["c_hash"] != nil || time.Until(token.Expiry) < 9*time.Minute {
		t.Errorf("claims are %v", claims)
	}
}

// Another strategy of the server finds the nonce with the other claims of the ID token.
func TestIDToken_HasNonce(t *testing.T) {
	session := openid.NewDefaultSession()
	s := newServer(t, func(s *server) { s.newSession = func() fosite.Session { return session } })
	if err := s.handle(t.Context(), exchange("good", "nonce", "nonce-of-mine")); err != nil {
		t.Fatal(err)
	}
	if session.Claims.Nonce != "nonce-of-mine" {
		t.Errorf("nonce is %q", session.Claims.Nonce)
	}
}

func TestIDToken_AuthTimeDefaultsToNow(t *testing.T) {
	s := newServer(t, func(s *server) { s.grant.Now = func() time.Time { return time.Unix(1_700_000_000, 0) } })
	claims := claimsOf(t, wantGranted(t, s, exchange("good")).member("id_token"))
	if !reflect.DeepEqual(claims["amr"], []any{"wechat_miniapp"}) || claims["auth_time"] != 1_700_000_000.0 || claims["acr"] != nil {
		t.Errorf("claims are %v", claims)
	}
}

// fosite's ID token strategy would apply parameters of the authorization endpoint here, after the code is spent.
func TestIDToken_IgnoresAuthorizationParameters(t *testing.T) {
	s := newServer(t, func(s *server) { s.users.subject.AuthTime = time.Now().Add(-time.Hour) })
	got := wantGranted(t, s, exchange("good", "id_token_hint", "x", "prompt", "login", "max_age", "1", "acr_values", "x",
		"urn:minifed:token-response", `{"injected":true}`))
	verify(t, s, got)
	if claims := claimsOf(t, got.member("id_token")); claims["acr"] != nil {
		t.Errorf("acr is %v", claims["acr"])
	}
	if got.body["injected"] != nil {
		t.Errorf("a parameter became a member of the response: %s", got.text)
	}
}

// The refresh is fosite's own; it works because this grant stores what fosite expects.
func TestRefresh_PreservesSubjectAndAuthTime(t *testing.T) {
	for name, adjust := range map[string]func(*server){
		"opaque access token": func(*server) {},
		"JWT access token":    withJWTAccessTokens,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, adjust, func(s *server) { s.users.subject.Claims = map[string]any{"sid": "s-1"} })
			first := wantGranted(t, s, exchange("good", "scope", "openid offline_access", "audience", api))
			second := wantGranted(t, s, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.member("refresh_token")}})
			before, after := verify(t, s, first), verify(t, s, second)
			if before.Subject != after.Subject || second.member("scope") != "openid offline_access" {
				t.Errorf("refresh returns %s", second.text)
			}
			old, renewed := claimsOf(t, first.member("id_token")), claimsOf(t, second.member("id_token"))
			for _, name := range []string{"auth_time", "amr", "sid"} {
				if !reflect.DeepEqual(old[name], renewed[name]) {
					t.Errorf("%s changes from %v to %v", name, old[name], renewed[name])
				}
			}
		})
	}
}

func TestIDToken_UsersHaveDifferentSubjects(t *testing.T) {
	s := newServer(t, func(s *server) { s.wechat.users = map[string]wechat.OpenID{"good-2": "o-2"} })
	first, second := verify(t, s, wantGranted(t, s, exchange("good-1"))), verify(t, s, wantGranted(t, s, exchange("good-2")))
	if first.Subject != "u-1" || second.Subject != "u-2" {
		t.Errorf("subjects are %q and %q", first.Subject, second.Subject)
	}
}
