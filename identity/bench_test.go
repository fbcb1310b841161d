package identity_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage/storagetest"
)

// BenchmarkResolveKnownUser is what identity adds to the two reads of a known user's login: the engine is a map.
func BenchmarkResolveKnownUser(b *testing.B) {
	for _, size := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("users=%d", size), func(b *testing.B) {
			w := newWorld(b)
			logins := make([]identity.Login, size)
			for i := range logins {
				logins[i] = login("wxsim1", fmt.Sprintf("o%d", i), fmt.Sprintf("u%d", i))
				w.sub(logins[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := w.Resolve(b.Context(), logins[i%size], true); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkResolveFirstLogin is a first login with a new OpenID and a new UnionID: two reads and three writes.
func BenchmarkResolveFirstLogin(b *testing.B) {
	w := newWorld(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		w.sub(login("wxsim1", fmt.Sprintf("o%d", i), fmt.Sprintf("u%d", i)))
		i++
	}
}

// BenchmarkReadsOfAKnownUser is the part of BenchmarkResolveKnownUser that is the engine's and the records'.
func BenchmarkReadsOfAKnownUser(b *testing.B) {
	w := newWorld(b)
	w.sub(login("wxsim1", "o1", "u1"))
	var operations []storagetest.Operation
	w.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		operations = append(operations, operation)
		return nil
	}
	w.sub(login("wxsim1", "o1", "u1"))
	w.unhooked()
	b.ReportAllocs()
	for b.Loop() {
		for _, operation := range operations {
			if _, err := w.hooks.Get(b.Context(), operation.Kind, operation.ID); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkVerifyPassword is one password with the default parameters.
func BenchmarkVerifyPassword(b *testing.B) {
	w := newWorldWith(b, func(cfg *identity.Config) { cfg.Argon2 = identity.DefaultArgon2() })
	w.account("alice", password)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.VerifyPassword(b.Context(), directory, "alice", password); err != nil {
			b.Fatal(err)
		}
	}
}
