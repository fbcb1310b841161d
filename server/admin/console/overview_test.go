package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

func TestOverview_ShowsCountsAndHealthByRole(t *testing.T) {
	h := newFilledHarness(t)
	begin := h.now().UTC().Truncate(15 * time.Minute).Add(-15 * time.Minute)
	must(storage.Insert(t.Context(), h.engine, storage.Statistics{
		Process: "p", CreatedAt: begin, ExpiresAt: begin.Add(24 * time.Hour), Counts: map[string]map[string]map[string]map[string]int64{
			"default": {"password": {"success": {"0": 41, "1": 1}}}, "closed": {"password": {"success": {"0": 7}}}, "": {"wechat": {"busy": {"3": 5}}},
		},
	}))(t)
	b := h.browser()
	b.get("overview")
	b.expect(http.StatusOK, "<td data-label=\"Total\">42</td>", "<td data-label=\"Most in a step\">41</td>", "busy", "<polyline", "Store")
	h.actor = admin.Actor{Name: "operator:alice", Assignments: []admin.Assignment{{Directory: "closed", Role: admin.RoleAuditor}}, AuthTime: h.at}
	b.get("overview?range=day")
	b.expect(http.StatusOK, "<td data-label=\"Total\">7</td>")
	for _, hidden := range []string{">42<", "busy", "Store"} {
		if strings.Contains(b.page.body, hidden) {
			t.Errorf("an auditor of another directory sees %q", hidden)
		}
	}
}
