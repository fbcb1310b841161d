//go:build interop

package miniprogram

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
	"github.com/minifed/minifed/internal/chromiumtest"
)

// project is a project of a framework that builds a mini-program and a web page from the same source.
type project struct {
	folder string
	// miniprogram and h5 are the arguments of the builds, and their folders the results.
	miniprogram, h5             []string
	miniprogramFolder, h5Folder string
}

// TestInterop_KitInProjectsOfFrameworks builds the kit's package into a new project of each framework. It runs the mini-program in Node.js
// with the simulator as WeChat, and the web page in Chromium. It installs several hundred megabytes.
func TestInterop_KitInProjectsOfFrameworks(t *testing.T) {
	kit := packKit(t)
	wechat := exampletest.StartWeChat(t)
	minifed := exampletest.StartMinifed(t, wechat.API)
	client := minifed.CreateClient(t, exampletest.AppSecret, "--kind", "wechat_miniapp", "--app-id", exampletest.AppID, "--app-secret-stdin")
	backend := exampletest.Start(t, []string{
		"PORT=0", "MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + client.ID, "MINIFED_CLIENT_SECRET_FILE=" + client.SecretFile(t),
	}, exampletest.Build(t, "examples/miniprogram/backend/go"))
	address := porttest.Address(t)
	minifed.CLI(t, password, "user", "create", username, "--password-stdin")
	minifed.CreateClient(t, "", "--kind", "spa", "--id", "h5", "--first-party", "--origin", "http://"+address, "--redirect-uri", "http://"+address+"/")

	for name, p := range map[string]project{
		"Taro 4": {
			folder: "interop/taro", miniprogram: []string{"taro", "build", "--type", "weapp"}, miniprogramFolder: "dist/weapp",
			h5: []string{"taro", "build", "--type", "h5"}, h5Folder: "dist/h5",
		},
		"uni-app for Vue 3": {
			folder: "interop/uni-app", miniprogram: []string{"uni", "build", "-p", "mp-weixin"}, miniprogramFolder: "dist/build/mp-weixin",
			h5: []string{"uni", "build", "-p", "h5"}, h5Folder: "dist/build/h5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := newProject(t, p.folder, kit)
			environment := []string{
				"NODE_ENV=production", "TARO_ISSUER=" + minifed.Issuer, "TARO_BACKEND=" + backend + "/auth",
				"VITE_ISSUER=" + minifed.Issuer, "VITE_BACKEND=" + backend + "/auth",
			}
			run(t, folder, environment, append([]string{"npx", "--no-install"}, p.miniprogram...)...)
			shown := run(t, ".", []string{"CONTROL=" + wechat.Control, "PHONE=" + strings.ReplaceAll(p.folder, "/", "-")},
				"node", "interop/runtime.cjs", filepath.Join(folder, p.miniprogramFolder))
			if !strings.Contains(shown, "signed in as ") {
				t.Errorf("the mini-program shows %s", shown)
			}
			run(t, folder, environment, append([]string{"npx", "--no-install"}, p.h5...)...)
			signInAtH5(t, address, filepath.Join(folder, p.h5Folder))
		})
	}
}

const username, password = "wei", "correct horse battery staple"

func signInAtH5(t *testing.T, address, folder string) {
	t.Helper()
	exampletest.Serve(t, address, http.FileServer(http.Dir(folder)))
	browser := chromiumtest.Start(t)
	tab := browser.Open(browser.Profile(), "http://"+address+"/")
	tab.Wait("#username")
	tab.Fill("username", username)
	tab.Fill("password", password)
	tab.Evaluate(`document.getElementById("password").form.requestSubmit()`)
	tab.WaitForURL("http://" + address + "/?code=")
	tab.Evaluate(`new MutationObserver(() => { if (document.body.innerText.includes("signed in as ")) { document.body.id = "done"; fetch("/") } })
		.observe(document, { childList: true, subtree: true, characterData: true })`)
	tab.Wait("#done")
}

// packKit returns the file that users install.
func packKit(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	run(t, "../../sdk/miniprogram", nil, "npm", "ci", "--no-audit", "--no-fund")
	run(t, "../../sdk/miniprogram", nil, "npm", "pack", "--silent", "--pack-destination", folder)
	files, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(files) != 1 {
		t.Fatalf("npm pack wrote %v: %v", files, err)
	}
	return files[0]
}

// newProject copies a project and installs what it needs, and the kit.
func newProject(t *testing.T, source, kit string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "project")
	if err := os.CopyFS(folder, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: npm install", source)
	run(t, folder, nil, "npm", "install", "--no-audit", "--no-fund", "--legacy-peer-deps", kit)
	return folder
}

func run(t *testing.T, folder string, environment []string, command ...string) string {
	t.Helper()
	program := exec.CommandContext(context.Background(), command[0], command[1:]...)
	program.Dir, program.Env = folder, append(os.Environ(), environment...)
	out, err := program.CombinedOutput()
	if err != nil {
		const longest = 4000 // A minified program is one line.
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out[max(0, len(out)-longest):])
	}
	return string(out)
}
