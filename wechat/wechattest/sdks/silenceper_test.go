package sdks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"image/jpeg"
	"net/http"
	"strings"
	"testing"

	silenceper "github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/miniprogram"
	"github.com/silenceper/wechat/v2/miniprogram/auth"
	"github.com/silenceper/wechat/v2/miniprogram/business"
	"github.com/silenceper/wechat/v2/miniprogram/config"
	"github.com/silenceper/wechat/v2/miniprogram/encryptor"
	"github.com/silenceper/wechat/v2/miniprogram/qrcode"
	"github.com/silenceper/wechat/v2/miniprogram/urllink"
)

// newMiniProgram returns silenceper's mini-program. Its addresses are literals, so its HTTP client connects to the simulator.
func newMiniProgram(s *simulation) *miniprogram.MiniProgram {
	sdk := silenceper.NewWechat()
	sdk.SetHTTPClient(s.certificate.Client(s.address))
	return sdk.GetMiniProgram(&config.Config{AppID: appID, AppSecret: secret, Cache: cache.NewMemory()})
}

func TestSilenceper_SignsInAndReadsThePhoneNumber(t *testing.T) {
	s := newSimulation(t)
	sdk := newMiniProgram(s)
	session, err := sdk.GetAuth().Code2Session(s.app.Login("alice"))
	if err != nil || session.OpenID != string(s.app.OpenID("alice")) || session.UnionID != string(s.app.UnionID("alice")) || len(session.SessionKey) != 24 {
		t.Fatalf("session %+v, %v", session, err)
	}
	mac := hex.EncodeToString(hmac.New(sha256.New, []byte(session.SessionKey)).Sum(nil))
	if err := sdk.GetAuth().CheckSession(mac, session.OpenID); err != nil {
		t.Errorf("CheckSession: %v", err)
	}
	phone, err := sdk.GetBusiness().GetPhoneNumber(&business.GetPhoneNumberRequest{Code: s.app.TapPhone("alice")})
	if err != nil || phone.PurePhoneNumber != s.sim.Phone("alice").PureNumber || phone.Watermark.AppID != appID {
		t.Errorf("phone: %v", err)
	}
	if _, err := sdk.GetAuth().Code2Session("wrong"); err == nil || !strings.Contains(err.Error(), "errcode=40029 , errmsg=invalid code, rid: ") {
		t.Errorf("a wrong code: %v", err)
	}
}

func TestSilenceper_OpensOpenData(t *testing.T) {
	s := newSimulation(t)
	sdk := newMiniProgram(s)
	session, err := sdk.GetAuth().Code2Session(s.app.Login("alice"))
	if err != nil {
		t.Fatal(err)
	}
	info := s.app.UserInfo("alice")
	var opened *encryptor.PlainData
	if opened, err = sdk.GetEncryptor().Decrypt(session.SessionKey, info.EncryptedData, info.IV); err != nil || opened.OpenID != session.OpenID {
		t.Errorf("user: %v", err)
	}
	phone := s.app.EncryptedPhone("alice")
	if opened, err = sdk.GetEncryptor().Decrypt(session.SessionKey, phone.EncryptedData, phone.IV); err != nil || opened.PurePhoneNumber != s.sim.Phone("alice").PureNumber {
		t.Errorf("phone: %v", err)
	}
	sum := sha256.Sum256([]byte(phone.EncryptedData))
	if checked, err := sdk.GetAuth().CheckEncryptedData(hex.EncodeToString(sum[:])); err != nil || !checked.Vaild {
		t.Errorf("CheckEncryptedData: %+v, %v", checked, err)
	}
}

func TestSilenceper_MakesCodesAndLinks(t *testing.T) {
	s := newSimulation(t)
	sdk := newMiniProgram(s)
	picture, err := sdk.GetQRCode().GetWXACodeUnlimit(qrcode.QRCoder{Scene: "a=1", IsHyaline: false})
	if err != nil {
		t.Fatal(err)
	}
	if size, err := jpeg.DecodeConfig(bytes.NewReader(picture)); err != nil || size.Width != 430 {
		t.Errorf("picture %+v, %v", size, err)
	}
	if _, err := sdk.GetQRCode().GetWXACodeUnlimit(qrcode.QRCoder{Scene: "a=1", IsHyaline: true}); err != nil {
		t.Errorf("is_hyaline: %v", err)
	}
	if link, err := sdk.GetURLLink().Generate(&urllink.ULParams{Path: "pages/index", ExpireType: 1, ExpireInterval: 1}); err != nil || !strings.HasPrefix(link, "https://wxaurl.cn/") {
		t.Errorf("link %q, %v", link, err)
	}
}

func TestSilenceper_ReadsKeysIDsAndQuota(t *testing.T) {
	s := newSimulation(t)
	sdk := newMiniProgram(s)
	session, err := sdk.GetAuth().Code2Session(s.app.Login("alice"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hex.EncodeToString(hmac.New(sha256.New, []byte(session.SessionKey)).Sum(nil))
	if keys, err := sdk.GetAuth().GetUserEncryptKey(mac, session.OpenID); err != nil || len(keys.KeyInfoList) != 3 {
		t.Errorf("GetUserEncryptKey: %v", err)
	}
	if unionID, err := sdk.GetAuth().GetPaidUnionID(&auth.GetPaidUnionIDRequest{OpenID: session.OpenID, TransactionID: s.app.Pay("alice")}); err != nil || unionID != session.UnionID {
		t.Errorf("GetPaidUnionID: %v", err)
	}
	if id, err := sdk.GetAuth().GetPluginOpenPID(s.app.PluginLogin("alice")); err != nil || id == "" {
		t.Errorf("GetPluginOpenPID: %v", err)
	}
	if err := sdk.GetOpenAPI().ClearQuota(); err != nil {
		t.Errorf("ClearQuota: %v", err)
	}
	if err := sdk.GetOpenAPI().ClearQuotaByAppSecret(); err != nil {
		t.Errorf("ClearQuotaByAppSecret: %v", err)
	}
	var reset *auth.ResetUserSessionKeyResponse
	if reset, err = sdk.GetAuth().ResetUserSessionKey(mac, session.OpenID); err != nil || reset.SessionKey == session.SessionKey {
		t.Errorf("ResetUserSessionKey: %v", err)
	}
	if s.sim.Requests()[0].Status != http.StatusOK {
		t.Error("the request was not recorded")
	}
}
