package identity_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage/storagetest"
)

// BenchmarkResolveKnownUser measures the work of identity in a known user's login: the engine is a map.
func BenchmarkResolveKnownUser(b *testing.B) {
	for _, size := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("users=%d", size), func(b *testing.B) {
			h := newStoreHarness(b)
			logins := make([]identity.Login, size)
			for i := range logins {
				logins[i] = login("wxsim1", fmt.Sprintf("o%d", i), fmt.Sprintf("u%d", i))
				h.sub(logins[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := h.Resolve(b.Context(), logins[i%size], true); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkResolveFirstLogin measures a first login with a new OpenID and a new UnionID: two reads and three writes.
func BenchmarkResolveFirstLogin(b *testing.B) {
	h := newStoreHarness(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h.sub(login("wxsim1", fmt.Sprintf("o%d", i), fmt.Sprintf("u%d", i)))
		i++
	}
}

// BenchmarkReadsOfAKnownUser measures the share of the engine and of the records in BenchmarkResolveKnownUser.
func BenchmarkReadsOfAKnownUser(b *testing.B) {
	h := newStoreHarness(b)
	h.sub(login("wxsim1", "o1", "u1"))
	var operations []storagetest.Operation
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		operations = append(operations, operation)
		return nil
	}
	h.sub(login("wxsim1", "o1", "u1"))
	h.removeHooks()
	b.ReportAllocs()
	for b.Loop() {
		for _, operation := range operations {
			if _, err := h.hooks.Get(b.Context(), operation.Kind, operation.ID); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkVerifyPassword measures one password with the default parameters.
func BenchmarkVerifyPassword(b *testing.B) {
	h := newStoreHarnessWith(b, func(cfg *identity.Config) { cfg.Argon2 = identity.DefaultArgon2() })
	h.account("alice", password)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.VerifyPassword(b.Context(), directory, "alice", password); err != nil {
			b.Fatal(err)
		}
	}
}
