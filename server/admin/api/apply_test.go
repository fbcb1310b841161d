package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// documents is the body of a plan with two records.
const documents = `{"documents":[
 {"kind":"directory","source":"default.yaml:1","body":{"id":"default","name":"Default","policy":{"self_registration":true}}},
 {"kind":"web","source":"portal.yaml:1","body":{"id":"portal","directory":"default","name":"Portal","redirect_uris":["https://portal.example.com/cb"],"secret":"a-chosen-secret-of-the-portal"}}]}`

func TestApply_DoesThePlanThatWasRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	plan := h.ok(tokenAdmin, http.MethodPost, "/apply/plan", documents)
	if plan.text("pending") != "true" || plan.text("changes", "0", "action") != "change" || plan.text("changes", "1", "action") != "create" ||
		plan.text("changes", "0", "members", "1", "member") != "policy.self_registration" {
		t.Errorf("the plan is %s", plan.Body.String())
	}
	if strings.Contains(plan.Body.String(), "a-chosen-secret") {
		t.Error("the plan has a secret")
	}
	h.send(tokenAdmin, http.MethodPost, "/apply", documents).wantProblem(http.StatusPreconditionRequired, "precondition_required")
	done := h.ok(tokenAdmin, http.MethodPost, "/apply", documents, "If-Match", plan.Header().Get("ETag"), "Idempotency-Key", "one")
	if done.text("pending") != "false" || done.text("changes", "1", "id") != "portal" {
		t.Errorf("done: %s", done.Body.String())
	}
	if got := h.ok(tokenAdmin, http.MethodGet, "/directories/default/clients/portal", ""); got.text("name") != "Portal" {
		t.Errorf("the client is %s", got.Body.String())
	}
	repeat := h.ok(tokenAdmin, http.MethodPost, "/apply", documents, "If-Match", plan.Header().Get("ETag"), "Idempotency-Key", "one")
	if repeat.Header().Get("Idempotent-Replayed") != "true" || repeat.text("pending") != "false" {
		t.Errorf("a repeat is %s", repeat.Body.String())
	}
	again := h.ok(tokenAdmin, http.MethodPost, "/apply/plan", documents)
	if again.text("pending") != "false" || again.text("changes", "0", "action") != "leave" {
		t.Errorf("the plan afterwards is %s", again.Body.String())
	}
}

