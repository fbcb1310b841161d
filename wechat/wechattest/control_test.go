package wechattest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func signature(key string) string {
	return hex.EncodeToString(hmac.New(sha256.New, []byte(key)).Sum(nil))
}

// control calls the control API of a harness.
type control struct {
	*simulatorHarness
	control string
}

func newControl(t *testing.T) *control {
	t.Helper()
	c := &control{simulatorHarness: newSimulatorHarness(t, new(wechattest.Server))}
	server := httptest.NewServer(c.sim.Control())
	t.Cleanup(server.Close)
	c.control = server.URL
	return c
}

// call sends a control call and returns status and body. accept may be empty.
func (c *control) call(t *testing.T, method, path, accept string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.control+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	a := c.do(t, request)
	return a.status, a.body
}

func (c *control) ok(t *testing.T, method, path string) string {
	t.Helper()
	status, body := c.call(t, method, path, "*/*")
	if status != http.StatusOK && status != http.StatusNoContent {
		t.Fatalf("%s %s: status %d: %s", method, path, status, body)
	}
	return body
}

func TestControl_ReturnsCodesAsTextOrJSON(t *testing.T) {
	c := newControl(t)
	for _, query := range []string{"?appid=wxsimA&user=alice", "?user=alice"} {
		code := c.ok(t, "POST", "/login"+query)
		if strings.TrimSpace(code) != code {
			t.Errorf("there is more than the code: %q", code)
		}
		if a := c.login(t, code); a.OpenID != string(c.app.OpenID("alice")) {
			t.Errorf("login: %s", a.body)
		}
	}
	_, body := c.call(t, "POST", "/login?user=alice", "application/json")
	var apiResponse struct{ Code string }
	if err := json.Unmarshal([]byte(body), &apiResponse); err != nil {
		t.Fatal(err)
	}
	c.login(t, apiResponse.Code).want(t, 0)

	response, err := http.PostForm(c.control+"/login", url.Values{"user": {"alice"}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	code, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	c.login(t, string(code)).want(t, 0)

	c.phone(t, c.token(t), c.ok(t, "POST", "/phone?user=alice&country=49&number=15100000000")).want(t, 0)
	if c.sim.Phone("alice") != (wechat.PhoneNumber{CountryCode: "49", PureNumber: "15100000000"}) {
		t.Error("the number was not set")
	}
}

func TestControl_MatchesMethods(t *testing.T) {
	c := newControl(t)
	if !strings.Contains(c.ok(t, "GET", "/"), "POST   /login") {
		t.Error("the front page does not help")
	}
	if c.ok(t, "GET", "/apps") != "secret-a" {
		t.Error("the secret is not there")
	}
	c.ok(t, "POST", "/open-platform?account=op")
	if c.login(t, c.app.Login("alice")).UnionID == "" {
		t.Error("it is not bound")
	}
	if users := c.ok(t, "GET", "/users?user=alice"); !strings.Contains(users, string(c.app.OpenID("alice"))) || !strings.Contains(users, "+86100") {
		t.Errorf("user: %s", users)
	}
	c.ok(t, "POST", "/block?user=alice")
	c.login(t, c.app.Login("alice")).want(t, 40226)
	c.ok(t, "POST", "/block?user=alice&blocked=false")
	token := c.token(t)
	c.ok(t, "POST", "/expire-tokens")
	c.phone(t, token, c.app.TapPhone("alice")).want(t, 40001)
	code := c.app.Login("alice")
	c.ok(t, "POST", "/clock?advance=6m")
	c.login(t, code).want(t, 40029)

	c.ok(t, "POST", "/faults?api=/sns/jscode2session&errcode=-1&times=2&spend=true")
	code = c.app.Login("alice")
	c.login(t, code).want(t, -1)
	c.ok(t, "DELETE", "/faults")
	c.login(t, code).want(t, 40163)
	c.ok(t, "POST", "/faults?api=/sns/jscode2session&gate=g&user=alice&delay=1ns")
	c.ok(t, "POST", "/open?gate=g")
	c.login(t, c.app.Login("alice")).want(t, 0)

	var requests []struct {
		API     string
		Code    string
		Errcode int
	}
	if err := json.Unmarshal([]byte(c.ok(t, "GET", "/requests?code="+code)), &requests); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(requests) != fmt.Sprintf("[{/sns/jscode2session %[1]s -1} {/sns/jscode2session %[1]s 40163}]", code) {
		t.Errorf("requests: %v", requests)
	}
	c.ok(t, "DELETE", "/requests")
	if body := c.ok(t, "GET", "/requests"); strings.TrimSpace(body) != "[]" {
		t.Errorf("requests: %s", body)
	}

	if secret := c.ok(t, "POST", "/apps?appid=wxsimB"); len(secret) != 32 {
		t.Errorf("the new app's secret: %q", secret)
	}
	if _, ok := c.sim.App("wxsimB"); !ok {
		t.Error("the app is not there")
	}
}

func TestControl_SendsPushes(t *testing.T) {
	c := newControl(t)
	received := 0
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("msg_signature") != "" {
			received++
		}
		_, _ = io.WriteString(w, "success")
	}))
	t.Cleanup(target.Close)
	c.ok(t, "POST", "/push?user=alice&event=user_authorization_revoke&info=8&repeat=2&token=t&key="+strings.Repeat("A", 43)+"&url="+url.QueryEscape(target.URL))
	if received != 3 {
		t.Errorf("%d pushes arrived", received)
	}
}

