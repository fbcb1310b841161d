package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/internal/consoletest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// TestConsole_FromFirstLinkToFirstLogin is the first minute of an operator in a browser: the link, the owner with two factors, the
// wizard with the simulator as WeChat, and the page that turns green. It runs in each layout that the operating guide describes for
// one machine, and the command line then signs in by the same browser. The compose file's is in module storage/mongodb/ferretdb.
func TestConsole_FromFirstLinkToFirstLogin(t *testing.T) {
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsimshop"})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	nginx := newNginx(t)
	s := &storyHarness{chromium: chromiumtest.Start(t, nginx.switches()...), wechat: "MINIFED_WECHAT_BASE_URL=" + api.URL}
	s.FirstMinute = consoletest.FirstMinute{
		AppID: "wxsimshop", AppSecret: string(app.Credential().Secret), LoginCode: func() string { return app.Login("alice") }, Client: http.DefaultClient,
	}
	t.Run("directly, without scripts", s.directly)
	t.Run("through a tunnel on another port", s.throughTunnel)
	t.Run("behind nginx", func(t *testing.T) { s.behindNginx(t, nginx) })
}

// storyHarness is what the layouts share.
type storyHarness struct {
	consoletest.FirstMinute
	chromium *chromiumtest.Browser
	// wechat is the setting of the simulator.
	wechat string
}

func (s *storyHarness) directly(t *testing.T) {
	running := newCLIWithStore(t).startServer(t, s.wechat)
	minute := s.FirstMinute
	minute.Link, minute.Issuer = running.newLink(t), running.url
	tab := s.tab()
	running.signsInCommandLine(t, tab, running.adminURL, minute.Run(tab))
}

// signsInCommandLine signs the command line in by the browser, as the owner with both factors, and acts with the sign-in.
func (s *testServer) signsInCommandLine(t *testing.T, tab *chromiumtest.Tab, server string, owner consoletest.Owner) {
	t.Helper()
	cli, ended := newCLI(t, "XDG_CONFIG_HOME="+t.TempDir()), make(chan int, 1)
	go func() { ended <- cli.exitCode(t, "--server", server, "login", "--no-browser") }()
	waitFor(t, cli.err, "/oauth2/authorize?")
	printed := cli.err.String()
	tab.Call("Network.clearBrowserCookies", nil)
	tab.Navigate(strings.Fields(printed[strings.Index(printed, server):])[0])
	owner.SignIn(tab)
	if code := <-ended; code != exitDone {
		t.Fatalf("login: exit code %d\n%s", code, cli.err)
	}
	if listed := cli.run(t, "--server", server, "client", "list"); !strings.Contains(listed, "Shop") {
		t.Errorf("the clients of the wizard are not listed:\n%s", listed)
	}
	cli.run(t, "--server", server, "directory", "create", "staff", "--name", "Staff")
	cli.run(t, "--server", server, "logout")
	cli.mustFail(t, exitFailed, []string{"not signed in"}, "--server", server, "client", "list")
	if audited := s.run(t, "audit", "list", "--directory", "staff"); !strings.Contains(audited, "operator:") {
		t.Errorf("the audit names no operator:\n%s", audited)
	}
}

func (s *storyHarness) tab() *chromiumtest.Tab {
	return s.chromium.Open(s.chromium.Profile(), "about:blank")
}

// newLink creates a link for the first owner. The store is a copy, with a link of another address.
func (s *testServer) newLink(t *testing.T) string {
	t.Helper()
	s.run(t, "console", "link")
	content, err := os.ReadFile(filepath.Join(s.folder, "console-link"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

// throughTunnel follows the page that a browser gets through a tunnel on another port, and then signs the command line in.
func (s *storyHarness) throughTunnel(t *testing.T) {
	cli, public, listener := newCLIWithStore(t), porttest.Address(t), porttest.Address(t)
	_, port, _ := net.SplitHostPort(listener)
	_, nearPort, _ := net.SplitHostPort(consoletest.Relay(t, porttest.Address(t), listener))
	near := net.JoinHostPort("localhost", nearPort)
	tab := s.tab()
	// 1. The address of the console has the port of the server's machine.
	running := cli.startServerOn(t, public, listener, s.wechat, "MINIFED_ADMIN_PUBLIC_URL=http://localhost:"+port)
	tab.Navigate("http://" + near + "/")
	tab.Wait("#request-id")
	const codes = `[...document.querySelectorAll("p.code")].map((code) => code.textContent).join("\n")`
	if shown := tab.Evaluate(codes); shown != "ssh -L "+port+":127.0.0.1:"+port+" HOST\nadmin.public_url: http://"+near {
		t.Fatalf("the page at the other port shows %q", shown)
	}
	running.stop(t)
	// 2. It has that of the operator's machine.
	running = cli.startServerOn(t, public, listener, s.wechat, "MINIFED_ADMIN_PUBLIC_URL=http://"+near)
	minute := s.FirstMinute
	minute.Link, minute.Issuer, minute.Scripts, minute.Passkey = running.newLink(t), running.url, true, true
	running.signsInCommandLine(t, tab, "http://"+near, minute.Run(tab))
}

// behindNginx has https in front of both listeners. The page of the first login fetches its state by nginx, too.
func (s *storyHarness) behindNginx(t *testing.T, nginx *nginxHarness) {
	public, listener := porttest.Address(t), porttest.Address(t)
	running := newCLIWithStore(t).startServerOn(t, public, listener, s.wechat,
		"MINIFED_PUBLIC_URL=https://id.example.com", "MINIFED_ADMIN_PUBLIC_URL=https://console.example.com", "MINIFED_LISTEN_TRUSTED_PROXIES=127.0.0.1/32")
	nginx.start(public, listener)
	nginx.checkPaths()
	minute := s.FirstMinute
	minute.Link, minute.Issuer, minute.Client, minute.Scripts = running.newLink(t), "https://id.example.com", nginx.client, true
	minute.Run(s.tab())
}