// Each record that a plan names stops it when it was changed in between, also if the plan would be the same.
func TestApply_ChangedRecordStopsIt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *apiHarness){
		"directory": func(h *apiHarness) {
			for _, name := range []string{"Other", "Default"} {
				etag := h.ok(tokenAdmin, http.MethodGet, "/directories/default", "").Header().Get("ETag")
				h.ok(tokenAdmin, http.MethodPatch, "/directories/default", `{"name":"`+name+`"}`, "If-Match", etag)
			}
		},
		"client": func(h *apiHarness) {
			h.ok(tokenAdmin, http.MethodPost, "/directories/default/clients", `{"id":"portal","kind":"web","redirect_uris":["https://portal.example.com/cb"]}`)
		},
		"client in no document": func(h *apiHarness) {
			h.ok(tokenAdmin, http.MethodPost, "/directories/default/clients", `{"id":"kiosk","kind":"web","redirect_uris":["https://kiosk.example.com/cb"]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			plan := h.ok(tokenAdmin, http.MethodPost, "/apply/plan", documents)
			change(h)
			r := h.send(tokenAdmin, http.MethodPost, "/apply", documents, "If-Match", plan.Header().Get("ETag"))
			r.wantProblem(http.StatusPreconditionFailed, "precondition_failed")
			if got := h.ok(tokenAdmin, http.MethodGet, "/directories/default", ""); got.text("policy", "self_registration") == "true" {
				t.Error("something was applied")
			}
		})
	}
}

func TestApply_NamesWrongMembers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	body := `{"documents":[{"kind":"directory","body":{"id":"default","label":"x"}},{"kind":"web","body":{"id":"p","directory":"default","redirect_uris":["ftp://x"]}}]}`
	h.send(tokenAdmin, http.MethodPost, "/apply/plan", body).wantProblem(http.StatusUnprocessableEntity, "invalid", "/documents/0/body/label")
	h.send(tokenAdmin, http.MethodPost, "/apply/plan", strings.Replace(body, "label", "name", 1)).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "/documents/1/body/redirect_uris")
	h.send(tokenAdmin, http.MethodPost, "/apply/plan", `{"documents":[{"kind":"nothing","body":{}}]}`).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "/documents/0/kind")
}

func TestApply_NeedsTheRoleForEachRecord(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	plan := h.ok(tokenAuditor, http.MethodPost, "/apply/plan", strings.Replace(documents, `,"secret":"a-chosen-secret-of-the-portal"`, "", 1))
	r := h.send(tokenAuditor, http.MethodPost, "/apply", strings.Replace(documents, `,"secret":"a-chosen-secret-of-the-portal"`, "", 1), "If-Match", plan.Header().Get("ETag"))
	r.wantProblem(http.StatusForbidden, "forbidden")
	foreign := h.send(tokenOther, http.MethodPost, "/apply/plan", documents)
	none := h.send(tokenOther, http.MethodPost, "/apply/plan", strings.ReplaceAll(documents, `"default"`, `"nowhere"`))
	if got, want := strings.ReplaceAll(foreign.Body.String(), "default", "X"), strings.ReplaceAll(strings.ReplaceAll(none.Body.String(), "nowhere", "X"), "default", "X"); got != want || foreign.Code != none.Code {
		t.Errorf("foreign %d %s, none %d %s", foreign.Code, got, none.Code, want)
	}
}

func TestApply_PruneNeedsRecentSignIn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.ok(tokenAdmin, http.MethodPost, "/directories/default/clients", `{"id":"kiosk","kind":"web","redirect_uris":["https://kiosk.example.com/cb"]}`)
	body := strings.Replace(documents, `{"documents"`, `{"prune":true,"documents"`, 1)
	plan := h.ok(tokenStale, http.MethodPost, "/apply/plan", body)
	h.send(tokenStale, http.MethodPost, "/apply", body, "If-Match", plan.Header().Get("ETag")).wantProblem(http.StatusUnauthorized, "sign_in_again")
	if got := h.ok(tokenAdmin, http.MethodGet, "/directories/default", ""); got.text("policy", "self_registration") == "true" {
		t.Error("the plan stopped in its middle")
	}
	h.ok(tokenOwner, http.MethodPost, "/apply", body, "If-Match", plan.Header().Get("ETag"))
	h.send(tokenAdmin, http.MethodGet, "/directories/default/clients/kiosk", "").wantProblem(http.StatusNotFound, "not_found")
}

func TestApply_ExportedDocumentsChangeNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.ok(tokenOwner, http.MethodPost, "/operators", `{"username":"ann","password":"correct horse battery","assignments":[{"directory":"*","role":"owner"}]}`)
	for _, directory := range []string{"default", storage.OperatorsDirectory} {
		exported := h.ok(tokenOwner, http.MethodGet, "/directories/"+directory+"/documents", "")
		body := `{"documents":` + strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(exported.Body.String()), `{"items":`), "}") + `}`
		plan := h.ok(tokenOwner, http.MethodPost, "/apply/plan", body)
		if plan.text("pending") != "false" || plan.text("changes", "0", "action") != "leave" {
			t.Errorf("%s: the plan is %s", directory, plan.Body.String())
		}
	}
}

func TestApply_DriftIsWhatChangedSince(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	plan := h.ok(tokenAdmin, http.MethodPost, "/apply/plan", documents)
	h.ok(tokenAdmin, http.MethodPost, "/apply", documents, "If-Match", plan.Header().Get("ETag"))
	if drift := h.ok(tokenAuditor, http.MethodGet, "/directories/default/drift", ""); drift.text("pending") != "false" {
		t.Errorf("the drift is %s", drift.Body.String())
	}
	etag := h.ok(tokenAdmin, http.MethodGet, "/directories/default/clients/portal", "").Header().Get("ETag")
	h.ok(tokenAdmin, http.MethodPatch, "/directories/default/clients/portal", `{"name":"Door"}`, "If-Match", etag)
	drift := h.ok(tokenAuditor, http.MethodGet, "/directories/default/drift", "")
	if drift.text("pending") != "true" || drift.text("changes", "1", "members", "0", "before") != "Door" || drift.text("changes", "1", "source") != "portal.yaml:1" {
		t.Errorf("the drift is %s", drift.Body.String())
	}
}
