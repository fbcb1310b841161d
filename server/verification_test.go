package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestVerificationFiles_AreServedBelowIssuer(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addDirectory(storage.Directory{
		ID: "tea", Name: "Tea", VerificationFiles: []storage.VerificationFile{{Name: "MP_verify_tea.txt", Content: "of tea"}},
	})
	ts.editDirectory(func(d *storage.Directory) {
		d.VerificationFiles = []storage.VerificationFile{{Name: "MP_verify_abc.txt", Content: "abc<script>"}}
	})
	b := ts.newFormBrowser()
	for path, want := range map[string]string{"/MP_verify_abc.txt": "abc<script>", "/d/tea/MP_verify_tea.txt": "of tea"} {
		got := b.get(ts.url + path)
		if got.status != http.StatusOK || got.body != want || got.header.Get("Content-Type") != "text/plain; charset=utf-8" ||
			got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %q %v", path, got.status, got.body, got.header)
		}
	}
	for _, path := range []string{"/MP_verify_tea.txt", "/d/tea/MP_verify_abc.txt", "/mp_verify_abc.txt", "/a.txt", "/assets/MP_verify_abc.txt"} {
		if got := b.get(ts.url + path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d %q", path, got.status, got.body)
		}
	}
}

func TestPages_ShowFilingNumbers(t *testing.T) {
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) {
		d.Branding.ICPNumber, d.Branding.PoliceNumber = "京ICP备12345678号-1", "京公网安备 11010502030143号"
	})
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	for _, want := range []string{
		`<a href="https://beian.miit.gov.cn/">京ICP备12345678号-1</a>`,
		`<a href="https://beian.mps.gov.cn/#/query/webSearch?code=11010502030143">京公网安备 11010502030143号</a>`,
	} {
		if !strings.Contains(b.page.body, want) {
			t.Errorf("no %s in %s", want, b.page.body)
		}
	}
}
