package clientauth

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// heldHashing holds every hash until it is released. The hash of a secret is the secret.
type heldHashing struct {
	release chan struct{}
	begun   atomic.Int64
}

func (h *heldHashing) Key(ctx context.Context, secret []byte, _ identity.PasswordHash) ([]byte, error) {
	h.begun.Add(1)
	select {
	case <-h.release:
		return secret, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const chosenSecret = "a-secret-that-somebody-chose"

// chosenClient returns a client whose secret was chosen, for the hashes of heldHashing.
func chosenClient(id string) storage.Client {
	hash := identity.PasswordHash{Argon2: identity.DefaultArgon2(), Salt: make([]byte, 16), Hash: []byte(chosenSecret)}
	return storage.Client{Directory: "default", ID: id, AuthMethod: methodBasic, Secrets: []string{hash.String()}}
}

func TestClientAuth_ConcurrentRequestsShareOneHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hashing := &heldHashing{release: make(chan struct{})}
		s, err := NewSecrets(rand.Reader, hashing)
		if err != nil {
			t.Fatal(err)
		}
		var requests sync.WaitGroup
		ask := func(client, secret string, want bool) {
			requests.Go(func() {
				if good, err := s.isChosen(t.Context(), chosenClient(client), secret); good != want || err != nil {
					t.Errorf("%s: %t, %v", client, good, err)
				}
			})
		}
		for range 64 {
			ask("one", chosenSecret, true)
			ask("one", "another-secret-altogether", false)
			ask("two", chosenSecret, true)
		}
		synctest.Wait()
		if got := hashing.begun.Load(); got != 3 {
			t.Errorf("%d hashes for 192 waiting requests with three secrets of two clients, want 3", got)
		}
		close(hashing.release)
		requests.Wait()
		ask("one", chosenSecret, true)
		requests.Wait()
		if got := hashing.begun.Load(); got != 3 {
			t.Error("a secret that was right is hashed again")
		}
	})
}

// The request that began a hash may end before it: other requests wait for the same hash.
func TestClientAuth_SharedHashOutlivesItsFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hashing := &heldHashing{release: make(chan struct{})}
		s, err := NewSecrets(rand.Reader, hashing)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var requests sync.WaitGroup
		requests.Go(func() {
			if _, err := s.isChosen(ctx, chosenClient("one"), chosenSecret); err == nil {
				t.Error("a canceled request returned")
			}
		})
		synctest.Wait()
		requests.Go(func() {
			if good, err := s.isChosen(t.Context(), chosenClient("one"), chosenSecret); !good || err != nil {
				t.Errorf("the request that waits: %t, %v", good, err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(hashing.release)
		requests.Wait()
	})
}
