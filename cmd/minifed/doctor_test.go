package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/demo"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newDoctorHarness returns a cliHarness with a store, a mini-program and a simulated WeChat, which doctor checks.
func newDoctorHarness(t *testing.T) (*cliHarness, *wechattest.App) {
	t.Helper()
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	app, err := simulator.AddApp(wechat.App{ID: "wxsimshop"})
	if err != nil {
		t.Fatal(err)
	}
	s := newCLIWithStore(t).with("MINIFED_WECHAT_BASE_URL=" + api.URL)
	if err := os.Chmod(filepath.Join(s.folder, "master.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.typed = []string{string(app.Credential().Secret)}
	s.run(t, "client", "create", "--kind", "wechat_miniapp", "--id", "shop", "--app-id", "wxsimshop")
	s.run(t, "operator", "create", "olga", "--role", "owner")
	return s, app
}

// diagnose runs doctor, which must succeed or fail, and returns the verdict and text of each check.
func diagnose(t *testing.T, s *cliHarness, healthy bool) map[string]string {
	t.Helper()
	s.out.Reset()
	s.err.Reset()
	if code := s.exitCode(t, "doctor", "--output", "json"); (code == exitDone) != healthy {
		t.Errorf("exit code %d\n%s%s", code, s.out, s.err)
	}
	said := map[string]string{}
	decoded := decode(t, s.out.String())
	for _, one := range decoded["findings"].([]any) {
		found := one.(map[string]any)
		check, verdict := found["check"].(string), found["verdict"].(string)
		remedy, _ := found["remedy"].(string)
		if verdict != "ok" && remedy == "" && check != "store" {
			t.Errorf("%v has no remedy", found)
		}
		said[check] = strings.TrimSpace(verdict + " " + found["detail"].(string) + " " + remedy)
	}
	if decoded["ok"] != healthy {
		t.Errorf("ok is %v", decoded["ok"])
	}
	return said
}

func TestDoctor_AcceptsAHealthyDeployment(t *testing.T) {
	s, _ := newDoctorHarness(t)
	said := diagnose(t, s, true)
	for check, want := range map[string]string{
		"configuration": "ok http://localhost:8080", "store": "ok " + s.folder, "disk": "ok ", "master key": "ok ", "egress proxy": "ok none for 127.0.0.1",
		"WeChat": "ok http://127.0.0.1:", "clock": "ok ", "keys of default": "ok token secrets are there, RS256 signs since", "mini-program shop of default": "ok WeChat accepts AppID wxsimshop",
	} {
		if !strings.HasPrefix(said[check], want) {
			t.Errorf("%s: %q, want %q", check, said[check], want)
		}
	}
	if text := s.run(t, "doctor"); strings.Count(text, "\n") != len(said) || !strings.HasPrefix(text, "ok    configuration: ") {
		t.Errorf("as text:\n%s", text)
	}
}

// doctor sends the check of WeChat's console to the push URL.
func TestDoctor_ChecksThePushURL(t *testing.T) {
	s, _ := newDoctorHarness(t)
	s.typed = []string{"Token1", strings.Repeat("k", 43)}
	s.run(t, "client", "set-push-keys", "shop")
	const shop = "push events of client shop of default"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		receiver, err := wechat.NewPushReceiver(wechat.PushKey{AppID: "wxsimshop", Token: "Token1", EncodingAESKey: strings.Repeat("k", 43)}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		echo, err := receiver.Echo(r.URL.Query())
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, echo)
	}))
	t.Cleanup(server.Close)
	if got := diagnose(t, s.with("MINIFED_PUBLIC_URL="+server.URL), true)[shop]; !strings.HasPrefix(got, "ok "+server.URL+"/federation/wechat/events/shop") {
		t.Errorf("got %q", got)
	}
	s.run(t, "client", "set-push-keys", "shop", "--remove")
	if got := diagnose(t, s, true)[shop]; !strings.HasPrefix(got, "ok not set up") {
		t.Errorf("got %q", got)
	}
}

