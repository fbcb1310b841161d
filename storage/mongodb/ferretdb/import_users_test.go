package ferretdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// TestUserImport_OnMongoDB imports a file of users, repeats the import, and reads the export again.
func TestUserImport_OnMongoDB(t *testing.T) {
	t.Parallel()
	address, folder := porttest.Address(t), t.TempDir()
	store := program{must(minifed())(t), append(os.Environ(),
		"MINIFED_CONFIG="+os.DevNull, "MINIFED_PUBLIC_URL=http://"+address, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS=off",
		"MINIFED_DATA_DIR="+filepath.Join(folder, "data"))}
	first := store.at("MINIFED_STORAGE_URI=sqlite:" + filepath.Join(folder, "first.db"))
	first.serve(t).stop() // It creates the master key.
	second := store.at("MINIFED_STORAGE_URI=" + ferret.Proxy(t).URI(ferret.Database(t)))
	second.serve(t).stop()

	var text strings.Builder
	text.WriteString("sub,username,email,groups,attribute:role,openid:wxsim1\n")
	for i := range 20 {
		fmt.Fprintf(&text, "u%d,user%d,user%d@example.com,staff;buyers,editor,o%d\n", i, i, i, i)
	}
	file, exported := filepath.Join(folder, "users.csv"), filepath.Join(folder, "users.jsonl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ path, member string }{{file, "created"}, {file, "unchanged"}} {
		if got := second.run(t, "", "user", "import", step.path, "--fast"); fmt.Sprint(got[step.member]) != "20" {
			t.Errorf("%s: %v", step.member, got)
		}
	}
	if got := second.run(t, "", "user", "export", exported); fmt.Sprint(got["users"]) != "20" {
		t.Errorf("exported %v", got)
	}
	if got := first.run(t, "", "user", "import", exported, "--fast"); fmt.Sprint(got["created"]) != "20" {
		t.Errorf("imported into SQLite: %v", got)
	}
	user := first.run(t, "", "user", "show", "user7")
	if user["id"] != "u7" || fmt.Sprint(user["groups"], user["attributes"]) != "[buyers staff] map[role:[editor]]" {
		t.Errorf("got %v", user)
	}
}
