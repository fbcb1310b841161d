package apply_test

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/apply"
)

func TestApply_BringsResourcesToTheFiles(t *testing.T) {
	h := newApplyHarness(t)
	const identifier = "https://api.example.com"
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
	body := `{"identifier":"` + identifier + `","name":"Orders","scopes":[{"name":"orders:read","text_en":"Read","default":true}]}`
	do(false, "create resource "+identifier+" name,scopes", documents("resource", body)...)
	do(false, "leave resource "+identifier+" ", documents("resource", body)...)
	body = `{"identifier":"https://API.example.com/","asked_by":"any","disabled":true}`
	do(false, "change resource "+identifier+" asked_by,disabled,name,scopes", documents("resource", body)...)
	drift, err := apply.Drift(t.Context(), h.service, "default")
	if err != nil || drift.Pending() {
		t.Errorf("drift after apply: %+v, %v", drift.Changes, err)
	}
	exported, err := apply.Export(t.Context(), h.service, "default")
	check(t, err)
	if plan := h.plan(true, exported...); plan.Pending() {
		t.Errorf("apply of an export: %+v", plan.Changes)
	}
	other := `{"identifier":"https://other.example.com"}`
	do(false, "create resource https://other.example.com ; ignore resource "+identifier+" ", documents("resource", other)...)
	do(true, "leave resource https://other.example.com ; delete resource "+identifier+" ", documents("resource", other)...)
	if left, _, err := h.service.Resources(t.Context(), "default", admin.Page{}); err != nil || len(left) != 1 {
		t.Errorf("%d resources are left, %v", len(left), err)
	}
}
