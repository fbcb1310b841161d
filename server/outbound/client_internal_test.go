package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeNetwork is a network of one host, example.com (the name in httptest's certificate), at a public address.
type fakeNetwork struct {
	server *httptest.Server
	// lookupResults are the results of successive lookups of the name; the last one stays.
	lookupResults [][]string
	lookups       atomic.Int32
	dialled       []netip.AddrPort
}

func newFakeNetwork(t *testing.T, handler http.HandlerFunc, lookupResults ...[]string) (*fakeNetwork, *Client) {
	n := &fakeNetwork{server: httptest.NewTLSServer(handler), lookupResults: lookupResults}
	t.Cleanup(n.server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(n.server.Certificate())
	return n, NewClient(Config{Roots: roots, Lookup: n.lookup, Dial: n.dial})
}

func (n *fakeNetwork) lookup(context.Context, string) ([]netip.Addr, error) {
	i := min(int(n.lookups.Add(1)), len(n.lookupResults)) - 1
	var found []netip.Addr
	for _, text := range n.lookupResults[i] {
		found = append(found, netip.MustParseAddr(text))
	}
	return found, nil
}

func (n *fakeNetwork) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	n.dialled = append(n.dialled, address)
	return new(net.Dialer).DialContext(ctx, "tcp", n.server.Listener.Addr().String())
}

func TestClient_FetchesPublicHostByHTTPS(t *testing.T) {
	network, client := newFakeNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			switch name {
			case "Accept", "User-Agent", "Connection":
			default:
				t.Errorf("the request has %s: %s", name, r.Header.Get(name))
			}
		}
		w.Write([]byte("hello"))
	}, []string{"93.184.215.14"})
	body, err := client.Get(t.Context(), "https://example.com:8443/jwks", "application/json")
	if err != nil || string(body) != "hello" {
		t.Fatalf("got %q, %v", body, err)
	}
	if want := netip.MustParseAddrPort("93.184.215.14:8443"); len(network.dialled) != 1 || network.dialled[0] != want {
		t.Errorf("dialled %v", network.dialled)
	}
}

func TestClient_DialsNoPrivateAddress(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0", "255.255.255.255",
		"224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.0.0.170", "192.88.99.1",
		"::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::1", "2001::1", "64:ff9b::7f00:1",
		"64:ff9b:1::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "100::1", "fec0::1", "3fff::1", "5f00::1",
	} {
		network, client := newFakeNetwork(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") }, []string{address})
		for _, uri := range []string{"https://example.com/jwks", "https://" + bracketed(address) + "/jwks"} {
			if _, err := client.Get(t.Context(), uri, "*/*"); !errors.Is(err, errAddressRefused) && !strings.Contains(address, "%") {
				t.Errorf("%s: got %v", uri, err)
			}
		}
		if len(network.dialled) > 0 {
			t.Errorf("%s: dialled %v", address, network.dialled)
		}
	}
}

func bracketed(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

func TestClient_DialsCheckedAddress(t *testing.T) {
	// The name has another address at every lookup. DNS rebinding has no effect, because there is only one lookup.
	network, client := newFakeNetwork(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) }, []string{"93.184.215.14"}, []string{"127.0.0.1"})
	if _, err := client.Get(t.Context(), "https://example.com/", "*/*"); err != nil {
		t.Fatal(err)
	}
	if n := network.lookups.Load(); n != 1 || network.dialled[0].Addr().IsLoopback() {
		t.Errorf("%d lookups, dialled %v", n, network.dialled)
	}
	// Of several addresses the client uses the public ones.
	network, client = newFakeNetwork(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")) }, []string{"10.0.0.1", "2606:2800:21f:cb07::1"})
	if _, err := client.Get(t.Context(), "https://example.com/", "*/*"); err != nil || len(network.dialled) != 1 || !network.dialled[0].Addr().Is6() {
		t.Errorf("dialled %v, %v", network.dialled, err)
	}
}

func TestClient_RejectsOtherURLs(t *testing.T) {
	_, client := newFakeNetwork(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") }, []string{"93.184.215.14"})
	for _, address := range []string{
		"http://example.com/", "ftp://example.com/", "file:///etc/passwd", "//example.com/", "example.com", "", "https://", "https:example.com",
		"https://user:password@example.com/", "https://example.com/#x", "https://example.com:port/", "https://%zz/", "https://example.com/" + strings.Repeat("x", 1024),
	} {
		if _, err := client.Get(t.Context(), address, "*/*"); !errors.Is(err, errAddressRefused) {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

func TestClient_BoundsResponseAndFollowsNoRedirect(t *testing.T) {
	for name, row := range map[string]struct {
		handler http.HandlerFunc
		good    bool
	}{
		"64 KB":         {func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("x"), maxFetched)) }, true},
		"one byte more": {func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("x"), maxFetched+1)) }, false},
		"a redirect": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/other")
			w.WriteHeader(http.StatusFound)
		}, false},
		"an error":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, false},
		"no content":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, false},
		"a large header":     {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 32<<10)) }, false},
		"a dropped response": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, false},
		"a short response": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("x"))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			_, client := newFakeNetwork(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				row.handler(w, r)
			}, []string{"93.184.215.14"})
			client.client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			_, err := client.Get(t.Context(), "https://example.com/secret-path", "*/*")
			if row.good != (err == nil) || err != nil && !errors.Is(err, ErrFailed) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret-path") {
				t.Errorf("the error names the address: %v", err)
			}
			if n := calls.Load(); n != 1 {
				t.Errorf("called %d times", n)
			}
		})
	}
}

func TestClient_RequiresValidCertificate(t *testing.T) {
	network, _ := newFakeNetwork(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") }, []string{"93.184.215.14"})
	untrusting := NewClient(Config{Lookup: network.lookup, Dial: network.dial})
	if _, err := untrusting.Get(t.Context(), "https://example.com/", "*/*"); !errors.Is(err, ErrFailed) {
		t.Errorf("got %v", err)
	}
}

func TestClient_AllowsConfiguredPrivateNetwork(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) }))
	t.Cleanup(server.Close)
	if _, err := NewClient(Config{}).Get(t.Context(), server.URL, "*/*"); !errors.Is(err, errAddressRefused) {
		t.Errorf("by default: %v", err)
	}
	if body, err := NewClient(Config{AllowPrivate: true}).Get(t.Context(), server.URL, "*/*"); err != nil || string(body) != "hello" {
		t.Errorf("allowed: %q, %v", body, err)
	}
}

func TestClient_TimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := NewClient(Config{AllowPrivate: true, Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			near, far := net.Pipe()
			go io.Copy(io.Discard, far)
			return near, nil
		}})
		begun := time.Now()
		if _, err := silent.Get(t.Context(), "http://127.0.0.1/", "*/*"); !errors.Is(err, ErrFailed) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(begun); waited != fetchTimeout {
			t.Errorf("after %v", waited)
		}
	})
}
