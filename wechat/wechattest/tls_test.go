package wechattest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func newCertificate(t *testing.T) wechattest.Certificate {
	t.Helper()
	certificate, err := wechattest.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func read(t *testing.T, client *http.Client, address string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestCertificate_IsGoodForWeChatsHosts(t *testing.T) {
	h, certificate := newSimulatorHarness(t, new(wechattest.Server)), newCertificate(t)
	server := httptest.NewUnstartedServer(h.sim)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate.TLS}}
	server.StartTLS()
	t.Cleanup(server.Close)
	client := certificate.Client(server.Listener.Addr().String())
	t.Cleanup(client.CloseIdleConnections)
	for _, host := range append(wechattest.Hosts(), "localhost", "127.0.0.1", "[::1]") {
		body, err := read(t, client, "https://"+host+"/sns/jscode2session?appid=wxsimA&secret=secret-a&js_code="+h.app.Login("alice"))
		if err != nil || !strings.Contains(body, string(h.app.OpenID("alice"))) {
			t.Errorf("%s: %s %v", host, body, err)
		}
	}
	if _, err := read(t, client, "https://example.com/"); err == nil {
		t.Error("the certificate is valid for example.com")
	}
}

func TestCertificate_AuthorityIssuesForWeChatsHostsOnly(t *testing.T) {
	certificate := newCertificate(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate.Authority) {
		t.Fatal("the authority is no PEM")
	}
	leaf, err := x509.ParseCertificate(certificate.TLS.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	leaf.DNSNames, leaf.IPAddresses = append(leaf.DNSNames, "example.com"), nil
	var invalid x509.CertificateInvalidError
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
		t.Errorf("err = %v", err)
	}
}

func TestProxy_ReachesSimulatorOnly(t *testing.T) {
	h, certificate := newSimulatorHarness(t, new(wechattest.Server)), newCertificate(t)
	proxy := httptest.NewServer(certificate.Proxy(h.sim))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate.Authority)
	transport := &http.Transport{Proxy: http.ProxyURL(address), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}

	query := "/sns/jscode2session?appid=wxsimA&secret=secret-a&js_code="
	for range 2 {
		body, err := read(t, client, "https://api.weixin.qq.com"+query+h.app.Login("alice"))
		if err != nil || !strings.Contains(body, string(h.app.OpenID("alice"))) {
			t.Errorf("%s %v", body, err)
		}
	}
	if _, err := read(t, client, "https://example.com/"); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("another host: %v", err)
	}
	if body, err := read(t, http.DefaultClient, proxy.URL+query+h.app.Login("alice")); err != nil || !strings.Contains(body, "openid") {
		t.Errorf("without CONNECT: %s %v", body, err)
	}
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Drop: wechattest.RST, Times: -1})
	if _, err := read(t, client, "https://api.weixin.qq.com"+query+h.app.Login("alice")); err == nil {
		t.Error("a dropped connection got a response")
	}
}

func TestControl_SetsPagesSecretsLimitsAndPushFaults(t *testing.T) {
	c := newControl(t)
	token := c.token(t)
	c.ok(t, "POST", "/pages?page=pages/a&page=pages/b")
	c.post(t, "/wxa/getwxacodeunlimit?access_token="+token, `{"scene":"a","page":"pages/c"}`).want(t, 41030)
	c.ok(t, "POST", "/pages")
	c.post(t, "/wxa/getwxacodeunlimit?access_token="+token, `{"scene":"a","page":"pages/c"}`).want(t, 0)

	c.ok(t, "POST", "/limits?api=/wxa/business/getuserphonenumber&minute=1")
	c.phone(t, token, c.app.TapPhone("alice")).want(t, 0)
	c.phone(t, token, c.app.TapPhone("alice")).want(t, 45011)

	if c.ok(t, "POST", "/secret?secret=new") != "new" || c.app.Credential().Secret != "new" {
		t.Error("the secret is not the new one")
	}
	if len(c.ok(t, "POST", "/secret")) != 32 {
		t.Error("no random secret")
	}
	if data := c.ok(t, "POST", "/open-data?user=alice"); !strings.Contains(data, `"rawData":`) || !strings.Contains(data, `"signature":`) || !strings.Contains(data, `"encryptedData":`) || !strings.Contains(data, `"iv":`) {
		t.Errorf("open data: %s", data)
	}
	if data := c.ok(t, "POST", "/open-data?user=alice&kind=phone"); strings.Contains(data, `"rawData":`) || !strings.Contains(data, `"iv":`) {
		t.Errorf("phone data: %s", data)
	}
	if len(c.ok(t, "POST", "/pay?user=alice")) != 28 || len(c.ok(t, "POST", "/plugin?user=alice")) != 32 {
		t.Error("payment or plugin code")
	}

	key := wechat.PushKey{AppID: "wxsimA", Token: "t", EncodingAESKey: strings.Repeat("A", 43)}
	receiver, err := wechat.NewPushReceiver(key, func() time.Time { return time.Unix(1_700_000_000, 0) })
	if err != nil {
		t.Fatal(err)
	}
	var received []error
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, err := receiver.Receive(r.URL.Query(), body)
		received = append(received, err)
	}))
	t.Cleanup(target.Close)
	for _, fault := range []string{"", "&wrong-signature=true", "&wrong-appid=true", "&age=2h"} {
		c.ok(t, "POST", "/push?user=alice&event=user_info_modified&token=t&key="+key.EncodingAESKey+"&url="+url.QueryEscape(target.URL)+fault)
	}
	if len(received) != 4 || received[0] != nil || !errors.Is(received[1], wechat.ErrPushSignature) || received[2] == nil || received[3] == nil {
		t.Errorf("received %v", received)
	}
}
