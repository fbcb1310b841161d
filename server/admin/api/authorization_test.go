package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
)

// concrete replaces the variables of a path.
func concrete(path string) string {
	return strings.NewReplacer(
		"{directory}", "default", "{client}", "shop", "{user}", "u", "{session}", "s", "{grant}", "g", "{candidate}", "m", "{merge}", "m",
		"{batch}", "b", "{kid}", "k", "{passkey}", "p", "{operator}", "o",
	).Replace(strings.TrimPrefix(path, api.Path))
}

// operations returns all operations of the API.
func operations(t testing.TB) []api.Operation {
	t.Helper()
	reference := api.NewReference(func(text string) string { return text })
	var all []api.Operation
	for _, section := range reference.Sections {
		all = append(all, section.Operations...)
	}
	if len(all) < 60 {
		t.Fatalf("only %d operations", len(all))
	}
	return all
}

func TestAPI_EveryOperationNeedsToken(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, o := range operations(t) {
		if o.Public {
			if r := h.send("", o.Method, concrete(o.Path), ""); r.Code != http.StatusOK {
				t.Errorf("%s: status %d", o.ID, r.Code)
			}
			continue
		}
		r := h.send("", o.Method, concrete(o.Path), "{}")
		if r.wantProblem(http.StatusUnauthorized, "unauthorized"); r.Header().Get("WWW-Authenticate") != `Bearer realm="minifed admin"` {
			t.Errorf("%s: WWW-Authenticate %s", o.ID, r.Header().Get("WWW-Authenticate"))
		}
		r = h.send("stranger", o.Method, concrete(o.Path), "{}")
		if r.wantProblem(http.StatusUnauthorized, "unauthorized"); !strings.Contains(r.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: WWW-Authenticate %s", o.ID, r.Header().Get("WWW-Authenticate"))
		}
	}
	h.send("", http.MethodGet, "/nowhere", "").wantProblem(http.StatusUnauthorized, "unauthorized")
}

func TestAPI_EveryOperationRejectsForeignAndWeakRoles(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	weaker := map[string]string{string(admin.RoleOwner): tokenAdmin, string(admin.RoleAdmin): tokenSupport, string(admin.RoleSupport): tokenAuditor}
	for _, o := range operations(t) {
		inDirectory := strings.Contains(o.Path, "{directory}")
		if inDirectory {
			h.send(tokenOther, o.Method, concrete(o.Path), "{}").wantProblem(http.StatusNotFound, "not_found")
		}
		weak, ok := weaker[o.Role]
		switch {
		case ok && inDirectory:
			h.send(weak, o.Method, concrete(o.Path), "{}").wantProblem(http.StatusForbidden, "forbidden")
		case strings.Contains(o.Path, "/operators"), strings.Contains(o.Path, "/service-clients"):
			h.send(tokenOther, o.Method, concrete(o.Path), "{}").wantProblem(http.StatusNotFound, "not_found")
		case ok:
			h.send(tokenOther, o.Method, concrete(o.Path), "{}").wantProblem(http.StatusForbidden, "forbidden")
		}
		if o.Fresh {
			r := h.send(tokenStale, o.Method, concrete(o.Path), "{}")
			r.wantProblem(http.StatusUnauthorized, "sign_in_again")
			if challenge := r.Header().Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="300"`) {
				t.Errorf("%s: WWW-Authenticate %s", o.ID, challenge)
			}
		}
	}
}

// A directory without a role is the same as one that does not exist.
func TestAPI_ForeignDirectoryLooksLikeNone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	foreign := h.send(tokenOther, http.MethodGet, "/directories/default/users", "")
	none := h.send(tokenOther, http.MethodGet, "/directories/nowhere/users", "")
	if got, want := strings.ReplaceAll(foreign.Body.String(), "default", "X"), strings.ReplaceAll(none.Body.String(), "nowhere", "X"); got != want || foreign.Code != none.Code {
		t.Errorf("foreign %d %s, none %d %s", foreign.Code, got, none.Code, want)
	}
	r := h.ok(tokenOther, http.MethodGet, "/directories", "")
	if items, _ := r.json["items"].([]any); len(items) != 1 || r.text("items", "0", "id") != "other" {
		t.Errorf("the list has %s", r.Body.String())
	}
}

func TestAPI_EveryRoleThatMayIsNotRejected(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	tokens := map[string]string{
		string(admin.RoleOwner): tokenOwner, string(admin.RoleAdmin): tokenAdmin, string(admin.RoleSupport): tokenSupport, string(admin.RoleAuditor): tokenAuditor, "": tokenAuditor,
	}
	for _, o := range operations(t) {
		token := tokens[o.Role]
		if !strings.Contains(o.Path, "{directory}") && o.Role != "" {
			token = tokenOwner
		}
		if o.ID == "deleteDirectory" || o.ID == "disableDirectory" {
			continue
		}
		r := h.send(token, o.Method, concrete(o.Path), "")
		if r.Code == http.StatusUnauthorized || r.Code == http.StatusForbidden || r.Code >= http.StatusInternalServerError {
			t.Errorf("%s by %s: %d %s", o.ID, token, r.Code, r.Body.String())
		}
	}
}
