package apply_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
)

func TestApply_BringsConnectionsToTheFiles(t *testing.T) {
	h := newApplyHarness(t)
	const appID = "wxaaaaaaaaaaaaaaaa"
	do := func(prune bool, want string, documents ...apply.Document) {
		t.Helper()
		plan := h.plan(prune, documents...)
		var got []string
		for _, change := range plan.Changes {
			var members []string
			for _, member := range change.Members {
				members = append(members, member.Member)
			}
			got = append(got, string(change.Action)+" "+change.Kind+" "+change.ID+" "+strings.Join(members, ","))
		}
		if shown := strings.Join(got, "; "); shown != want {
			t.Errorf("the plan is %q, want %q", shown, want)
		}
		_, err := plan.Apply(t.Context(), h.service)
		check(t, err)
	}
	body := `{"app_id":"` + appID + `","app_secret":"` + appSecret + `"}`
	do(false, "create website "+appID+" ", documents("website", body)...)
	do(false, "leave website "+appID+" ", documents("website", body)...)
	body = `{"app_id":"` + appID + `","open_platform":"shop","disabled":true,"app_secret":"` + strings.Repeat("f", 32) + `"}`
	do(false, "change website "+appID+" disabled,open_platform,app_secret", documents("website", body)...)
	body = `{"app_id":"` + appID + `","open_platform":"shop","disabled":true,"push_token":"Token1","encoding_aes_key":"` + strings.Repeat("k", 43) + `"}`
	do(false, "change website "+appID+" push_token", documents("website", body)...)
	do(false, "leave website "+appID+" ", documents("website", body)...)

	drift, err := apply.Drift(t.Context(), h.service, "default")
	if err != nil || drift.Pending() {
		t.Errorf("drift after apply: %+v, %v", drift.Changes, err)
	}
	_, err = h.service.EnableConnection(t.Context(), "default", appID)
	check(t, err)
	if drift, err = apply.Drift(t.Context(), h.service, "default"); err != nil || !drift.Pending() {
		t.Errorf("drift after a change: %+v, %v", drift.Changes, err)
	}

	exported, err := apply.Export(t.Context(), h.service, "default")
	check(t, err)
	text, err := json.Marshal(exported)
	if err != nil || strings.Contains(string(text), "mk1") {
		t.Errorf("the export has a secret: %s, %v", text, err)
	}
	if plan := h.plan(true, exported...); plan.Pending() {
		t.Errorf("apply of an export: %+v", plan.Changes)
	}
	do(false, "create native-app wxbbbbbbbbbbbbbbbb ; ignore website "+appID+" ", documents("native-app", `{"app_id":"wxbbbbbbbbbbbbbbbb","app_secret":"`+appSecret+`"}`)...)
	do(true, "leave native-app wxbbbbbbbbbbbbbbbb ; delete website "+appID+" ", documents("native-app", `{"app_id":"wxbbbbbbbbbbbbbbbb"}`)...)
	if left, _, err := h.service.Connections(t.Context(), "default", admin.Page{}); err != nil || len(left) != 1 {
		t.Errorf("%d connections are left, %v", len(left), err)
	}
}
