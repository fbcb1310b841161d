package wechattest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// simulatorHarness is a simulator with one app, driven by plain HTTP.
type simulatorHarness struct {
	sim *wechattest.Server
	app *wechattest.App
	url string
}

// Its clock stands still unless it is advanced.
func newSimulatorHarness(t testing.TB, sim *wechattest.Server) *simulatorHarness {
	t.Helper()
	if sim.Now == nil {
		sim.Now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	}
	app, err := sim.AddApp(wechat.App{ID: "wxsimA", Secret: "secret-a"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return &simulatorHarness{sim: sim, app: app, url: server.URL}
}

// apiResponse is the status and body; the JSON members that the tests check are parsed from the body.
type apiResponse struct {
	status      int
	contentType string
	body        string

	Errcode   int    `json:"errcode"`
	Errmsg    string `json:"errmsg"`
	OpenID    string `json:"openid"`
	UnionID   string `json:"unionid"`
	Key       string `json:"session_key"`
	Token     string `json:"access_token"`
	ExpiresIn int    `json:"expires_in"`
}

func (h *simulatorHarness) do(t testing.TB, request *http.Request) apiResponse {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := apiResponse{status: response.StatusCode, contentType: response.Header.Get("Content-Type"), body: string(body)}
	_ = json.Unmarshal(body, &a) // not all responses are JSON
	return a
}

func (h *simulatorHarness) get(t testing.TB, pathAndQuery string) apiResponse {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+pathAndQuery, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h.do(t, request)
}

func (h *simulatorHarness) post(t testing.TB, pathAndQuery, body string) apiResponse {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+pathAndQuery, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return h.do(t, request)
}

func (h *simulatorHarness) login(t testing.TB, code string) apiResponse {
	t.Helper()
	return h.get(t, "/sns/jscode2session?appid=wxsimA&secret=secret-a&grant_type=authorization_code&js_code="+url.QueryEscape(code))
}

func (h *simulatorHarness) token(t testing.TB) string {
	t.Helper()
	a := h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a"}`)
	if a.Token == "" {
		t.Fatalf("no token: %s", a.body)
	}
	return a.Token
}

func (h *simulatorHarness) phone(t testing.TB, token, code string) apiResponse {
	t.Helper()
	return h.post(t, "/wxa/business/getuserphonenumber?access_token="+token, `{"code":"`+code+`"}`)
}

func (h *simulatorHarness) check(t testing.TB, token, openID, key string) apiResponse {
	t.Helper()
	return h.get(t, "/wxa/checksession?access_token="+token+"&openid="+openID+"&sig_method=hmac_sha256&signature="+signature(key))
}

func (a apiResponse) want(t testing.TB, errcode int) {
	t.Helper()
	if a.Errcode != errcode || a.status != http.StatusOK {
		t.Errorf("response: status %d, errcode %d, want 200 and %d: %s", a.status, a.Errcode, errcode, a.body)
	}
}

func TestIdentifiers_AreMarkedAsSimulated(t *testing.T) {
	sim := new(wechattest.Server)
	for _, id := range []wechat.AppID{"wx4f4bc4dec97d474b", "", "WXSIM1", wechat.AppID("wxsim" + strings.Repeat("x", 64))} {
		if _, err := sim.AddApp(wechat.App{ID: id}); err == nil {
			t.Errorf("it simulates %q", id)
		}
	}
	app, err := sim.AddApp(wechat.App{ID: "wxsimA"})
	if err != nil || len(app.Credential().Secret) != 32 {
		t.Fatalf("no secret was created: %v", err)
	}
	if _, err := sim.AddApp(wechat.App{ID: "wxsimA"}); err == nil {
		t.Error("it adds an app twice")
	}
	other := new(wechattest.Server)
	same, err := other.AddApp(wechat.App{ID: "wxsimA"})
	if err != nil {
		t.Fatal(err)
	}
	if same.OpenID("alice") == app.OpenID("alice") || same.Credential().Secret == app.Credential().Secret {
		t.Error("two simulators make the same identifiers")
	}
}

func TestIdentifiers_HaveWeChatsFormat(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	h.app.BindOpenPlatform("account")
	for name, row := range map[string]struct{ value, shape string }{
		"login code": {h.app.Login("alice"), `^[0-9A-Za-z]{32}$`},
		"phone code": {h.app.TapPhone("alice"), `^[0-9a-f]{64}$`},
		"OpenID":     {string(h.app.OpenID("alice")), `^o[0-9A-Za-z_-]{27}$`},
		"UnionID":    {string(h.app.UnionID("alice")), `^o[0-9A-Za-z_-]{27}$`},
		"token":      {h.token(t), `^[0-9A-Za-z_-]{157}$`},
		"key":        {h.login(t, h.app.Login("alice")).Key, `^[0-9A-Za-z+/]{22}==$`},
		"number":     {h.sim.Phone("alice").PureNumber, `^100[0-9]{8}$`},
	} {
		if !regexp.MustCompile(row.shape).MatchString(row.value) {
			t.Errorf("%s is %q", name, row.value)
		}
	}
}

func TestLoginCode_WorksOnceForFiveMinutesInItsApp(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	other, err := h.sim.AddApp(wechat.App{ID: "wxsimB", Secret: "secret-b"})
	if err != nil {
		t.Fatal(err)
	}
	code := h.app.Login("alice")
	first := h.login(t, code)
	first.want(t, 0)
	if first.OpenID != string(h.app.OpenID("alice")) || strings.Contains(first.body, "errcode") || strings.Contains(first.body, "unionid") {
		t.Errorf("response %s", first.body)
	}
	h.login(t, code).want(t, 40163)
	h.login(t, "unknown").want(t, 40029)
	h.login(t, other.Login("alice")).want(t, 40029)
	h.login(t, h.app.TapPhone("alice")).want(t, 40029)
	h.login(t, strings.ToLower(h.app.Login("alice"))+"X").want(t, 40029)

	inTime, late := h.app.Login("alice"), h.app.Login("alice")
	h.sim.Advance(5 * time.Minute)
	h.login(t, inTime).want(t, 0)
	h.sim.Advance(time.Second)
	h.login(t, late).want(t, 40029)
	h.login(t, code).want(t, 40163)
	h.sim.Advance(time.Hour)
	h.app.Login("alice")
	h.login(t, code).want(t, 40029)
}

func TestCode2Session_ChecksInWeChatsOrder(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	code := h.app.Login("alice")
	for _, row := range []struct {
		query   string
		errcode int
		errmsg  string
	}{
		{"", 41002, `^appid missing rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`},
		{"appid=wxsimZ", 41004, `^appsecret missing, rid: `},
		{"appid=wxsimZ&secret=x", 41008, `^missing code, rid: `},
		{"appid=wxsimZ&secret=x&js_code=" + code + "&grant_type=x", 40002, `^invalid grant_type, rid: `},
		{"appid=wxsimZ&secret=x&js_code=" + code, 40013, `^invalid appid, rid: `},
		{"appid=wxsimA&secret=x&js_code=" + code, 40125, `^invalid appsecret, rid: `},
		{"appid=wxsimA&secret=secret-a&js_code=x", 40029, `^invalid code, rid: `},
	} {
		a := h.get(t, "/sns/jscode2session?"+row.query)
		a.want(t, row.errcode)
		if !regexp.MustCompile(row.errmsg).MatchString(a.Errmsg) || a.contentType != "text/plain" {
			t.Errorf("%s: %q as %q", row.query, a.Errmsg, a.contentType)
		}
	}
	h.post(t, "/sns/jscode2session", "appid=wxsimA&secret=secret-a&js_code="+code).want(t, 41002)
	h.login(t, code).want(t, 0)
}

func TestTraceID_BeginsWithTime(t *testing.T) {
	h := newSimulatorHarness(t, &wechattest.Server{Now: func() time.Time { return time.Unix(0x617833f5, 0) }})
	if a := h.login(t, "x"); !strings.HasPrefix(a.Errmsg, "invalid code, rid: 617833f5-") {
		t.Errorf("errmsg %q", a.Errmsg)
	}
}

func TestSlashes_AreEscapedByDefault(t *testing.T) {
	for _, plain := range []bool{false, true} {
		h := newSimulatorHarness(t, &wechattest.Server{PlainSlashes: plain, KeyRotation: time.Nanosecond})
		var a apiResponse
		for !strings.Contains(a.Key, "/") {
			h.sim.Advance(time.Minute)
			a = h.login(t, h.app.Login("alice"))
			a.want(t, 0)
		}
		if strings.Contains(a.body, `\/`) == plain {
			t.Errorf("PlainSlashes %t: %s", plain, a.body)
		}
	}
}

func TestUnionID_FollowsCurrentOpenPlatformAccount(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	other, err := h.sim.AddApp(wechat.App{ID: "wxsimB"})
	if err != nil {
		t.Fatal(err)
	}
	code := h.app.Login("alice")
	h.app.BindOpenPlatform("one")
	other.BindOpenPlatform("one")
	first := h.login(t, code).UnionID
	if first == "" || first != string(h.app.UnionID("alice")) || first != string(other.UnionID("alice")) {
		t.Errorf("UnionID %q", first)
	}
	if h.app.OpenID("alice") == other.OpenID("alice") {
		t.Error("two apps see the same OpenID")
	}
	if h.app.UnionID("alice") == h.app.UnionID("bob") {
		t.Error("two users have the same UnionID")
	}
	h.app.BindOpenPlatform("two")
	if second := h.login(t, h.app.Login("alice")).UnionID; second == "" || second == first {
		t.Errorf("under another account: %q", second)
	}
	h.app.BindOpenPlatform("")
	if third := h.login(t, h.app.Login("alice")).UnionID; third != "" || other.UnionID("alice") == "" {
		t.Errorf("unbound: %q", third)
	}
}

func TestBlock_RejectsLogin(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	h.app.Block("alice", true)
	h.login(t, h.app.Login("alice")).want(t, 40226)
	h.login(t, h.app.Login("bob")).want(t, 0)
	h.app.Block("alice", false)
	h.login(t, h.app.Login("alice")).want(t, 0)
}

func TestLoginQuota_IsPerMinute(t *testing.T) {
	h := newSimulatorHarness(t, &wechattest.Server{LoginsPerMinute: 2, Now: func() time.Time { return time.Unix(1_700_000_040, 0) }})
	h.login(t, h.app.Login("alice")).want(t, 0)
	h.login(t, h.app.Login("alice")).want(t, 0)
	code := h.app.Login("alice")
	h.login(t, code).want(t, 45011)
	h.sim.Advance(time.Minute)
	h.login(t, code).want(t, 0)
}

func TestSessionKey_RotatesAtLoginButNotTooOften(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	first := h.login(t, h.app.Login("alice"))
	if again := h.login(t, h.app.Login("alice")); again.Key != first.Key {
		t.Error("two logins within a minute have two keys")
	}
	token := h.token(t)
	h.check(t, token, first.OpenID, first.Key).want(t, 0)
	h.sim.Advance(time.Minute)
	h.check(t, token, first.OpenID, first.Key).want(t, 0)
	code := h.app.Login("alice")
	h.check(t, token, first.OpenID, first.Key).want(t, 87009)
	if second := h.login(t, code); second.Key == first.Key {
		t.Error("the key is the same after a minute")
	}
}

func TestResetSession_PreservesExpiry(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	session := h.login(t, h.app.Login("alice"))
	h.sim.Advance(71 * time.Hour)
	reset := h.get(t, "/wxa/resetusersessionkey?access_token="+h.token(t)+"&openid="+session.OpenID+"&sig_method=hmac_sha256&signature="+signature(session.Key))
	reset.want(t, 0)
	if reset.Key == "" || reset.Key == session.Key || reset.OpenID != session.OpenID || reset.Errmsg != "ok" {
		t.Fatalf("response %s", reset.body)
	}
	h.check(t, h.token(t), session.OpenID, session.Key).want(t, 87009)
	h.check(t, h.token(t), session.OpenID, reset.Key).want(t, 0)
	h.sim.Advance(time.Hour)
	h.check(t, h.token(t), session.OpenID, reset.Key).want(t, 87007)
}

func TestCheckSession_IsStrict(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	session := h.login(t, h.app.Login("alice"))
	token := h.token(t)
	query := "&openid=" + session.OpenID + "&signature=" + signature(session.Key)
	h.get(t, "/wxa/checksession?access_token="+token+query).want(t, 87008)
	h.get(t, "/wxa/checksession?sig_method=hmac_sha256"+query).want(t, 41001)
	h.get(t, "/wxa/checksession?access_token=x&sig_method=hmac_sha256"+query).want(t, 40001)
	h.post(t, "/wxa/checksession?access_token="+token+"&sig_method=hmac_sha256"+query, "{}").want(t, 43001)
	h.check(t, token, "oNobody", session.Key).want(t, 40003)
	if a := h.check(t, token, session.OpenID, "another"); a.contentType != "application/json; encoding=utf-8" || !strings.HasPrefix(a.Errmsg, "invalid signature rid: ") {
		t.Errorf("%q as %q", a.Errmsg, a.contentType)
	}
}

func TestStableToken_IsSameUntilLastFiveMinutes(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	ask := func(force string) apiResponse {
		return h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a"`+force+`}`)
	}
	first := ask("")
	if first.ExpiresIn != 7200 {
		t.Errorf("expires_in %d", first.ExpiresIn)
	}
	h.sim.Advance(6000 * time.Second)
	if again := ask(""); again.Token != first.Token || again.ExpiresIn != 1200 {
		t.Errorf("after 6000 s: the same token: %t, expires_in %d", again.Token == first.Token, again.ExpiresIn)
	}
	h.sim.Advance(900 * time.Second)
	second := ask("")
	if second.Token == first.Token {
		t.Error("it was not renewed in its last five minutes")
	}
	h.phone(t, first.Token, h.app.TapPhone("alice")).want(t, 0)
	h.phone(t, second.Token, h.app.TapPhone("alice")).want(t, 0)
	h.sim.Advance(300 * time.Second)
	if a := h.phone(t, first.Token, h.app.TapPhone("alice")); a.Errcode != 40001 {
		t.Errorf("the old token after the overlap: %s", a.body)
	}

	third := ask(`,"force_refresh":true`)
	if third.Token == second.Token {
		t.Error("force_refresh did not renew")
	}
	h.phone(t, second.Token, h.app.TapPhone("alice")).want(t, 40001)
	if soon := ask(`,"force_refresh":true`); soon.Token != third.Token {
		t.Error("force_refresh renewed twice within 30 s")
	}
	for range 19 {
		h.sim.Advance(30 * time.Second)
		ask(`,"force_refresh":true`).want(t, 0)
	}
	h.sim.Advance(30 * time.Second)
	ask(`,"force_refresh":true`).want(t, 45009)
	h.sim.Advance(24 * time.Hour)
	ask(`,"force_refresh":true`).want(t, 0)
}

func TestToken_IsNewAtEachCall(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	stable := h.token(t)
	ask := func() apiResponse {
		return h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimA&secret=secret-a")
	}
	first, second := ask(), ask()
	if first.Token == second.Token || strings.Contains(first.body, "errcode") {
		t.Errorf("response %s", first.body)
	}
	h.phone(t, first.Token, h.app.TapPhone("alice")).want(t, 0)
	h.sim.Advance(300 * time.Second)
	h.phone(t, first.Token, h.app.TapPhone("alice")).want(t, 40001)
	h.phone(t, second.Token, h.app.TapPhone("alice")).want(t, 0)
	h.phone(t, stable, h.app.TapPhone("alice")).want(t, 0)
	h.app.ExpireTokens()
	h.phone(t, second.Token, h.app.TapPhone("alice")).want(t, 40001)
	h.phone(t, stable, h.app.TapPhone("alice")).want(t, 40001)
}

func TestTokenEndpoints_AreStrict(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	h.get(t, "/cgi-bin/token?appid=wxsimA&secret=secret-a").want(t, 40002)
	h.get(t, "/cgi-bin/token?grant_type=client_credential&secret=secret-a").want(t, 41002)
	h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimA").want(t, 41004)
	h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimZ&secret=x").want(t, 40013)
	h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimA&secret=x").want(t, 40125)
	h.get(t, "/cgi-bin/stable_token").want(t, 43002)
	h.post(t, "/cgi-bin/stable_token", "grant_type=client_credential").want(t, 47001)
	h.post(t, "/cgi-bin/stable_token", `{"appid":"wxsimA","secret":"secret-a"}`).want(t, 40002)
	h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA"}`).want(t, 41004)
	h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA","secret":"x"}`).want(t, 40125)
	h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a","force_refresh":"yes"}`).want(t, 47001)
}

func TestPhoneNumber_IsReturnedOnce(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	other, err := h.sim.AddApp(wechat.App{ID: "wxsimB"})
	if err != nil {
		t.Fatal(err)
	}
	token, code := h.token(t), h.app.TapPhone("alice")
	first := h.phone(t, token, code)
	first.want(t, 0)
	number := h.sim.Phone("alice").PureNumber
	if !strings.Contains(first.body, `"phone_info":{"phoneNumber":"`+number+`","purePhoneNumber":"`+number+`","countryCode":"86","watermark":{"timestamp":`) {
		t.Errorf("response %s", first.body)
	}
	if a := h.phone(t, token, code); a.Errcode != 40029 || !regexp.MustCompile(`^invalid code hint: \[\w{9}-\w{6}\] rid: `).MatchString(a.Errmsg) {
		t.Errorf("a used code: %s", a.body)
	}
	h.phone(t, token, h.app.Login("alice")).want(t, 40029)
	h.phone(t, token, other.TapPhone("alice")).want(t, 40013)
	h.phone(t, token, "").want(t, 41008)
	h.post(t, "/wxa/business/getuserphonenumber?access_token="+token, "code=x").want(t, 47001)
	h.post(t, "/wxa/business/getuserphonenumber?access_token="+token, `{"code":"\u0061"}`).want(t, 40033)
	h.get(t, "/wxa/business/getuserphonenumber?access_token="+token).want(t, 43002)

	h.sim.SetPhone("alice", wechat.PhoneNumber{CountryCode: "49", PureNumber: "15100000000"})
	if a := h.phone(t, token, h.app.TapPhone("alice")); !strings.Contains(a.body, `"phoneNumber":"+4915100000000"`) {
		t.Errorf("a number abroad: %s", a.body)
	}
}

func TestPost_WithoutContentLengthIs412(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	code := h.app.TapPhone("alice")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/wxa/business/getuserphonenumber?access_token="+h.token(t),
		io.MultiReader(strings.NewReader(`{"code":"`+code+`"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if a := h.do(t, request); a.status != http.StatusPreconditionFailed {
		t.Errorf("status %d", a.status)
	}
	h.phone(t, h.token(t), code).want(t, 0)
}

func TestMiniProgramCode_IsStrict(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	ask := func(body string) apiResponse { return h.post(t, "/wxa/getwxacodeunlimit?access_token="+token, body) }
	if a := ask(`{"scene":"a"}`); a.contentType != "image/jpeg" || !strings.HasPrefix(a.body, "\xff\xd8\xff") {
		t.Errorf("it is %q", a.contentType)
	}
	if a := ask(`{"scene":"a","is_hyaline":true}`); a.contentType != "image/jpeg" || !strings.HasPrefix(a.body, "\x89PNG") {
		t.Errorf("it is %q", a.contentType)
	}
	if bytes.Equal([]byte(ask(`{"scene":"a"}`).body), []byte(ask(`{"scene":"b"}`).body)) {
		t.Error("two scenes have one picture")
	}
	ask("scene=a").want(t, 40169)
	ask(`{}`).want(t, 40169)
	ask(`{"scene":"`+strings.Repeat("a", 33)+`"}`).want(t, 40169)
	ask(`{"scene":"50%"}`).want(t, 40129)
	ask(`{"scene":"a","page":"/pages/x"}`).want(t, 41030)
	ask(`{"scene":"a","page":"pages/x?y=1"}`).want(t, 41030)
	ask(`{"scene":"a","width":279}`).want(t, 40097)
	ask(`{"scene":"a","env_version":"beta"}`).want(t, 40097)
	ask(`{"scene":"a\u0026b"}`).want(t, 40033)
	h.app.SetPages("pages/index")
	ask(`{"scene":"a","page":"pages/x"}`).want(t, 41030)
	if a := ask(`{"scene":"a","page":"pages/x","check_path":false}`); a.contentType != "image/jpeg" {
		t.Errorf("check_path false: %s", a.body)
	}
}

func TestServer_RejectsEndlessBody(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	if a := h.post(t, "/cgi-bin/stable_token", strings.Repeat(" ", 2<<20)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: status %d", a.status)
	}
}

func TestFaults_ApplyInOrderWhereTheyMatch(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	h.app.Fail(wechattest.Code2Session,
		wechattest.Fault{Errcode: 45011, User: "bob"},
		wechattest.Fault{},
		wechattest.Fault{Errcode: -1, Times: 2},
		wechattest.Fault{Status: http.StatusBadGateway},
	)
	h.app.Fail(wechattest.PhoneNumber, wechattest.Fault{Errcode: 45009})
	alice := h.app.Login("alice")
	h.login(t, alice).want(t, 0)
	alice = h.app.Login("alice")
	h.login(t, alice).want(t, -1)
	h.login(t, alice).want(t, -1)
	if a := h.login(t, alice); a.status != http.StatusBadGateway || a.contentType != "text/html" || !strings.Contains(a.body, "502 Bad Gateway") {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	h.login(t, alice).want(t, 0)
	bob := h.app.Login("bob")
	h.login(t, bob).want(t, 45011)
	h.login(t, bob).want(t, 0)
	h.phone(t, h.token(t), h.app.TapPhone("alice")).want(t, 45009)
	h.phone(t, h.token(t), h.app.TapPhone("alice")).want(t, 0)

	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1, Times: -1})
	for range 3 {
		h.login(t, bob).want(t, -1)
	}
	h.app.Heal()
	h.login(t, bob).want(t, 40163)
}

func TestFault_SpendDecidesWhetherCodeIsLost(t *testing.T) {
	for name, fault := range map[string]wechattest.Fault{
		"errcode": {Errcode: -1}, "status": {Status: 502},
	} {
		h := newSimulatorHarness(t, new(wechattest.Server))
		h.app.Fail(wechattest.Code2Session, fault)
		code := h.app.Login("alice")
		h.login(t, code)
		h.login(t, code).want(t, 0)
		fault.Spend = true
		h.app.Fail(wechattest.Code2Session, fault)
		code = h.app.Login("alice")
		h.login(t, code)
		if a := h.login(t, code); a.Errcode != 40163 {
			t.Errorf("%s: the code was not spent: %s", name, a.body)
		}
	}
}

func TestFault_QuotedErrcodeAndTruncation(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40029, Quoted: true}, wechattest.Fault{Truncate: true})
	if a := h.login(t, h.app.Login("alice")); !strings.HasPrefix(a.body, `{"errcode":"40029","errmsg":"invalid code, rid: `) {
		t.Errorf("response %s", a.body)
	}
	if a := h.login(t, h.app.Login("alice")); json.Valid([]byte(a.body)) || a.body == "" {
		t.Errorf("response %s", a.body)
	}
}

func TestFault_DropsConnection(t *testing.T) {
	for name, row := range map[string]struct {
		fault wechattest.Fault
		spent bool
	}{
		"FIN":               {wechattest.Fault{Drop: wechattest.FIN}, false},
		"RST":               {wechattest.Fault{Drop: wechattest.RST}, false},
		"FIN after":         {wechattest.Fault{Drop: wechattest.FIN, Spend: true}, true},
		"RST after":         {wechattest.Fault{Drop: wechattest.RST, Spend: true}, true},
		"FIN in the middle": {wechattest.Fault{Drop: wechattest.FIN, Truncate: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSimulatorHarness(t, new(wechattest.Server))
			h.app.Fail(wechattest.Code2Session, row.fault)
			code := h.app.Login("alice")
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/sns/jscode2session?appid=wxsimA&secret=secret-a&js_code="+code, nil)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := client.Do(request); err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("there is a response: %v", err)
				}
			}
			want := 0
			if row.spent {
				want = 40163
			}
			h.login(t, code).want(t, want)
			if requests := h.sim.Requests(); len(requests) != 2 || requests[0].Status != 0 || requests[1].Status != http.StatusOK {
				t.Errorf("%d requests were recorded", len(requests))
			}
		})
	}
}

func TestGate_HoldsCallsUntilOpened(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate, Times: 2})
	code := h.app.Login("alice")
	var group sync.WaitGroup
	var won atomic.Int32
	for range 2 {
		group.Go(func() {
			if h.login(t, code).Errcode == 0 {
				won.Add(1)
			}
		})
	}
	<-gate.Arrived()
	<-gate.Arrived()
	if won.Load() != 0 {
		t.Error("a call passed the closed gate")
	}
	gate.Open()
	gate.Open()
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d calls won one code", won.Load())
	}
}

