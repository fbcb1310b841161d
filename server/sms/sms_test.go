package sms_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/sms"
	"github.com/minifed/minifed/storage"
)

func now() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }

// zeros is a source of randomness for tests.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// provider is a provider's API that returns a response.
type provider struct {
	*httptest.Server
	request *http.Request
	body    []byte
}

func newProvider(t *testing.T, status int, response string) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.request, p.body = r, must(io.ReadAll(r.Body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, response)
	}))
	t.Cleanup(p.Close)
	return p
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func sender(output io.Writer) *sms.Sender {
	return &sms.Sender{Client: outbound.NewClient(outbound.Config{AllowPrivate: true}), Writer: output, Now: now, Random: zeros{}}
}

func account(provider, url string) sms.Account {
	return sms.Account{SMS: storage.SMS{
		Provider: provider, URL: url, AccessKey: "LTAI-id", AppID: "1400000000", Signature: "茶铺", Templates: storage.SMSTemplates{Chinese: "SMS_1", English: "SMS_2"}, NoticeTemplates: storage.SMSTemplates{Chinese: "SMS_3"},
	}, Key: "the-secret-key"}
}

func message() sms.Message {
	return sms.Message{To: "+8613800000001", Code: "123456", Chinese: true, Directory: "Tea"}
}

func TestSend_SuccessAndErrorsOfProviders(t *testing.T) {
	for name, row := range map[string]struct {
		provider string
		status   int
		response string
		says     []string
	}{
		"aliyun":                   {storage.SMSAliyun, 200, `{"Code":"OK","RequestId":"R","BizId":"B","Message":"OK"}`, nil},
		"aliyun: limit":            {storage.SMSAliyun, 200, `{"Code":"isv.BUSINESS_LIMIT_CONTROL","RequestId":"R-1","Message":"触发号码天级流控 13800000001"}`, []string{"isv.BUSINESS_LIMIT_CONTROL", "R-1", "limit for this number"}},
		"aliyun: key":              {storage.SMSAliyun, 404, `{"Code":"InvalidAccessKeyId.NotFound","RequestId":"R"}`, []string{"set-sms-key"}},
		"aliyun: unknown code":     {storage.SMSAliyun, 500, `{"Code":"isv.NEW <script>","RequestId":"R"}`, []string{"isv.NEWscript"}},
		"aliyun: another page":     {storage.SMSAliyun, 502, `<html>13800000001</html>`, []string{"502", "--sms-url"}},
		"tencent":                  {storage.SMSTencent, 200, `{"Response":{"SendStatusSet":[{"Code":"Ok","PhoneNumber":"+8613800000001"}],"RequestId":"R"}}`, nil},
		"tencent: gateway":         {storage.SMSTencent, 200, `{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"x"},"RequestId":"R-2"}}`, []string{"AuthFailure.SignatureFailure", "R-2", "set-sms-key"}},
		"tencent: of the message":  {storage.SMSTencent, 200, `{"Response":{"SendStatusSet":[{"Code":"FailedOperation.TemplateIncorrectOrUnapproved"}],"RequestId":"R"}}`, []string{"--sms-template-zh"}},
		"tencent: nothing":         {storage.SMSTencent, 200, `{"Response":{}}`, []string{"without a result"}},
		"webhook":                  {storage.SMSWebhook, 204, ``, nil},
		"webhook: quotes the code": {storage.SMSWebhook, 400, `123456 to +8613800000001 failed`, []string{"400"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newProvider(t, row.status, row.response)
			err := sender(nil).Send(t.Context(), account(row.provider, api.URL), message())
			if (err == nil) != (row.says == nil) {
				t.Fatalf("got %v", err)
			}
			for _, part := range row.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			for _, secret := range []string{"3800000001", "123456", "the-secret-key"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error has %q: %v", secret, err)
				}
			}
			if _, rejected := errors.AsType[*sms.RejectedError](err); rejected != (len(row.says) > 0 && !strings.Contains(err.Error(), "status")) {
				t.Errorf("got %T", err)
			}
		})
	}
}

func TestSend_NumbersAndTemplates(t *testing.T) {
	t.Parallel()
	aliyun := newProvider(t, 200, `{"Code":"OK"}`)
	for number, sent := range map[string]string{"+8613800000001": "13800000001", "+85251234567": "85251234567"} {
		asked := message()
		asked.To, asked.Chinese = number, false
		if err := sender(nil).Send(t.Context(), account(storage.SMSAliyun, aliyun.URL), asked); err != nil {
			t.Fatal(err)
		}
		if query := aliyun.request.URL.Query(); query.Get("PhoneNumbers") != sent || query.Get("TemplateCode") != "SMS_2" || query.Get("TemplateParam") != `{"code":"123456"}` {
			t.Errorf("got %v", query)
		}
	}
	notice := sms.Message{To: "+8613800000001", Change: "添加了通行密钥", Chinese: true}
	if err := sender(nil).Send(t.Context(), account(storage.SMSAliyun, aliyun.URL), notice); err != nil {
		t.Fatal(err)
	}
	if query := aliyun.request.URL.Query(); query.Get("TemplateCode") != "SMS_3" || query.Get("TemplateParam") != `{"change":"添加了通行密钥"}` {
		t.Errorf("got %v", query)
	}
	tencent := newProvider(t, 200, `{"Response":{"SendStatusSet":[{"Code":"Ok"}]}}`)
	if err := sender(nil).Send(t.Context(), account(storage.SMSTencent, tencent.URL), message()); err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(tencent.body, &body); err != nil || body["SmsSdkAppId"] != "1400000000" || body["TemplateId"] != "SMS_1" {
		t.Errorf("got %s, %v", tencent.body, err)
	}
}

func TestSend_WebhookIsSigned(t *testing.T) {
	t.Parallel()
	hook := newProvider(t, 200, "")
	if err := sender(nil).Send(t.Context(), account(storage.SMSWebhook, hook.URL), message()); err != nil {
		t.Fatal(err)
	}
	if !outbound.Verify([]byte("the-secret-key"), hook.body, hook.request.Header.Get(outbound.SignatureHeader), now()) {
		t.Error("the signature does not verify")
	}
	for body, at := range map[string]time.Time{"changed": now(), string(hook.body): now().Add(time.Hour)} {
		if outbound.Verify([]byte("the-secret-key"), []byte(body), hook.request.Header.Get(outbound.SignatureHeader), at) {
			t.Errorf("verifies for %q at %v", body, at)
		}
	}
}

func TestSend_LogNeedsAWriter(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	if err := sender(&output).Send(t.Context(), account(storage.SMSLog, ""), message()); err != nil || !strings.Contains(output.String(), "123456") {
		t.Errorf("got %q, %v", output.String(), err)
	}
	if err := sender(nil).Send(t.Context(), account(storage.SMSLog, ""), message()); err == nil {
		t.Error("it wrote without a writer")
	}
	if err := sender(nil).Send(t.Context(), sms.Account{}, message()); !errors.Is(err, sms.ErrNoProvider) {
		t.Errorf("got %v", err)
	}
}
