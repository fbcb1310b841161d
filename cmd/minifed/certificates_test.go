package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"github.com/minifed/minifed/cmd/minifed/internal/certificatetest"
	"github.com/minifed/minifed/cmd/minifed/internal/demo"
	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// overTLS requests the metadata on a new connection that trusts one certificate.
func overTLS(t *testing.T, address string, trusted *x509.Certificate) (*http.Response, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(trusted)
	_, port, _ := strings.Cut(address, ":")
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
	response, err := client.Get("https://localhost:" + port + "/.well-known/openid-configuration")
	if err == nil {
		response.Body.Close()
	}
	return response, err
}

func TestAdminListener_ConsoleByTLSHealthByBoth(t *testing.T) {
	folder := t.TempDir()
	trusted := certificatetest.Write(t, folder, 1)
	public, admin := porttest.Address(t), porttest.Address(t)
	_, publicPort, _ := strings.Cut(public, ":")
	_, adminPort, _ := strings.Cut(admin, ":")
	newCLIWithStore(t).startServerOn(t, public, admin, "MINIFED_PUBLIC_URL=https://localhost:"+publicPort, "MINIFED_ADMIN_PUBLIC_URL=https://localhost:"+adminPort,
		"MINIFED_LISTEN_TLS_CERT_FILE="+filepath.Join(folder, "tls.crt"), "MINIFED_LISTEN_TLS_KEY_FILE="+filepath.Join(folder, "tls.key"))
	response, err := overTLS(t, admin, trusted)
	if err != nil || response.StatusCode != http.StatusOK || response.ProtoMajor != 1 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("the sign-in of operators by TLS: %v, error %v", response, err)
	}
	plain := "http://localhost:" + adminPort
	for path, want := range map[string]int{
		"/livez": http.StatusOK, "/readyz": http.StatusOK, "/metrics": http.StatusOK, "/console/": http.StatusForbidden,
		"/admin/v1/directories": http.StatusForbidden, "/.well-known/openid-configuration": http.StatusForbidden,
	} {
		if code, body := get(t, plain+path); code != want {
			t.Errorf("%s by plain http: %d %s", path, code, body)
		}
	}
}

func TestServe_ReplacesTheCertificateAfterSIGHUP(t *testing.T) {
	folder := t.TempDir()
	first := certificatetest.Write(t, folder, 1)
	address := porttest.Address(t)
	_, port, _ := strings.Cut(address, ":")
	running := newCLI(t).startServerAt(t, address, "MINIFED_PUBLIC_URL=https://localhost:"+port,
		"MINIFED_LISTEN_TLS_CERT_FILE="+filepath.Join(folder, "tls.crt"), "MINIFED_LISTEN_TLS_KEY_FILE="+filepath.Join(folder, "tls.key"),
		"MINIFED_KEYS_MASTER_KEY="+demo.MasterKey())
	response, err := overTLS(t, address, first)
	if err != nil || response.StatusCode != http.StatusOK || response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("%v, error %v", response, err)
	}
	if _, metrics := get(t, running.adminURL+"/metrics"); !strings.Contains(metrics, "minifed_tls_certificate_expiry_timestamp_seconds") {
		t.Error("no metric of the certificate's end")
	}

	// An incomplete new certificate changes nothing; a complete one is served after SIGHUP.
	writeFile(t, filepath.Join(folder, "tls.crt"), "half a certificate")
	sendSIGHUP(t)
	waitFor(t, running.err, "the previous one remains in use")
	if _, err := overTLS(t, address, first); err != nil {
		t.Errorf("with a bad successor: %v", err)
	}
	second := certificatetest.Write(t, folder, 2)
	sendSIGHUP(t)
	waitFor(t, running.err, "the TLS certificate was replaced")
	if _, err := overTLS(t, address, second); err != nil {
		t.Errorf("with a good successor: %v", err)
	}
	if _, err := overTLS(t, address, first); err == nil {
		t.Error("the certificate before is still served")
	}
}

func TestRFC9113_6_5_2_ConnectionsHave100Streams(t *testing.T) {
	folder := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(certificatetest.Write(t, folder, 1))
	address := porttest.Address(t)
	_, port, _ := strings.Cut(address, ":")
	newCLI(t).startServerAt(t, address, "MINIFED_PUBLIC_URL=https://localhost:"+port,
		"MINIFED_LISTEN_TLS_CERT_FILE="+filepath.Join(folder, "tls.crt"), "MINIFED_LISTEN_TLS_KEY_FILE="+filepath.Join(folder, "tls.key"),
		"MINIFED_KEYS_MASTER_KEY="+demo.MasterKey())

	connection, err := tls.Dial("tcp", "localhost:"+port, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	frames := http2.NewFramer(connection, connection)
	if _, err := connection.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := frames.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := frames.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", frame)
	}
	if streams, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || streams != 100 {
		t.Errorf("SETTINGS_MAX_CONCURRENT_STREAMS is %d (sent: %v)", streams, ok)
	}
}

// sendSIGHUP sends SIGHUP to this process, in which the server runs.
func sendSIGHUP(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}
