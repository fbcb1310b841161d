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

// checkEvery is how often the files of the certificate are looked at, when somebody connects.
const checkEvery = 10 * time.Second

// Reloader serve the TLS certificate that two files hold, and its successor as soon as both files have changed.
type Reloader struct {
	certFile, keyFile string
	now               func() time.Time
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu
	stamp   string           // of the files that were read last, guarded by mu
	looked  time.Time        // guarded by mu
}

// loadCertificate reads a certificate with its chain, and its key, from PEM files.
func loadCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	loaded, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &loaded, nil
}

// Open reads the certificate, and registers the metric of when it ends.
func Open(certFile, keyFile string, registry prometheus.Registerer, now func() time.Time, logger *slog.Logger) (*Reloader, error) {
	c := &Reloader{certFile: certFile, keyFile: keyFile, now: now, logger: logger}
	c.stamp, c.looked = c.stampOfFiles(), now()
	var err error
	if c.current, err = loadCertificate(c.certFile, c.keyFile); err != nil {
		return nil, fmt.Errorf("listen.tls_cert_file: %w", err)
	}
	return c, registry.Register(c.metric())
}

// TLSConfig is the TLS configuration of a listener: TLS 1.2 with forward secrecy and authenticated encryption alone, and 1.3 (RFC 9325
// §3.1.1, §4.2). HTTP/2 is for whoever offers it.
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
			if now := c.now(); now.Sub(c.looked).Abs() >= checkEvery {
				c.looked = now
				c.refresh()
			}
			return c.current, nil
		},
	}
}

// Reload looks at the files now.
func (c *Reloader) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
}

// refresh reads the files if they changed. While they do not fit together the certificate before stays.
func (c *Reloader) refresh() {
	stamp := c.stampOfFiles()
	if stamp == c.stamp {
		return
	}
	loaded, err := loadCertificate(c.certFile, c.keyFile)
	c.stamp = stamp
	if err != nil {
		c.logger.Error("the new TLS certificate cannot be used; the one before still is", "file", c.certFile, "error", err)
		return
	}
	c.current = loaded
	c.logger.Info("the TLS certificate was replaced", "file", c.certFile, "until", loaded.Leaf.NotAfter)
}

// stampOfFiles changes when one of the files does.
func (c *Reloader) stampOfFiles() (stamp string) {
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
		}
	}
	return stamp
}

// metric tells until when the certificate is good.
func (c *Reloader) metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minifed_tls_certificate_expiry_timestamp_seconds",
		Help: "Until when the TLS certificate is good, in Unix time.",
	}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.current.Leaf.NotAfter.Unix())
	})
}
