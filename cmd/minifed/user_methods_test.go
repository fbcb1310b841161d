package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestUserMethods_AreListedAndReset(t *testing.T) {
	s := newCLIWithStore(t)
	id, _ := s.runJSON(t, "user", "create", "alice")["id"].(string)
	passkey := storage.Passkey{Directory: "default", User: id, RPID: "id.example", CredentialID: []byte("c"), Name: "my phone", CreatedAt: time.Now()}
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		user, err := storage.Get[storage.User](ctx, engine, storage.Key("default", id))
		if err != nil {
			return err
		}
		passkey.DirectoryIncarnation = user.Record.DirectoryIncarnation
		totp := storage.TOTP{
			Directory: "default", DirectoryIncarnation: passkey.DirectoryIncarnation, User: id, Secret: "sealed", RecoveryCodes: []string{"one"}, CreatedAt: time.Now(),
		}
		_, first := storage.Insert(ctx, engine, passkey)
		_, second := storage.Insert(ctx, engine, totp)
		return errors.Join(first, second)
	})
	if out := s.run(t, "user", "methods", "alice"); !strings.Contains(out, "my phone") || !strings.Contains(out, "recovery_codes") || strings.Contains(out, "sealed") {
		t.Errorf("methods: %s", out)
	}
	if out := s.run(t, "user", "reset-methods", "alice", "--passkey", passkey.ID(), "--yes"); !strings.Contains(out, "1 passkeys, 0 authenticator apps") {
		t.Errorf("reset of a passkey: %s", out)
	}
	if out := s.run(t, "user", "reset-methods", "alice", "--yes"); !strings.Contains(out, "0 passkeys, 1 authenticator apps") {
		t.Errorf("reset: %s", out)
	}
	s.mustFail(t, 1, []string{"minifed user methods"}, "user", "reset-methods", "alice", "--totp", "--yes")
}
