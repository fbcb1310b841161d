package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/cmd/minifed/internal/certificatetest"
)

func TestReloader_ReplacesTheCertificateWithoutASignal(t *testing.T) {
	folder := t.TempDir()
	certificatetest.Write(t, folder, 1)
	now := time.Now()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	c, err := Open(certFile, keyFile, prometheus.NewRegistry(), func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		served, err := c.TLSConfig().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return served.Leaf.SerialNumber.Int64()
	}
	certificatetest.Write(t, folder, 22) // another length, for file systems with coarse times
	if got := serial(); got != 1 {
		t.Errorf("at once: certificate %d", got)
	}
	now = now.Add(checkEvery)
	if got := serial(); got != 22 {
		t.Errorf("a while later: certificate %d", got)
	}
}

func TestRFC9325_RejectsOldVersionsAndWeakSuites(t *testing.T) {
	folder := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(certificatetest.Write(t, folder, 1))
	served, err := Open(
		filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"),
		prometheus.NewRegistry(), time.Now, slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", served.TLSConfig())
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
