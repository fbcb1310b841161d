package consoletest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/internal/chromiumtest"
)

// FirstMinute is what differs between deployments.
type FirstMinute struct {
	// Link is the link for the first owner, and Issuer the issuer that the console shows.
	Link, Issuer string
	// AppID and AppSecret are the credentials of a mini-program, and LoginCode returns a code of its wx.login.
	AppID, AppSecret string
	LoginCode        func() string
	// Client sends the login of the mini-program's backend.
	Client *http.Client
	// Scripts is false for a browser without scripts.
	Scripts bool
	// Passkey gives the owner a passkey in place of an authenticator app. It needs scripts.
	Passkey bool
}

// The account of the owner.
const (
	Username = "owner"
	Password = "correct horse battery staple"
)

// Owner is the first owner, who can sign in again.
type Owner struct {
	// secret is that of the authenticator app; empty with a passkey, which the tab has.
	secret string
}

// Run runs the first minute in a tab: from the link to the page that says that the first login worked.
func (m FirstMinute) Run(tab *chromiumtest.Tab) Owner {
	tab.Helper()
	if !m.Scripts {
		tab.Call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	}
	owner := m.createOwner(tab)
	m.fillWizard(tab)
	m.signIn(tab)
	return owner
}

// createOwner opens the link, and creates the owner with two factors.
func (m FirstMinute) createOwner(tab *chromiumtest.Tab) (owner Owner) {
	tab.Helper()
	tab.Navigate(m.Link)
	tab.Wait("#first-owner")
	if !m.Scripts {
		_, secret, _ := strings.Cut(m.Link, "#")
		tab.Fill("link_secret", secret)
	}
	tab.Fill("username", Username)
	tab.Fill("new_password", Password)
	tab.Press("first-owner")
	if m.Passkey {
		tab.Passkeys()
		tab.Wait(`a[href*="/account/passkeys/new"]`)
		Click(tab, `a[href*="/account/passkeys/new"]`)
		tab.Wait("#passkey")
		tab.Press("passkey")
	} else {
		tab.Wait(`a[href*="/account/totp/new"]`)
		Click(tab, `a[href*="/account/totp/new"]`)
		tab.Wait("#verify")
		owner.secret = tab.Evaluate(`document.getElementById("secret").textContent`)
		tab.Fill("code", totpCode(tab, owner.secret, 0))
		tab.Press("verify")
		tab.Wait("#continue")
		tab.Press("continue")
	}
	tab.Wait(`a[href="/console/start"]`)
	return owner
}

// SignIn signs the owner in again with both factors, at the login page that the tab opens.
func (o Owner) SignIn(tab *chromiumtest.Tab) {
	tab.Helper()
	tab.Wait("#login")
	if o.secret == "" {
		Click(tab, `a[href*="/login/passkey"]`)
		tab.Wait("#passkey")
		tab.Press("passkey")
		return
	}
	tab.Fill("username", Username)
	tab.Fill("password", Password)
	tab.Press("login")
	tab.Wait("#verify")
	tab.Fill("code", totpCode(tab, o.secret, 1)) // That of now has been used.
	tab.Press("verify")
}

// fillWizard goes through the pages of the wizard.
func (m FirstMinute) fillWizard(tab *chromiumtest.Tab) {
	tab.Helper()
	const submit = "form.record button.primary"
	Click(tab, `a[href="/console/start"]`)
	tab.Wait("#f-branding-accent_color")
	tab.Fill("f-name", "Tea House")
	tab.Fill("f-branding-accent_color", "#07c160")
	Click(tab, submit)
	tab.Wait("#f-app_secret")
	tab.Fill("f-app_id", m.AppID)
	tab.Fill("f-app_secret", m.AppSecret)
	Click(tab, submit)
	tab.Wait("#f-for")
	tab.Fill("f-for", "spring-boot")
	tab.Fill("f-name", "Shop")
	tab.Fill("f-address", "https://shop.example.com")
	Click(tab, submit)
	tab.Wait("#first-login:not([data-green])")
}

// signIn logs in at the mini-program with what the last page shows, and waits until the page turns green.
func (m FirstMinute) signIn(tab *chromiumtest.Tab) {
	tab.Helper()
	var shown []string
	if err := json.Unmarshal([]byte(tab.Evaluate(`JSON.stringify([...document.querySelectorAll(".facts code")].map((code) => code.textContent))`)), &shown); err != nil || len(shown) != 5 {
		tab.Fatalf("shown %v, %v", shown, err)
	}
	if shown[0] != m.Issuer {
		tab.Errorf("the issuer is %s, expected %s", shown[0], m.Issuer)
	}
	m.logIn(tab.T, shown[0], shown[1], shown[2])
	if !m.Scripts {
		Click(tab, "#first-login a")
		tab.Wait("#first-login[data-green]")
		return
	}
	tab.Call("Runtime.evaluate", map[string]any{"awaitPromise": true, "expression": `new Promise((done) => { // The script of the page fetches the line again.
		const look = () => document.querySelector("#first-login[data-green]") ? done() : setTimeout(look, 50)
		look()
	})`})
	if tab.Evaluate(`document.body.textContent.includes(`+strconv.Quote(shown[2])+`)`) != "true" {
		tab.Error("the secrets are gone from the page that turned green")
	}
}

// logIn sends what a mini-program's backend sends.
func (m FirstMinute) logIn(t *testing.T, issuer, client, secret string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/oauth2/token", strings.NewReader(url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:minifed:params:oauth:token-type:wechat-miniapp-code"},
		"subject_token":      {m.LoginCode()},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(client, secret)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := m.Client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the login: %d", response.StatusCode)
	}
}

// Click clicks the first element that a selector matches.
func Click(tab *chromiumtest.Tab, selector string) {
	tab.Evaluate("document.querySelector(" + strconv.Quote(selector) + ").click()")
}

// totpCode is the code that an authenticator app shows for a secret as the page shows it (RFC 6238), some steps of 30 s after now.
func totpCode(tab *chromiumtest.Tab, text string, later int64) string {
	tab.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		tab.Fatalf("secret %q: %v", text, err)
	}
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30+later)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}
