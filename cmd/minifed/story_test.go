package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// TestConsole_FromFirstLinkToFirstLogin is the first minute of an operator in a browser: the link, the owner with an authenticator app,
// the wizard with the simulator as WeChat, and the page that turns green. It is repeated without scripts.
func TestConsole_FromFirstLinkToFirstLogin(t *testing.T) {
	c := chromiumtest.Start(t)
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			simulator := new(wechattest.Server)
			app, err := simulator.AddApp(wechat.App{ID: "wxsimshop"})
			if err != nil {
				t.Fatal(err)
			}
			api := httptest.NewServer(simulator)
			t.Cleanup(api.Close)
			running := newCLIWithStore(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
			running.run(t, "console", "link") // The store is a copy, with a link of another address.
			content, err := os.ReadFile(filepath.Join(running.folder, "console-link"))
			if err != nil {
				t.Fatal(err)
			}
			link := strings.TrimSpace(string(content))
			tab := c.Open(c.Profile(), "about:blank")
			if !scripts {
				tab.Call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
			}
			press := func(selector string) { tab.Evaluate("document.querySelector(" + quotedJS(selector) + ").click()") }
			// 1. The owner.
			tab.Navigate(link)
			tab.Wait("#first-owner")
			if !scripts {
				_, secret, _ := strings.Cut(link, "#")
				tab.Fill("link_secret", secret)
			}
			tab.Fill("username", "owner")
			tab.Fill("new_password", "correct horse battery staple")
			tab.Press("first-owner")
			tab.Wait(`a[href*="/account/totp/new"]`)
			press(`a[href*="/account/totp/new"]`)
			tab.Wait("#verify")
			tab.Fill("code", totpCode(t, tab.Evaluate(`document.getElementById("secret").textContent`)))
			tab.Press("verify")
			tab.Wait("#continue")
			tab.Press("continue")
			// 2. The wizard.
			tab.Wait(`a[href="/console/start"]`)
			press(`a[href="/console/start"]`)
			tab.Wait("#f-branding-accent_color")
			tab.Fill("f-name", "Tea House")
			tab.Fill("f-branding-accent_color", "#07c160")
			press("form.record button.primary")
			tab.Wait("#f-app_secret")
			tab.Fill("f-app_id", "wxsimshop")
			tab.Fill("f-app_secret", string(app.Credential().Secret))
			press("form.record button.primary")
			tab.Wait("#f-for")
			tab.Fill("f-for", "spring-boot")
			tab.Fill("f-name", "Shop")
			tab.Fill("f-address", "https://shop.example.com")
			press("form.record button.primary")
			tab.Wait("#first-login:not([data-green])")
			// 3. The first login.
			var shown []string
			if err := json.Unmarshal([]byte(tab.Evaluate(`JSON.stringify([...document.querySelectorAll(".facts code")].map((code) => code.textContent))`)), &shown); err != nil || len(shown) != 5 {
				t.Fatalf("shown %v, %v", shown, err)
			}
			if shown[0] != running.url {
				t.Errorf("the issuer is %s, want %s", shown[0], running.url)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, running.url+"/oauth2/token", strings.NewReader(url.Values{
				"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
				"subject_token_type": {"urn:minifed:params:oauth:token-type:wechat-miniapp-code"},
				"subject_token":      {app.Login("alice")},
			}.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth(shown[1], shown[2])
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("the login: %d", response.StatusCode)
			}
			if scripts { // The script of the page fetches the line again.
				tab.Call("Runtime.evaluate", map[string]any{"awaitPromise": true, "expression": `new Promise((done) => {
					const look = () => document.querySelector("#first-login[data-green]") ? done() : setTimeout(look, 50)
					look()
				})`})
			} else {
				press("#first-login a")
			}
			tab.Wait("#first-login[data-green]")
			if scripts && tab.Evaluate(`document.body.textContent.includes(`+quotedJS(shown[2])+`)`) != "true" {
				t.Error("the secrets are gone from the page that turned green")
			}
		})
	}
}

// totpCode is the code that an authenticator app shows now for a secret as the page shows it (RFC 6238).
func totpCode(t *testing.T, text string) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("secret %q: %v", text, err)
	}
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

func quotedJS(text string) string {
	raw, _ := json.Marshal(text) // A text has no error.
	return string(raw)
}
