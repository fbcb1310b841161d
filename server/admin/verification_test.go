package admin

import (
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestDirectory_ChecksVerificationFiles(t *testing.T) {
	h := newServiceHarness(t)
	set := func(files ...storage.VerificationFile) error {
		_, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) { d.VerificationFiles = files })
		return err
	}
	good := storage.VerificationFile{Name: "MP_verify_0123456789abcdef.txt", Content: "0123456789abcdef"}
	must(t, set(good, storage.VerificationFile{Name: "a-B.txt", Content: strings.Repeat("x", storage.MaxVerificationFile)}))
	for _, name := range []string{"", ".txt", "a.html", "a/b.txt", "..txt", "a b.txt", "é.txt", strings.Repeat("a", 65) + ".txt"} {
		wantInvalid(t, set(storage.VerificationFile{Name: name, Content: "x"}), "verification_files")
	}
	for _, content := range []string{"", "\xff", "a\x00", strings.Repeat("x", storage.MaxVerificationFile+1)} {
		wantInvalid(t, set(storage.VerificationFile{Name: "a.txt", Content: content}), "verification_files")
	}
	wantInvalid(t, set(good, good), "verification_files")
	wantInvalid(t, set(make([]storage.VerificationFile, storage.MaxVerificationFiles+1)...), "verification_files")
}

func TestDirectory_ChecksFilingNumbers(t *testing.T) {
	h := newServiceHarness(t)
	set := func(icp, police string) error {
		_, err := h.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) {
			d.Branding.ICPNumber, d.Branding.PoliceNumber = icp, police
		})
		return err
	}
	for _, icp := range []string{"京ICP备12345678号-1", "京ICP证030173号", "沪ICP备2021012345号", "粤B2-20090191", ""} {
		if err := set(icp, "京公网安备 11010502030143号"); err != nil {
			t.Errorf("%s: %v", icp, err)
		}
	}
	wantInvalid(t, set("12345678", "11010502030143"), "branding.icp_number", "branding.police_number")
	wantInvalid(t, set("京ICP备12号", "京公网安备 110号"), "branding.icp_number", "branding.police_number")
}
