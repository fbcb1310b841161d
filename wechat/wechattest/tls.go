package wechattest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Hosts returns the names of WeChat's API host and its alternates.
func Hosts() []string {
	return []string{"api.weixin.qq.com", "api2.weixin.qq.com", "sh.api.weixin.qq.com", "sz.api.weixin.qq.com", "hk.api.weixin.qq.com"}
}

// Certificate is for SDKs whose code holds "https://api.weixin.qq.com". It is good for Hosts, localhost and the loopback
// addresses, and issued by an authority that may issue for these names alone and whose key is thrown away.
type Certificate struct {
	// TLS is what the simulator presents.
	TLS tls.Certificate
	// Authority is the PEM that an SDK's process must trust.
	Authority []byte
}

const certificateLife = 30 * 24 * time.Hour

// NewCertificate creates a certificate and its authority, valid for 30 days from now on.
func NewCertificate(now time.Time) (Certificate, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, err
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wechatsim: simulated, for tests only"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: append(Hosts(), "localhost"),
		PermittedIPRanges: []*net.IPNet{
			{IP: loopback[0], Mask: net.CIDRMask(32, 32)}, {IP: loopback[1], Mask: net.CIDRMask(128, 128)},
		},
	}
	issued, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: Hosts()[0]},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: append(Hosts(), "localhost"), IPAddresses: loopback,
	}
	presented, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), authorityKey)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{
		TLS:       tls.Certificate{Certificate: [][]byte{presented}, PrivateKey: key},
		Authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued}),
	}, nil
}

// Client returns an HTTP client that reaches the simulator at address (host:port of a TLS listener) under every name of Hosts.
// It is for Go SDKs that take a *http.Client or a Transport.
func (c Certificate) Client(address string) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Authority)
	dialer := new(net.Dialer)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}}
}

// Proxy returns a handler that serves next as an HTTPS proxy, for programs that support HTTPS_PROXY: a CONNECT to one of Hosts
// ends at next, by TLS with the certificate. It opens no connections; other hosts are rejected with 403. Requests other than
// CONNECT go to next.
func (c Certificate) Proxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			next.ServeHTTP(w, r)
			return
		}
		host, port, err := net.SplitHostPort(r.Host)
		if err != nil || port != "443" || !slices.Contains(Hosts(), strings.ToLower(host)) {
			http.Error(w, "wechattest: this proxy reaches the simulated "+Hosts()[0]+":443 alone", http.StatusForbidden)
			return
		}
		c.tunnel(w, next)
	})
}

func (c Certificate) tunnel(w http.ResponseWriter, next http.Handler) {
	plain, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "wechattest: this connection cannot be a tunnel", http.StatusNotImplemented)
		return
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Time{})
	if _, err := io.WriteString(plain, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	secured := tls.Server(readAhead{plain, buffered.Reader}, &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12})
	server := &http.Server{Handler: next, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	_ = server.Serve(newOneConnection(secured)) // ends with the connection
}

// readAhead is a connection of which some bytes were read into a buffer.
type readAhead struct {
	net.Conn
	buffer *bufio.Reader
}

// NetConn returns the connection inside.
func (c readAhead) NetConn() net.Conn { return c.Conn }

func (c readAhead) Read(p []byte) (int, error) { return c.buffer.Read(p) }

// oneConnection is a listener that accepts one connection and ends when that is closed.
type oneConnection struct {
	conn chan net.Conn
	done chan struct{}
	addr net.Addr
}

func newOneConnection(conn net.Conn) *oneConnection {
	l := &oneConnection{conn: make(chan net.Conn, 1), done: make(chan struct{}), addr: conn.LocalAddr()}
	l.conn <- &closeNotifier{Conn: conn, done: l.done}
	return l
}

// Accept returns the connection, and then waits until it is closed.
func (l *oneConnection) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.done:
		return nil, errors.New("wechattest: the tunnel is closed")
	}
}

// Close does nothing: the connection closes itself.
func (*oneConnection) Close() error { return nil }

// Addr is the local address of the connection.
func (l *oneConnection) Addr() net.Addr { return l.addr }

type closeNotifier struct {
	net.Conn
	once sync.Once
	done chan struct{}
}

// NetConn returns the connection inside.
func (c *closeNotifier) NetConn() net.Conn { return c.Conn }

func (c *closeNotifier) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}
