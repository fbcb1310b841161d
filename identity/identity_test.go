package identity_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const directory = "default"

func service(t testing.TB, engine storage.Engine, now func() time.Time) *identity.Service {
	t.Helper()
	s, err := identity.New(identity.Config{
		Engine: engine, Now: now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKnownUserIsResolvedToTheSameSub(t *testing.T) {
	s := service(t, storagetest.NewMemory(time.Now), time.Now)
	login := identity.Login{Directory: directory, AppID: "wxsim1", OpenID: "o1"}
	if _, err := s.Resolve(t.Context(), login, false); !errors.Is(err, identity.ErrUnknownUser) {
		t.Fatalf("got %v, want ErrUnknownUser", err)
	}
	first, err := s.Resolve(context.Background(), login, true)
	if err != nil || !first.Created {
		t.Fatalf("got %+v, %v", first, err)
	}
	again, err := s.Resolve(t.Context(), login, true)
	if err != nil || again.Created || again.User.Record.ID != first.User.Record.ID {
		t.Fatalf("got %+v, %v", again, err)
	}
}
