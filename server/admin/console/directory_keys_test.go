package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestDirectoryKeys_AreSetShownNowhereAndRemoved(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	keys := func() [2]string {
		directory := must(storage.Get[storage.Directory](t.Context(), h.engine, "default"))(t).Record
		return [2]string{directory.SMSKey, directory.CaptchaKey}
	}
	for n, path := range []string{"d/default/sms-key", "d/default/captcha-key"} {
		b.get(path)
		b.submit("Save", "key", "short")
		b.expect(http.StatusBadRequest, "must be 8 to 256")
		b.submit("Save", "key", "the-secret-key")
		b.expect(http.StatusOK, "The key is saved")
		if got := keys()[n]; got == "" || strings.Contains(got, "the-secret-key") {
			t.Errorf("%s stores %q", path, got)
		}
		b.get(path)
		if strings.Contains(b.page.body, "the-secret-key") {
			t.Errorf("%s shows the key", path)
		}
		b.submit("Save", "key", "")
		if got := keys()[n]; got != "" {
			t.Errorf("%s: an empty key leaves %q", path, got)
		}
	}
}
