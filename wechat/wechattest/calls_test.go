package wechattest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestClearQuota_ResetsTheDayTenTimesAMonth(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	h.app.SetLimit(wechattest.PhoneNumber, wechattest.Limit{PerDay: 1})
	clear := func() apiResponse { return h.post(t, "/cgi-bin/clear_quota?access_token="+token, `{"appid":"wxsimA"}`) }
	h.post(t, "/cgi-bin/clear_quota?access_token="+token, `{"appid":"wxsimB"}`).want(t, 40013)
	for range 10 {
		h.phone(t, token, h.app.TapPhone("alice")).want(t, 0)
		h.phone(t, token, h.app.TapPhone("alice")).want(t, 45009)
		clear().want(t, 0)
	}
	clear().want(t, 48006)
	h.post(t, "/cgi-bin/clear_quota/v2?appid=wxsimA&appsecret=secret-a", "").want(t, 48006)
	h.post(t, "/cgi-bin/clear_quota/v2?appid=wxsimA&appsecret=x", "").want(t, 40125)
	h.get(t, "/cgi-bin/clear_quota/v2?appid=wxsimA&appsecret=secret-a").want(t, 43002)
	h.phone(t, token, h.app.TapPhone("alice")).want(t, 0)
	h.phone(t, token, h.app.TapPhone("alice")).want(t, 45009)
	h.sim.Advance(24 * time.Hour)
	token = h.token(t)
	h.phone(t, token, h.app.TapPhone("alice")).want(t, 0)
	h.sim.Advance(30 * 24 * time.Hour)
	token = h.token(t)
	clear().want(t, 0)
}

func TestLimit_OfAMinuteEndsWithIt(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	for _, api := range []wechattest.API{wechattest.StableToken, wechattest.Token, wechattest.PhoneNumber} {
		token := h.token(t)
		call := func() apiResponse {
			switch api {
			case wechattest.StableToken:
				return h.post(t, string(api), `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a"}`)
			case wechattest.Token:
				return h.get(t, string(api)+"?grant_type=client_credential&appid=wxsimA&secret=secret-a")
			default:
				return h.phone(t, token, h.app.TapPhone("alice"))
			}
		}
		h.app.SetLimit(api, wechattest.Limit{PerMinute: 1})
		call().want(t, 0)
		call().want(t, 45011)
		h.sim.Advance(time.Minute)
		call().want(t, 0)
		h.app.SetLimit(api, wechattest.Limit{})
		call().want(t, 0)
	}
}

func TestGetQuota_CountsTheCallsOfTheDay(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	h.app.SetLimit(wechattest.PhoneNumber, wechattest.Limit{PerDay: 5})
	h.phone(t, token, h.app.TapPhone("alice"))
	ask := func(path string) apiResponse {
		return h.post(t, "/cgi-bin/openapi/quota/get?access_token="+token, `{"cgi_path":"`+path+`"}`)
	}
	if a := ask("/wxa/business/getuserphonenumber"); !strings.Contains(a.body, `"quota":{"daily_limit":5,"used":1,"remain":4}`) {
		t.Errorf("response %s", a.body)
	}
	if a := ask("/wxa/checksession"); !strings.Contains(a.body, `"used":0`) {
		t.Errorf("response %s", a.body)
	}
	ask("/nothing").want(t, 76021)
}

