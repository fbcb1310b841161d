package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
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

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// nginxHarness is nginx with the configuration of the operating guide, in front of a server. Only ports and the files of the
// certificates are the test's.
type nginxHarness struct {
	*testing.T
	// address is where nginx listens, in place of port 443 of all hosts.
	address, folder string
	// publicKey is the hash of the certificate's public key, in base64.
	publicKey string
	client    *http.Client
}

// newNginx reserves the address and creates the certificate. Nginx is not started.
func newNginx(t *testing.T) *nginxHarness {
	t.Helper()
	n := &nginxHarness{T: t, address: porttest.Address(t), folder: t.TempDir()}
	n.writeCertificate()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, n.address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	n.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return n
}

// switches are the switches of a Chromium that reaches the hosts of the guide at nginx, and accepts its certificate.
func (n *nginxHarness) switches() []string {
	return []string{"--host-resolver-rules=MAP *.example.com " + n.address, "--ignore-certificate-errors-spki-list=" + n.publicKey}
}

// start starts nginx in front of a server, and waits until it listens.
func (n *nginxHarness) start(public, console string) {
	n.Helper()
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		n.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(guide)
	if block == nil {
		n.Fatal("the guide has no configuration of nginx")
	}
	servers := strings.NewReplacer("127.0.0.1:8080", public, "127.0.0.1:8081", console, "listen 443 ssl", "listen "+n.address+" ssl").Replace(string(block[1]))
	servers = regexp.MustCompile(`/etc/ssl/[a-z.]+\.(pem|key)`).ReplaceAllString(servers, n.folder+"/tls.$1")
	all := "daemon off; master_process off; error_log " + n.folder + "/error.log; pid " + n.folder + "/pid;\nevents {}\nhttp {\n  access_log off;\n"
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		all += "  " + name + "_temp_path " + n.folder + "/" + name + ";\n"
	}
	writeFile(n.T, filepath.Join(n.folder, "nginx.conf"), all+servers+"}\n")
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // Debian's PATH of users has no sbin.
	}
	failed := newOutputBuffer()
	server := exec.CommandContext(context.Background(), program, "-p", n.folder, "-c", filepath.Join(n.folder, "nginx.conf"))
	server.Stderr = failed
	if err := server.Start(); err != nil {
		n.Fatalf("nginx: .ci/setup installs it: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // It is killed at the end.
	}()
	n.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
	})
	for {
		connection, err := net.Dial("tcp", n.address)
		if err == nil {
			_ = connection.Close()
			return
		}
		select {
		case <-ended:
			n.Fatalf("nginx ended: %s", failed)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// writeCertificate writes tls.pem and tls.key.
func (n *nginxHarness) writeCertificate() {
	n.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"id.example.com", "console.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		n.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		n.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		n.Fatal(err)
	}
	sum := sha256.Sum256(public)
	n.publicKey = base64.StdEncoding.EncodeToString(sum[:])
	for name, block := range map[string]*pem.Block{"tls.pem": {Type: "CERTIFICATE", Bytes: certificate}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		writeFile(n.T, filepath.Join(n.folder, name), string(pem.EncodeToMemory(block)))
	}
}

// checkPaths asserts what users and operators reach by nginx.
func (n *nginxHarness) checkPaths() {
	n.Helper()
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
		response, err := n.client.Get(row.url)
		if err != nil {
			n.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != row.status || !strings.Contains(response.Header.Get("Location")+string(body), row.says) {
			n.Errorf("%s: %d %s %s, error %v", row.url, response.StatusCode, response.Header.Get("Location"), body, err)
		}
	}
}