func TestDoctor_ReportsFaultsWithRemedies(t *testing.T) {
	tests := []struct {
		name string
		ill  func(t *testing.T, s *cliHarness, app *wechattest.App) *cliHarness
		// healthy means that it is only a warning.
		healthy bool
		check   string
		says    []string
	}{
		{"the AppSecret was reset", func(_ *testing.T, s *cliHarness, app *wechattest.App) *cliHarness {
			app.SetSecret("another")
			return s
		}, false, "mini-program shop of default", []string{"fail", "errcode 40125", "AppSecret is wrong"}},
		{"WeChat is rate limiting", func(_ *testing.T, s *cliHarness, app *wechattest.App) *cliHarness {
			app.Fail(wechattest.StableToken, wechattest.Fault{Errcode: 45009})
			return s
		}, true, "mini-program shop of default", []string{"warn", "errcode 45009", "again"}},
		{"WeChat cannot be reached", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_WECHAT_BASE_URL=https://localhost:1")
		}, false, "WeChat", []string{"fail", "https://localhost:1 cannot be reached", "egress proxy"}},
		{"the clock is wrong", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) }
			return s
		}, false, "clock", []string{"fail ", "from WeChat's", "NTP"}},
		{"the clock is a little off", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.Now = func() time.Time { return time.Now().Add(20 * time.Second) }
			return s
		}, true, "clock", []string{"warn -", "NTP"}},
		{"no server has rotated for long", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.Now = func() time.Time { return time.Now().Add(365 * 24 * time.Hour) }
			return s
		}, false, "keys of default", []string{"warn", "was due at", "server"}},
		{"the master key is lost", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			if err := os.Remove(filepath.Join(s.folder, "master.key")); err != nil {
				t.Fatal(err)
			}
			return s
		}, false, "master key", []string{"fail", "is missing", "restore"}},
		{"the master key is another one", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_KEYS_MASTER_KEY=" + demo.MasterKey())
		}, false, "master key", []string{"fail", "not the store's master key", "restore"}},
		{"the master key is readable", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			if err := os.Chmod(filepath.Join(s.folder, "master.key"), 0o644); err != nil {
				t.Fatal(err)
			}
			return s
		}, true, "master key", []string{"warn", "others on this machine", "chmod"}},
		{"a rotation of the master key is not finished", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.run(t, "keys", "master", "new", "--append")
			return s
		}, true, "master key", []string{"warn 2 master keys", "minifed keys master rotate"}},
		{"scan has no mini-program", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.run(t, "directory", "update", "default", "--sign-in-method", "scan", "--sign-in-method", "password")
			return s
		}, true, "sign-in by scan and link in default", []string{"warn", "no mini-program is named", "--scan-mini-program"}},
		{"the mini-program may not start sessions", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.run(t, "directory", "update", "default", "--sign-in-method", "scan", "--scan-mini-program", "shop", "--scan-page", "pages/scan/index")
			return s
		}, true, "sign-in by scan and link in default", []string{"warn", "may not start browser sessions", "minifed client update shop --directory default --starts-sessions"}},
		{"the push URL does not respond", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.typed = []string{"Token1", strings.Repeat("k", 43)}
			s.run(t, "client", "set-push-keys", "shop")
			return s.with("MINIFED_PUBLIC_URL=http://localhost:1")
		}, true, "push events of client shop of default", []string{"warn", "http://localhost:1/federation/wechat/events/shop", "reverse proxy"}},
		{"the push URL is of another program", func(t *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			s.typed = []string{"Token1", strings.Repeat("k", 43)}
			s.run(t, "client", "set-push-keys", "shop")
			other := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(other.Close)
			return s.with("MINIFED_PUBLIC_URL=" + other.URL)
		}, true, "push events of client shop of default", []string{"warn", "status 404"}},
		{"there is no store", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_STORAGE_URI=sqlite:" + filepath.Join(s.folder, "other.db"))
		}, false, "store", []string{"fail", "there is no store at", "minifed serve"}},
		{"the store is away", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_STORAGE_URI=mongodb://u:hunter2@127.0.0.1:1/x?serverSelectionTimeoutMS=100")
		}, false, "store", []string{"fail", "cannot be used", "runs and can be reached"}},
		{"nobody is trusted to be the proxy", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_PUBLIC_URL=https://id.example.com")
		}, true, "configuration", []string{"warn", "the proxy's address", "listen.trusted_proxies"}},
		{"a header of no proxy", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_LISTEN_COUNTRY_HEADER=CF-IPCountry")
		}, true, "configuration", []string{"warn", "listen.country_header", "listen.trusted_proxies"}},
		{"the configuration is wrong", func(_ *testing.T, s *cliHarness, _ *wechattest.App) *cliHarness {
			return s.with("MINIFED_LOG_LEVEL=loud")
		}, false, "configuration", []string{"fail", "MINIFED_LOG_LEVEL", "correct"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, app := newDoctorHarness(t)
			said := diagnose(t, test.ill(t, s, app), test.healthy)[test.check]
			for _, want := range test.says {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, without %q", said, want)
				}
			}
			if strings.Contains(s.out.String()+s.err.String(), "hunter2") {
				t.Error("a password is printed")
			}
		})
	}
}

func TestDoctor_LeavesNoRecordInTheStore(t *testing.T) {
	s := newCLI(t)
	s.startServer(t)
	file := filepath.Join(t.TempDir(), "before.export")
	before := s.runJSON(t, "export", file)
	s.exitCode(t, "doctor") // The real WeChat may be unreachable from this test.
	if after := s.runJSON(t, "export", file+"2"); after["documents"] != before["documents"] {
		t.Errorf("%v documents before, %v after", before["documents"], after["documents"])
	}
}
