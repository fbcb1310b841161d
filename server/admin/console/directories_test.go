package console_test

import (
	"net/http"
	"testing"
)

func TestDirectory_CreateAndChange(t *testing.T) {
	b := newHarness(t).browser()
	b.get("")
	b.expect(http.StatusOK, "Tea House", "https://id.example.com")
	b.get("new")
	b.submit("Create the identity application", "id", "Staff!", "branding.accent_color", "green")
	b.expect(http.StatusBadRequest, "must be 1 to 32", "must be # and six")
	b.submit("Create the identity application", "id", "staff", "branding.accent_color", "#07c160")
	b.expect(http.StatusOK, "Created.", "https://id.example.com/d/staff")
	b.get("d/staff/settings")
	b.submit("Save", "name", "Our people", "lifetimes.code", "soon")
	b.expect(http.StatusBadRequest, "must be a duration", `value="soon"`, `value="Our people"`)
	b.submit("Save", "lifetimes.code", "90s")
	b.expect(http.StatusOK, "The settings are saved", `value="1m30s"`)
}
