package layout

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestOperatingGuide_NginxServesUsersAndOperators runs nginx with the configuration of the guide, in front of the built program. Only
// ports and the files of the certificates are the test's.
func TestOperatingGuide_NginxServesUsersAndOperators(t *testing.T) {
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindStringSubmatch(read(t, "docs/operations.md"))
	if block == nil {
		t.Fatal("the guide has no configuration of nginx")
	}
	built := buildImage(t)
	public, console, front := freeAddress(t, "127.0.0.1:1"), freeAddress(t, "127.0.0.1:1"), freeAddress(t, "127.0.0.1:1")
	masterKey := built.at("master.key")
	if out, err := built.run(t, nil, []string{"bin/minifed", "keys", "master", "new", "--file", masterKey}); err != nil {
		t.Fatal(err, out)
	}
	built.start(t, []string{
		"MINIFED_PUBLIC_URL=https://id.example.com", "MINIFED_ADMIN_PUBLIC_URL=https://console.example.com", "MINIFED_LISTEN_TRUSTED_PROXIES=127.0.0.1/32",
		"MINIFED_LISTEN_ADDRESS=" + public, "MINIFED_LISTEN_ADMIN_ADDRESS=" + console, "MINIFED_DATA_DIR=" + built.at("data"),
		"MINIFED_KEYS_MASTER_KEY_FILE=" + masterKey, "MINIFED_LOG_FORMAT=json",
	}, []string{"bin/minifed", "serve"}, `"serving"`)

	folder := t.TempDir()
	writeCertificate(t, folder)
	settings := strings.NewReplacer("127.0.0.1:8080", public, "127.0.0.1:8081", console, "listen 443 ssl", "listen "+front+" ssl").Replace(block[1])
	settings = regexp.MustCompile(`/etc/ssl/[a-z.]+\.(pem|key)`).ReplaceAllString(settings, folder+"/tls.$1")
	startNginx(t, folder, settings, front)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, front)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	for _, row := range []struct {
		url    string
		status int
		says   string // in the body or in Location
	}{
		{"https://id.example.com/.well-known/openid-configuration", 200, `"issuer":"https://id.example.com"`},
		{"https://id.example.com/oauth2//jwks", 404, ""},
		{"https://id.example.com/oauth2/%6awks", 404, ""},
		{"https://id.example.com/console/", 404, ""},
		{"https://console.example.com/", 303, "/console/"},
		{"https://console.example.com/admin/v1/directories", 401, ""},
		{"https://console.example.com/metrics", 404, ""},
		{"https://console.example.com/readyz", 404, ""},
		{"https://console.example.com/debug/pprof/", 404, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, row.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != row.status || !strings.Contains(response.Header.Get("Location")+string(body), row.says) {
			t.Errorf("%s: %d %s %s, error %v", row.url, response.StatusCode, response.Header.Get("Location"), body, err)
		}
	}
}

// startNginx starts nginx with servers in a folder of its own, and waits until it listens.
func startNginx(t *testing.T, folder, servers, address string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // Debian's PATH of users has no sbin.
	}
	all := "daemon off; master_process off; error_log " + folder + "/error.log; pid " + folder + "/pid;\nevents {}\nhttp {\n  access_log off;\n"
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		all += "  " + name + "_temp_path " + folder + "/" + name + ";\n"
	}
	if err := os.WriteFile(filepath.Join(folder, "nginx.conf"), []byte(all+servers+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var failed strings.Builder
	server := exec.CommandContext(context.Background(), program, "-p", folder, "-c", filepath.Join(folder, "nginx.conf"))
	server.Stderr = &failed
	if err := server.Start(); err != nil {
		t.Fatalf("nginx: .ci/setup installs it: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // It is killed at the end.
	}()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
	})
	for {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", failed.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// writeCertificate writes tls.pem and tls.key, which no client trusts.
func writeCertificate(t *testing.T, folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"id.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.pem": {Type: "CERTIFICATE", Bytes: certificate}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
