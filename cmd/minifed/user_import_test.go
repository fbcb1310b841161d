package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver that runs the SQL of the recipes
)

// recipe returns a code block of the operating guide: the first in a language below a heading.
func recipe(t *testing.T, heading, language string) string {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(guide), "\n### "+heading+"\n")
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(section)
	if !found || block == nil {
		t.Fatalf("no %s below %s", language, heading)
	}
	return block[1]
}

// query runs the SQL of a recipe on tables as MySQL has them, and writes the result as `mysql --batch --raw` does.
func query(t *testing.T, tables, recipe, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(t.Context(), recipe)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out bytes.Buffer
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

const casdoorTables = `
CREATE TABLE organization (name TEXT, password_salt TEXT);
INSERT INTO organization VALUES ('my-org', 'org salt');
CREATE TABLE user (owner TEXT, name TEXT, id TEXT, display_name TEXT, email TEXT, email_verified INTEGER, phone TEXT, country_code TEXT, wechat TEXT,
  password TEXT, password_type TEXT, password_salt TEXT, is_forbidden INTEGER, is_deleted INTEGER);
INSERT INTO user VALUES
  ('my-org', 'alice', 'c3b1a1f0-0001-4c6e-9d7a-000000000001', 'Alice', 'alice@example.com', 1, '13800138000', 'CN', 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
   'a1c9f0e5e1ad2ae4a7a65e4e1b0ae9ae', 'md5-salt', 'user salt', 0, 0),
  ('my-org', 'wechat-1', 'c3b1a1f0-0001-4c6e-9d7a-000000000002', '', '', 0, '', '', '', '', '', '', 1, 0),
  ('my-org', 'gone', 'c3b1a1f0-0001-4c6e-9d7a-000000000003', '', '', 0, '', '', '', '', '', '', 0, 1),
  ('other', 'bob', 'c3b1a1f0-0001-4c6e-9d7a-000000000004', '', '', 0, '', '', '', '', '', '', 0, 0);`

const memberTables = `
CREATE TABLE members (id INTEGER, login TEXT, mobile TEXT, openid TEXT, passwd TEXT, salt TEXT, level TEXT);
INSERT INTO members VALUES (7, 'carol', '13800138007', '', '5f4dcc3b5aa765d61d8327deb882cf99', 'x', 'gold');`

const authingUsers = `{"data":{"list":[
  {"userId":"64f0a1b2c3d4e5f6a7b8c9d0","username":"dave","name":"Dave","email":"dave@example.com","emailVerified":true,"phone":"13800138004","phoneVerified":true,
   "phoneCountryCode":"+86","status":"Activated","createdAt":"2023-08-31T08:00:00.000Z","externalId":null,
   "identities":[{"type":"openid","userIdInIdp":"oDave"},{"type":"unionid","userIdInIdp":"uDave"},{"type":"generic","userIdInIdp":"x"}]},
  {"userId":"64f0a1b2c3d4e5f6a7b8c9d1","status":"Suspended","email":"eve@example.com","emailVerified":false}]}}`

// TestUserImport_RecipesOfTheGuide runs the recipes as the operating guide has them, and imports what they write.
func TestUserImport_RecipesOfTheGuide(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(t.TempDir(), "users.jsonl")
	query(t, casdoorTables, recipe(t, "Recipe for Casdoor", "sql"), file)
	got := s.runJSON(t, "user", "import", file, "--fast")
	if fmt.Sprint(got["rows"], got["created"], got["conflicts"], got["unverified"]) != "2 2 0 0" {
		t.Errorf("Casdoor: %v", got)
	}
	alice := s.runJSON(t, "user", "show", "+8613800138000")
	if alice["id"] != "c3b1a1f0-0001-4c6e-9d7a-000000000001" || alice["has_password"] != true || alice["external_id"] != "my-org/alice" ||
		!strings.Contains(fmt.Sprint(alice["identities"]), "wechat_openid") {
		t.Errorf("Casdoor: %v", alice)
	}
	if shown := s.runJSON(t, "user", "show", "c3b1a1f0-0001-4c6e-9d7a-000000000002"); shown["status"] != "disabled" || shown["username"] != nil {
		t.Errorf("Casdoor: %v", shown)
	}
	query(t, memberTables, recipe(t, "Recipe for a MySQL table", "sql"), file)
	s.run(t, "user", "import", file, "--fast")
	if carol := s.runJSON(t, "user", "show", "carol"); fmt.Sprint(carol["attributes"], carol["external_id"]) != "map[level:[gold]]7" {
		t.Errorf("MySQL: %v", carol)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "authing.json"), []byte(authingUsers), 0o600); err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), "node", "-e", recipe(t, "Recipe for Authing", "js"))
	script.Dir = folder
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got = s.runJSON(t, "user", "import", filepath.Join(folder, "users.jsonl"), "--fast")
	if fmt.Sprint(got["created"], got["unverified"], got["conflicts"]) != "2 1 0" {
		t.Errorf("Authing: %v", got)
	}
	if dave := s.runJSON(t, "user", "show", "dave"); dave["id"] != "64f0a1b2c3d4e5f6a7b8c9d0" || len(dave["identities"].([]any)) != 5 {
		t.Errorf("Authing: %v", dave)
	}
}

