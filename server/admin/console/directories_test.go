package console_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
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

func TestDirectory_NamesWhatScanMisses(t *testing.T) {
	h := newHarness(t)
	b := h.browser()
	scan := func(target storage.ScanTarget) {
		must(h.service.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) {
			d.SignInMethods, d.Scan = []string{storage.SignInScan, storage.SignInPassword}, target
		}))(t)
		b.get("d/default/")
	}
	scan(storage.ScanTarget{})
	b.expect(http.StatusOK, "no mini-program is named that confirms", `href="/console/d/default/settings">Change the setting`)
	scan(storage.ScanTarget{MiniProgram: "shop", Page: "pages/scan/index"})
	b.expect(http.StatusOK, "The client shop confirms sign-ins by scan and link, and it is no enabled mini-program.")
	for id, appID := range map[string]string{"shop": "wx0123456789abcdef", "tea": "wx0123456789abcde0"} {
		_, _, err := h.service.CreateClient(t.Context(), admin.NewClient{
			Client:    storage.Client{Directory: "default", ID: id, Kind: storage.ClientMiniapp, Federation: &storage.Federation{AppID: appID, OpenPlatform: id}},
			AppSecret: "0123456789abcdef0123456789abcdef",
		})
		must(0, err)(t)
	}
	b.get("d/default/")
	b.expect(http.StatusOK, "may not start browser sessions", `href="/console/d/default/clients/shop">Change the setting`, "names the Open Platform account")
}
