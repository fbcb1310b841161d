package console_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/console"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// attack is a request that must change nothing, by an operator who may not send it or from a page that may not.
type attack struct {
	actor     admin.Actor
	signedOut error
	// headers are those of a form; nil is a form of the console.
	headers map[string]string
	// rejected are the statuses that reject it.
	rejected []int
}

// TestConsole_EveryAddressRejectsWhoMayNot sends an empty form to each address, and opens each page. A rejected request writes
// nothing, and no response can be framed.
func TestConsole_EveryAddressRejectsWhoMayNot(t *testing.T) {
	h := newFilledHarness(t)
	writes := 0
	h.engine.After = func(_ context.Context, done storagetest.Operation, err error) error {
		if !slices.Contains([]string{"Get", "List"}, done.Method) {
			writes++
		}
		return err
	}
	in := func(directory string, role admin.Role) admin.Actor {
		return admin.Actor{Name: "operator:mallory", Assignments: []admin.Assignment{{Directory: directory, Role: role}}, AuthTime: h.now().AddDate(1, 0, 0)}
	}
	owner := in(storage.Everywhere, admin.RoleOwner)
	forms := map[string]attack{
		"signed out":               {signedOut: console.ErrSignedOut, rejected: []int{http.StatusSeeOther}},
		"from another site":        {owner, nil, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": h.url}, []int{http.StatusForbidden}},
		"from another port":        {owner, nil, map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}, []int{http.StatusForbidden}},
		"by a typed address":       {owner, nil, map[string]string{"Sec-Fetch-Site": "none", "Origin": h.url}, []int{http.StatusForbidden}},
		"from a frame":             {owner, nil, map[string]string{"Origin": "null"}, []int{http.StatusForbidden}},
		"without a header":         {owner, nil, map[string]string{}, []int{http.StatusForbidden}},
		"of another directory":     {in("staff", admin.RoleOwner), nil, nil, []int{http.StatusForbidden, http.StatusNotFound}},
		"with a role that reads":   {in(storage.Everywhere, admin.RoleAuditor), nil, nil, []int{http.StatusForbidden, http.StatusNotFound}},
		"with a role that is none": {in(storage.Everywhere, "king"), nil, nil, []int{http.StatusForbidden, http.StatusNotFound}},
	}
	pages := map[string]attack{
		"signed out":           forms["signed out"],
		"of another directory": forms["of another directory"],
	}
	for _, address := range console.Addresses() {
		if address.IsOpen {
			continue
		}
		path := h.filled(address.Path)
		if address.Post {
			for name, sent := range forms {
				h.attack(t, http.MethodPost, path, name, sent, &writes)
			}
		}
		// These pages have only what the operator may see.
		if !address.Get || address.Path == "" || address.Path == "api" || address.Path == "overview" || strings.HasPrefix(address.Path, "start") {
			continue
		}
		for name, sent := range pages {
			h.attack(t, http.MethodGet, path, name, sent, &writes)
		}
	}
}

// filled returns a path with the variables of an address filled in.
func (h *harness) filled(path string) string {
	user := h.alice
	if strings.HasPrefix(path, "operators/") {
		user = h.olga
	}
	client := "shop"
	if strings.HasPrefix(path, "services/") {
		client = "pipeline"
	}
	return regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(path, func(variable string) string {
		return map[string]string{"{directory}": "default", "{user}": user, "{client}": client, "{act}": "delete", "{kid}": "key", "{appid}": "wxsimsite", "{token}": h.initialToken, "{resource}": storage.ResourceID("https://api.example.com")}[variable]
	})
}

// attack sends a request, and asserts that it was rejected and wrote nothing.
func (h *harness) attack(t *testing.T, method, path, name string, sent attack, writes *int) {
	t.Helper()
	h.mu.Lock()
	h.actor, h.signedOut = sent.actor, sent.signedOut
	h.mu.Unlock()
	r := must(http.NewRequestWithContext(t.Context(), method, h.url+console.Base+path, http.NoBody))(t)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", h.url)
		for header, value := range sent.headers {
			r.Header.Set(header, value)
		}
		if sent.headers != nil && sent.headers["Origin"] == "" {
			r.Header.Del("Origin")
		}
	}
	*writes = 0
	b := h.browser()
	page := b.do(r)
	rejected := false
	for _, status := range sent.rejected {
		rejected = rejected || page.status == status
	}
	if at := page.header.Get("Location"); !rejected || page.status == http.StatusSeeOther && !strings.HasPrefix(at, "/sign-in?") {
		t.Errorf("%s %s, %s: %d %s", method, path, name, page.status, at)
	}
	if *writes > 0 {
		t.Errorf("%s %s, %s: %d writes", method, path, name, *writes)
	}
	if page.header.Get("X-Frame-Options") != "DENY" || !strings.Contains(page.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || page.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %s can be framed: %v", method, path, page.header)
	}
}
