package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity/userfile"
	"github.com/minifed/minifed/storage"
)

// importOf is an import of a text.
func importOf(text string) UserImport {
	return UserImport{Format: userfile.CSV, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// TestImportUsers_ContinuesAfterAnInterruption in the middle, and changes nothing when it is repeated.
func TestImportUsers_ContinuesAfterAnInterruption(t *testing.T) {
	h := newServiceHarness(t)
	var text strings.Builder
	text.WriteString("external_id,username,openid:wxsim1\n")
	for i := range 30 {
		fmt.Fprintf(&text, "%d,user%d,o%d\n", i, i, i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	job := importOf(text.String())
	job.Progress = func(report UserImportReport) {
		if report.Created == 10 {
			cancel()
		}
	}
	if _, err := h.ImportUsers(ctx, "default", job); !errors.Is(err, context.Canceled) && !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("interrupted: %v", err)
	}
	job.Progress = nil
	report, err := h.ImportUsers(t.Context(), "default", job)
	must(t, err)
	if report.Rows != 30 || report.Created+report.Unchanged != 30 || report.Unchanged < 10 || report.Created == 0 || report.ExternalIDs != 30 {
		t.Errorf("continued: %+v", report)
	}
	report, err = h.ImportUsers(t.Context(), "default", job)
	must(t, err)
	if report.Unchanged != 30 || report.Created != 0 {
		t.Errorf("repeated: %+v", report)
	}
	users, _, err := h.Users(t.Context(), "default", "", Page{})
	must(t, err)
	if len(users) != 30 {
		t.Errorf("%d users", len(users))
	}
	var out bytes.Buffer
	count, err := h.ExportUsers(t.Context(), "default", &out, nil)
	must(t, err)
	if count != 30 || strings.Count(out.String(), `"openid"`) != 30 {
		t.Errorf("exported %d users", count)
	}
}

// TestImportUsers_ImportsNothingOfAnUnacceptableFile, not even its good rows.
func TestImportUsers_ImportsNothingOfAnUnacceptableFile(t *testing.T) {
	h := newServiceHarness(t)
	for name, text := range map[string]string{
		"a value":          "username,email\nalice,\nbob,nonsense\n",
		"a value twice":    "username,email\nalice,a@example.com\nbob,A@example.com\n",
		"a sub of WeChat":  "sub,openid:wxsim1\no1,o1\n",
		"an unusable name": "username\nalice\na b\n",
	} {
		report, err := h.ImportUsers(t.Context(), "default", importOf(text))
		if !errors.Is(err, ErrImportFile) || report.Invalid != 1 || len(report.Problems) != 1 {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	if _, err := h.ImportUsers(t.Context(), "default", importOf("username\n\"alice\n")); err == nil {
		t.Error("a file with broken syntax is imported")
	}
	users, _, err := h.Users(t.Context(), "default", "", Page{})
	must(t, err)
	if len(users) != 0 {
		t.Errorf("%d users", len(users))
	}
}
