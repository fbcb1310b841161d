package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestConnection_Lifecycle(t *testing.T) {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsimWebsite", Secret: wechat.AppSecret(anAppSecret)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s := newCLIWithStore(t).with("MINIFED_WECHAT_BASE_URL=" + server.URL)
	s.typed = []string{anAppSecret}
	said := s.run(t, "connection", "create", "--kind", "website", "--app-id", "wxsimWebsite", "--open-platform", "shop")
	if !strings.Contains(said, "wxsimWebsite") || strings.Contains(said, "mk1") || strings.Contains(said, anAppSecret) {
		t.Errorf("create prints %s", said)
	}
	s.mustFail(t, exitUsage, []string{"--kind is required"}, "connection", "create", "--app-id", "wxsimOther")
	s.mustFail(t, exitUsage, []string{"--app-id is required"}, "connection", "create", "--kind", "website")
	s.typed = []string{anAppSecret}
	s.mustFail(t, exitFailed, []string{"one button"}, "connection", "create", "--kind", "website", "--app-id", "wxsimOther")
	if said := s.run(t, "connection", "update", "wxsimWebsite", "--provisioning", "bind", "--name", "Desk"); !strings.Contains(said, "bind") || !strings.Contains(said, "Desk") {
		t.Errorf("update prints %s", said)
	}
	if said := s.run(t, "connection", "test", "wxsimWebsite"); !strings.Contains(said, "WeChat accepts") {
		t.Errorf("test prints %s", said)
	}
	app.SetSecret("another")
	s.mustFail(t, exitFailed, []string{"does not accept"}, "connection", "test", "wxsimWebsite")
	s.typed = []string{"another"}
	s.run(t, "connection", "set-app-secret", "wxsimWebsite")
	s.run(t, "connection", "test", "wxsimWebsite")
	s.run(t, "connection", "disable", "wxsimWebsite")
	if said := s.run(t, "connection", "list"); !strings.Contains(said, "disabled") {
		t.Errorf("list prints %s", said)
	}
	s.run(t, "connection", "enable", "wxsimWebsite")
	if said := s.run(t, "connection", "show", "wxsimWebsite", "--output", "json"); !strings.Contains(said, `"open_platform": "shop"`) || strings.Contains(said, "app_secret") {
		t.Errorf("show prints %s", said)
	}
	s.run(t, "connection", "delete", "wxsimWebsite", "--yes")
	s.mustFail(t, exitFailed, []string{"does not exist"}, "connection", "show", "wxsimWebsite")
}

func TestDoctor_NamesWhatSeparatesUsers(t *testing.T) {
	sim := new(wechattest.Server)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s := newCLIWithStore(t).with("MINIFED_WECHAT_BASE_URL=" + server.URL)
	for _, id := range []wechat.AppID{"wxsimMini", "wxsimWebsite"} {
		if _, err := sim.AddApp(wechat.App{ID: id, Secret: wechat.AppSecret(anAppSecret)}); err != nil {
			t.Fatal(err)
		}
	}
	s.typed = []string{anAppSecret}
	s.run(t, "client", "create", "--kind", "wechat_miniapp", "--id", "mini", "--app-id", "wxsimMini", "--open-platform", "shop")
	s.typed = []string{anAppSecret}
	s.run(t, "connection", "create", "--kind", "website", "--app-id", "wxsimWebsite")
	said := s.run(t, "doctor")
	for _, want := range []string{"WeChat accepts the AppID and AppSecret of this website", "names no Open Platform account", "has no button", "minifed connection update wxsimWebsite"} {
		if !strings.Contains(said, want) {
			t.Errorf("doctor does not say %q:\n%s", want, said)
		}
	}
	s.run(t, "connection", "update", "wxsimWebsite", "--open-platform", "shop")
	s.run(t, "directory", "update", "default", "--sign-in-method", "website", "--sign-in-method", "password")
	if said := s.run(t, "doctor"); strings.Contains(said, "Open Platform") || strings.Contains(said, "has no button") {
		t.Errorf("doctor after the remedies:\n%s", said)
	}
	// The settings are right, and users of the website have no UnionID all the same.
	users := filepath.Join(t.TempDir(), "users.jsonl")
	lines := `{"name":"A","wechat":[{"app_id":"wxsimWebsite","openid":"o1"}]}` + "\n" + `{"name":"B","wechat":[{"app_id":"wxsimMini","openid":"o2"}]}` + "\n"
	if err := os.WriteFile(users, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, "user", "import", users)
	said = s.run(t, "doctor")
	for _, want := range []string{"connection wxsimWebsite of default: has users without a UnionID: 1 of 1", "account shop at open.weixin.qq.com", "has users without a UnionID: 1 of 1 that"} {
		if !strings.Contains(said, want) {
			t.Errorf("doctor does not say %q:\n%s", want, said)
		}
	}
}
