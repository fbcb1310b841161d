package ferretdb

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newSignInPair is newPair with a mini-program that may start browser sessions and receives push events.
func newSignInPair(t *testing.T) (both [2]*instance, app *wechattest.App) {
	t.Helper()
	a, b, app := newPair(t)
	master := must(keys.ParseMaster(a.masterKeys, rand.Reader))(t)
	entry := must(storage.Get[storage.Client](t.Context(), a.engine, storage.Key("default", "mini")))(t)
	mini := entry.Record
	mini.StartsSessions = true
	mini.Federation.PushToken = must(master.Seal([]byte(clusterPushToken), keys.PushTokenBinding("default", "mini")))(t)
	mini.Federation.EncodingAESKey = must(master.Seal([]byte(clusterPushKey), keys.EncodingAESKeyBinding("default", "mini")))(t)
	must(entry.Replace(t.Context(), a.engine, mini))(t)
	a.addClient("web", storage.ClientSPA, func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.FirstParty = "none", nil, true
		c.RedirectURIs, c.InitiateLoginURI = []string{"https://web.example/callback"}, handOffTo
	})
	directory := must(storage.Get[storage.Directory](t.Context(), a.engine, "default"))(t)
	listed := directory.Record
	listed.SignInMethods = []string{storage.SignInScan, storage.SignInLink, storage.SignInHandOff}
	listed.Scan = storage.ScanTarget{MiniProgram: "mini", Page: "pages/scan"}
	must(directory.Replace(t.Context(), a.engine, listed))(t)
	return [2]*instance{a, b}, app
}

// callMini sends a JSON request of the mini-program's backend.
func (i *instance) callMini(path string, body map[string]any) apiResponse {
	i.Helper()
	text := must(json.Marshal(body))(i.T)
	request := must(http.NewRequestWithContext(i.Context(), http.MethodPost, i.address+"/federation/wechat/miniapp/"+path, bytes.NewReader(text)))(i.T)
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth("mini", clientSecret)
	return i.do(request)
}

// raceAt calls do in parallel, alternately at two instances, and returns the responses with the status 200.
func raceAt(both [2]*instance, times int, do func(at *instance, n int) apiResponse) (won []apiResponse) {
	var calls sync.WaitGroup
	responses := make([]apiResponse, times)
	for n := range times {
		calls.Go(func() { responses[n] = do(both[n%2], n) })
	}
	calls.Wait()
	for _, each := range responses {
		if each.status == http.StatusOK {
			won = append(won, each)
		}
	}
	return won
}

// Several people open one link, all confirm, and the digits are typed in two tabs, each at another instance.
func TestInstances_LinkHasOneWinner(t *testing.T) {
	t.Parallel()
	both, app := newSignInPair(t)
	const people = 6
	subs := map[string]bool{}
	for n := range people {
		subs[both[n%2].exchange("mini", app.Login(fmt.Sprint("person", n))).wantOK(t).sub(t)] = true
	}
	phone := &http.Client{Jar: must(cookiejar.New(nil))(t), Transport: both[0].transport}
	shown := both[0].browse(phone, http.MethodGet, both[0].address+"/login", nil, agentOfPhone)
	page := both[0].pressed(phone, shown, "link-form", agentOfPhone)
	scene := must(both[0].sim.OpenLink(html.UnescapeString(firstGroup(t, page, `id="open" href="([^"]*)"`))))(t).Scene

	seen := raceAt(both, people, func(at *instance, n int) apiResponse {
		return at.callMini("scan/seen", map[string]any{"scene": scene, "attempt": fmt.Sprint(n)})
	})
	if len(seen) != 1 {
		t.Errorf("%d people have opened the link", len(seen))
	}
	approved := raceAt(both, people, func(at *instance, n int) apiResponse {
		return at.callMini("scan/approve", map[string]any{"scene": scene, "code": app.Login(fmt.Sprint("person", n)), "confirmed": true})
	})
	if len(approved) != 1 {
		t.Fatalf("%d people approved", len(approved))
	}
	winner := approved[0].sub(t)
	digits, _ := approved[0].body["scan"].(map[string]any)["digits"].(string)
	page = both[0].browse(phone, http.MethodGet, page.url, nil, agentOfPhone)
	raceAt(both, 4, func(at *instance, _ int) apiResponse {
		moved := page
		moved.url = at.address + strings.TrimPrefix(page.url, both[0].address)
		return at.pressed(phone, moved, "digits-form", agentOfPhone, "digits", digits)
	})
	sessions := list[storage.Session](both[0])
	if len(sessions) != 1 || sessions[0].User != winner || !subs[winner] {
		t.Errorf("%d sessions, want one of the person who approved", len(sessions))
	}
}

