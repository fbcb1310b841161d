package console_test

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestResources_LifecycleInTheConsole(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/new-resource")
	b.submit("Register", "identifier", "api")
	if !strings.Contains(b.page.text(), "absolute URI") {
		t.Errorf("an identifier without a scheme: %s", b.page.text())
	}
	b.submit("Register", "identifier", "https://tools.example.com/mcp", "name", "Tools", "asked_by", "any", "introspected_by", "gateway",
		"scopes", "*tools:read Use the tools | 使用工具\ntools:write", "token_format", "jwt", "token_lifetime", "5m")
	if !strings.Contains(b.page.url.Path, "/resources/") || !strings.Contains(b.page.text(), "Created.") {
		t.Fatalf("at %s: %s", b.page.url, b.page.text())
	}
	path := strings.TrimPrefix(b.page.url.Path, "/console/")
	stored := func() storage.Resource {
		return must(h.service.Resource(t.Context(), "default", "https://tools.example.com/mcp"))(t).Record
	}
	want := storage.ResourceScope{Name: "tools:read", TextEN: "Use the tools", TextZH: "使用工具", Default: true}
	if got := stored(); len(got.Scopes) != 2 || got.Scopes[0] != want || got.AskedBy != storage.AskedByAny || got.TokenFormat != storage.TokenJWT || got.TokenLifetime != 300 {
		t.Errorf("stored %+v", got)
	}
	b.submit("Save", "scopes", "openid")
	if !strings.Contains(b.page.text(), "is a scope of the issuer") || len(stored().Scopes) != 2 {
		t.Errorf("a scope of the issuer: %s", b.page.text())
	}
	b.get(path)
	b.submit("Save", "name", "Tools of Ann", "token_lifetime", "")
	if got := stored(); got.Name != "Tools of Ann" || got.TokenLifetime != 0 || len(got.Scopes) != 2 {
		t.Errorf("stored %+v", got)
	}
	b.get("d/default/resources")
	for _, text := range []string{"Tools of Ann", "https://tools.example.com/mcp", "tools:write", "all clients, also unknown ones", "Orders"} {
		if !strings.Contains(b.page.text(), text) {
			t.Errorf("the list has no %q: %s", text, b.page.text())
		}
	}
	b.get(path + "/act/disable")
	b.submit("Disable the API")
	if !strings.Contains(b.page.text(), "Disabled.") || !stored().Disabled {
		t.Errorf("after the disabling: %s", b.page.text())
	}
	b.get(path + "/act/delete")
	b.submit("Delete the API")
	if _, err := h.service.Resource(t.Context(), "default", "https://tools.example.com/mcp"); err == nil {
		t.Error("the resource is still there")
	}
}

// Texts of a record that the admin API stored are text on every page, and saving the form changes none that the operator left alone.
func TestResources_TextsAreTextAndSurviveTheForm(t *testing.T) {
	h := newFilledHarness(t)
	const script = `"><script>alert(1)</script>`
	scope := storage.ResourceScope{Name: "a", TextEN: "Either | or " + script, TextZH: script}
	made := must(h.service.CreateResource(t.Context(), storage.Resource{
		Directory: "default", Identifier: "https://x.example.com/'onload='", Name: script, Scopes: []storage.ResourceScope{scope},
	}))(t).Record
	b := h.browser()
	for _, path := range []string{"", "/act/delete"} {
		b.get("d/default/resources/" + made.ID + path)
		if strings.Contains(b.page.body, "<script>alert") {
			t.Errorf("%q has a script of the record", path)
		}
	}
	b.get("d/default/resources")
	if strings.Contains(b.page.body, "<script>alert") || !strings.Contains(b.page.text(), script) {
		t.Error("the list does not show the name as text")
	}
	b.get("d/default/resources/" + made.ID)
	b.submit("Save", "asked_by", "registered")
	got := must(h.service.Resource(t.Context(), "default", made.Identifier))(t).Record
	if got.AskedBy != storage.AskedByRegistered || len(got.Scopes) != 1 || got.Scopes[0] != scope {
		t.Errorf("stored %+v", got)
	}
}