func TestControl_ReportsErrors(t *testing.T) {
	c := newControl(t)
	for call, want := range map[string]int{
		"GET /login?user=alice":                      http.StatusMethodNotAllowed,
		"POST /login":                                http.StatusBadRequest,
		"POST /login?appid=wxsimZ":                   http.StatusNotFound,
		"POST /phone":                                http.StatusBadRequest,
		"POST /block":                                http.StatusBadRequest,
		"GET /users":                                 http.StatusBadRequest,
		"POST /apps?appid=wx1":                       http.StatusBadRequest,
		"POST /clock?advance=soon":                   http.StatusBadRequest,
		"POST /faults":                               http.StatusBadRequest,
		"POST /faults?api=/x&drop=x":                 http.StatusBadRequest,
		"POST /faults?api=/x&errcode=x":              http.StatusBadRequest,
		"POST /faults?api=/x&status=99":              http.StatusBadRequest,
		"POST /faults?api=/x&delay=x":                http.StatusBadRequest,
		"POST /push":                                 http.StatusBadRequest,
		"POST /push?info=x":                          http.StatusBadRequest,
		"POST /push?repeat=x":                        http.StatusBadRequest,
		"POST /push?age=x":                           http.StatusBadRequest,
		"POST /push?event=user_info_modified":        http.StatusBadRequest,
		"POST /plugin":                               http.StatusBadRequest,
		"POST /pay":                                  http.StatusBadRequest,
		"POST /open-data":                            http.StatusBadRequest,
		"POST /open-data?user=a&kind=x":              http.StatusBadRequest,
		"POST /limits":                               http.StatusBadRequest,
		"POST /limits?api=/sns/jscode2session&day=x": http.StatusBadRequest,
		"GET /nothing":                               http.StatusNotFound,
	} {
		method, path, _ := strings.Cut(call, " ")
		if status, body := c.call(t, method, path, ""); status != want || body == "" {
			t.Errorf("%s: status %d, want %d: %s", call, status, want, body)
		}
	}
	if _, err := c.sim.AddApp(wechat.App{ID: "wxsimB"}); err != nil {
		t.Fatal(err)
	}
	if status, body := c.call(t, "POST", "/login?user=alice", ""); status != http.StatusNotFound || !strings.Contains(body, "appid") {
		t.Errorf("two apps and no appid: status %d: %s", status, body)
	}
}
