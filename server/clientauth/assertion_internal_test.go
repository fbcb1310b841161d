package clientauth

import (
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/keys"
)

func FuzzAssertion(f *testing.F) {
	part := base64.RawURLEncoding.EncodeToString
	for _, seed := range []struct{ header, claims string }{
		{`{"alg":"ES256","kid":"a"}`, `{"iss":"c","sub":"c","aud":"https://id.example","exp":1700000060,"iat":1700000000,"jti":"x"}`},
		{`{"alg":"none"}`, `{}`},
		{`{"alg":"HS256"}`, `{"sub":"c"}`},
		{`{"alg":"EdDSA","crit":["b64"],"b64":false}`, `{"sub":"c"}`},
		{`{"alg":"RS256","typ":"at+jwt"}`, `{"sub":"c"}`},
		{`{"alg":"PS256","jwk":{"kty":"oct","k":"eA"}}`, `{"aud":["a","b"],"exp":1e99,"nbf":-1}`},
		{`{"alg":"ES384","x5c":["x"]}`, `{"sub":"a","sub":"b"}`},
	} {
		f.Add(part([]byte(seed.header)) + "." + part([]byte(seed.claims)) + "." + part([]byte("signature")))
	}
	f.Add("..")
	f.Add(`{"payload":"e30","signatures":[]}`)
	now := time.Unix(1_700_000_000, 0)
	audiences := []string{"https://id.example"}
	f.Fuzz(func(t *testing.T, token string) {
		read, err := parseAssertion(token)
		if err != nil {
			return
		}
		if !slices.Contains(keys.Algorithms(), read.algorithm()) {
			t.Errorf("algorithm %q was read", read.algorithm())
		}
		if read.signedByOneOf([]clientKey{{public: []byte("secret")}, {public: nil}, {public: "text"}}) {
			t.Error("it is signed by an invalid key")
		}
		until, problem := read.claims.check(now, "c", audiences)
		if problem != "" {
			return
		}
		// An accepted assertion is of this client, for this server only, and expires in time.
		c := read.claims
		if c.Issuer != "c" || c.Subject != "c" || c.ID == "" || len(c.ID) > maxJTI || slices.ContainsFunc(c.Audience, func(a string) bool { return a != audiences[0] }) {
			t.Errorf("accepted: %+v", c)
		}
		if !until.After(now) || until.After(now.Add(assertionLife+ClockSkew+jtiLife)) {
			t.Errorf("its jti is stored until %v", until)
		}
	})
}

func FuzzKeySet(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[]}`, `{"keys":null}`, `[]`, `{"keys":[7,{"kty":"oct","k":"c2VjcmV0"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a","use":"sig"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := parseKeySet(body)
		if err != nil {
			return
		}
		if len(found) > maxClientKeys {
			t.Errorf("%d keys", len(found))
		}
		for _, key := range found {
			if !slices.ContainsFunc(keys.Algorithms(), func(algorithm string) bool { return isKeyOf(algorithm, key.public) }) {
				t.Errorf("a key of type %T was read", key.public)
			}
		}
	})
}
