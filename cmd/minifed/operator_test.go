package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const anAppSecret = "0123456789abcdef0123456789abcdef"

func TestClient_Lifecycle(t *testing.T) {
	s := newCLIWithStore(t)
	s.typed = []string{anAppSecret}
	created := s.runJSON(t, "client", "create", "--kind", "wechat_miniapp", "--app-id", "wx0123456789abcdef", "--id", "mini", "--name", "Our shop", "--open-platform", "acme")
	if created["id"] != nil || created["client_id"] != "mini" || created["id_token_algorithm"] != "ES256" {
		t.Errorf("created %v", created)
	}
	federation := created["federation"].(map[string]any)
	if federation["app_id"] != "wx0123456789abcdef" || federation["provisioning"] != "auto" || federation["app_secret"] != nil {
		t.Errorf("federation %v", federation)
	}
	secret, _ := created["client_secret"].(string)
	if len(secret) != 43 || created["secrets"] != 1.0 {
		t.Errorf("secret %q of %v", secret, created["secrets"])
	}

	updated := s.runJSON(t, "client", "update", "mini", "--provisioning", "bind", "--scope", "openid profile", "--default-scope", "openid", "--access-token-lifetime", "5m")
	if updated["federation"].(map[string]any)["provisioning"] != "bind" || updated["name"] != "Our shop" ||
		fmt.Sprint(updated["scopes"]) != "[openid profile]" || updated["lifetimes"].(map[string]any)["access_token"] != 300.0 {
		t.Errorf("updated %v", updated)
	}
	if text := s.run(t, "client", "show", "mini"); !strings.Contains(text, "bind") || !strings.Contains(text, "5m0s") {
		t.Errorf("shown %s", text)
	}
	if list := s.run(t, "client", "list"); !strings.Contains(list, "mini") || !strings.Contains(list, "Our shop") {
		t.Errorf("listed %s", list)
	}
	rotated := s.runJSON(t, "client", "rotate-secret", "mini")
	if rotated["client_secret"] == secret || rotated["client_id"] != "mini" {
		t.Errorf("rotated %v", rotated)
	}
	if text := s.run(t, "client", "disable", "mini"); !strings.Contains(text, "disabled") {
		t.Errorf("said %q", text)
	}
	if shown := s.runJSON(t, "client", "show", "mini"); shown["disabled"] != true || shown["secrets"] != 2.0 {
		t.Errorf("shown %v", shown)
	}
	s.run(t, "client", "enable", "mini")
	s.mustFail(t, exitUsage, []string{"--yes"}, "client", "delete", "mini")
	s.typed = []string{"no"}
	s.mustFail(t, exitFailed, []string{"nothing was deleted"}, "client", "delete", "mini")
	s.typed = []string{"mini"}
	s.run(t, "client", "delete", "mini")
	s.mustFail(t, exitFailed, []string{`client "mini" of directory "default" does not exist`}, "client", "show", "mini")
}

func TestClient_SetsBranding(t *testing.T) {
	s := newCLIWithStore(t)
	logo := filepath.Join(t.TempDir(), "logo.png")
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 300, 100))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, logo, file.String())
	s.run(t, "client", "create", "--kind", "spa", "--id", "shop", "--redirect-uri", "https://shop.example.com/cb", "--logo", logo)
	for _, args := range [][]string{
		{"directory", "update", "default", "--logo", logo, "--accent-color", "#07c160", "--policy-url", "https://example.com/p", "--terms-url", "https://example.com/t"},
		{"client", "update", "shop", "--logo", logo, "--policy-url", "https://example.com/p", "--terms-url", "https://example.com/t"},
	} {
		shown := s.run(t, args...)
		for _, want := range []string{"300 × 100 pixels", "https://example.com/p", "https://example.com/t"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%v: no %q in %s", args[:2], want, shown)
			}
		}
		if without := s.run(t, append(args[:3:3], "--logo", "")...); strings.Contains(without, "pixels") {
			t.Errorf("%v: the logo stays: %s", args[:2], without)
		}
	}
	writeFile(t, logo, "<svg/>")
	s.mustFail(t, exitFailed, []string{"--logo: ", "is not a PNG, JPEG or GIF picture"}, "directory", "update", "default", "--logo", logo)
	s.mustFail(t, exitFailed, []string{"no such file"}, "client", "update", "shop", "--logo", logo+".missing")
}