func TestUserImport_ReportsAndRepeats(t *testing.T) {
	s := newCLIWithStore(t)
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s.mustFail(t, exitUsage, []string{"--format"}, "user", "import", write("users.txt", ""))
	bad := write("bad.csv", "username,email\nalice,nonsense\nbob,bob@example.com\nBOB,\n")
	if code := s.exitCode(t, "user", "import", bad); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, text := range []string{"line 2, email: must be a plain address", "line 4, username: has the value of line 3"} {
		if out := s.out.String(); !strings.Contains(out, text) {
			t.Errorf("%q lacks %q", out, text)
		}
	}
	s.mustFail(t, exitFailed, []string{"does not exist"}, "user", "show", "bob")

	file := write("users.csv", "external_id,username,email,groups,attribute:role\n1,alice,alice@example.com,staff;buyers,editor\n2,bob,bob@example.com,,\n")
	if out := s.run(t, "user", "import", file, "--dry-run"); !strings.Contains(out, "dry run") || !strings.Contains(out, "2 users created") {
		t.Errorf("dry run: %s", out)
	}
	s.mustFail(t, exitFailed, []string{"does not exist"}, "user", "show", "bob")
	s.run(t, "user", "import", file)
	if out := s.run(t, "user", "import", file); !strings.Contains(out, "2 unchanged") || !strings.Contains(out, "external_id@profile") {
		t.Errorf("again: %s", out)
	}
	conflict := write("more.csv", "username,email\ncarol,bob@example.com\ndave,dave@example.com\n")
	if code := s.exitCode(t, "user", "import", conflict); code != exitFailed || !strings.Contains(s.out.String(), "line 2, username: belongs to another user") &&
		!strings.Contains(s.out.String(), "line 2, ") {
		t.Errorf("exit code %d: %s", code, s.out.String())
	}
	s.run(t, "user", "show", "dave")
	s.mustFail(t, exitFailed, []string{"does not exist"}, "user", "show", "carol")

	// What an export writes, an import into another store reads: the same users with the same IDs.
	exported := filepath.Join(t.TempDir(), "all.jsonl")
	s.run(t, "user", "export", exported)
	s.mustFail(t, exitUsage, []string{"exists and is not changed"}, "user", "export", exported)
	other := newCLIWithStore(t)
	other.run(t, "user", "import", exported)
	for _, name := range []string{"alice", "bob", "dave"} {
		was, is := s.runJSON(t, "user", "show", name), other.runJSON(t, "user", "show", name)
		for _, member := range []string{"created_at", "updated_at", "identities", "imported"} {
			delete(was, member)
			delete(is, member)
		}
		before, err := json.Marshal(was)
		if err != nil {
			t.Fatal(err)
		}
		after, err := json.Marshal(is)
		if err != nil || string(before) != string(after) {
			t.Errorf("%s became %s, %v", before, after, err)
		}
	}
}
