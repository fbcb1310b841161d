package main

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/storage"
)

// rewriteClient changes the stored record of a client, as an older version could have written it.
func (s *cliHarness) rewriteClient(t *testing.T, client string, edit func(*storage.Client)) {
	t.Helper()
	config, err := (&settings{}).load(s.Console)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := deployment.Open(t.Context(), s.Console, config, deployment.Purpose{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := storage.Get[storage.Client](t.Context(), opened.Engine, storage.Key("default", client))
	if err != nil {
		t.Fatal(err)
	}
	next := entry.Record
	edit(&next)
	if _, err := entry.Replace(t.Context(), opened.Engine, next); err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
}

const linkScope = "urn:minifed:link"

func TestClient_RegistersAccountLinkingOnlyOnRequest(t *testing.T) {
	s := newCLIWithStore(t)
	s.typed = []string{anAppSecret}
	created := s.runJSON(t, "client", "create", "--kind", "wechat_miniapp", "--app-id", "wx0123456789abcdef", "--id", "mini")
	has := func(client map[string]any) (scope, confirmed bool) {
		confirmed, _ = client["account_linking"].(bool)
		return slices.Contains(client["scopes"].([]any), any(linkScope)), confirmed
	}
	for _, step := range []struct {
		flags string
		want  bool
	}{
		{"", false},
		{"--account-linking", true},
		{"--name Shop", true},
		{"--scope openid --scope profile --scope offline_access", false},
		{"--scope openid --scope profile --scope offline_access --account-linking", true},
		{"--scope profile --scope openid --scope offline_access --account-linking", true},
		{"--account-linking=false", false},
		{"--scope openid --scope profile --scope offline_access --scope " + linkScope, true},
		{"--scope openid --scope profile --scope offline_access", false},
	} {
		client := created
		if step.flags != "" {
			client = s.runJSON(t, append([]string{"client", "update", "mini"}, strings.Fields(step.flags)...)...)
		}
		if scope, confirmed := has(client); scope != step.want || confirmed != step.want {
			t.Errorf("after %q the scope is registered: %v, and confirmed: %v; want %v", step.flags, scope, confirmed, step.want)
		}
	}
	if text := s.run(t, "client", "update", "mini", "--account-linking"); !strings.Contains(text, "set the first password") {
		t.Errorf("the operator does not read what it gives away:\n%s", text)
	}
	if text := s.run(t, "client", "create", "--help"); !strings.Contains(strings.Join(strings.Fields(text), " "), "set the first password") {
		t.Errorf("nor in the help:\n%s", text)
	}
}

func TestUpgrade_NamesClientsThatLostAccountLinking(t *testing.T) {
	s, _ := newDoctorHarness(t)
	s.rewriteClient(t, "shop", func(c *storage.Client) { c.Scopes = append(c.Scopes, linkScope) })
	const confirm = "minifed client update shop --directory default --account-linking"

	said := diagnose(t, s, true)["client shop of default"]
	if !strings.HasPrefix(said, "warn ") || !strings.Contains(said, "`"+confirm+"`") || !strings.Contains(said, confirm+"=false") || !strings.Contains(said, "set the first password") {
		t.Errorf("doctor: %q", said)
	}
	running := s.startServer(t)
	if err := running.err.waitFor(t.Context(), confirm); err != nil {
		t.Error(err)
	}
	running.stop(t)

	s.run(t, "client", "update", "shop", "--name", "Shop") // does not decide about account linking
	if said := diagnose(t, s, true)["client shop of default"]; said == "" {
		t.Error("another change makes doctor forget it")
	}
	s.run(t, strings.Fields(confirm)[1:]...)
	if said := diagnose(t, s, true)["client shop of default"]; said != "" {
		t.Errorf("after the confirmation: %q", said)
	}
	if text := s.run(t, "client", "show", "shop"); !strings.Contains(text, "account_linking") {
		t.Errorf("show: %s", text)
	}
}
