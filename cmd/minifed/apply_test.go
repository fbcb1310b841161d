package main

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const describedShop = `# The directory and its clients.
kind: directory
id: default
name: Our shop
policy:
  phone_fresh: 86400
---
kind: wechat_miniapp
id: mini
app_secret: {env: MINI_SECRET}
federation:
  app_id: wx0123456789abcdef
---
kind: web
id: shop
redirect_uris:
  - https://shop.example.com/callback
secret: {file: shop.secret}
---
kind: web
id: other
directory: staff
redirect_uris: [https://staff.example.com/callback]
---
kind: directory
id: staff
name: Our people
`

// newApplyCLI returns a harness and the folder of the files.
func newApplyCLI(t *testing.T) (cli *cliHarness, folder string) {
	t.Helper()
	cli, folder = newCLIWithStore(t).with("MINI_SECRET=0123456789abcdef0123456789abcdef"), t.TempDir()
	writeFile(t, filepath.Join(folder, "minifed.yaml"), describedShop)
	writeFile(t, filepath.Join(folder, "shop.secret"), "a-secret-from-a-file\n")
	return cli, folder
}

func TestApply_ShowsThePlanAndDoesIt(t *testing.T) {
	cli, folder := newApplyCLI(t)
	if code := cli.exitCode(t, "apply", "-f", folder, "--dry-run"); code != exitPending {
		t.Errorf("dry run: exit code %d\n%s", code, cli.err)
	}
	for _, text := range []string{
		`~ directory default (` + folder, `    name: "default" -> "Our shop"`, `+ wechat_miniapp client mini in directory default`, `+ directory staff`,
		`    redirect_uris: ["https://shop.example.com/callback"]`, "4 to create, 1 to change, 0 to delete",
	} {
		if !strings.Contains(cli.out.String(), text) {
			t.Errorf("the plan lacks %q:\n%s", text, cli.out)
		}
	}
	if text := cli.out.String() + cli.err.String(); strings.Contains(text, "0123456789abcdef0123") || strings.Contains(text, "a-secret-from") {
		t.Errorf("the plan shows a secret:\n%s", text)
	}
	cli.mustFail(t, exitFailed, nil, "client", "show", "shop") // The dry run changed nothing.
	cli.mustFail(t, exitUsage, []string{"--yes"}, "apply", "-f", folder)
	cli.typed = []string{"no"}
	cli.mustFail(t, exitFailed, []string{"nothing was changed"}, "apply", "-f", folder)
	cli.typed = []string{"yes"}
	if printed := cli.run(t, "apply", "-f", folder); !strings.Contains(printed, "5 changes are applied") || !strings.Contains(printed, "rotate-secret other --directory staff") {
		t.Errorf("printed\n%s", printed)
	}
	if code := cli.exitCode(t, "apply", "-f", folder, "--dry-run"); code != exitDone {
		t.Errorf("a second dry run: exit code %d\n%s", code, cli.out)
	}
	if printed := cli.run(t, "apply", "-f", folder, "--yes"); !strings.Contains(printed, "The store is as the files describe it") {
		t.Errorf("printed\n%s", printed)
	}
	writeFile(t, filepath.Join(folder, "shop.secret"), "another-secret-from-a-file")
	cli.run(t, "client", "update", "shop", "--redirect-uri", "https://shop.example.com/callback", "--redirect-uri", "https://evil.example.com/")
	cli.run(t, "client", "create", "--kind", "service", "--id", "extra")
	if drift := cli.runCode(t, exitPending, "apply", "--drift"); !strings.Contains(drift, "      - https://evil.example.com/\n") || strings.Contains(drift, "secret") {
		t.Errorf("drift:\n%s", drift)
	}
	planned := cli.runCode(t, exitPending, "apply", "-f", folder, "--dry-run", "--prune")
	for _, text := range []string{"    redirect_uris:\n      - https://evil.example.com/\n", "    secret: replaced", "- service client extra in directory default"} {
		if !strings.Contains(planned, text) {
			t.Errorf("the plan lacks %q:\n%s", text, planned)
		}
	}
	applied := cli.runJSON(t, "apply", "-f", folder, "--prune", "--yes")
	if changes, _ := applied["changes"].([]any); len(changes) != 2 || applied["pending"] != false {
		t.Errorf("applied %v", applied)
	}
	cli.runCode(t, exitDone, "apply", "-f", folder, "--dry-run", "--prune")
	cli.runCode(t, exitDone, "apply", "--drift")
	cli.mustFail(t, exitUsage, []string{"exclude"}, "apply", "--drift", "-f", folder)
}

