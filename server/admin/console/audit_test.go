package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
)

func TestAudit_SearchesAndDownloads(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/audit?action=client.create&target=client:shop")
	b.expect(http.StatusOK, "client.create", "client:shop", "cli:test")
	if strings.Contains(b.page.body, "client:mini<") {
		t.Error("the search shows other targets")
	}
	b.get("d/default/audit?until=2001-01-31")
	b.expect(http.StatusOK, "There are no such entries")
	b.get("d/default/audit.jsonl?action=client.")
	b.expect(http.StatusOK, `"target":"client:shop"`, `"mac":"`)
	h.actor = admin.Actor{Name: "operator:alice", Assignments: []admin.Assignment{{Directory: "closed", Role: admin.RoleOwner}}, AuthTime: h.at}
	for _, path := range []string{"d/default/audit", "d/default/audit.jsonl"} {
		if got := b.get(path); got.status == http.StatusOK {
			t.Errorf("%s of another directory: status %d", path, got.status)
		}
	}
}
