package miniprogram

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
	"github.com/minifed/minifed/internal/chromiumtest"
)

// testScan signs a user of the mini-program in to the web page by a scan: the phone of the simulator reads the picture that Chromium
// shows, and the kit sends the number that Chromium shows.
func testScan(t *testing.T, minifed *exampletest.Minifed, wechat *exampletest.WeChat, client, backend string) {
	address := porttest.Address(t)
	origin := "http://" + address
	minifed.CLI(t, "", "client", "update", client, "--starts-sessions")
	minifed.CLI(t, "", "directory", "update", "default", "--scan-mini-program", client, "--scan-page", "pages/scan/scan",
		"--sign-in-method", "scan", "--sign-in-method", "password")
	minifed.CreateClient(t, "", "--kind", "spa", "--id", "desk", "--first-party", "--origin", origin, "--redirect-uri", origin+"/")
	serveH5(t, address, fmt.Sprintf(h5Page, minifed.Issuer, "desk", minifed.Issuer+"/oauth2/userinfo"))

	browser := chromiumtest.Start(t)
	tab := browser.Open(browser.Profile(), origin+"/#/")
	tab.Wait("#username")
	for tab.Evaluate(`document.getElementById("scan") !== null`) != "true" { // Running servers apply the settings within five seconds.
		tab.Navigate(origin + "/?again#/")
		tab.Wait("#username")
	}
	tab.Press("scan")
	tab.Wait("#picture")
	phone := startPhone(t, wechat.Control, backend, wechat.Scan(t, tab.Image("picture")))
	if seen := phone.read(t); seen["method"] != "scan" || seen["browser"] == "" {
		t.Fatalf("the phone shows %v", seen)
	}
	tab.Wait("#number")
	phone.write(t, strings.TrimSpace(tab.Evaluate(`document.getElementById("number").textContent`)))
	approved := phone.read(t)
	tab.Wait("#signed-in, #failed")
	if sub, _, _ := strings.Cut(tab.Evaluate(`document.querySelector("output").textContent`), " "); sub == "" || sub != approved["sub"] {
		t.Errorf("the page shows the user %q, the phone %v", sub, approved)
	}
}

// phone is phone.cjs in a process of its own.
type phone struct {
	in  io.Writer
	out *bufio.Scanner
}

func startPhone(t *testing.T, control, backend, scene string) *phone {
	t.Helper()
	command := exec.CommandContext(context.Background(), "node", "phone.cjs")
	command.Env, command.Stderr = append(os.Environ(), "CONTROL="+control, "BACKEND="+backend, "SCENE="+scene), os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // It was killed, or has ended.
	})
	return &phone{in, bufio.NewScanner(out)}
}

func (p *phone) read(t *testing.T) map[string]any {
	t.Helper()
	var shown map[string]any
	if !p.out.Scan() || json.Unmarshal(p.out.Bytes(), &shown) != nil {
		t.Fatalf("the phone ended: %q", p.out.Text())
	}
	return shown
}

func (p *phone) write(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		t.Fatal(err)
	}
}
