package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
)

// start runs the program until the test ends and returns what it printed so far, up to the control address.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, writer)
		writer.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	printed := new(strings.Builder)
	buffer := make([]byte, 4096)
	for !strings.Contains(printed.String(), "control ") {
		n, err := reader.Read(buffer)
		printed.Write(buffer[:n])
		if err != nil {
			t.Fatalf("it ended after printing %q", printed)
		}
	}
	go io.Copy(io.Discard, reader)
	return printed.String()
}

func address(t *testing.T, printed, name string) string {
	t.Helper()
	found := regexp.MustCompile(name + ` +(https?://\S+)`).FindStringSubmatch(printed)
	if found == nil {
		t.Fatalf("no %s address in %q", name, printed)
	}
	return found[1]
}

func TestControl_CodeLogsIn(t *testing.T) {
	printed := start(t, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-app", "wxsimA:geheim", "-open-platform", "op")
	if !strings.Contains(printed, "SIMULATOR") {
		t.Error("it does not say that it is a simulator")
	}
	response, err := http.Post(address(t, printed, "control")+"/login?user=alice", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	code, _ := io.ReadAll(response.Body)
	client, err := wechat.New(wechat.Config{BaseURL: address(t, printed, "API")})
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.Code2Session(t.Context(), wechat.App{ID: "wxsimA", Secret: "geheim"}, string(code))
	if err != nil {
		t.Fatal(err)
	}
	if session.OpenID == "" || session.UnionID == "" {
		t.Error("an app bound to an Open Platform account has OpenID and UnionID")
	}
}

func TestApps_DefaultIsOneWithARandomSecret(t *testing.T) {
	printed := start(t, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0")
	if !regexp.MustCompile(`app +wxsim\w+ secret [0-9a-f]{32}`).MatchString(printed) {
		t.Errorf("printed %q", printed)
	}
}

func TestIdentifiers_AreMarkedAsSimulated(t *testing.T) {
	err := run(t.Context(), []string{"-app", "wx4f4bc4dec97d474b:x"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "wxsim") {
		t.Errorf("err = %v", err)
	}
}

func TestListen_AddressInUseIsAnError(t *testing.T) {
	printed := start(t, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0")
	taken := strings.TrimPrefix(address(t, printed, "API"), "http://")
	if err := run(t.Context(), []string{"-listen", taken, "-control", "127.0.0.1:0"}, io.Discard); err == nil {
		t.Error("it started on an address that is taken")
	}
}

func TestTLS_ServesWeChatsHostAndProxy(t *testing.T) {
	authority := filepath.Join(t.TempDir(), "ca.pem")
	printed := start(t, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-ca", authority, "-app", "wxsimA:geheim")
	written, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := url.Parse(address(t, printed, "API"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(written)
	for base, through := range map[string]func(*http.Request) (*url.URL, error){
		address(t, printed, "TLS"):  nil,
		"https://api.weixin.qq.com": http.ProxyURL(proxy),
	} {
		transport := &http.Transport{Proxy: through, TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(transport.CloseIdleConnections)
		response, err := (&http.Client{Transport: transport}).Get(base + "/sns/jscode2session?appid=wxsimA&secret=geheim&js_code=x")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if !strings.Contains(string(body), "40029") {
			t.Errorf("%s: %s", base, body)
		}
	}
}

func TestTLS_NamesTheFileThatCannotBeWritten(t *testing.T) {
	err := run(t.Context(), []string{"-ca", "/nowhere/ca.pem"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Errorf("err = %v", err)
	}
}
