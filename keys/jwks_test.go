package keys

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/storage/storagetest"
)

func TestJWKS_HasAllKeysAfterOneSignature(t *testing.T) {
	clock := newClock()
	config := newConfig(storagetest.NewMemory(clock.now), newMaster(t), clock.now)
	other := newRing(t, config)
	if err := other.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ensure(t, newRing(t, config), directoryWith(acme, ES256, EdDSA))
	sign(t, other, ES256)
	body, err := other.JWKS(t.Context(), acme)
	if err != nil || strings.Count(string(body), `"kid"`) != 2 {
		t.Errorf("JWKS: %v %s", err, body)
	}
}
