package sdks

import (
	"crypto/tls"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

const (
	appID  = "wxsim0000000000000001"
	secret = "0123456789abcdef0123456789abcdef"
)

// simulation is a simulator that serves https://api.weixin.qq.com at an address of this machine.
type simulation struct {
	sim         *wechattest.Server
	app         *wechattest.App
	certificate wechattest.Certificate
	address     string // host:port
	control     string // URL
}

func newSimulation(t *testing.T) *simulation {
	t.Helper()
	certificate, err := wechattest.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: appID, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	app.BindOpenPlatform("op")
	api := httptest.NewUnstartedServer(sim)
	api.TLS = &tls.Config{Certificates: []tls.Certificate{certificate.TLS}, MinVersion: tls.VersionTLS12}
	api.StartTLS()
	control := httptest.NewServer(sim.Control())
	t.Cleanup(api.Close)
	t.Cleanup(control.Close)
	return &simulation{sim, app, certificate, api.Listener.Addr().String(), control.URL}
}

// node-easywechat and co-wechat-api, on Node.js. Both hold https://api.weixin.qq.com as a literal.
func TestNode_SDKsSignInAndReadThePhoneNumber(t *testing.T) {
	s := newSimulation(t)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, s.certificate.Authority, 0o600); err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Abs("node")
	if err != nil {
		t.Fatal(err)
	}
	runNode(t, programs, nil, "npm", "ci", "--no-audit", "--no-fund")
	// node-easywechat writes its access token to the working directory.
	runNode(t, t.TempDir(), []string{
		"NODE_EXTRA_CA_CERTS=" + authority, "SIMULATOR=" + s.address, "CONTROL=" + s.control, "APP_ID=" + appID, "APP_SECRET=" + secret,
	}, "node", "--require", filepath.Join(programs, "simulator.js"), "--test", filepath.Join(programs, "sdks.test.js"))
}

func runNode(t *testing.T, folder string, environment []string, command ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Dir, program.Env = folder, append(os.Environ(), environment...)
	if out, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}