func TestGetRID_ReturnsTheFailedRequestForSevenDays(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	other, err := h.sim.AddApp(wechat.App{ID: "wxsimB", Secret: "secret-a"})
	if err != nil {
		t.Fatal(err)
	}
	failed := h.login(t, "wrong")
	_, rid, _ := strings.Cut(failed.Errmsg, "rid: ")
	ask := func(app *wechattest.App, rid string) apiResponse {
		token := h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"`+string(app.Credential().ID)+`","secret":"secret-a"}`).Token
		return h.post(t, "/cgi-bin/openapi/rid/get?access_token="+token, `{"rid":"`+rid+`"}`)
	}
	var found struct {
		Request struct {
			At       int64  `json:"invoke_time"`
			URL      string `json:"request_url"`
			Response string `json:"response_body"`
		}
	}
	a := ask(h.app, rid)
	if err := json.Unmarshal([]byte(a.body), &found); err != nil {
		t.Fatal(err)
	}
	if found.Request.At != 1_700_000_000 || !strings.Contains(found.Request.URL, "js_code=wrong") || found.Request.Response != failed.body {
		t.Errorf("response %s", a.body)
	}
	if requests := h.sim.Requests(); requests[0].RID != rid {
		t.Errorf("the record has the rid %q, want %q", requests[0].RID, rid)
	}
	ask(h.app, "12345678-12345678-12345678").want(t, 76001)
	ask(h.app, "x").want(t, 76002)
	ask(other, rid).want(t, 76003)
	h.sim.Advance(7*24*time.Hour + time.Second)
	ask(h.app, rid).want(t, 76004)
}

func TestAddresses_AreThisMachine(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	for _, path := range []string{"/cgi-bin/get_api_domain_ip", "/cgi-bin/getcallbackip"} {
		if a := h.get(t, path+"?access_token="+token); a.body != `{"ip_list":["127.0.0.1"]}` {
			t.Errorf("%s: %s", path, a.body)
		}
		h.get(t, path).want(t, 41001)
		h.post(t, path+"?access_token="+token, "{}").want(t, 43001)
	}
}

func TestEncryptKey_IsOfTheHourAndTheTwoBefore(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	session := h.login(t, h.app.Login("alice"))
	type keys struct {
		List []struct {
			Key     string `json:"encrypt_key"`
			IV      string `json:"iv"`
			Version int64  `json:"version"`
			Expires int64  `json:"expire_in"`
		} `json:"key_info_list"`
	}
	ask := func(key string) (apiResponse, keys) {
		a := h.post(t, "/wxa/business/getuserencryptkey?access_token="+h.token(t)+"&openid="+session.OpenID+"&sig_method=hmac_sha256&signature="+signature(key), "")
		var found keys
		_ = json.Unmarshal([]byte(a.body), &found) // an error has none
		return a, found
	}
	a, first := ask(session.Key)
	a.want(t, 0)
	if len(first.List) != 3 || len(first.List[0].Key) != 24 || len(first.List[0].IV) != 24 || first.List[0].Expires <= 0 || first.List[1].Expires != 0 {
		t.Fatalf("response %s", a.body)
	}
	h.sim.Advance(time.Hour)
	if _, second := ask(session.Key); second.List[1].Key != first.List[0].Key || second.List[0].Version != first.List[0].Version+1 {
		t.Error("the keys did not move on by one")
	}
	wrong, _ := ask("another")
	wrong.want(t, 87009)
}

func TestPaidUnionID_IsAvailableForFiveMinutes(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token, transaction := h.token(t), h.app.Pay("alice")
	ask := func(openID, transaction string) apiResponse {
		return h.get(t, "/wxa/getpaidunionid?access_token="+token+"&openid="+openID+"&transaction_id="+transaction)
	}
	alice := string(h.app.OpenID("alice"))
	ask(alice, transaction).want(t, 89002)
	h.app.BindOpenPlatform("op")
	if a := ask(alice, transaction); a.UnionID != string(h.app.UnionID("alice")) {
		t.Errorf("response %s", a.body)
	}
	ask("oNobody", transaction).want(t, 40003)
	ask(alice, "1").want(t, 89300)
	h.app.Login("bob")
	ask(string(h.app.OpenID("bob")), transaction).want(t, 89300)
	h.sim.Advance(5*time.Minute + time.Second)
	ask(alice, transaction).want(t, 89300)
}

func TestPluginOpenPID_TakesAPluginCodeOnce(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	ask := func(code string) apiResponse {
		return h.post(t, "/wxa/getpluginopenpid?access_token="+h.token(t), `{"code":"`+code+`"}`)
	}
	code := h.app.PluginLogin("alice")
	if a := ask(code); !strings.Contains(a.body, `"openpid":"o`) || strings.Contains(a.body, string(h.app.OpenID("alice"))) {
		t.Errorf("response %s", a.body)
	}
	ask(code).want(t, 40163)
	ask(h.app.Login("alice")).want(t, 40029)
	ask("").want(t, 41008)
}

