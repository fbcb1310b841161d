package wechattest_test

import (
	"bytes"
	"image"
	"image/color"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat/wechattest"
)

const trace = `rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`

// Responses of WeChat that were published from 2020 to 2026.

func TestToken_ReplacedReturns40001(t *testing.T) {
	notLatest := regexp.MustCompile(`^invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r ` + trace)
	for name, row := range map[string]struct {
		replace func(t *testing.T, h *simulatorHarness) string // returns a token that was replaced
	}{
		"stable token by force_refresh": {func(t *testing.T, h *simulatorHarness) string {
			old := h.token(t)
			h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a","force_refresh":true}`).want(t, 0)
			return old
		}},
		"stable token after the overlap": {func(t *testing.T, h *simulatorHarness) string {
			old := h.token(t)
			h.sim.Advance(6900 * time.Second)
			h.token(t)
			h.sim.Advance(300 * time.Second)
			return old
		}},
		"older token after its five minutes": {func(t *testing.T, h *simulatorHarness) string {
			old := h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimA&secret=secret-a").Token
			h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimA&secret=secret-a").want(t, 0)
			h.sim.Advance(300 * time.Second)
			return old
		}},
		"unknown token": {func(*testing.T, *simulatorHarness) string { return "x" }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSimulatorHarness(t, new(wechattest.Server))
			if a := h.phone(t, row.replace(t, h), h.app.TapPhone("alice")); a.Errcode != 40001 || !notLatest.MatchString(a.Errmsg) {
				t.Errorf("response %s", a.body)
			}
		})
	}
}

func TestToken_ExpiredReturns42001(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	h.sim.Advance(7200 * time.Second)
	if a := h.phone(t, token, h.app.TapPhone("alice")); a.Errcode != 42001 || !regexp.MustCompile(`^access_token expired `+trace).MatchString(a.Errmsg) {
		t.Errorf("response %s", a.body)
	}
	h.token(t)
	h.phone(t, token, h.app.TapPhone("alice")).want(t, 42001)
}

func TestToken_LastsAWhole7200Seconds(t *testing.T) {
	now := time.Unix(1_700_000_000, 999_999_999)
	h := newSimulatorHarness(t, &wechattest.Server{Now: func() time.Time {
		now = now.Add(time.Nanosecond) // a clock that moves between two readings, as a real one does
		return now
	}})
	for _, a := range []apiResponse{
		h.get(t, "/cgi-bin/token?grant_type=client_credential&appid=wxsimA&secret=secret-a"),
		h.post(t, "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"wxsimA","secret":"secret-a"}`),
	} {
		if a.ExpiresIn != 7200 {
			t.Errorf("expires_in %d", a.ExpiresIn)
		}
	}
}

func TestMiniProgramCode_HasRequestedWidth(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	token := h.token(t)
	for body, want := range map[string]struct {
		format string
		width  int
		model  color.Model
	}{
		`{"scene":"a"}`:                               {"jpeg", 430, color.YCbCrModel},
		`{"scene":"a","width":280}`:                   {"jpeg", 280, color.YCbCrModel},
		`{"scene":"a","width":1280}`:                  {"jpeg", 1280, color.YCbCrModel},
		`{"scene":"a","width":300,"is_hyaline":true}`: {"png", 300, color.NRGBAModel},
	} {
		a := h.post(t, "/wxa/getwxacodeunlimit?access_token="+token, body)
		picture, format, err := image.DecodeConfig(bytes.NewReader([]byte(a.body)))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if a.contentType != "image/jpeg" || format != want.format || picture.Width != want.width || picture.Height != want.width || picture.ColorModel != want.model {
			t.Errorf("%s: %s, %s, %d × %d", body, a.contentType, format, picture.Width, picture.Height)
		}
	}
}

func TestServer_UnknownPathReturnsJSON(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	for _, path := range []string{"/cgi-bin/nothing", "/wxa/", "/"} {
		a := h.get(t, path)
		a.want(t, 40066)
		if !regexp.MustCompile(`^invalid url `+trace).MatchString(a.Errmsg) || !strings.HasPrefix(a.contentType, "application/json") {
			t.Errorf("%s: %s as %q", path, a.body, a.contentType)
		}
	}
}

func TestPhoneNumber_WatermarkIsTheTimeOfTheTap(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	code := h.app.TapPhone("alice")
	h.sim.Advance(4 * time.Minute)
	if a := h.phone(t, h.token(t), code); !strings.Contains(a.body, `"watermark":{"timestamp":1700000000,`) {
		t.Errorf("response %s", a.body)
	}
}

func TestPhoneNumber_HintOfAnInvalidCodeHasADash(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	a := h.phone(t, h.token(t), "x")
	a.want(t, 40029)
	if !regexp.MustCompile(`^invalid code hint: \[[0-9A-Za-z]{9}-[0-9A-Za-z]{6}\] ` + trace).MatchString(a.Errmsg) {
		t.Errorf("errmsg %q", a.Errmsg)
	}
}

func TestPush_WithoutAUserNamesThePlatform(t *testing.T) {
	h := newSimulatorHarness(t, new(wechattest.Server))
	request, err := h.app.PushRequest(t.Context(), wechattest.Push{URL: "http://127.0.0.1/", Token: "t", EncodingAESKey: strings.Repeat("A", 43), Event: "debug_demo"})
	if err != nil {
		t.Fatal(err)
	}
	if got := request.URL.Query().Get("openid"); got != "oSimulatedPlatformIdentity00" {
		t.Errorf("openid %q", got)
	}
}
