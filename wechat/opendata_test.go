package wechat_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
)

// WeChat's own example.
const (
	openDataApp = "wx4f4bc4dec97d474b"
	openDataKey = "tiihtNczf5v6AKRyjwEUhQ=="
	openDataIV  = "r7BXXKkLb8qrSNn05n0qiA=="
	openData    = "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
)

func TestOpenData_DecryptsWeChatsExample(t *testing.T) {
	plain, err := wechat.OpenData{EncryptedData: openData, IV: openDataIV}.Decrypt(openDataApp, openDataKey, time.Unix(1477314187, 0))
	if err != nil {
		t.Fatal(err)
	}
	var user struct{ OpenID, UnionID string }
	if err := json.Unmarshal(plain, &user); err != nil || user.OpenID != "oGZUI0egBJY1zhBYw2KhdUfwVJJE" || user.UnionID != "ocMvos6NjeKLIBqg5Mr9QjxrP1FA" {
		t.Errorf("user %+v, %v", user, err)
	}
}

func TestOpenData_RejectsDataOfOtherApps(t *testing.T) {
	for name, row := range map[string]struct {
		data   wechat.OpenData
		app    wechat.AppID
		key    wechat.SessionKey
		oldest time.Time
	}{
		"another app":     {wechat.OpenData{EncryptedData: openData, IV: openDataIV}, "wx4f4bc4dec97d474c", openDataKey, time.Time{}},
		"no app":          {wechat.OpenData{EncryptedData: openData, IV: openDataIV}, "", openDataKey, time.Time{}},
		"a replaced key":  {wechat.OpenData{EncryptedData: openData, IV: openDataIV}, openDataApp, "HyVFkGl5F5OQWJZZaNzBBg==", time.Time{}},
		"too old":         {wechat.OpenData{EncryptedData: openData, IV: openDataIV}, openDataApp, openDataKey, time.Unix(1477314188, 0)},
		"no data":         {wechat.OpenData{IV: openDataIV}, openDataApp, openDataKey, time.Time{}},
		"half a block":    {wechat.OpenData{EncryptedData: "AAAAAAAAAAA=", IV: openDataIV}, openDataApp, openDataKey, time.Time{}},
		"no base64":       {wechat.OpenData{EncryptedData: "%", IV: openDataIV}, openDataApp, openDataKey, time.Time{}},
		"no IV":           {wechat.OpenData{EncryptedData: openData}, openDataApp, openDataKey, time.Time{}},
		"a short IV":      {wechat.OpenData{EncryptedData: openData, IV: "AAAA"}, openDataApp, openDataKey, time.Time{}},
		"an IV of others": {wechat.OpenData{EncryptedData: openData, IV: "%"}, openDataApp, openDataKey, time.Time{}},
		"no key":          {wechat.OpenData{EncryptedData: openData, IV: openDataIV}, openDataApp, "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			if plain, err := row.data.Decrypt(row.app, row.key, row.oldest); !errors.Is(err, wechat.ErrOpenData) || plain != nil {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// seal encrypts as WeChat does, with the given padding.
func seal(t testing.TB, key, iv, plain, padding []byte) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(bytes.Clone(plain), padding...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return base64.StdEncoding.EncodeToString(text)
}

func TestOpenData_PhoneNumberIsOptional(t *testing.T) {
	key, iv := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 16)
	open := func(plain string, padding []byte) (wechat.PhoneNumber, error) {
		if padding == nil {
			n := 16 - len(plain)%16
			padding = bytes.Repeat([]byte{byte(n)}, n)
		}
		data := wechat.OpenData{EncryptedData: seal(t, key, iv, []byte(plain), padding), IV: base64.StdEncoding.EncodeToString(iv)}
		return data.DecryptPhoneNumber("wxsim", wechat.SessionKey(base64.StdEncoding.EncodeToString(key)), time.Time{})
	}
	number, err := open(`{"phoneNumber":"13580006666","purePhoneNumber":"13580006666","countryCode":"86","watermark":{"appid":"wxsim","timestamp":1}}`, nil)
	if err != nil || number != (wechat.PhoneNumber{CountryCode: "86", PureNumber: "13580006666"}) {
		t.Errorf("err = %v", err)
	}
	whole := `{"purePhoneNumber":"135800066","countryCode":"86","watermark":{"appid":"wxsim"}}`
	if len(whole)%16 != 0 {
		t.Fatalf("the text has %d bytes, which is no whole number of blocks", len(whole))
	}
	for name, row := range map[string]struct {
		plain   string
		padding []byte
	}{
		"a nickname":           {`{"nickName":"Band","watermark":{"appid":"wxsim"}}`, nil},
		"no JSON":              {`hello`, nil},
		"no padding":           {whole, []byte{}},
		"padding of zero":      {whole, bytes.Repeat([]byte{0}, 16)},
		"padding of 17":        {whole + strings.Repeat(" ", 15), bytes.Repeat([]byte{17}, 17)},
		"padding that differs": {whole, append(bytes.Repeat([]byte{1}, 15), 16)},
	} {
		if _, err := open(row.plain, row.padding); !errors.Is(err, wechat.ErrOpenData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(whole, bytes.Repeat([]byte{16}, 16)); err != nil {
		t.Errorf("a whole block of padding: %v", err)
	}
}

func TestVerifyRawData_AcceptsWeChatsExample(t *testing.T) {
	const raw = `{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}`
	const key, signature = "HyVFkGl5F5OQWJZZaNzBBg==", "75e81ceda165f4ffa64f4068af58c64b8f54b88c"
	if !wechat.VerifyRawData(raw, signature, key) {
		t.Error("the example does not match")
	}
	if wechat.VerifyRawData(raw+" ", signature, key) || wechat.VerifyRawData(raw, "", key) || wechat.VerifyRawData(raw, signature, "x"+key) {
		t.Error("something else matches")
	}
}
