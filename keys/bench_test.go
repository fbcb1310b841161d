package keys

import (
	"fmt"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func benchRing(b *testing.B, remembered int) *Ring {
	b.Helper()
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(b), c.now)
	config.VerifiedTokens = remembered
	ring := newRing(b, config)
	ensure(b, ring, directoryWith(acme, Algorithms()...))
	return ring
}

// benchPayload has the size of an ID token's payload.
func benchPayload() []byte {
	return []byte(`{"iss":"https://id.example.com/d/acme","sub":"5a7c1b9e2f8d4c3ba1b2c3d4e5f60718","aud":["miniapp"],` +
		`"exp":1772368800,"iat":1772368200,"auth_time":1772368200,"nonce":"n-0S6_WzA2Mj","amr":["wechat_miniapp"],"azp":"miniapp",` +
		`"acr":"1","at_hash":"77QmUPtjPfzWtF2AnpK9RQ","sid":"08a5019c-17e1-4977-8f42-65a12843ea02"}`)
}

// BenchmarkFloor measures the plain signature of each algorithm, the lower bound of Sign.
func BenchmarkFloor(b *testing.B) {
	ring := benchRing(b, 0)
	input := append(benchPayload(), benchPayload()...)
	for _, name := range Algorithms() {
		copied, _ := ring.cache.get(storage.Key(acme, name))
		set := copied.value
		key := set.keys[0]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.algorithm.sign(key.private, input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	ring, payload := benchRing(b, 0), benchPayload()
	for _, name := range Algorithms() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.Sign(b.Context(), acme, name, "at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, remembered := range []int{0, 4096} {
		ring := benchRing(b, remembered)
		for _, name := range Algorithms() {
			token, err := ring.Sign(b.Context(), acme, name, "at+jwt", benchPayload())
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/remembered=%d", name, remembered), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ring.Verify(b.Context(), acme, token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkJWKS(b *testing.B) {
	ring := benchRing(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.JWKS(b.Context(), acme); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	c := newClock()
	secrets := newSecrets(b, newConfig(storagetest.NewMemory(c.now), newMaster(b), c.now))
	ensureSecrets(b, secrets, acme)
	message := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secrets.MAC(b.Context(), acme, 1, "refresh", message); err != nil {
			b.Fatal(err)
		}
	}
}
