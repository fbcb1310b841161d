package keys

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func encodeSegment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// withHeader puts another header before a token's payload and signature.
func withHeader(token, header string) string {
	_, rest, _ := strings.Cut(token, ".")
	return encodeSegment(header) + "." + rest
}

func TestVerify_RejectsOtherSignatures(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, RS256, PS256, ES256))
	ensure(t, ring, directoryWith("other", RS256))
	token := sign(t, ring, RS256)
	verified, err := ring.Verify(t.Context(), acme, token)
	if err != nil {
		t.Fatal(err)
	}
	kid, dot := verified.KeyID, strings.LastIndexByte(token, '.')
	header := func(format string) string { return withHeader(token, fmt.Sprintf(format, kid)) }
	foreign, err := ring.Sign(t.Context(), "other", RS256, "JWT", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, token string }{
		{"nothing", ""},
		{"dots", ".."},
		{"two parts", token[:dot]},
		{"four parts", token + ".x"},
		{"five parts, as a JWE", "a.b.c.d.e"},
		{"too long", token + strings.Repeat("A", MaxToken)},
		{"JSON serialization", `{"payload":"","signatures":[]}`},
		{"alg none", header(`{"alg":"none","kid":"%s"}`)},
		{"alg none without a signature", header(`{"alg":"none","kid":"%s"}`)[:dot]},
		{"alg HS256 under the public key", hmacToken(t, ring, kid)},
		{"another algorithm of the same key type", header(`{"alg":"PS256","kid":"%s","typ":"JWT"}`)},
		{"another algorithm", header(`{"alg":"ES256","kid":"%s","typ":"JWT"}`)},
		{"no kid", header(`{"alg":"RS256","typ":"JWT"}%.0s`)},
		{"an unknown kid", header(`{"alg":"RS256","kid":"x%s","typ":"JWT"}`)},
		{"a key in the header", header(`{"alg":"RS256","kid":"%s","typ":"JWT","jwk":{}}`)},
		{"critical members", header(`{"alg":"RS256","kid":"%s","typ":"JWT","crit":["b64"],"b64":false}`)},
		{"another typ", header(`{"alg":"RS256","kid":"%s","typ":"at+jwt"}`)},
		{"a second header", header(`{"alg":"RS256","kid":"%s","typ":"JWT"}{}`)},
		{"a header that is no JSON", withHeader(token, "RS256")},
		{"padded signature", token + "=="},
		{"line feed in the signature", token[:dot+9] + "\n" + token[dot+9:]},
		{"changed payload", strings.Replace(token, encodeSegment(`{"sub":"u"}`), encodeSegment(`{"sub":"v"}`), 1)},
		{"no signature", token[:dot+1]},
		{"cut signature", token[:len(token)-4]},
		{"trailing bits in the signature", token[:len(token)-1] + string(nextLetter(token[len(token)-1]))},
		{"a token of another directory", foreign},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ring.Verify(t.Context(), acme, test.token)
			wantError(t, err, ErrInvalid)
			_, err = ring.VerifyHint(t.Context(), acme, test.token)
			wantError(t, err, ErrInvalid)
		})
	}
}

// nextLetter changes only bits that RS256's 342nd letter has and 256 bytes do not.
func nextLetter(letter byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, letter)^1]
}

