package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestDoctor_ChecksVerificationFilesAndFilings(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(t.TempDir(), "MP_verify_0123456789abcdef.txt")
	writeFile(t, file, "0123456789abcdef")
	s.run(t, "directory", "create", "shop")
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"default", "--verification-file", file, "--icp-number", "京ICP备12345678号-1"}, "1 verification files; ICP number: 京ICP备12345678号-1"},
		{[]string{"shop", "--verification-file", file}, "cannot be read at the root of the host, only at"},
		{[]string{"default", "--icp-number", "", "--police-number", "京公网安备 11010502030143号"}, "there is a police number and no ICP number"},
	} {
		s.run(t, append([]string{"directory", "update"}, row.args...)...)
		s.exitCode(t, "doctor") // WeChat may not be reachable.
		if out := s.out.String(); !strings.Contains(out, row.want) {
			t.Errorf("%q is not in\n%s", row.want, out)
		}
	}
}