// runCode runs a command line that must end with an exit code, and returns its output.
func (s *cliHarness) runCode(t *testing.T, code int, args ...string) string {
	t.Helper()
	s.out.Reset()
	s.err.Reset()
	if got := s.exitCode(t, args...); got != code {
		t.Errorf("minifed %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, s.out, s.err)
	}
	return s.out.String()
}

func TestApply_RejectsFilesWithAllTheirProblems(t *testing.T) {
	cli, folder := newApplyCLI(t)
	file := filepath.Join(folder, "minifed.yaml")
	writeFile(t, file, `kind: web
id: a
secret: written-into-the-file
---
id: b
---
kind: wechat_miniapp
id: c
app_secret: {env: NOT_SET}
federation:
  app_id: wx0123456789abcdef
---
kind: web
id: d
logo: {file: missing.png}
---
kind: operator
username: alice
password: written-into-the-file
---
- 1
`)
	cli.mustFail(t, exitFailed, []string{
		file + ":1: secret: must be {env: NAME} or {file: PATH}", file + ":5: kind: is missing", file + ":7: app_secret: the environment variable NOT_SET is not set",
		file + ":13: logo: ", file + ":17: password: must be {env: NAME}", file + ":21: must be a mapping",
	}, "apply", "-f", folder, "--yes")
	writeFile(t, file, "kind: web\nid: shop\nredirect_uri: https://a.example.com/\n")
	cli.mustFail(t, exitFailed, []string{file + ":1: redirect_uri: is not a member"}, "apply", "-f", folder, "--yes")
	writeFile(t, file, "kind: web\n  id: shop\n")
	cli.mustFail(t, exitFailed, []string{file + ": line 2"}, "apply", "-f", folder, "--yes")
	writeFile(t, file, "# nothing\n")
	cli.mustFail(t, exitFailed, []string{"there is no document"}, "apply", "-f", folder, "--yes")
	cli.mustFail(t, exitUsage, []string{"--file is missing"}, "apply", "--yes")
	cli.In = strings.NewReader("kind: web\nid: piped\nredirect_uris: [https://a.example.com/]\n")
	cli.run(t, "apply", "-f", "-", "--yes")
	cli.run(t, "client", "show", "piped")
}

// TestExportAsFiles_ApplyLeavesTheStore exports a store as files. Apply leaves that store unchanged, and brings an empty one to
// the same state.
func TestExportAsFiles_ApplyLeavesTheStore(t *testing.T) {
	cli, folder := newApplyCLI(t)
	logo := filepath.Join(folder, "logo.png")
	writeFile(t, logo, pngLogo(t))
	writeFile(t, filepath.Join(folder, "branding.yaml"), "kind: web\nid: logo\nname: 'yes'\nlogo: {file: logo.png}\nredirect_uris: [https://logo.example.com/]\n")
	cli.run(t, "apply", "-f", folder, "--yes")
	cli.runCode(t, exitDone, "apply", "-f", folder, "--dry-run")
	exported := filepath.Join(t.TempDir(), "exported")
	cli.run(t, "export", "--as-files", exported)
	cli.mustFail(t, exitUsage, []string{exported}, "export", "--as-files", exported)
	if printed := cli.runCode(t, exitDone, "apply", "-f", exported, "--dry-run", "--prune"); !strings.Contains(printed, "0 to change, 0 to delete, 6 as described") {
		t.Errorf("apply of the export:\n%s", printed)
	}
	mini := filepath.Join(exported, "default", "clients", "mini.yaml")
	text, err := os.ReadFile(mini)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# To create it in another store") || !strings.Contains(string(text), "kind: wechat_miniapp\ndirectory: default\nid: mini\n") {
		t.Errorf("%s", text)
	}
	writeFile(t, mini, strings.Replace(string(text), "federation:", "app_secret: {env: MINI_SECRET}\nfederation:", 1))
	other := newCLIWithStore(t).with("MINI_SECRET=0123456789abcdef0123456789abcdef")
	other.run(t, "apply", "-f", exported, "--yes")
	again := filepath.Join(t.TempDir(), "again")
	other.run(t, "export", "--as-files", again)
	for _, file := range []string{"default/directory.yaml", "default/clients/shop.yaml", "default/clients/logo.yaml", "staff/directory.yaml", "staff/clients/other.yaml"} {
		if one, two := readFile(t, filepath.Join(exported, file)), readFile(t, filepath.Join(again, file)); one != two {
			t.Errorf("%s differs:\n%s\n%s", file, one, two)
		}
	}
}

// pngLogo returns a picture.
func pngLogo(t *testing.T) string {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 64, 32))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(color.RGBA{7, 193, 96, 255}), image.Point{}, draw.Src)
	var out strings.Builder
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
