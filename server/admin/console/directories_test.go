package console_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"testing"
)

func TestDirectory_Files(t *testing.T) {
	h := newHarness(t)
	b := h.browser()
	b.get("d/default/settings")
	b.upload("Save", map[string][2]string{
		"verification_files": {"MP_verify_abc.txt", "abc"}, "branding.logo": {"logo.png", pictureOfLogo(t)},
	})
	b.expect(http.StatusOK, "The settings are saved", "MP_verify_abc.txt", `src="data:image/png;base64,`)
	b.upload("Save", map[string][2]string{"branding.logo": {"logo.png", "no picture"}})
	b.expect(http.StatusBadRequest, "is not a PNG, JPEG or GIF picture")
	b.submit("Save", "verification_files.remove", "MP_verify_abc.txt", "branding.logo.remove", "true")
	b.expect(http.StatusOK, "The settings are saved")
	if got := must(h.service.Directory(t.Context(), "default"))(t).Record; len(got.VerificationFiles)+len(got.Branding.Logo) > 0 {
		t.Errorf("stored %+v", got)
	}
}

// pictureOfLogo is a PNG of a black square.
func pictureOfLogo(t *testing.T) string {
	t.Helper()
	drawn := image.NewGray(image.Rect(0, 0, 40, 40))
	var file bytes.Buffer
	must(0, png.Encode(&file, drawn))(t)
	return file.String()
}

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