func TestLinks_OpenPublishedPagesFor30Days(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	h.app.SetPages("pages/index")
	for _, row := range []struct {
		path, body string
		errcode    int
	}{
		{"generate_urllink", `{"path":"/pages/index","query":"a=1%20","env_version":"trial","expire_type":1,"expire_interval":30}`, 0},
		{"generate_urllink", `{}`, 0},
		{"generate_urllink", `{"path":"pages/none"}`, 40165},
		{"generate_urllink", `{"path":"pages/index?a=1"}`, 40165},
		{"generate_urllink", `{"query":"名"}`, 40212},
		{"generate_urllink", `{"env_version":"beta"}`, 85402},
		{"generate_urllink", `{"expire_type":1,"expire_interval":31}`, 85401},
		{"generate_urllink", `{"expire_time":1700000030}`, 85401},
		{"generate_urllink", `x`, 47001},
		{"generatescheme", `{"jump_wxa":{"path":"pages/index","query":"a=1"},"expire_time":1700000060}`, 0},
		{"generatescheme", `{"jump_wxa":{"path":"pages/none"}}`, 40165},
	} {
		a := h.post(t, "/wxa/"+row.path+"?access_token="+token, row.body)
		a.want(t, row.errcode)
		if ok := strings.Contains(a.body, `"url_link":"https://wxaurl.cn/`) || strings.Contains(a.body, `"openlink":"weixin://dl/business/?t=`); ok != (row.errcode == 0) {
			t.Errorf("%s: %s", row.body, a.body)
		}
	}
}

func TestOpenData_IsOpenedByTheCurrentSessionKey(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	h.app.BindOpenPlatform("op")
	session := h.login(t, h.app.Login("alice"))
	key := wechat.SessionKey(session.Key)

	info := h.app.UserInfo("alice")
	if !wechat.VerifyRawData(info.RawData, info.Signature, key) {
		t.Error("the signature does not fit rawData")
	}
	plain, err := wechat.OpenData{EncryptedData: info.EncryptedData, IV: info.IV}.Decrypt("wxsimA", key, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	var user struct{ OpenID, UnionID, NickName string }
	if err := json.Unmarshal(plain, &user); err != nil || user.OpenID != session.OpenID || user.UnionID != session.UnionID || user.NickName != "微信用户" {
		t.Errorf("user %+v, %v", user, err)
	}

	phone := h.app.EncryptedPhone("alice")
	number, err := wechat.OpenData{EncryptedData: phone.EncryptedData, IV: phone.IV}.DecryptPhoneNumber("wxsimA", key, time.Time{})
	if err != nil || number != h.sim.Phone("alice") {
		t.Errorf("phone number: %v", err)
	}

	h.sim.Advance(time.Minute)
	h.app.Login("alice")
	if _, err := (wechat.OpenData{EncryptedData: info.EncryptedData, IV: info.IV}).Decrypt("wxsimA", wechat.SessionKey(h.login(t, h.app.Login("alice")).Key), time.Time{}); err == nil {
		t.Error("the next session key opens it too")
	}
	if h.app.UserInfo("never logged in").EncryptedData == "" {
		t.Error("a user without a session has no open data")
	}
}

func TestCheckEncrypted_KnowsItsOwnForThreeDays(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	data := h.app.EncryptedPhone("alice")
	ask := func(text string) apiResponse {
		sum := sha256.Sum256([]byte(text))
		return h.post(t, "/wxa/business/checkencryptedmsg?access_token="+h.token(t), `{"encrypted_msg_hash":"`+hex.EncodeToString(sum[:])+`"}`)
	}
	if a := ask(data.EncryptedData); !strings.Contains(a.body, `"vaild":true,"create_time":1700000000`) {
		t.Errorf("response %s", a.body)
	}
	if a := ask("forged"); !strings.Contains(a.body, `"vaild":false`) {
		t.Errorf("response %s", a.body)
	}
	h.sim.Advance(3*24*time.Hour + time.Second)
	if a := ask(data.EncryptedData); !strings.Contains(a.body, `"vaild":false`) {
		t.Errorf("response %s", a.body)
	}
}
