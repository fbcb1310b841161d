package ferretdb

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

const (
	clusterPushToken = "TokenOfThePushURL"
	clusterPushKey   = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkA"
	agentOfDesk      = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
	agentOfPhone     = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
	agentOfWebView   = "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50 MiniProgramEnv/android miniProgram/wxsim"
	handOffTo        = "https://web.example/start"
)

// loadBalancer sends every connection to one process of a cluster.
type loadBalancer struct {
	*cluster
	issuer string
	to     atomic.Pointer[process]
}

func newLoadBalancer(c *cluster) *loadBalancer {
	b := &loadBalancer{cluster: c, issuer: c.both[0].address}
	b.to.Store(c.both[0])
	return b
}

func (b *loadBalancer) transport() http.RoundTripper {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(b.to.Load().address, "http://"))
	}}
}

// call sends a request of the mini-program's backend.
func (b *loadBalancer) call(path string, body map[string]any) map[string]any {
	b.Helper()
	for name, value := range b.client {
		if name == "client_id" || name == "client_secret" {
			body[name] = value
		}
	}
	text := must(json.Marshal(body))(b.T)
	request := must(http.NewRequestWithContext(b.Context(), http.MethodPost, b.issuer+"/federation/wechat/miniapp/"+path, strings.NewReader(string(text))))(b.T)
	request.Header.Set("Content-Type", "application/json")
	response := must(b.transport().RoundTrip(request))(b.T)
	defer response.Body.Close()
	decoded := map[string]any{}
	check(b.T, json.NewDecoder(response.Body).Decode(&decoded))
	if response.StatusCode != http.StatusOK {
		b.Fatalf("%s: %d %v", path, response.StatusCode, decoded)
	}
	return decoded
}

// clusterBrowser is a browser in front of the load balancer. It stops at other hosts.
type clusterBrowser struct {
	*loadBalancer
	client *http.Client
	agent  string
	page   apiResponse
}

func (b *loadBalancer) browser(agent string) *clusterBrowser {
	b.Helper()
	return &clusterBrowser{b, &http.Client{
		Jar: must(cookiejar.New(nil))(b.T), Transport: b.transport(),
		CheckRedirect: func(next *http.Request, _ []*http.Request) error {
			if !strings.HasPrefix(next.URL.String(), b.issuer) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}, agent, apiResponse{}}
}

func (b *clusterBrowser) open(method, address string, form url.Values) string {
	b.Helper()
	request := must(http.NewRequestWithContext(b.Context(), method, address, strings.NewReader(form.Encode())))(b.T)
	request.Header.Set("User-Agent", b.agent)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", b.issuer)
	}
	response := must(b.client.Do(request))(b.T)
	defer response.Body.Close()
	raw := must(io.ReadAll(response.Body))(b.T)
	b.page = apiResponse{status: response.StatusCode, header: response.Header, raw: string(raw), url: response.Request.URL.String()}
	if next, ok := strings.CutPrefix(response.Header.Get("Refresh"), "0; url="); ok {
		return b.open(http.MethodGet, b.resolve(next), nil)
	}
	return b.page.raw
}

func (b *clusterBrowser) resolve(address string) string {
	return must(must(url.Parse(b.page.url))(b.T).Parse(address))(b.T).String()
}

// find returns the first group of a pattern in the page.
func (b *clusterBrowser) find(pattern string) string {
	b.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(b.page.raw)
	if found == nil {
		b.Fatalf("no %s at %d %s\n%s", pattern, b.page.status, b.page.url, b.page.raw)
	}
	return html.UnescapeString(found[1])
}

// press sends a form with its token.
func (b *clusterBrowser) press(form string, fields ...string) {
	b.Helper()
	address := b.page.url
	if found := regexp.MustCompile(`id="` + form + `" action="([^"]*)"`).FindStringSubmatch(b.page.raw); found != nil {
		address = b.resolve(html.UnescapeString(found[1]))
	}
	values := url.Values{"csrf": {b.find(`id="` + form + `"[^>]*>\s*<input type="hidden" name="csrf" value="([^"]*)"`)}}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	b.open(http.MethodPost, address, values)
}

func (b *clusterBrowser) wantAccount() {
	b.Helper()
	if !strings.HasSuffix(b.page.url, "/account") || b.page.status != http.StatusOK {
		b.Errorf("the browser is at %d %s\n%s", b.page.status, b.page.url, b.page.raw)
	}
}

