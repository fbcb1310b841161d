package console_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const usersCSV = "external_id,username,name\n1,carol,Carol\n2,dan,Dan\n3,alice,Another Alice\n"

func TestImport_ChecksFirst(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	exists := func(name string) bool {
		_, err := h.service.UserID(t.Context(), "default", name)
		return err == nil
	}
	b.get("d/default/users")
	b.expect(http.StatusOK, "Import users", "Export users")
	b.get("d/default/import-users")
	b.upload("Check the file", nil)
	b.expect(http.StatusBadRequest, "must be a file that is not empty")
	b.upload("Check the file", map[string][2]string{"file": {"users.xlsx", usersCSV}})
	b.expect(http.StatusBadRequest, "must be a .csv, .jsonl or .ndjson file")
	b.upload("Check the file", map[string][2]string{"file": {"users.csv", "salary\n1\n"}})
	b.expect(http.StatusBadRequest, "names an unknown column", "The file is not imported.")
	b.upload("Check the file", map[string][2]string{"file": {"users.csv", "external_id,username\n1,carol\n2,carol\n"}})
	b.expect(http.StatusOK, "Nothing is imported until they are corrected.", "has the value of line 2", "Check the file")
	b.upload("Check the file", map[string][2]string{"file": {"users.csv", usersCSV}})
	b.expect(http.StatusOK, "What the import would do", "New users 2", "conflict with users who exist 1")
	if exists("carol") {
		t.Error("the check wrote a user")
	}
	b.upload("Import the users", map[string][2]string{"file": {"users.csv", "external_id,username\n9,mallory\n"}})
	if b.expect(http.StatusBadRequest, "must be the file that was checked", "New users 1"); exists("mallory") {
		t.Error("a file that was not checked is imported")
	}
	b.upload("Import the users", map[string][2]string{"file": {"users.csv", usersCSV}})
	b.expect(http.StatusBadRequest, "New users 2")
	b.upload("Import the users", map[string][2]string{"file": {"users.csv", usersCSV}})
	if b.expect(http.StatusOK, "What the import did", "New users 2"); !exists("carol") || !exists("dan") {
		t.Error("no users")
	}
	b.get("d/default/import-users")
	b.upload("Check the file", map[string][2]string{"file": {"users.csv", strings.Repeat("x", 8<<20+1)}})
	b.expect(http.StatusBadRequest, "at most 8 MB; use minifed user import for larger files")
	h.as(admin.Actor{Name: "operator:sam", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleSupport}}, AuthTime: h.now()})
	b.upload("Check the file", map[string][2]string{"file": {"users.csv", usersCSV}})
	b.expect(http.StatusForbidden)
}

func TestExport_DownloadsAfterFreshSignIn(t *testing.T) {
	h := newFilledHarness(t)
	b := h.browser()
	b.get("d/default/export-users")
	b.expect(http.StatusOK, "password hashes")
	b.submit("Export users")
	b.expect(http.StatusOK, `"username":"alice"`, h.shadow)
	if got := b.page.header.Get("Content-Disposition"); got != `attachment; filename="users-default.jsonl"` {
		t.Errorf("Content-Disposition %q", got)
	}
	b.get("d/staff/export-users")
	b.submit("Export users")
	if b.expect(http.StatusOK); b.page.body != "" {
		t.Errorf("a directory without users: %s", b.page.body)
	}
	b.get("d/default/export-users")
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindIdentity {
			return storage.ErrUnavailable
		}
		return nil
	}
	b.submit("Export users")
	b.expect(http.StatusServiceUnavailable)
	if b.page.header.Get("Content-Disposition") != "" {
		t.Error("a failure is a download")
	}
	// Later, only the end of the connection says that the file is incomplete.
	var reads atomic.Int32
	var repaired atomic.Bool // The handler may still run when the client sees the end of the connection.
	h.engine.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Kind == storage.KindIdentity && reads.Add(1) > 1 && !repaired.Load() {
			return storage.ErrUnavailable
		}
		return err
	}
	h.engine.Before = nil
	r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, b.absolute("d/default/export-users"), http.NoBody))(t)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.url)
	if response, err := b.client.Do(r); err == nil {
		_ = response.Body.Close()
		t.Errorf("an incomplete export: %s", response.Status)
	}
	repaired.Store(true)
	h.as(admin.Actor{Name: "operator:ann", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleAdmin}}, AuthTime: h.now().Add(-time.Hour)})
	b.post("d/default/export-users", nil)
	b.expect(http.StatusSeeOther)
}
