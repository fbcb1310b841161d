package identity_test

import (
	"slices"
	"testing"

	"github.com/minifed/minifed/identity"
)

func TestMergeCandidates_AreCountedOnce(t *testing.T) {
	var reasons []string
	h := newStoreHarnessWith(t, func(c *identity.Config) {
		c.Suggested = func(reason string) { reasons = append(reasons, reason) }
	})
	h.sub(login("wxsim1", "o1", ""))
	h.sub(login("wxsim2", "o2", "u1"))
	for range 2 {
		h.resolve(login("wxsim1", "o1", "u1"))
	}
	if !slices.Equal(reasons, []string{identity.ReasonUnionID}) {
		t.Errorf("counted %v, want unionid once", reasons)
	}
}
