package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"

	"github.com/minifed/minifed/cmd/minifed/porttest"
)

// writeCertificate writes a certificate for loopback, and its key, under a serial number.
func writeCertificate(t *testing.T, folder string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "tls.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, filepath.Join(folder, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// overTLS reads the metadata by a new connection that trusts one certificate.
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

func TestTLSIsServedWithHTTP2AndTheCertificateIsReplacedWhenItsFilesAre(t *testing.T) {
	folder := t.TempDir()
	first := writeCertificate(t, folder, 1)
	address := porttest.Address(t)
	_, port, _ := strings.Cut(address, ":")
	running := newStation(t).serveAt(t, address, "MINIFED_PUBLIC_URL=https://localhost:"+port,
		"MINIFED_LISTEN_TLS_CERT_FILE="+filepath.Join(folder, "tls.crt"), "MINIFED_LISTEN_TLS_KEY_FILE="+filepath.Join(folder, "tls.key"),
		"MINIFED_KEYS_MASTER_KEY="+demoMasterKey())
	response, err := overTLS(t, address, first)
	if err != nil || response.StatusCode != http.StatusOK || response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Fatalf("%v, error %v", response, err)
	}
	if _, metrics := get(t, running.adminURL+"/metrics"); !strings.Contains(metrics, "minifed_tls_certificate_expiry_timestamp_seconds") {
		t.Error("no metric of the certificate's end")
	}

	// A half-written successor changes nothing; a whole one is served after SIGHUP.
	writeFile(t, filepath.Join(folder, "tls.crt"), "half a certificate")
	hangUp(t)
	if err := running.err.await(t.Context(), "the one before still is"); err != nil {
		t.Fatal(err)
	}
	if _, err := overTLS(t, address, first); err != nil {
		t.Errorf("with a bad successor: %v", err)
	}
	second := writeCertificate(t, folder, 2)
	hangUp(t)
	if err := running.err.await(t.Context(), "the TLS certificate was replaced"); err != nil {
		t.Fatal(err)
	}
	if _, err := overTLS(t, address, second); err != nil {
		t.Errorf("with a good successor: %v", err)
	}
	if _, err := overTLS(t, address, first); err == nil {
		t.Error("the certificate before is still served")
	}
}

func TestRFC9113_6_5_2_AConnectionMayHaveAHundredStreams(t *testing.T) {
	folder := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(writeCertificate(t, folder, 1))
	address := porttest.Address(t)
	_, port, _ := strings.Cut(address, ":")
	newStation(t).serveAt(t, address, "MINIFED_PUBLIC_URL=https://localhost:"+port,
		"MINIFED_LISTEN_TLS_CERT_FILE="+filepath.Join(folder, "tls.crt"), "MINIFED_LISTEN_TLS_KEY_FILE="+filepath.Join(folder, "tls.key"),
		"MINIFED_KEYS_MASTER_KEY="+demoMasterKey())

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

func TestRFC9325_OldVersionsAndWeakSuitesOfTLSAreRefused(t *testing.T) {
	folder := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(writeCertificate(t, folder, 1))
	served, err := openCertificates(
		ListenConfig{TLSCertFile: filepath.Join(folder, "tls.crt"), TLSKeyFile: filepath.Join(folder, "tls.key")},
		prometheus.NewRegistry(), time.Now, slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", served.config())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 1)) // It is here that they agree, or do not.
			connection.Close()
		}
	}()
	for name, row := range map[string]struct {
		version, suite uint16
		good           bool
	}{
		"TLS 1.1":          {tls.VersionTLS11, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, false},
		"TLS 1.2 with CBC": {tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, false},
		"TLS 1.2 with GCM": {tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true},
		"TLS 1.3":          {tls.VersionTLS13, 0, true},
	} {
		connection, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
			RootCAs: roots, ServerName: "localhost", MinVersion: row.version, MaxVersion: row.version, CipherSuites: []uint16{row.suite},
		})
		if (err == nil) != row.good {
			t.Errorf("%s: error %v", name, err)
		}
		if err == nil {
			connection.Close()
		}
	}
}

// hangUp sends SIGHUP to this process, in which the server runs.
func hangUp(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateIsReplacedWithoutASignalToo(t *testing.T) {
	folder := t.TempDir()
	writeCertificate(t, folder, 1)
	now := time.Now()
	logs := newOutput()
	config := ListenConfig{TLSCertFile: filepath.Join(folder, "tls.crt"), TLSKeyFile: filepath.Join(folder, "tls.key")}
	c, err := openCertificates(config, newRegistry(), func() time.Time { return now }, newLogger(LogConfig{Level: "info"}, logs))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		served, err := c.config().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return served.Leaf.SerialNumber.Int64()
	}
	writeCertificate(t, folder, 22) // another length, for file systems with coarse times
	if got := serial(); got != 1 {
		t.Errorf("at once: certificate %d", got)
	}
	now = now.Add(certificateEvery)
	if got := serial(); got != 22 {
		t.Errorf("a while later: certificate %d", got)
	}
}
