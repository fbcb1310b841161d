package wechat

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// WeChat's own example: the key is the base64 text itself.
func TestSessionSignature_MatchesWeChatsExample(t *testing.T) {
	const key = "o0q0otL8aEzpcZL/FT9WsQ=="
	for message, want := range map[string]string{
		`{"foo":"bar"}`: "654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b",
		"":              "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128",
	} {
		if got := sessionSignature(key, message); got != want {
			t.Errorf("signature of %q = %s", message, got)
		}
	}
}

// WeChat's own examples of the signatures of plain and safe mode, and of an encrypted reply.
func TestPushSignature_MatchesWeChatsExamples(t *testing.T) {
	const reply = "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
	for want, parts := range map[string][]string{
		"899cf89e464efb63f54ddac96b0a0a235f53aa78": {"AAAAA", "1714037059", "486452656"},
		"6c5c811b55cc85e0e1b54100749188c20beb3f5d": {"AAAAA", "1714112445", "415670741"},
		"1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1": {"AAAAA", "1713424427", "415670741", reply},
	} {
		if got := PushSignature(parts...); got != want {
			t.Errorf("signature = %s, want %s", got, want)
		}
	}
	receiver, err := NewPushReceiver(PushKey{AppID: "wxba5fad812f8e6fb9", Token: "AAAAA", EncodingAESKey: strings.Repeat("A", 43)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := receiver.decrypt(reply)
	if err != nil || string(plain) != `{"demo_resp":"good luck"}` {
		t.Errorf("reply = %q, %v", plain, err)
	}
}

func TestOpenCBC_RejectsPaddingLongerThanText(t *testing.T) {
	key := make([]byte, 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte{32}, aes.BlockSize)
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(text, text)
	if _, err := openCBC(base64.StdEncoding.EncodeToString(text), key, key[:aes.BlockSize], 32); !errors.Is(err, errCipher) {
		t.Errorf("err = %v", err)
	}
}

// leakyError is an error of a careless transport: its text has the whole request.
type leakyError struct{ error }

func TestRedact_RemovesRequest(t *testing.T) {
	const secret, code = "app-secret/with+signs", "0716AVll20uHk94SLDml27etM946AVlq"
	k := call{app: App{ID: "wxsim", Secret: secret}, query: "appid=wxsim&secret=" + url.QueryEscape(secret) + "&js_code=" + code}
	address := "https://api.weixin.qq.com/sns/jscode2session?" + k.query
	for name, err := range map[string]error{
		"a url.Error":             &url.Error{Op: "Get", URL: address, Err: errors.New("connection refused")},
		"a wrapped url.Error":     leakyError{&url.Error{Op: "Get", URL: address, Err: errors.New("connection refused")}},
		"a quoted URL":            errors.New(`parse "` + address + `": bad`),
		"a URL without quotes":    errors.New("cannot get " + address),
		"the secret":              errors.New("wrong: " + secret),
		"the escaped secret":      errors.New("wrong: " + url.QueryEscape(secret)),
		"the code":                errors.New("wrong: " + code),
		"what the server said":    errors.New(`malformed HTTP response "` + code + secret + `"`),
		"a text that is too long": errors.New(strings.Repeat("x", 500) + secret),
		"control characters":      errors.New("a\nb\x1b[31m"),
		"nothing":                 errors.New(""),
	} {
		text := redact(err, k).Error()
		if strings.Contains(text, "app-secret") || strings.Contains(text, "0716") || strings.ContainsAny(text, "\n\x1b") || text == "" || len(text) > 200 {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func FuzzResponses(f *testing.F) {
	f.Add([]byte(`{"session_key":"nzoqhc3OnwHzeTxJs+\/nbQ==","openid":"oVBkZ0aYgDMDIywRdgPW8-joxXc4"}`))
	f.Add([]byte(`{"errcode":"40029","errmsg":"invalid code, rid: 617833f5-4d39a245-36d3a896"}`))
	f.Add([]byte(`{"errcode":0,"errmsg":"ok","phone_info":{"purePhoneNumber":"13000000000","countryCode":86,"watermark":{"appid":"wxsim"}}}`))
	f.Add([]byte(`{"access_token":"t","expires_in":345}`))
	f.Add([]byte("\xff\xd8\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var session sessionResponse
		if result, err := session.decode(body); err == nil && result.Code == 0 && !bounded(string(session.OpenID), maxOpenID) {
			t.Error("a session without OpenID")
		}
		phone := phoneResponse{app: "wxsim"}
		if result, err := phone.decode(body); err == nil && result.Code == 0 && (phone.Info.Watermark.AppID != "wxsim" || !phone.Info.plausible()) {
			t.Error("a phone number that is not for this app")
		}
		var token tokenResponse
		if result, err := token.decode(body); err == nil && result.Code == 0 && (token.useFor() <= 0 || token.useFor() > 24*time.Hour) {
			t.Errorf("a token that is cached for %v", token.useFor())
		}
		var image Image
		if result, err := image.decode(body); err == nil && (result.Code != 0 || image.ContentType == "") {
			t.Error("an image that is not one")
		}
		result, _ := decodeStatus(body)
		if id := rid(result.Message); id != "" && len(id) != 26 {
			t.Errorf("rid %q", id)
		}
	})
}

func FuzzPushMessage(f *testing.F) {
	f.Add([]byte(`{"ToUserName":"gh_97417a04a28d"," Event ":"x","CreateTime":1714112445,"MsgType":"event","RevokeInfo":"8"}`))
	f.Add([]byte(`<xml><Event><![CDATA[user_authorization_revoke]]></Event><CreateTime>1626857200</CreateTime><MsgType>event</MsgType><OpenID>o</OpenID></xml>`))
	f.Add([]byte(`<?xml version="1.0"?><xml><a><b>c</b></a></xml>`))
	receiver, err := NewPushReceiver(PushKey{AppID: "wxsim", Token: "t", EncodingAESKey: strings.Repeat("A", 43)}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		message, err := readMessage(body)
		if err != nil {
			return
		}
		event, err := receiver.event(message)
		if err == nil && (event.AppID != "wxsim" || len(event.OpenID) > maxOpenID || len(event.ID()) != 64) {
			t.Error("an event that should have been rejected")
		}
	})
}

// FuzzPushDecrypt sends the receiver any text with a valid signature.
func FuzzPushDecrypt(f *testing.F) {
	f.Add("ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA==")
	now := time.Unix(1714112445, 0)
	receiver, err := NewPushReceiver(PushKey{AppID: "wxsim", Token: "t", EncodingAESKey: strings.Repeat("A", 43)}, func() time.Time { return now })
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, encrypted string) {
		timestamp := strconv.FormatInt(now.Unix(), 10)
		query := url.Values{"timestamp": {timestamp}, "nonce": {"1"}, "msg_signature": {PushSignature("t", timestamp, "1", encrypted)}}
		body, err := encodeJSON(map[string]string{"Encrypt": encrypted})
		if err != nil {
			t.Fatal(err)
		}
		if event, err := receiver.Receive(query, body); err == nil && event.AppID != "wxsim" {
			t.Error("an event for another app")
		}
	})
}

func FuzzOpenData(f *testing.F) {
	f.Add("CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrA=", "r7BXXKkLb8qrSNn05n0qiA==", "tiihtNczf5v6AKRyjwEUhQ==")
	f.Fuzz(func(t *testing.T, data, iv, key string) {
		plain, err := OpenData{EncryptedData: data, IV: iv}.Decrypt("wxsim", SessionKey(key), time.Time{})
		if (err == nil) != (plain != nil) || err != nil && !errors.Is(err, ErrOpenData) {
			t.Errorf("plain %q, err %v", plain, err)
		}
	})
}