// A ticket is redeemed by many browsers at two instances: one is signed in.
func TestInstances_HandOffTicketHasOneWinner(t *testing.T) {
	t.Parallel()
	both, app := newSignInPair(t)
	login := both[0].exchange("mini", app.Login("alice")).wantOK(t)
	for round := range 3 {
		ticket := both[round%2].callMini("hand-off", map[string]any{"access_token": login.text("access_token"), "target_client_id": "web"}).wantOK(t).text("url")
		opened := must(url.Parse(ticket))(t)
		var redirected atomic.Int32
		raceAt(both, 8, func(at *instance, _ int) apiResponse {
			view := &http.Client{Jar: must(cookiejar.New(nil))(t), Transport: at.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			a := at.browse(view, http.MethodGet, at.address+opened.Path+"?"+opened.RawQuery, nil, agentOfWebView)
			if a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), handOffTo) {
				redirected.Add(1)
			}
			return a
		})
		if redirected.Load() != 1 {
			t.Errorf("round %d: the ticket signed in %d browsers", round, redirected.Load())
		}
	}
	if sessions := list[storage.Session](both[0]); len(sessions) != 3 {
		t.Errorf("%d sessions of three tickets", len(sessions))
	}
}

// WeChat sends one event to both instances at once, and both look for due events.
func TestInstances_EventIsAppliedOnce(t *testing.T) {
	t.Parallel()
	both, app := newSignInPair(t)
	sub := both[0].exchange("mini", app.Login("alice")).wantOK(t).sub(t)
	both[0].run()
	both[1].run()
	push := wechattest.Push{
		URL: both[0].url + "/federation/wechat/events/mini", User: "alice", Event: wechat.EventUserDeregistered, Token: clusterPushToken, EncodingAESKey: clusterPushKey,
	}
	recorded := must(app.PushRequest(t.Context(), push))(t)
	body := must(io.ReadAll(recorded.Body))(t)
	stored := raceAt(both, 8, func(at *instance, _ int) apiResponse {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, at.address+recorded.URL.RequestURI(), bytes.NewReader(body)))(t)
		request.Header = recorded.Header.Clone()
		return at.do(request)
	})
	if len(stored) != 8 || len(list[storage.PushEvent](both[0])) != 1 {
		t.Errorf("%d of 8 deliveries are accepted, %d events are stored", len(stored), len(list[storage.PushEvent](both[0])))
	}
	for t.Context().Err() == nil && list[storage.PushEvent](both[0])[0].Outcome == "" { // Both look for it.
	}
	user := must(storage.Get[storage.User](t.Context(), both[0].engine, storage.Key("default", sub)))(t).Record
	if user.Status != storage.UserDeletionPending || user.Epoch != 1 {
		t.Errorf("the user is %s at epoch %d, want one request for deletion", user.Status, user.Epoch)
	}
	if events := list[storage.PushEvent](both[0]); events[0].Outcome != "deletion_requested" || events[0].Attempts != 0 {
		t.Errorf("the event: %+v", events[0])
	}
}

// pressed sends a form of a page with its token, and follows.
func (i *instance) pressed(browser *http.Client, page apiResponse, form, agent string, fields ...string) apiResponse {
	i.Helper()
	address := page.url
	if found := regexp.MustCompile(`id="` + form + `" action="([^"]*)"`).FindStringSubmatch(page.raw); found != nil {
		address = must(must(url.Parse(page.url))(i.T).Parse(html.UnescapeString(found[1])))(i.T).String()
	}
	values := inPairs(append(fields, "csrf", firstGroup(i.T, page, `id="`+form+`"[^>]*>\s*<input type="hidden" name="csrf" value="([^"]*)"`)))
	return i.browse(browser, http.MethodPost, address, values, agent)
}

func firstGroup(t testing.TB, page apiResponse, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(page.raw)
	if found == nil {
		t.Fatalf("no %s at %d %s\n%s", pattern, page.status, page.url, page.raw)
	}
	return found[1]
}