// setBrowserSignIns lets the mini-program of a cluster start browser sign-ins and receive events.
func setBrowserSignIns(c *cluster, p *process) {
	c.Helper()
	id := c.client["client_id"].(string)
	folder := c.TempDir()
	token, key := filepath.Join(folder, "token"), filepath.Join(folder, "key")
	check(c.T, os.WriteFile(token, []byte(clusterPushToken), 0o600))
	check(c.T, os.WriteFile(key, []byte(clusterPushKey), 0o600))
	p.run(c.T, "", "client", "update", id, "--starts-sessions", "--update-profile")
	p.run(c.T, "", "client", "set-push-keys", id, "--push-token-file", token, "--encoding-aes-key-file", key)
	p.run(c.T, "", "client", "create", "--id", "web", "--kind", "spa", "--redirect-uri", "https://web.example/callback", "--initiate-login-uri", handOffTo)
	p.run(c.T, "", "directory", "update", "default", "--sign-in-method", "scan", "--sign-in-method", "link", "--sign-in-method", "hand-off",
		"--scan-mini-program", id, "--scan-page", "pages/scan/index")
}

// One process begins a scan, a link and a hand-off, and stores an event of WeChat. Then it is killed. The other one completes them.
func TestProcesses_KilledOneLosesNoBrowserSignInAndNoEvent(t *testing.T) {
	t.Parallel()
	c := newCluster(t, setBrowserSignIns)
	first, second := c.both[0], c.both[1]
	lb := newLoadBalancer(c)
	login := lb.call("profile", map[string]any{"code": c.app.Login("alice"), "user": map[string]any{"nickname": "Alice of the test"}})
	_, sub := identityOf(t, login["id_token"])

	// 1. Everything begins at the first process.
	desk, phone := lb.browser(agentOfDesk), lb.browser(agentOfPhone)
	desk.open(http.MethodGet, lb.issuer+"/login", nil)
	desk.press("scan-form")
	picture := desk.find(`<img class="picture" id="picture" src="([^"]*)"`)
	at := desk.page
	picture = desk.resolve(picture)
	scene := must(c.sim.ReadPicture([]byte(desk.open(http.MethodGet, picture, nil))))(t).Scene
	desk.page = at
	lb.call("scan/seen", map[string]any{"scene": scene})
	phone.open(http.MethodGet, lb.issuer+"/login", nil)
	phone.press("link-form")
	linked := must(c.sim.OpenLink(phone.find(`id="open" href="([^"]*)"`)))(t).Scene
	lb.call("scan/seen", map[string]any{"scene": linked})
	ticket := lb.call("hand-off", map[string]any{"access_token": login["access_token"], "target_client_id": "web", "state": "page"})["url"].(string)
	held := first.proxy.holdFirst(func(command Command) bool {
		return command.Collection == string(storage.KindPushEvent) && command.Name != "insert" && command.Name != "find"
	})
	t.Cleanup(func() { close(held.release) })
	push := func(user string, to *process) {
		t.Helper()
		check(t, c.app.Push(t.Context(), wechattest.Push{
			URL: to.address + "/federation/wechat/events/" + c.client["client_id"].(string), User: user, Event: "user_authorization_revoke",
			RevokeInfo: 6, Token: clusterPushToken, EncodingAESKey: clusterPushKey,
		}))
	}
	push("alice", first)
	<-held.arrived
	first.kill()
	lb.to.Store(second)

	// 2. The second one continues.
	desk.open(http.MethodGet, desk.page.url, nil)
	number := desk.find(`id="number"[^>]*>([0-9]+)<`)
	approved := lb.call("scan/approve", map[string]any{"scene": scene, "code": c.app.Login("alice"), "number": number, "confirmed": true})
	if _, got := identityOf(t, approved["id_token"]); got != sub {
		t.Errorf("scanned as %s, want %s", got, sub)
	}
	desk.open(http.MethodGet, desk.page.url, nil)
	desk.wantAccount()
	approved = lb.call("scan/approve", map[string]any{"scene": linked, "code": c.app.Login("alice"), "confirmed": true})
	phone.press("digits-form", "digits", approved["scan"].(map[string]any)["digits"].(string))
	phone.wantAccount()
	view := lb.browser(agentOfWebView)
	view.open(http.MethodGet, ticket, nil)
	if to := view.page.header.Get("Location"); view.page.status != http.StatusSeeOther || !strings.HasPrefix(to, handOffTo+"?") {
		t.Errorf("the hand-off: %d %s\n%s", view.page.status, to, view.page.raw)
	}
	again := lb.browser(agentOfWebView)
	again.open(http.MethodGet, ticket, nil)
	if again.page.status != http.StatusBadRequest {
		t.Errorf("the ticket works twice: %d", again.page.status)
	}
	// 3. The event is applied, when the second one looks for due events.
	push("bob", second)
	for t.Context().Err() == nil {
		user := second.run(t, "", "user", "show", sub.(string))
		if !strings.Contains(string(must(json.Marshal(user))(t)), "Alice of the test") {
			break
		}
	}
}
