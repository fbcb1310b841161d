package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// serviceHarness is a Service on an engine in memory.
type serviceHarness struct {
	*Service
	engine *storagetest.Hooks
	master *keys.Master
	// hashing runs one hash at a time.
	hashing *identity.Hashing
	// at advances at every reading of the clock, so that lists by time have one order.
	at time.Time
}

// newServiceHarness returns a harness with the directory "default".
func newServiceHarness(t *testing.T) *serviceHarness {
	t.Helper()
	h := &serviceHarness{hashing: identity.NewHashing(1, 0), at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var mu sync.Mutex // ImportUsers reads the clock at several goroutines.
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		h.at = h.at.Add(time.Millisecond)
		return h.at
	}
	h.engine = &storagetest.Hooks{Engine: storagetest.NewMemory(now)}
	text, err := keys.GenerateMasterKey(rand.Reader)
	must(t, err)
	h.master, err = keys.ParseMaster(text, rand.Reader)
	must(t, err)
	logger := slog.New(slog.DiscardHandler)
	config := keys.Config{Engine: h.engine, Master: h.master, Now: now, Random: rand.Reader, Logger: logger}
	ring, err := keys.NewRing(config)
	must(t, err)
	secrets, err := keys.NewSecrets(config)
	must(t, err)
	trail := audittest.New(t, h.engine, now)
	people, err := identity.New(identity.Config{
		Audit: trail, Engine: h.engine, Now: now, Rand: rand.Reader, Logger: logger, Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1},
	})
	must(t, err)
	h.Service, err = New(Config{
		Audit: trail, Engine: h.engine, Master: h.master, Keys: ring, Secrets: secrets, Identity: people, Hashing: h.hashing, Now: now, Random: rand.Reader,
		PublicURL: "https://id.example.com", DefaultDirectory: "default", Actor: LocalActor("alice"),
	})
	must(t, err)
	created, err := h.EnsureDirectory(t.Context(), storage.Directory{ID: "default", Name: "Default"})
	must(t, err)
	if !created {
		t.Fatal("the directory was there before")
	}
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// actions returns the actions in the audit trail of a directory, oldest first.
func (h *serviceHarness) actions(t *testing.T, directory string) []string {
	t.Helper()
	entries, _, err := h.AuditTrail(t.Context(), directory, audit.Filter{}, Page{})
	must(t, err)
	actions := []string{}
	for _, entry := range slices.Backward(entries) {
		if entry.Actor != "cli:alice" {
			t.Errorf("%s by %s", entry.Action, entry.Actor)
		}
		actions = append(actions, entry.Action)
	}
	return actions
}

// wantInvalid asserts that err is *Invalid about exactly these fields.
func wantInvalid(t *testing.T, err error, fields ...string) {
	t.Helper()
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v, want *Invalid about %v", err, fields)
	}
	got := []string{}
	for _, problem := range invalid.Problems {
		got = append(got, problem.Field)
	}
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(slices.Compact(got), slices.Compact(fields)) {
		t.Errorf("problems with %v, want %v:\n%v", got, fields, err)
	}
}

func TestNew_NamesMissingDependencies(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "Engine") {
		t.Errorf("error %v", err)
	}
	config := newServiceHarness(t).config
	config.Actor = Actor{}
	if _, err := New(config); err == nil || !strings.Contains(err.Error(), "Actor") {
		t.Errorf("error %v", err)
	}
}

