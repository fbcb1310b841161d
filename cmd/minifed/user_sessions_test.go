package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestUser_SessionsGrantsAndPasswordFromTheCommandLine(t *testing.T) {
	s := newCLIWithStore(t)
	id, _ := s.runJSON(t, "user", "create", "alice")["id"].(string)
	s.run(t, "client", "create", "--kind", "spa", "--id", "shop", "--redirect-uri", "https://shop.example.com/cb")
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		client, err := storage.Get[storage.Client](ctx, engine, storage.Key("default", "shop"))
		if err != nil {
			return err
		}
		_, first := storage.Insert(ctx, engine, storage.Session{
			Directory: "default", ID: "session-one", Secret: "digest", User: id, Browser: "Firefox", CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		})
		_, second := storage.Insert(ctx, engine, storage.Grant{
			Directory: "default", ID: "grant-one", Client: "shop", Incarnation: client.Record.Incarnation, User: id, State: storage.GrantActive,
			CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		})
		return errors.Join(first, second)
	})
	if out := s.run(t, "user", "sessions", "alice"); !strings.Contains(out, "Firefox") || !strings.Contains(out, "active") || strings.Contains(out, "digest") {
		t.Errorf("sessions: %s", out)
	}
	if out := s.run(t, "user", "grants", "alice"); !strings.Contains(out, "grant-one") || !strings.Contains(out, "active") {
		t.Errorf("grants: %s", out)
	}
	s.run(t, "user", "sessions", "alice", "--end", "session-one")
	s.run(t, "user", "grants", "alice", "--end", "grant-one")
	for _, list := range []string{"sessions", "grants"} {
		if out := s.run(t, "user", list, "alice"); !strings.Contains(out, "ended") {
			t.Errorf("%s: %s", list, out)
		}
	}
	s.run(t, "user", "grants", "alice", "--remove-client", "shop")
	if out := s.runJSON(t, "user", "reset-password", "alice"); len(out["password"].(string)) < 20 {
		t.Errorf("password: %v", out)
	}
	if out := s.run(t, "user", "list", "--find", id); !strings.Contains(out, "alice") {
		t.Errorf("find: %s", out)
	}
}

func TestMerge_AllAcceptedAndUndoneAsOne(t *testing.T) {
	s := newCLIWithStore(t)
	ids := map[string]string{}
	for _, name := range []string{"one", "two", "three", "four"} {
		ids[name], _ = s.runJSON(t, "user", "create", name)["id"].(string)
	}
	if out := s.run(t, "user", "merge", "accept-all"); !strings.Contains(out, "No merge candidates") {
		t.Errorf("none: %s", out)
	}
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		var failed []error
		for id, pair := range map[string][2]string{"pair-a": {ids["one"], ids["two"]}, "pair-b": {ids["three"], ids["four"]}} {
			reason := map[string]string{"pair-a": identity.ReasonUnionID, "pair-b": identity.ReasonPhone}[id]
			_, err := storage.Insert(ctx, engine, storage.MergeCandidate{
				Directory: "default", ID: id, Users: pair, Reason: reason, State: identity.CandidateOpen, CreatedAt: time.Now(),
			})
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	})
	if out := s.run(t, "user", "merge", "accept-all", "--dry-run"); !strings.Contains(out, "pair-a") || !strings.Contains(out, ids["three"]) {
		t.Errorf("preview: %s", out)
	}
	batch, _ := s.runJSON(t, "user", "merge", "accept-all", "--reason", "unionid", "--yes")["batch"].(string)
	if out := s.run(t, "user", "show", ids["two"]); !strings.Contains(out, ids["one"]) {
		t.Errorf("two: %s", out)
	}
	if out := s.run(t, "user", "show", ids["four"]); !strings.Contains(out, "four") {
		t.Errorf("four was merged: %s", out)
	}
	if out := s.run(t, "user", "merge", "batches"); !strings.Contains(out, batch) {
		t.Errorf("batches: %s", out)
	}
	s.run(t, "user", "merge", "undo-all", batch)
	if out := s.run(t, "user", "show", ids["two"]); strings.Contains(out, ids["one"]) {
		t.Errorf("two after undo: %s", out)
	}
}