func TestServer_CanceledCallTakesEffect(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate, Spend: true})
	code := h.app.Login("alice")
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-gate.Arrived()
		hangUp()
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/sns/jscode2session?appid=wxsimA&secret=secret-a&js_code="+code, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
	h.login(t, code).want(t, 40163)
}

func TestServer_RecordsRequests(t *testing.T) {
	h := newSimulatorHarness(t, &wechattest.Server{KeepRequests: 3})
	code := h.app.Login("alice")
	h.login(t, code)
	h.login(t, code)
	requests := h.sim.Requests()
	if len(requests) != 2 || h.sim.TimesSent(code) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	first, second := requests[0], requests[1]
	if first.API != wechattest.Code2Session || first.AppID != "wxsimA" || first.User != "alice" || first.Code != code || first.Errcode != 0 || first.Status != 200 || first.Query.Get("secret") != "secret-a" {
		t.Errorf("first: %+v", first)
	}
	if second.Errcode != 40163 {
		t.Errorf("second: errcode %d", second.Errcode)
	}
	phoneCode := h.app.TapPhone("bob")
	h.phone(t, h.token(t), phoneCode)
	if requests = h.sim.Requests(); requests[len(requests)-1].User != "bob" || h.sim.TimesSent(phoneCode) != 1 {
		t.Errorf("last: %+v", requests[len(requests)-1])
	}
	for range 10 {
		h.login(t, code)
	}
	if n := len(h.sim.Requests()); n < 3 || n > 6 {
		t.Errorf("%d requests are stored, want about 3", n)
	}
	h.sim.ForgetRequests()
	if len(h.sim.Requests()) != 0 {
		t.Error("they are not forgotten")
	}
}

func FuzzServer(f *testing.F) {
	f.Add("/sns/jscode2session", "appid=wxsimA&secret=secret-a&js_code=x", "")
	f.Add("/cgi-bin/stable_token", "", `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a","force_refresh":true}`)
	f.Add("/wxa/getwxacodeunlimit", "access_token=x", `{"scene":"a"}`)
	sim := new(wechattest.Server)
	if _, err := sim.AddApp(wechat.App{ID: "wxsimA", Secret: "secret-a"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, query, body string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			request := httptest.NewRequest(method, "/", strings.NewReader(body))
			request.URL = &url.URL{Path: path, RawQuery: query}
			recorder := httptest.NewRecorder()
			sim.ServeHTTP(recorder, request)
			if recorder.Code != 200 && recorder.Code != 404 && recorder.Code != 413 {
				t.Errorf("status %d", recorder.Code)
			}
		}
	})
}
