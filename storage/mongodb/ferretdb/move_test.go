package ferretdb

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// identityOf returns the parts of an ID token that must not change: the signing key and the subject.
func identityOf(t *testing.T, token any) (kid, sub any) {
	t.Helper()
	parts := strings.Split(token.(string), ".")
	decoded := map[string]any{}
	for _, part := range parts[:2] {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil {
			err = json.Unmarshal(raw, &decoded)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return decoded["kid"], decoded["sub"]
}

func TestMove_FromSQLiteToMongoDBAndBack(t *testing.T) {
	t.Parallel()
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	address, folder := porttest.Address(t), t.TempDir()
	issuer := "http://" + address
	base := program{must(minifed())(t), append(os.Environ(),
		"MINIFED_CONFIG="+os.DevNull, "MINIFED_PUBLIC_URL="+issuer, "MINIFED_LISTEN_ADDRESS="+address, "MINIFED_LISTEN_ADMIN_ADDRESS=off",
		"MINIFED_DATA_DIR="+filepath.Join(folder, "data"), "MINIFED_WECHAT_BASE_URL="+api.URL)}
	first := base.at("MINIFED_STORAGE_URI=sqlite:" + filepath.Join(folder, "first.db"))
	second := base.at("MINIFED_STORAGE_URI=" + ferret.Proxy(t).URI(ferret.Database(t)))
	third := base.at("MINIFED_STORAGE_URI=sqlite:" + filepath.Join(folder, "third.db"))

	// 1. A user of a mini-program, in SQLite.
	app, err := simulator.AddApp(wechat.App{ID: "wxsimmove"})
	if err != nil {
		t.Fatal(err)
	}
	stop := first.serve(t).stop
	client := first.run(t, string(app.Credential().Secret), "client", "create", "--kind", "wechat_miniapp", "--app-id", "wxsimmove", "--app-secret-stdin")
	tokens := post(t, issuer+"/federation/wechat/miniapp/profile", client, url.Values{"code": {app.Login("alice")}})
	stop()
	kid, sub := identityOf(t, tokens["id_token"])

	// 2. In MongoDB, then in SQLite again: the same user, key and refresh token.
	for number, move := range []struct{ from, to program }{{first, second}, {second, third}} {
		file := filepath.Join(folder, "export"+string(rune('1'+number)))
		exported, imported := move.from.run(t, "", "export", file), move.to.run(t, "", "import", file)
		if exported["digest"] != imported["digest"] || exported["documents"] != imported["documents"] {
			t.Errorf("exported %v, imported %v", exported, imported)
		}
		stop := move.to.serve(t).stop
		tokens = post(t, issuer+"/oauth2/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
		if gotKid, gotSub := identityOf(t, tokens["id_token"]); gotKid != kid || gotSub != sub {
			t.Errorf("move %d: kid %v, sub %v; they were %v, %v", number+1, gotKid, gotSub, kid, sub)
		}
		login := post(t, issuer+"/federation/wechat/miniapp/profile", client, url.Values{"code": {app.Login("alice")}})
		if _, again := identityOf(t, login["id_token"]); again != sub {
			t.Errorf("move %d: alice is %v now, she was %v", number+1, again, sub)
		}
		stop()
	}
}
