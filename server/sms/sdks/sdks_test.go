package sdks

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/sms"
	"github.com/minifed/minifed/storage"
)

const (
	accessKey = "an-access-key"
	secretKey = "a secret+key/of=the provider"
	// signature has characters that URLs encode in several ways.
	signature = "茶铺 *~+'()!"
	template  = "SMS_154950909"
	code      = "012345"
	nonce     = "00112233445566778899aabbccddeeff"

	aliyunHost  = "dysmsapi.aliyuncs.com"
	tencentHost = "sms.tencentcloudapi.com"
)

// received is a request as a provider gets it.
type received struct {
	*http.Request
	body string
}

// providers serves the APIs of both providers, and stores the last request to each host.
type providers struct {
	*httptest.Server
	mu   sync.Mutex
	last map[string]received
}

func newProviders(t *testing.T) *providers {
	t.Helper()
	p := &providers{last: make(map[string]received)}
	responses := map[string]string{
		aliyunHost:  `{"Code":"OK","Message":"OK","RequestId":"R","BizId":"B"}`,
		tencentHost: `{"Response":{"SendStatusSet":[{"Code":"Ok"}],"RequestId":"R"}}`,
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		p.last[r.Host] = received{r, string(body)}
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, responses[r.Host])
	}))
	t.Cleanup(p.Close)
	return p
}

// to returns the last request to a host.
func (p *providers) to(t *testing.T, host string) received {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.last[host]
	if !ok {
		t.Fatalf("no request to %s", host)
	}
	return r
}

// sendOwn sends the message by package sms at a time, and returns the request.
func (p *providers) sendOwn(t *testing.T, provider, host string, at time.Time) received {
	t.Helper()
	random, err := hex.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	client := outbound.NewClient(outbound.Config{
		AllowPrivate: true,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
		},
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.Listener.Addr().String())
		},
	})
	sender := &sms.Sender{Client: client, Now: func() time.Time { return at }, Random: bytes.NewReader(random)}
	account := sms.Account{SMS: storage.SMS{
		Provider: provider, URL: "http://" + host + "/", AccessKey: accessKey, AppID: "1400000000", Signature: signature, Templates: storage.SMSTemplates{Chinese: template},
	}, Key: secretKey}
	if err := sender.Send(t.Context(), account, sms.Message{To: "+8613800000001", Code: code, Chinese: true}); err != nil {
		t.Fatal(err)
	}
	return p.to(t, host)
}

// sendOfficial sends the message by the SDKs of both providers.
func (p *providers) sendOfficial(t *testing.T) {
	t.Helper()
	folder, err := filepath.Abs("node")
	if err != nil {
		t.Fatal(err)
	}
	runNode(t, folder, nil, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts")
	runNode(t, folder, []string{
		"PROVIDER=" + p.Listener.Addr().String(), "ACCESS_KEY=" + accessKey, "SECRET_KEY=" + secretKey, "SIGNATURE=" + signature, "TEMPLATE=" + template,
		"CODE=" + code, "NONCE=" + nonce,
	}, "node", "send.js")
}

func runNode(t *testing.T, folder string, environment []string, command ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), command[0], command[1:]...)
	program.Dir, program.Env = folder, append(os.Environ(), environment...)
	if out, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// The header Authorization contains a signature of method, path, parameters, host, signed fields and body, so that what has the same
// one is accepted where the request of the SDK is.
func TestSend_SignsAsTheOfficialSDK(t *testing.T) {
	p := newProviders(t)
	p.sendOfficial(t)
	for _, row := range []struct {
		provider, host string
		sentAt         func(http.Header) (time.Time, error)
		fields         []string
	}{
		{storage.SMSAliyun, aliyunHost, func(header http.Header) (time.Time, error) {
			return time.Parse(time.RFC3339, header.Get("X-Acs-Date"))
		}, []string{"Accept", "X-Acs-Action", "X-Acs-Version", "X-Acs-Date", "X-Acs-Signature-Nonce", "X-Acs-Content-Sha256"}},
		{storage.SMSTencent, tencentHost, func(header http.Header) (time.Time, error) {
			seconds, err := strconv.ParseInt(header.Get("X-Tc-Timestamp"), 10, 64)
			return time.Unix(seconds, 0), err
		}, []string{"Content-Type", "X-Tc-Action", "X-Tc-Version", "X-Tc-Region", "X-Tc-Timestamp"}},
	} {
		t.Run(row.provider, func(t *testing.T) {
			official := p.to(t, row.host)
			at, err := row.sentAt(official.Header)
			if err != nil {
				t.Fatal(err)
			}
			own := p.sendOwn(t, row.provider, row.host, at)
			if own.Method != official.Method || own.URL.Path != official.URL.Path || !reflect.DeepEqual(own.URL.Query(), official.URL.Query()) || own.body != official.body {
				t.Errorf("minifed sends %s %s %q\nthe SDK       %s %s %q", own.Method, own.URL, own.body, official.Method, official.URL, official.body)
			}
			for _, name := range append(row.fields, "Authorization") {
				if own.Header.Get(name) != official.Header.Get(name) || own.Header.Get(name) == "" {
					t.Errorf("%s: minifed sends %q\nthe SDK       %q", name, own.Header.Get(name), official.Header.Get(name))
				}
			}
		})
	}
}
