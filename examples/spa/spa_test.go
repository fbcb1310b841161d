// Package spa tests the sample single-page app in Chromium. A user of a mini-program chooses a password, and is the same user
// in two apps that know only the issuer.
package spa

import (
	"cmp"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/porttest"
	"github.com/minifed/minifed/examples/exampletest"
)

func TestSPA_MiniProgramUserSignsIn(t *testing.T) {
	exampletest.Run(t, nil, "npm", "ci", "--no-audit", "--no-fund")
	wechat := exampletest.StartWeChat(t)
	minifed := exampletest.StartMinifed(t, wechat.API)
	miniprogram := minifed.CreateClient(t, exampletest.AppSecret, "--kind", "wechat_miniapp", "--app-id", exampletest.AppID, "--app-secret-stdin", "--account-linking")

	const username, password = "lin", "correct horse battery staple"
	signedIn := wechat.SignIn(t, minifed, miniprogram, "lin", "openid profile urn:minifed:link", `{"nickname":"Lin"}`)
	choose := exampletest.Form(t, minifed.Issuer+"/federation/wechat/miniapp/password", url.Values{"username": {username}, "password": {password}})
	choose.Header.Set("Authorization", "Bearer "+signedIn.AccessToken)
	exampletest.Do(t, choose)

	exampletest.Run(t, []string{
		"SPA1=" + startApp(t, minifed, "first"), "SPA2=" + startApp(t, minifed, "second"), "ISSUER=" + minifed.Issuer,
		"LOGIN=" + username, "PASSWORD=" + password, "SUB=" + signedIn.Profile.Subject, "CHROMIUM=" + chromium(t),
	}, "node", "--test", "test/")
}

func startApp(t *testing.T, minifed *exampletest.Minifed, id string) string {
	t.Helper()
	address := porttest.Address(t)
	origin := "http://" + address
	_, port, _ := strings.Cut(address, ":")
	minifed.CreateClient(t, "", "--kind", "spa", "--id", id, "--origin", origin,
		"--redirect-uri", origin+"/callback", "--post-logout-redirect-uri", origin+"/")
	return exampletest.Start(t, []string{"MINIFED_ISSUER=" + minifed.Issuer, "MINIFED_CLIENT_ID=" + id, "PORT=" + port}, "node", "serve.js")
}

// chromium returns the path of the browser: $CHROMIUM, or the one on the path.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err != nil {
		t.Fatalf("the test needs Chromium (Debian: apt-get install chromium): %v", err)
	}
	return path
}