func TestAudit_FailureStopsChange(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), spa())
	must(t, err)
	unavailable := errors.New("no audit today")
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindAuditEntry {
			return unavailable
		}
		if operation.Write() && operation.Kind != storage.KindAppID { // A claim is released.
			t.Errorf("%s of %s although it is not audited", operation.Method, operation.Kind)
		}
		return nil
	}
	for name, do := range map[string]func() error{
		"create":  func() error { _, _, err := h.CreateClient(t.Context(), miniapp()); return err },
		"disable": func() error { _, err := h.DisableClient(t.Context(), "default", "shop"); return err },
		"delete":  func() error { return h.DeleteClient(t.Context(), "default", "shop") },
		"rotate":  func() error { _, err := h.RotateSigningKey(t.Context(), "default", keys.ES256); return err },
		"secrets": func() error { _, _, err := h.RotateTokenSecrets(t.Context(), "default"); return err },
		"reseal":  func() error { _, err := h.Reseal(t.Context()); return err },
	} {
		if err := do(); !errors.Is(err, unavailable) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAudit_ShowsSettingsAndNoSecret(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	_, err = h.UpdateClient(t.Context(), "default", "mini", "", func(client *storage.Client) {
		client.Name = "Other name"
		client.Federation.OpenPlatform = "acme"
	})
	must(t, err)
	must(t, h.SetAppSecret(t.Context(), "default", "mini", wechat.AppSecret(strings.Repeat("b", 32))))
	_, err = h.CreateUser(t.Context(), "default", identity.Account{Username: "13812345678", Password: "correct horse battery", Profile: storage.Profile{Name: "Alice Liddell"}})
	must(t, err)
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{}, Page{Limit: 3})
	must(t, err)
	updated, secret, user := entries[2], entries[1], entries[0]
	if updated.Details["changed"] != "federation name" || updated.Before["name"] != "" || updated.After["name"] != "Other name" || updated.After["federation.open_platform"] != "acme" {
		t.Errorf("entry %+v", updated)
	}
	if updated.Target != "client:mini" || updated.Outcome != audit.Done {
		t.Errorf("entry %+v", updated)
	}
	if secret.Before["federation.app_secret"] != "set" || secret.After["federation.app_secret"] != "set" {
		t.Errorf("entry %+v", secret)
	}
	if user.After["username"] != "…5678" || user.After["name"] != "set" || user.After["password"] != "set" {
		t.Errorf("entry %+v", user)
	}
	for _, entry := range entries {
		body, err := json.Marshal(entry)
		must(t, err)
		for _, hidden := range []string{"bbbbb", "13812345678", "Liddell", "mk1:", "argon2", "battery"} {
			if strings.Contains(string(body), hidden) {
				t.Errorf("%q is in %s", hidden, body)
			}
		}
	}
}

// An act that was recorded and did not happen has a second entry.
func TestAudit_SaysThatAnActFailed(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), spa())
	must(t, err)
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindClient && operation.Write() {
			return storage.ErrConflict
		}
		return nil
	}
	if _, err := h.DisableClient(t.Context(), "default", spa().ID); !errors.Is(err, ErrChanged) {
		t.Fatalf("got %v", err)
	}
	h.engine.Before = nil
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{Action: string(ActClientDisable)}, Page{})
	must(t, err)
	if len(entries) != 2 || entries[0].Outcome != audit.Failed || entries[0].Details["entry"] != entries[1].ID {
		t.Errorf("entries %+v", entries)
	}
}

// The entries of package identity name the origin of the operator's request too.
func TestAudit_NamesTheOrigin(t *testing.T) {
	h := newServiceHarness(t)
	actor := Actor{Name: "operator:o1", Local: true, From: "192.0.2.7", RequestID: "r1"}
	_, err := h.As(actor).CreateUser(t.Context(), "default", identity.Account{Username: "alice"})
	must(t, err)
	_, _, err = h.As(actor).CreateClient(t.Context(), spa())
	must(t, err)
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{Actor: actor.Name}, Page{})
	must(t, err)
	for _, entry := range entries {
		if entry.From != actor.From || entry.RequestID != actor.RequestID {
			t.Errorf("entry %+v", entry)
		}
	}
	if len(entries) != 2 {
		t.Errorf("entries %+v", entries)
	}
}

func TestAs_ChangesActorOnly(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.As(LocalActor("bob")).CreateClient(t.Context(), spa())
	must(t, err)
	entries, _, err := h.AuditTrail(t.Context(), "default", audit.Filter{}, Page{Limit: 1})
	must(t, err)
	if entries[0].Actor != "cli:bob" {
		t.Errorf("actor %s", entries[0].Actor)
	}
}

func TestUpdate_RetriesAfterConflict(t *testing.T) {
	h := newServiceHarness(t)
	entry, _, err := h.CreateClient(t.Context(), spa())
	must(t, err)
	overtaken := false
	h.engine.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Method == "Replace" && !overtaken {
			overtaken = true
			next := entry.Record
			next.Name = "by another"
			_, err := entry.Replace(ctx, h.engine.Engine, next)
			return err
		}
		return nil
	}
	updated, err := h.UpdateClient(t.Context(), "default", "shop", "", func(client *storage.Client) { client.FirstParty = true })
	must(t, err)
	if !updated.Record.FirstParty || updated.Record.Name != "by another" {
		t.Errorf("got %+v", updated.Record)
	}
	if got := h.actions(t, "default"); !slices.Equal(got, []string{"directory.create", "client.create", "client.update"}) {
		t.Errorf("audit trail %v", got)
	}
	if _, err := h.UpdateClient(t.Context(), "default", "shop", entry.Revision(), func(*storage.Client) {}); !errors.Is(err, ErrChanged) {
		t.Errorf("an old revision: error %v", err)
	}
}