// hmacToken is signed by HS256 with the public key as its secret.
func hmacToken(t *testing.T, ring *Ring, kid string) string {
	t.Helper()
	body, err := ring.JWKS(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: body, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerify_RejectsOtherKeyWithKnownKid(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, RS256))
	verified, err := ring.Verify(t.Context(), acme, sign(t, ring, RS256))
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := &signingKey{private: otherKey, public: jose.JSONWebKey{Algorithm: RS256, KeyID: verified.KeyID}}
	header, err := key.encodeHeader("JWT")
	if err != nil {
		t.Fatal(err)
	}
	forged, err := assemble(rsaPKCS1{}, key, header, []byte(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = ring.Verify(t.Context(), acme, forged)
	wantError(t, err, ErrInvalid)
}

func TestVerify_LoadsUnknownKeyAtIntervals(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	engine := newSwitchable(memory)
	ring := newRing(t, newConfig(engine, master, c.now))
	bogus := encodeSegment(`{"alg":"ES256","kid":"bogus","typ":"JWT"}`) + ".e30.AAAA"
	refuse := func() {
		t.Helper()
		_, err := ring.Verify(t.Context(), acme, bogus)
		wantError(t, err, ErrInvalid)
	}
	for range 100 {
		refuse()
	}
	if got := engine.count.Load(); got != 1 {
		t.Errorf("%d reads for 100 bogus tokens of a directory without keys, want 1", got)
	}
	c.advance(reloadPause)
	// Another instance has created the first key meanwhile, and signs.
	other := newRing(t, newConfig(memory, master, c.now))
	ensure(t, other, directoryWith(acme, ES256))
	if _, err := ring.Verify(t.Context(), acme, sign(t, other, ES256)); err != nil {
		t.Errorf("a key that another instance created is not found: %v", err)
	}
	engine.count.Store(0)
	for range 100 {
		refuse()
	}
	c.advance(reloadPause)
	for range 100 {
		refuse()
	}
	if got := engine.count.Load(); got != 1 {
		t.Errorf("%d reads for 200 bogus tokens in one second, want 1", got)
	}
}

func TestVerify_UnknownKeyIsUnavailableWhileStoreIsDown(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	engine := newSwitchable(memory)
	ring := newRing(t, newConfig(engine, master, c.now))
	other := newRing(t, newConfig(memory, master, c.now))
	ensure(t, other, directoryWith(acme, ES256))
	engine.dead.Store(true)
	token := sign(t, other, ES256)
	for range 3 {
		_, err := ring.Verify(t.Context(), acme, token)
		wantError(t, err, storage.ErrUnavailable)
	}
	engine.dead.Store(false)
	c.advance(reloadPause)
	if _, err := ring.Verify(t.Context(), acme, token); err != nil {
		t.Error(err)
	}
}

func TestVerify_CachedSignatureStillChecksKey(t *testing.T) {
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	config.VerifiedTokens = 8
	config.Schedule.RotateEvery = -1
	ring := newRing(t, config)
	ensure(t, ring, directoryWith(acme, ES256))
	ensure(t, ring, directoryWith("other", ES256))
	token := sign(t, ring, ES256)
	for range 3 {
		if verified, err := ring.Verify(t.Context(), acme, token); err != nil || string(verified.Payload) != `{"sub":"u"}` {
			t.Fatalf("got %+v, %v", verified, err)
		}
	}
	_, err := ring.Verify(t.Context(), "other", token)
	wantError(t, err, ErrInvalid)
	_, err = ring.Verify(t.Context(), acme, token[:len(token)-2]+"AA")
	wantError(t, err, ErrInvalid)

	next, err := ring.Rotate(t.Context(), acme, ES256)
	if err != nil {
		t.Fatal(err)
	}
	schedule := ring.config.Schedule
	c.advance(next.SignAt.Sub(c.now()) + schedule.TokenLife + time.Hour)
	_, err = ring.Verify(t.Context(), acme, token)
	wantError(t, err, ErrInvalid)
}

func TestVerify_CacheIsBounded(t *testing.T) {
	verified := newVerifiedTokens(4)
	for i := range 100 {
		verified.add([32]byte{byte(i)})
		for recent := max(0, i-3); recent <= i; recent++ {
			if !verified.has([32]byte{byte(recent)}) {
				t.Errorf("after %d, %d of the last 4 is forgotten", i, recent)
			}
		}
		if size := len(verified.recent) + len(verified.older); size > 8 {
			t.Fatalf("%d are cached", size)
		}
	}
}

func FuzzVerify(f *testing.F) {
	c := newClock()
	ring := newRing(f, newConfig(storagetest.NewMemory(c.now), newMaster(f), c.now))
	ensure(f, ring, directoryWith(acme, ES256, EdDSA))
	signed := map[string]bool{}
	for _, name := range []string{ES256, EdDSA} {
		token := sign(f, ring, name)
		signed[token] = true
		f.Add(token)
	}
	f.Add(encodeSegment(`{"alg":"none"}`) + ".e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := ring.Verify(t.Context(), acme, token); err == nil && !signed[token] {
			t.Errorf("%q verifies", token)
		}
	})
}
