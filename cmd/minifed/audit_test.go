package main

import (
	"context"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestAudit_ListsVerifiesAndExports(t *testing.T) {
	s := newCLIWithStore(t)
	s.run(t, "client", "create", "--kind", "service", "--id", "one", "--name", "One")
	s.run(t, "client", "update", "one", "--name", "Two")
	s.run(t, "user", "create", "alice")
	// 1. The list.
	list := s.run(t, "audit", "list", "--since", "1h")
	for _, want := range []string{"client.create", "client.update", "client:one", "user.create", "cli:alice", "done"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in\n%s", want, list)
		}
	}
	if got := s.run(t, "audit", "list", "--action", "client.update", "--target", "client:one"); strings.Count(got, "client:one") != 1 {
		t.Errorf("filtered:\n%s", got)
	}
	if got := s.run(t, "audit", "list", "--until", "2020-01-31"); strings.Contains(got, "client:one") {
		t.Errorf("before:\n%s", got)
	}
	s.mustFail(t, exitUsage, []string{"must be a time such as"}, "audit", "list", "--since", "yesterday")
	// 2. An audit that is complete.
	if got := s.run(t, "audit", "verify"); !strings.Contains(got, "Nothing was changed") {
		t.Errorf("verified:\n%s", got)
	}
	exported := s.run(t, "audit", "export", "--action", "client.", "--target", "client:one")
	lines := strings.Split(strings.TrimSpace(exported), "\n")
	if len(lines) != 2 || !strings.Contains(exported, `"after":{"name":"Two"}`) || !strings.Contains(exported, `"mac":"`) {
		t.Errorf("exported:\n%s", exported)
	}
	// 3. One that was changed.
	id, _ := decode(t, lines[0])["id"].(string)
	s.withStore(t, func(ctx context.Context, engine storage.Engine) error {
		return engine.Delete(ctx, storage.KindAuditEntry, id)
	})
	s.mustFail(t, exitFailed, []string{"the audit has"}, "audit", "verify")
	if report := s.out.String(); !strings.Contains(report, "missing_chain") {
		t.Errorf("report:\n%s", report)
	}
}