func TestClientUpdate_RejectsATooLargeRecord(t *testing.T) {
	s := newCLIWithStore(t)
	args := []string{"client", "create", "--kind", "spa"}
	for i := range 20 {
		args = append(args, "--redirect-uri", fmt.Sprintf("https://shop.example.com/%s/%d", strings.Repeat("x", 880), i))
	}
	s.mustFail(t, exitFailed, []string{"--redirect-uri: takes ", "the record may have 16384 in all"}, args...)
}

func TestClientCreate_CreatesEveryKind(t *testing.T) {
	s := newCLIWithStore(t)
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	writeFile(t, jwks, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	for _, args := range []string{
		"--kind spa --redirect-uri https://shop.example.com/cb --origin https://shop.example.com",
		"--kind native --redirect-uri com.example.shop:/cb --redirect-uri http://127.0.0.1/cb",
		"--kind web --redirect-uri https://shop.example.com/cb --require-pkce --subject-type pairwise",
		"--kind service --scope orders:read",
		"--kind service --auth-method private_key_jwt --jwks-file " + jwks,
	} {
		created := s.runJSON(t, append([]string{"client", "create"}, strings.Fields(args)...)...)
		if id, _ := created["client_id"].(string); id == "" || created["kind"] == "" {
			t.Errorf("%s: %v", args, created)
		}
	}
	s.In = strings.NewReader("not an AppSecret")
	s.mustFail(t, exitFailed, []string{"  AppSecret: must be"}, "client", "create", "--kind", "wechat_miniapp", "--app-id", "wx0123456789abcdef", "--app-secret-stdin")
	s.mustFail(t, exitUsage, []string{"--subject-type private", "one of public, pairwise"}, "client", "create", "--kind", "web", "--subject-type", "private")
	s.mustFail(t, exitFailed, []string{"--subject-type: ", "web and spa"}, "client", "create", "--kind", "native", "--redirect-uri", "com.example.shop:/cb", "--subject-type", "pairwise")
	s.mustFail(t, exitFailed, []string{"--sector-identifier: ", "several hosts"}, "client", "create", "--kind", "web", "--subject-type", "pairwise",
		"--redirect-uri", "https://a.example.com/cb https://b.example.com/cb")
	shown := s.run(t, "client", "create", "--kind", "web", "--id", "paired", "--redirect-uri", "https://a.example.com/cb", "--subject-type", "pairwise")
	if !strings.Contains(shown, "pairwise") {
		t.Errorf("not shown: %s", shown)
	}
	s.mustFail(t, exitFailed, []string{"--redirect-uri: ", "must be https"}, "client", "create", "--kind", "spa", "--redirect-uri", "http://shop.example.com")
	writeFile(t, jwks, "not JSON")
	s.mustFail(t, exitUsage, []string{"is not JSON"}, "client", "create", "--kind", "service", "--auth-method", "private_key_jwt", "--jwks-file", jwks)
}

func TestLists_HavePages(t *testing.T) {
	s := newCLIWithStore(t)
	for i := range 3 {
		s.run(t, "client", "create", "--kind", "service", "--id", fmt.Sprint("c", i))
	}
	first := s.runJSON(t, "client", "list", "--limit", "2")
	next, _ := first["next"].(string)
	if len(first["items"].([]any)) != 2 || next == "" {
		t.Fatalf("first page %v", first)
	}
	second := s.runJSON(t, "client", "list", "--limit", "2", "--after", next)
	if len(second["items"].([]any)) != 1 || second["next"] != nil {
		t.Errorf("second page %v", second)
	}
	if all := s.runJSON(t, "client", "list", "--limit", "1", "--all"); len(all["items"].([]any)) != 3 {
		t.Errorf("all pages %v", all)
	}
	s.run(t, "client", "list", "--limit", "1")
	if !strings.Contains(s.err.String(), "--after ") {
		t.Errorf("the text does not say how to go on: %q", s.err)
	}
	s.mustFail(t, exitFailed, []string{"cursor"}, "client", "list", "--after", "nonsense")
}

func TestDirectory_Lifecycle(t *testing.T) {
	s := newCLIWithStore(t)
	created := s.runJSON(t, "directory", "create", "shop", "--name", "Our shop", "--signing-alg", "RS256 EdDSA", "--refresh-idle-lifetime", "14d")
	if created["id"] != "shop" || created["issuer"] != "http://localhost:8080/d/shop" || created["lifetimes"].(map[string]any)["refresh_idle"] != 14.0*86400 {
		t.Errorf("created %v", created)
	}
	if keys := s.run(t, "keys", "list", "--directory", "shop"); !strings.Contains(keys, "EdDSA") || strings.Contains(keys, "ES256") {
		t.Errorf("keys %s", keys)
	}
	if client := s.runJSON(t, "client", "create", "-d", "shop", "--kind", "service"); client["id_token_algorithm"] != "RS256" || client["directory"] != "shop" {
		t.Errorf("client %v", client)
	}
	if updated := s.run(t, "directory", "update", "shop", "--issuer", "https://login.example.com", "--accent-color", "#07c160"); !strings.Contains(updated, "https://login.example.com") {
		t.Errorf("updated %s", updated)
	}
	if list := s.run(t, "directory", "list"); !strings.Contains(list, "default") || !strings.Contains(list, "Our shop") {
		t.Errorf("listed %s", list)
	}
	s.mustFail(t, exitFailed, []string{"default one"}, "directory", "disable", "default")
	s.mustFail(t, exitFailed, []string{"disable directory"}, "directory", "delete", "shop", "--yes")
	s.run(t, "directory", "disable", "shop")
	s.mustFail(t, exitFailed, []string{"clients"}, "directory", "delete", "shop", "--yes")
	client := s.runJSON(t, "client", "list", "-d", "shop")["items"].([]any)[0].(map[string]any)
	s.run(t, "client", "delete", client["client_id"].(string), "-d", "shop", "--yes")
	s.run(t, "directory", "delete", "shop", "--yes")
	s.mustFail(t, exitFailed, []string{`directory "shop" does not exist`}, "directory", "show", "shop")
	s.mustFail(t, exitFailed, []string{"id: must be 1 to 32", "--issuer: "}, "directory", "create", "No Good", "--issuer", "x")
}

func TestDirectory_VerificationFilesAndFilingNumbers(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(t.TempDir(), "MP_verify_abc.txt")
	if err := os.WriteFile(file, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := s.run(t, "directory", "update", "default", "--verification-file", file, "--icp-number", "京ICP备12345678号-1", "--police-number", "京公网安备 11010502030143号")
	for _, want := range []string{"MP_verify_abc.txt", "京ICP备12345678号-1", "京公网安备 11010502030143号"} {
		if !strings.Contains(shown, want) {
			t.Errorf("shown without %q:\n%s", want, shown)
		}
	}
	if without := s.run(t, "directory", "update", "default", "--verification-file", ""); strings.Contains(without, "MP_verify") {
		t.Errorf("not removed:\n%s", without)
	}
	s.mustFail(t, exitFailed, []string{"--icp-number: ", "such as 京ICP备"}, "directory", "update", "default", "--icp-number", "1")
}

func TestUser_Lifecycle(t *testing.T) {
	s := newCLIWithStore(t)
	s.typed = []string{"correct horse battery"}
	created := s.runJSON(t, "user", "create", "alice", "--name", "Alice Example", "--ask-password")
	id, _ := created["id"].(string)
	if id == "" || created["has_password"] != true || created["password"] != nil || created["username"] != "alice" {
		t.Errorf("created %v", created)
	}
	updated := s.runJSON(t, "user", "update", id, "--nickname", "Ali", "--email", "alice@example.com", "--locale", "zh-CN")
	if updated["email"] != "alice@example.com" || updated["profile"].(map[string]any)["nickname"] != "Ali" {
		t.Errorf("updated %v", updated)
	}
	if cleared := s.runJSON(t, "user", "update", id, "--nickname", ""); cleared["profile"].(map[string]any)["nickname"] != nil {
		t.Errorf("cleared %v", cleared)
	}
	everything := s.runJSON(t, "user", "update", id, "--given-name", "Alice", "--family-name", "Example", "--middle-name", "B.",
		"--profile", "https://example.com/alice", "--website", "https://alice.example", "--phone-number", "+8613800138000",
		"--street-address", "1 Road", "--locality", "Shanghai", "--region", "Shanghai", "--postal-code", "200000", "--country", "CN",
		"--address", "1 Road\nShanghai 200000")
	if address, _ := everything["profile"].(map[string]any)["address"].(map[string]any); len(address) != 6 || everything["phone"] != "+8613800138000" {
		t.Errorf("updated %v", everything)
	}
	shown := s.run(t, "user", "show", id)
	for _, want := range []string{
		"B.", "https://example.com/alice", "https://alice.example", "+8613800138000", "1 Road, Shanghai 200000, 1 Road, Shanghai, Shanghai, 200000, CN",
		"alice@example.com", "signs in by", "username", "Alice Example", "set",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("shown without %q:\n%s", want, shown)
		}
	}
	if found := s.run(t, "user", "list", "--name", "AL"); !strings.Contains(found, id) {
		t.Errorf("found %s", found)
	}
	for command, said := range map[string]string{"disable": "disabled", "enable": "enabled", "signout": "signed out everywhere"} {
		if text := s.run(t, "user", command, id); !strings.Contains(text, said) {
			t.Errorf("%s: %q", command, text)
		}
	}
	for password, reason := range map[string]string{
		"short": "at least 8 characters", "password123": "known from a data breach", "Alice": "at least 8 characters",
	} {
		s.In = strings.NewReader(password)
		s.mustFail(t, exitFailed, []string{"  password: ", reason}, "user", "set-password", id, "--password-stdin")
		s.In = strings.NewReader(password)
		s.mustFail(t, exitFailed, []string{"  password: ", reason}, "user", "create", "bob", "--password-stdin")
	}
	s.In = strings.NewReader("another horse battery\n")
	s.run(t, "user", "set-password", id, "--password-stdin")
	s.mustFail(t, exitFailed, []string{"exists already"}, "user", "create", "ALICE")
	// A user is named by ID, username or verified e-mail address; an address that is taken leaves no user behind.
	mailed := s.runJSON(t, "user", "create", "mailed", "--email", "mailed@example.com", "--phone-number", "+8613800138001",
		"--guardian-consent", "case-1", "--group", "staff", "--group", "key users", "--attribute", "role=editor", "--attribute", "role=author", "--attribute", "empty=")
	if fmt.Sprint(mailed["groups"], mailed["attributes"]) != "[key users staff] map[role:[editor author]]" {
		t.Errorf("created %v", mailed)
	}
	if mailed["email"] != "mailed@example.com" || mailed["email_verified"] != true {
		t.Errorf("created %v", mailed)
	}
	for _, name := range []string{mailed["id"].(string), "Mailed", "mailed@example.com", "+8613800138001"} {
		if got := s.runJSON(t, "user", "show", name)["id"]; got != mailed["id"] {
			t.Errorf("%s is %v", name, got)
		}
	}
	s.mustFail(t, exitFailed, []string{"exists already"}, "user", "create", "second", "--email", "mailed@example.com")
	s.mustFail(t, exitFailed, []string{"exists already"}, "user", "create", "second", "--phone-number", "+8613800138001")
	s.mustFail(t, exitFailed, []string{"--group: must be names"}, "user", "create", "second", "--group", strings.Repeat("g", 65))
	s.mustFail(t, exitUsage, []string{"NAME=VALUE"}, "user", "create", "second", "--attribute", "role")
	if got := s.run(t, "user", "show", "mailed"); !strings.Contains(got, "case-1 (") {
		t.Errorf("user show has no consent of a guardian:\n%s", got)
	}
	s.run(t, "user", "update", "mailed", "--group", "", "--attribute", "role=", "--guardian-consent", "")
	if got := s.runJSON(t, "user", "show", "mailed"); got["groups"] != nil || got["attributes"] != nil || got["guardian_consent"] != nil {
		t.Errorf("after removal: %v", got)
	}
	s.run(t, "directory", "update", "default", "--claim", "groups", "--claim", "roles=list:role@groups", "--claim", "department@profile")
	if got := s.run(t, "directory", "show", "default"); !strings.Contains(got, "groups=groups@groups roles=list:role@groups department=list:department@profile") {
		t.Errorf("shown: %s", got)
	}
	s.mustFail(t, exitFailed, []string{"--claim: must not map email"}, "directory", "update", "default", "--claim", "email@groups")
	s.mustFail(t, exitUsage, []string{"no scope after @"}, "directory", "update", "default", "--claim", "groups@")
	s.run(t, "directory", "update", "default", "--claim", "")
	s.mustFail(t, exitFailed, []string{"does not exist", "username"}, "user", "show", "second")
	s.run(t, "user", "disable", "mailed")
	s.run(t, "user", "delete", "mailed", "--yes")
	s.mustFail(t, exitFailed, []string{"--zoneinfo: must be a time zone"}, "user", "update", id, "--zoneinfo", "Mars")
	s.mustFail(t, exitFailed, []string{"--phone-number: must be"}, "user", "update", id, "--phone-number", "138")
	s.mustFail(t, exitFailed, []string{"--address: must"}, "user", "update", id, "--address", strings.Repeat("x", 300))
	s.run(t, "user", "delete", id, "--yes")
	s.mustFail(t, exitFailed, []string{"does not exist: name a user by ID, username, verified e-mail address or phone number"}, "user", "show", id)
}

func TestUserMerge_MergesAndSeparates(t *testing.T) {
	s := newCLIWithStore(t)
	alice := s.runJSON(t, "user", "create", "alice")["id"].(string)
	twin := s.runJSON(t, "user", "create", "twin")["id"].(string)
	done := s.runJSON(t, "user", "merge", "users", alice, twin)
	survivor := done["survivor"].(string)
	if !slices.Contains([]string{alice, twin}, survivor) || s.runJSON(t, "user", "show", twin)["id"] != survivor {
		t.Errorf("merged %v", done)
	}
	s.run(t, "user", "merge", "undo", done["merge"].(string))
	if s.runJSON(t, "user", "show", twin)["id"] != twin {
		t.Error("not separated")
	}
	s.run(t, "user", "merge", "candidates")
	s.mustFail(t, exitFailed, []string{"does not exist"}, "user", "merge", "accept", "none")
	s.mustFail(t, exitFailed, []string{"does not exist"}, "user", "merge", "dismiss", "none")
}

func TestKeysRotate_PublishesTheNextKey(t *testing.T) {
	s := newCLIWithStore(t)
	next := s.runJSON(t, "keys", "rotate", "--alg", "ES256")
	if next["state"] != "next" || next["algorithm"] != "ES256" {
		t.Errorf("rotated %v", next)
	}
	states := []string{}
	for _, item := range s.runJSON(t, "keys", "list")["items"].([]any) {
		key := item.(map[string]any)
		states = append(states, fmt.Sprint(key["algorithm"], " ", key["state"]))
		if key["private"] != nil {
			t.Errorf("a private key is shown: %v", key)
		}
	}
	if want := []string{"RS256 active", "ES256 active", "ES256 next"}; !slices.Equal(states, want) {
		t.Errorf("keys %v", states)
	}
	if text := s.run(t, "keys", "secrets", "rotate"); !strings.Contains(text, "Generation 2") {
		t.Errorf("said %q", text)
	}
	s.mustFail(t, exitFailed, []string{"RS256, ES256"}, "keys", "rotate", "--alg", "EdDSA")
}

func TestMasterKey_RotatesWithoutLosingASecret(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(s.folder, "master.key")
	s.In = strings.NewReader(anAppSecret)
	s.run(t, "client", "create", "--kind", "wechat_miniapp", "--app-id", "wx0123456789abcdef", "--id", "mini", "--app-secret-stdin")
	s.mustFail(t, exitUsage, []string{"exists and is not changed", "--append"}, "keys", "master", "new")
	added := s.runJSON(t, "keys", "master", "new", "--append")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	if len(lines) != 2 || strings.Contains(fmt.Sprint(added), strings.Fields(lines[1])[0]) {
		t.Fatalf("%d lines; printed %v", len(lines), added)
	}
	slices.Reverse(lines)
	writeFile(t, file, strings.Join(lines, "\n"))
	if done := s.runJSON(t, "keys", "master", "rotate"); done["records"].(float64) < 4 {
		t.Errorf("resealed %v", done)
	}
	writeFile(t, file, lines[0])
	s.run(t, "client", "list")
	writeFile(t, file, lines[1])
	s.mustFail(t, exitFailed, []string{"this is not the store's master key", fmt.Sprint(added["key_id"])}, "client", "list")
}

func TestMasterKeyNew_AppendsALine(t *testing.T) {
	s := newCLIWithStore(t)
	file := filepath.Join(s.folder, "master.key")
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, before := range map[string]string{"with": string(first), "without": strings.TrimSuffix(string(first), "\n")} {
		writeFile(t, file, before)
		s.run(t, "keys", "master", "new", "--append")
		after, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if second, found := strings.CutPrefix(string(after), string(first)); !found || strings.Count(second, "\n") != 1 || strings.HasPrefix(second, "\n") {
			t.Errorf("below a last line %s an end: %d lines", name, strings.Count(string(after), "\n"))
		}
	}
	s.mustFail(t, exitFailed, []string{"no such file"}, "keys", "master", "new", "--append", "--file", file+".missing")
}

func TestMasterKey_IsReadFromTheEnvironment(t *testing.T) {
	s := newCLIWithStore(t)
	content, err := os.ReadFile(filepath.Join(s.folder, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.folder, "master.key")); err != nil {
		t.Fatal(err)
	}
	s.mustFail(t, exitFailed, []string{"the master key is missing", "MINIFED_KEYS_MASTER_KEY"}, "client", "list")
	s.with("MINIFED_KEYS_MASTER_KEY="+strings.Fields(string(content))[0]).run(t, "client", "list")
	s.with("MINIFED_KEYS_MASTER_KEY=short").mustFail(t, exitFailed, []string{"MINIFED_KEYS_MASTER_KEY holds no usable master key"}, "client", "list")
}

func TestSecrets_ArePrintedOnceAndNotStored(t *testing.T) {
	s := newCLIWithStore(t)
	s.In = strings.NewReader(anAppSecret)
	created := s.runJSON(t, "client", "create", "--kind", "wechat_miniapp", "--app-id", "wx0123456789abcdef", "--id", "mini", "--app-secret-stdin")
	secrets := []string{anAppSecret, created["client_secret"].(string)}
	secrets = append(secrets, s.runJSON(t, "client", "rotate-secret", "mini")["client_secret"].(string))
	s.In = strings.NewReader("chosen-by-somebody-1")
	printed := s.run(t, "client", "rotate-secret", "mini", "--secret-stdin") + s.err.String()
	secrets = append(secrets, "chosen-by-somebody-1")
	s.In = strings.NewReader("a password of alice's")
	printed += s.run(t, "user", "create", "alice", "--password-stdin")
	secrets = append(secrets, "a password of alice's")
	for _, args := range [][]string{
		{"client", "show", "mini"},
		{"client", "list"},
		{"client", "update", "mini", "--name", "x"},
		{"client", "disable", "mini"},
		{"user", "list"},
		{"keys", "list"},
		{"directory", "list"},
	} {
		for _, format := range []string{"text", "json"} {
			printed += s.run(t, append(args, "--output", format)...) + s.err.String()
		}
	}
	for _, hash := range []string{"sha256:", "$argon2id$", "mk1:"} {
		if strings.Contains(printed, hash) {
			t.Errorf("something that begins with %s is printed", hash)
		}
	}
	files, err := filepath.Glob(filepath.Join(s.folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		printed += string(content)
	}
	for _, secret := range secrets {
		if strings.Contains(printed, secret) {
			t.Errorf("%q is printed again, or stored", secret)
		}
	}
}
