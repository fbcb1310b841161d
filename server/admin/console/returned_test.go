package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// TestConsole_InputReturnsAfterTheSignIn sends each kind of form whose act needs a new sign-in, long after the sign-in.
func TestConsole_InputReturnsAfterTheSignIn(t *testing.T) {
	h := newFilledHarness(t)
	owner := []admin.Assignment{{Directory: storage.Everywhere, Role: admin.RoleOwner}}
	stale := admin.Actor{Name: "operator:alice", Assignments: owner}
	fresh := admin.Actor{Name: "operator:alice", Assignments: owner, AuthTime: h.now().Add(time.Hour)}
	must(0, h.service.SetAppSecret(t.Context(), "default", "mini", "0123456789abcdef0123456789abcdef"))(t)
	for path, form := range map[string]struct {
		button string
		typed  []string
		path   string // to which the form posts; empty for that of the page
	}{
		"operators/" + h.olga:                   {"Save", []string{"assignments", "support:default\nauditor:staff"}, ""},
		"new-operator":                          {"Create the operator", []string{"username", "otto<b>", "email", "otto@example.com", "assignments", "owner"}, ""},
		"services/pipeline":                     {"Save", []string{"name", "Robot \"1\"", "assignments", "owner", "expires_at", "2026-12-31"}, ""},
		"new-service":                           {"Create the service client", []string{"name", "Robot", "assignments", "admin:default", "expires_at", "2026-12-31"}, ""},
		"d/closed/delete":                       {"Delete", []string{"typed", "closed"}, ""},
		"d/default/clients/shop/secret?alone=1": {"New secret, and reject all earlier ones", []string{}, ""},
	} {
		b := h.browser()
		h.as(fresh)
		b.get(path)
		b.expect(http.StatusOK)
		h.as(stale)
		b.submit(form.button, form.typed...)
		back, _ := url.QueryUnescape(strings.TrimPrefix(b.page.header.Get("Location"), "/sign-in?again=1&back="))
		if b.page.status != http.StatusSeeOther || back != "/console/"+path {
			t.Errorf("%s: %d %s", path, b.page.status, b.page.header.Get("Location"))
			continue
		}
		for _, typed := range form.typed {
			if strings.Contains(b.page.header.Get("Location")+b.page.header.Get("Set-Cookie"), typed) && len(typed) > 12 {
				t.Errorf("%s: %q can be read on the way", path, typed)
			}
		}
		h.as(fresh)
		b.get(back)
		b.expect(http.StatusOK, "The form has your input")
		values := formValues(b.page.form(form.button))
		for i := 0; i < len(form.typed); i += 2 {
			if got := strings.TrimPrefix(values.Get(form.typed[i]), "\n"); got != form.typed[i+1] {
				t.Errorf("%s: %s is %q, typed was %q", path, form.typed[i], got, form.typed[i+1])
			}
		}
		b.get(back)
		if strings.Contains(b.page.text(), "The form has your input") {
			t.Errorf("%s: the input returns twice", path)
		}
	}
}

// TestConsole_InputIsForItsOperatorAndPage plants the cookie of one form where it does not belong.
func TestConsole_InputIsForItsOperatorAndPage(t *testing.T) {
	h := newFilledHarness(t)
	owner := []admin.Assignment{{Directory: storage.Everywhere, Role: admin.RoleOwner}}
	alice := admin.Actor{Name: "operator:alice", Assignments: owner}
	h.as(alice)
	b := h.browser()
	b.get("operators/" + h.olga)
	b.submit("Save", "assignments", "auditor:staff")
	jar, at := b.client.Jar, must(url.Parse(h.url+"/console/"))(t)
	kept := jar.Cookies(at)
	if len(kept) != 1 {
		t.Fatalf("cookies %v", kept)
	}
	returns := func(actor admin.Actor, path, value string) bool {
		h.as(actor)
		jar.SetCookies(at, []*http.Cookie{{Name: kept[0].Name, Value: value, Path: "/console/"}})
		b.get(path)
		b.expect(http.StatusOK)
		return strings.Contains(b.page.text(), "The form has your input") || strings.Contains(b.page.body, "auditor:staff</textarea>")
	}
	mallory := admin.Actor{Name: "operator:mallory", Assignments: owner, AuthTime: h.now().Add(time.Hour)}
	alice.AuthTime = mallory.AuthTime
	changed := []byte(kept[0].Value)
	slices.Reverse(changed)
	for name, wrong := range map[string]bool{
		"another operator": returns(mallory, "operators/"+h.olga, kept[0].Value),
		"another page":     returns(alice, "services/pipeline", kept[0].Value),
		"a changed cookie": returns(alice, "operators/"+h.olga, string(changed)),
		"no cookie":        returns(alice, "operators/"+h.olga, ""),
		"a long cookie":    returns(alice, "operators/"+h.olga, strings.Repeat("A", 4000)),
	} {
		if wrong {
			t.Errorf("%s fills in the form", name)
		}
	}
	if !returns(alice, "operators/"+h.olga, kept[0].Value) {
		t.Error("the operator and the page fill in nothing")
	}
	h.mu.Lock()
	h.at = h.at.Add(11 * time.Minute)
	h.mu.Unlock()
	if returns(alice, "operators/"+h.olga, kept[0].Value) {
		t.Error("the input returns after its time")
	}
}
