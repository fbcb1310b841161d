package server_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"github.com/minifed/minifed/server/outbound"
)

// outsideHosts are hosts of others: example.com and the names below it. A host has a public address unless a test sets another one.
type outsideHosts struct {
	mu        sync.Mutex
	listener  string
	addresses map[string]string
	dialled   []netip.AddrPort
	lookups   int
}

// testRoots are the certificate authorities of httptest's servers.
func testRoots() *x509.CertPool {
	probe := httptest.NewTLSServer(http.NotFoundHandler())
	defer probe.Close()
	roots := x509.NewCertPool()
	roots.AddCert(probe.Certificate())
	return roots
}

var sharedRoots = sync.OnceValue(testRoots)

func (o *outsideHosts) config() outbound.Config {
	return outbound.Config{Roots: sharedRoots(), Lookup: o.lookup, Dial: o.dial, AllowPrivate: true} // AllowPrivate has no effect.
}

func (o *outsideHosts) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lookups++
	if address := o.addresses[host]; address != "" {
		return []netip.Addr{netip.MustParseAddr(address)}, nil
	}
	return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
}

func (o *outsideHosts) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	o.mu.Lock()
	o.dialled = append(o.dialled, address)
	listener := o.listener
	o.mu.Unlock()
	if listener == "" {
		return nil, errors.New("no outside host in this test")
	}
	return new(net.Dialer).DialContext(ctx, "tcp", listener)
}

// serve lets a handler respond for all outside hosts.
func (o *outsideHosts) serve(t *testing.T, handler http.Handler) {
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listener = server.Listener.Addr().String()
}

// at gives a host an address.
func (o *outsideHosts) at(host, address string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.addresses == nil {
		o.addresses = map[string]string{}
	}
	o.addresses[host] = address
}
