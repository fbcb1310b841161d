package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// checkEvery is the interval at which new connections check the files for changes.
const checkEvery = 10 * time.Second

// Reloader serves the TLS certificate of two files, and reads the files again when they have changed.
type Reloader struct {
	certFile, keyFile string
	now               func() time.Time
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu
	stamp   string           // of the files when they were last read, guarded by mu
	checked time.Time        // guarded by mu
}

// loadCertificate reads a certificate with its chain, and its key, from PEM files.
func loadCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	loaded, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &loaded, nil
}

// Open reads the certificate, and registers the metric of its expiry.
func Open(certFile, keyFile string, registry prometheus.Registerer, now func() time.Time, logger *slog.Logger) (*Reloader, error) {
	c := &Reloader{certFile: certFile, keyFile: keyFile, now: now, logger: logger}
	c.stamp, c.checked = c.stampOfFiles(), now()
	var err error
	if c.current, err = loadCertificate(c.certFile, c.keyFile); err != nil {
		return nil, fmt.Errorf("listen.tls_cert_file: %w", err)
	}
	return c, registry.Register(c.metric())
}

// TLSConfig returns the TLS configuration of a listener: TLS 1.3, and TLS 1.2 only with forward secrecy and authenticated encryption
// (RFC 9325 §3.1.1, §4.2). Clients that offer HTTP/2 get it.
func (c *Reloader) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if now := c.now(); now.Sub(c.checked).Abs() >= checkEvery {
				c.checked = now
				c.refresh()
			}
			return c.current, nil
		},
	}
}

// Reload reads the files now if they have changed.
func (c *Reloader) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
}

// refresh reads the files if they have changed. While they do not match, the previous certificate remains in use.
func (c *Reloader) refresh() {
	stamp := c.stampOfFiles()
	if stamp == c.stamp {
		return
	}
	loaded, err := loadCertificate(c.certFile, c.keyFile)
	c.stamp = stamp
	if err != nil {
		c.logger.Error("the new TLS certificate cannot be used; the previous one remains in use", "file", c.certFile, "error", err)
		return
	}
	c.current = loaded
	c.logger.Info("the TLS certificate was replaced", "file", c.certFile, "until", loaded.Leaf.NotAfter)
}

// stampOfFiles returns a value that changes when one of the files changes.
func (c *Reloader) stampOfFiles() (stamp string) {
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
		}
	}
	return stamp
}

// metric reports when the certificate expires.
func (c *Reloader) metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minifed_tls_certificate_expiry_timestamp_seconds",
		Help: "When the TLS certificate expires, in Unix time.",
	}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.current.Leaf.NotAfter.Unix())
	})
}
