package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin/api"
)

// TestOpenAPI_HasEveryOperationAndMember compares the served document with the reference, which derives from the routes.
func TestOpenAPI_HasEveryOperationAndMember(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.ok("", http.MethodGet, "/openapi.json", "")
	if h.ok("", http.MethodGet, "/openapi.json", "", "If-None-Match", r.Header().Get("ETag")).Code != http.StatusNotModified {
		t.Error("the document has no working ETag")
	}
	found := 0
	paths, _ := r.json["paths"].(map[string]any)
	for path, item := range paths {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				found++
				if code := h.send(tokenService, strings.ToUpper(method), concrete(path), "").Code; code == http.StatusMethodNotAllowed {
					t.Errorf("%s %s is described, and is not there", method, path)
				}
			}
		}
	}
	all := operations(t)
	if found != len(all) {
		t.Errorf("%d operations are described, and %d are there", found, len(all))
	}
	ids := map[string]bool{}
	for _, o := range all {
		if ids[o.ID] {
			t.Errorf("operation %s stands there twice", o.ID)
		}
		ids[o.ID] = true
		described := lookUp(paths, strings.TrimPrefix(o.Path, api.Path), strings.ToLower(o.Method))
		if lookUp(described, "operationId") != o.ID || lookUp(described, "responses", fmt.Sprint(o.Status)) == nil {
			t.Errorf("%s: described as %v", o.ID, described)
		}
	}
}

// A member without a description is in no response: a new setting or record is described, or withheld, in descriptions.go.
func TestDescriptions_AreComplete(t *testing.T) {
	t.Parallel()
	for _, problem := range api.DescriptionProblems() {
		t.Error(problem)
	}
}
