package keys

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/storage/storagetest"
)

func joseAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA}
}

// TestRFC7515_7_1_EveryAlgorithmVerifiesElsewhere: go-jose and go-oidc verify our tokens over HTTP.
func TestRFC7515_7_1_EveryAlgorithmVerifiesElsewhere(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, Algorithms()...))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := ring.JWKS(r.Context(), acme)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	remote := oidc.NewRemoteKeySet(t.Context(), server.URL)
	verifier := oidc.NewVerifier("https://id.example.com", remote, &oidc.Config{
		ClientID: "client", Now: c.now, SupportedSigningAlgs: Algorithms(),
	})
	for _, name := range Algorithms() {
		t.Run(name, func(t *testing.T) {
			for i := range 20 { // signatures whose r or s is short are random
				payload, err := json.Marshal(map[string]any{
					"iss": "https://id.example.com", "aud": "client", "sub": "u", "exp": c.now().Add(time.Minute).Unix(), "jti": i,
				})
				if err != nil {
					t.Fatal(err)
				}
				token, err := ring.Sign(t.Context(), acme, name, "at+jwt", payload)
				if err != nil {
					t.Fatal(err)
				}
				verifyElsewhere(t, ring, name, token, string(payload))
				if parsed, err := verifier.Verify(t.Context(), token); err != nil || parsed.Subject != "u" {
					t.Fatalf("go-oidc: %v", err)
				}
			}
		})
	}
}

// TestRFC8725_3_2_ECDSASignaturesAreDeterministic: a nonce that is not quite random would reveal the key.
func TestRFC8725_3_2_ECDSASignaturesAreDeterministic(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, ES256, ES384))
	for _, name := range []string{ES256, ES384} {
		first, err := ring.Sign(t.Context(), acme, name, "JWT", []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ring.Sign(t.Context(), acme, name, "JWT", []byte("{}")); err != nil || again != first {
			t.Errorf("%s: the same claims are signed by another nonce, or not at all: %v", name, err)
		}
	}
}

func verifyElsewhere(t *testing.T, ring *Ring, name, token, payload string) {
	t.Helper()
	set, err := ring.Public(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, joseAlgorithms())
	if err != nil {
		t.Fatal(err)
	}
	header := jws.Signatures[0].Protected
	if header.Algorithm != name || header.ExtraHeaders["typ"] != "at+jwt" || len(header.ExtraHeaders) != 1 {
		t.Errorf("header: %+v", header)
	}
	matching := set.Key(header.KeyID)
	if len(matching) != 1 {
		t.Fatalf("%d keys for kid %s", len(matching), header.KeyID)
	}
	if got, err := jws.Verify(matching[0]); err != nil || string(got) != payload {
		t.Errorf("go-jose: %q, %v", got, err)
	}
	verified, err := ring.Verify(t.Context(), acme, token)
	if err != nil || string(verified.Payload) != payload || verified.Type != "at+jwt" || verified.Algorithm != name {
		t.Errorf("ring: %+v, %v", verified, err)
	}
}

func TestVerify_AcceptsTokensOfGoJOSE(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, Algorithms()...))
	for _, name := range Algorithms() {
		copied, _ := ring.cache.get(acme + "/" + name)
		key := copied.value.active(c.now())
		signer, err := jose.NewSigner(jose.SigningKey{
			Algorithm: jose.SignatureAlgorithm(name),
			Key:       jose.JSONWebKey{Key: key.private, KeyID: key.public.KeyID},
		}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Verify(t.Context(), acme, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRFC7518_3_4_SignaturesHaveAFixedWidth checks short, long and malformed DER.
func TestRFC7518_3_4_SignaturesHaveAFixedWidth(t *testing.T) {
	for _, test := range []struct{ name, der, want string }{
		{"short r and s", "3006020101020102", "00010002"},
		{"leading zero", "3008020200ff020200fe", "00ff00fe"},
		{"full width", "3008020212340202" + "5678", "12345678"},
		{"full width with leading zero", "300a020300ffff020300fffe", "fffffffe"},
		{"too wide", "3009020301ffff020200fe", ""},
		{"length too long", "3007020101020102", ""},
		{"number too long", "3006020101020502", ""},
		{"not a sequence", "3106020101020102", ""},
		{"not an integer", "3006030101020102", ""},
		{"trailing bytes", "300702010102010200", ""},
		{"one number", "3003020101", ""},
		{"empty", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			der, err := hex.DecodeString(test.der)
			if err != nil {
				t.Fatal(err)
			}
			got, err := fixedWidth(der, 2)
			if test.want == "" {
				wantError(t, err, errDER)
				return
			}
			if err != nil || hex.EncodeToString(got) != test.want {
				t.Errorf("got %x, %v, want %s", got, err, test.want)
			}
		})
	}
}

func FuzzFixedWidth(f *testing.F) {
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 2})
	f.Fuzz(func(t *testing.T, der []byte) {
		if got, err := fixedWidth(der, 32); err == nil && len(got) != 64 {
			t.Errorf("%x became %d bytes", der, len(got))
		}
	})
}

// TestRFC7638_3_kidIsTheThumbprint computes the thumbprint from the served members themselves.
func TestRFC7638_3_KidIsTheThumbprint(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, Algorithms()...))
	body, err := ring.JWKS(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	var served struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(body, &served); err != nil {
		t.Fatal(err)
	}
	if len(served.Keys) != len(Algorithms()) {
		t.Errorf("%d keys", len(served.Keys))
	}
	for _, key := range served.Keys {
		if got, want := key["kid"], thumbprintOf(t, key); got != want {
			t.Errorf("%s: kid is %s, want %s", key["alg"], got, want)
		}
		if key["use"] != "sig" || key["alg"] == "" {
			t.Errorf("use and alg are missing: %v", key)
		}
	}
}

// TestRFC7517_9_2_JWKSHasNoPrivateMembers lists the allowed members of a public key.
func TestRFC7517_9_2_JWKSHasNoPrivateMembers(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, Algorithms()...))
	for _, name := range Algorithms() {
		if _, err := ring.Rotate(t.Context(), acme, name); err != nil {
			t.Fatal(err)
		}
	}
	body, err := ring.JWKS(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	var served struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(body, &served); err != nil {
		t.Fatal(err)
	}
	if len(served.Keys) != 2*len(Algorithms()) {
		t.Errorf("%d keys, want active and next of each algorithm", len(served.Keys))
	}
	for _, key := range served.Keys {
		for member := range key {
			if !strings.Contains(" kty crv x y n e kid use alg ", " "+member+" ") {
				t.Errorf("%s has member %s", key["alg"], member)
			}
		}
	}
}
