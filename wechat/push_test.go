package wechat_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func officialKey() wechat.PushKey {
	return wechat.PushKey{AppID: "wxba5fad812f8e6fb9", Token: "AAAAA", EncodingAESKey: strings.Repeat("A", 43)}
}

const (
	officialEncrypt = `+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=`
	officialQuery   = "signature=6c5c811b55cc85e0e1b54100749188c20beb3f5d&timestamp=1714112445&nonce=415670741&openid=o9AgO5Kd5ggOC-bXrbNODIiE3bGY&encrypt_type=aes&msg_signature=046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"
)

// receiver returns a receiver at a fixed time.
func receiver(t testing.TB, key wechat.PushKey, now int64) *wechat.PushReceiver {
	t.Helper()
	r, err := wechat.NewPushReceiver(key, func() time.Time { return time.Unix(now, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func query(t testing.TB, text string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// WeChat's own example of its console's check.
func TestEcho_ReturnsEchostr(t *testing.T) {
	values := query(t, "signature=f464b24fc39322e44b38aa78f5edd27bd1441696&timestamp=1714036504&nonce=1514711492&echostr=4375120948345356249")
	echo, err := receiver(t, officialKey(), 1714036504).Echo(values)
	if err != nil || echo != "4375120948345356249" {
		t.Errorf("Echo = %q, %v", echo, err)
	}
	for name, change := range map[string]func(url.Values){
		"another nonce":     func(v url.Values) { v.Set("nonce", "1514711493") },
		"another signature": func(v url.Values) { v.Set("signature", strings.Repeat("0", 40)) },
		"no signature":      func(v url.Values) { v.Del("signature") },
		"no timestamp":      func(v url.Values) { v.Del("timestamp") },
	} {
		changed := query(t, values.Encode())
		change(changed)
		if _, err := receiver(t, officialKey(), 1714036504).Echo(changed); !errors.Is(err, wechat.ErrPushSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := receiver(t, officialKey(), 1714036504+301).Echo(values); !errors.Is(err, wechat.ErrPushStale) {
		t.Errorf("five minutes later: %v", err)
	}
	values.Set("echostr", "a\r\nb")
	if _, err := receiver(t, officialKey(), 1714036504).Echo(values); !errors.Is(err, wechat.ErrPushMalformed) {
		t.Errorf("an echostr with a newline: %v", err)
	}
}

// WeChat's own example of safe mode; its padding of 19 is more than an AES block.
func TestReceive_DecryptsWeChatsExample(t *testing.T) {
	for name, body := range map[string]string{
		"JSON":                    `{"ToUserName":"gh_97417a04a28d","Encrypt":"` + officialEncrypt + `"}`,
		"XML":                     `<xml><ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName><Encrypt><![CDATA[` + officialEncrypt + `]]></Encrypt></xml>`,
		"JSON in compatible mode": `{"ToUserName":"gh_97417a04a28d","Event":"forged","Encrypt":"` + officialEncrypt + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			event, err := receiver(t, officialKey(), 1714112445).Receive(query(t, officialQuery), []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if event.Name != "debug_demo" || event.AppID != "wxba5fad812f8e6fb9" || event.Created.Unix() != 1714112445 || event.OpenID != "" {
				t.Errorf("event %q of %q, created %v", event.Name, event.AppID, event.Created)
			}
		})
	}
}

func TestReceive_RejectsInvalidPush(t *testing.T) {
	body := `{"Encrypt":"` + officialEncrypt + `"}`
	anotherApp, anotherKey := officialKey(), officialKey()
	anotherApp.AppID = "wxba5fad812f8e6fb8"
	anotherKey.EncodingAESKey = strings.Repeat("B", 42) + "A"
	for name, row := range map[string]struct {
		key   wechat.PushKey
		now   int64
		query string
		body  string
		want  error
	}{
		"the plain signature":      {officialKey(), 1714112445, strings.ReplaceAll(officialQuery, "msg_signature", "x"), body, wechat.ErrPushSignature},
		"a changed text":           {officialKey(), 1714112445, officialQuery, strings.Replace(body, "+qdx", "+qdy", 1), wechat.ErrPushSignature},
		"a changed time":           {officialKey(), 1714112445, strings.Replace(officialQuery, "1714112445", "1714112446", 1), body, wechat.ErrPushSignature},
		"a replay after an hour":   {officialKey(), 1714112445 + 3600, officialQuery, body, wechat.ErrPushStale},
		"a time to come":           {officialKey(), 1714112445 - 3600, officialQuery, body, wechat.ErrPushStale},
		"another app's":            {anotherApp, 1714112445, officialQuery, body, wechat.ErrPushMalformed},
		"encrypted with another":   {anotherKey, 1714112445, officialQuery, body, wechat.ErrPushMalformed},
		"plain mode":               {officialKey(), 1714112445, officialQuery, `{"MsgType":"event","Event":"user_authorization_revoke","OpenID":"oAlice","CreateTime":1714112445}`, wechat.ErrPushMalformed},
		"no body":                  {officialKey(), 1714112445, officialQuery, "", wechat.ErrPushMalformed},
		"no message":               {officialKey(), 1714112445, officialQuery, "hello", wechat.ErrPushMalformed},
		"an endless body":          {officialKey(), 1714112445, officialQuery, body + strings.Repeat(" ", 1<<20) + "}", wechat.ErrPushMalformed},
		"XML with a document type": {officialKey(), 1714112445, officialQuery, `<!DOCTYPE xml [<!ENTITY a "b">]><xml><Encrypt>` + officialEncrypt + `</Encrypt></xml>`, wechat.ErrPushMalformed},
		"XML with two texts":       {officialKey(), 1714112445, officialQuery, `<xml><Encrypt>` + officialEncrypt + `</Encrypt><Encrypt>x</Encrypt></xml>`, wechat.ErrPushMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			event, err := receiver(t, row.key, row.now).Receive(query(t, row.query), []byte(row.body))
			if !errors.Is(err, row.want) {
				t.Errorf("err = %v, want %v", err, row.want)
			}
			if event != (wechat.Event{}) {
				t.Error("there is an event next to the error")
			}
		})
	}
}

func TestNewPushReceiver_RejectsInvalidKeys(t *testing.T) {
	for name, key := range map[string]wechat.PushKey{
		"a short key":     {AppID: "wxsim", Token: "t", EncodingAESKey: strings.Repeat("A", 42)},
		"a key of others": {AppID: "wxsim", Token: "t", EncodingAESKey: strings.Repeat("?", 43)},
		"no token":        {AppID: "wxsim", EncodingAESKey: strings.Repeat("A", 43)},
		"no app":          {Token: "t", EncodingAESKey: strings.Repeat("A", 43)},
	} {
		if _, err := wechat.NewPushReceiver(key, nil); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// pushed pushes with the simulator and returns the receiver's results.
func pushed(t *testing.T, push wechattest.Push) (events []wechat.Event, failures []error) {
	t.Helper()
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		t.Fatal(err)
	}
	app.BindOpenPlatform("account")
	key := wechat.PushKey{AppID: "wxsim0000000000000001", Token: "token", EncodingAESKey: strings.Repeat("k", 42) + "A"}
	r, err := wechat.NewPushReceiver(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	push.URL = newHandler(t, func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		event, err := r.Receive(request.URL.Query(), body)
		if err != nil {
			failures = append(failures, err)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if event.OpenID != app.OpenID("alice") || event.UnionID != app.UnionID("alice") {
			t.Errorf("it is about OpenID %q, UnionID %q", event.OpenID, event.UnionID)
		}
		events = append(events, event)
		_, _ = io.WriteString(w, "success")
	}) + "/events?directory=default"
	push.Token, push.EncodingAESKey, push.User = key.Token, key.EncodingAESKey, "alice"
	if err := app.Push(t.Context(), push); (err != nil) != (len(failures) > 0) {
		t.Errorf("Push: %v", err)
	}
	return events, failures
}

func TestReceive_ReturnsUserEvents(t *testing.T) {
	for _, name := range []string{wechat.EventUserInfoModified, wechat.EventUserRevoked, wechat.EventUserDeregistered} {
		for _, xml := range []bool{false, true} {
			events, _ := pushed(t, wechattest.Push{Event: name, RevokeInfo: wechat.RevokePhone, XML: xml})
			if len(events) != 1 || events[0].Name != name || events[0].Revoked != wechat.RevokePhone || time.Since(events[0].Created) > time.Minute {
				t.Errorf("%s (XML: %t): %d events", name, xml, len(events))
			}
		}
	}
}

func TestReceive_RepeatedEventHasSameID(t *testing.T) {
	events, _ := pushed(t, wechattest.Push{Event: wechat.EventUserRevoked, RevokeInfo: 8, Repeat: 2})
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	first := events[0]
	first.Created = first.Created.Truncate(time.Second)
	if first.ID() != events[0].ID() || len(first.ID()) != 64 {
		t.Errorf("ID = %q", first.ID())
	}
	other := first
	other.Revoked = 6
	if other.ID() == first.ID() {
		t.Error("another event has the same ID")
	}
	other = first
	other.OpenID += "x"
	if other.ID() == first.ID() {
		t.Error("another user's event has the same ID")
	}
}

func TestReceive_RejectsForgedPush(t *testing.T) {
	for name, row := range map[string]struct {
		push wechattest.Push
		want error
	}{
		"wrong signature": {wechattest.Push{WrongSignature: true}, wechat.ErrPushSignature},
		"wrong tail":      {wechattest.Push{WrongTail: true}, wechat.ErrPushMalformed},
		"too old":         {wechattest.Push{Age: time.Hour}, wechat.ErrPushStale},
		"from the future": {wechattest.Push{Age: -time.Hour}, wechat.ErrPushStale},
	} {
		t.Run(name, func(t *testing.T) {
			row.push.Event = wechat.EventUserRevoked
			events, failures := pushed(t, row.push)
			if len(events) != 0 || len(failures) != 3 {
				t.Fatalf("%d events, %d failures: WeChat tries three times", len(events), len(failures))
			}
			for _, err := range failures {
				if !errors.Is(err, row.want) {
					t.Errorf("err = %v, want %v", err, row.want)
				}
			}
		})
	}
}

// WeChat's own example of plain mode.
func TestReceive_PlainModeNeedsPermission(t *testing.T) {
	values := query(t, "signature=899cf89e464efb63f54ddac96b0a0a235f53aa78&timestamp=1714037059&nonce=486452656")
	body := []byte(`{"MsgType":"event","Event":"user_authorization_revoke","OpenID":"oAlice","CreateTime":1714037059,"RevokeInfo":"8"}`)
	if _, err := receiver(t, officialKey(), 1714037059).Receive(values, body); !errors.Is(err, wechat.ErrPushPlain) || !errors.Is(err, wechat.ErrPushMalformed) {
		t.Errorf("without permission: %v", err)
	}
	key := officialKey()
	key.AllowPlain = true
	event, err := receiver(t, key, 1714037059).Receive(values, body)
	if err != nil || event.OpenID != "oAlice" || event.Revoked != wechat.RevokePhone {
		t.Errorf("event %+v, %v", event, err)
	}
	values.Set("nonce", "486452657")
	if _, err := receiver(t, key, 1714037059).Receive(values, body); !errors.Is(err, wechat.ErrPushSignature) {
		t.Errorf("a wrong signature: %v", err)
	}
}

func TestReceive_RejectsNamesThatDifferBySpaces(t *testing.T) {
	key := officialKey()
	key.AllowPlain = true
	values := query(t, "signature=899cf89e464efb63f54ddac96b0a0a235f53aa78&timestamp=1714037059&nonce=486452656")
	body := []byte(`{"MsgType":"event","Event":"user_authorization_revoke","OpenID":"oAlice"," OpenID":"oBob","CreateTime":1714037059}`)
	if _, err := receiver(t, key, 1714037059).Receive(values, body); !errors.Is(err, wechat.ErrPushMalformed) {
		t.Errorf("err = %v", err)
	}
}
