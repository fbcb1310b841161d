package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/minifed/minifed/server/endpoint"
)

// Config configures calls to addresses that clients registered, such as their jwks_uri. A client could choose an address inside
// this server's network. So by default only public addresses are called, by https.
type Config struct {
	// AllowPrivate allows http, and private, loopback and link-local addresses: for development, and for networks that are
	// closed.
	AllowPrivate bool
	// Roots are the certificate authorities for the hosts; nil is the system's.
	Roots *x509.CertPool
	// Lookup finds the addresses of a host; nil is the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address that was found and may be called; nil is the system's.
	Dial func(ctx context.Context, address netip.AddrPort) (net.Conn, error)
}

const (
	// fetchTimeout bounds a call from the first byte to the last.
	fetchTimeout = 5 * time.Second
	// fetchConnect bounds connecting, and the handshake.
	fetchConnect = 3 * time.Second
	// maxFetched bounds a response, and maxFetchedHeader its header, in bytes.
	maxFetched       = 64 << 10
	maxFetchedHeader = 16 << 10
	maxFetchURL      = 1024
)

var (
	// errAddressRefused means that an address must not be called.
	errAddressRefused = errors.New("outbound: this address must not be called")
	// ErrFailed means that a call had no usable response.
	ErrFailed = errors.New("outbound: the call failed")
)

// Client is the HTTP client for such calls. It follows no redirect, uses no proxy, because a proxy would resolve names itself,
// reuses no connection, and sends nothing that identifies this server or its callers.
type Client struct {
	config Config
	client *http.Client
}

// NewClient returns a client with the limits of config.
func NewClient(config Config) *Client {
	if config.Lookup == nil {
		config.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return new(net.Resolver).LookupNetIP(ctx, "ip", host)
		}
	}
	if config.Dial == nil {
		config.Dial = func(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address.String())
		}
	}
	o := &Client{config: config}
	o.client = &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            o.dial,
			TLSClientConfig:        &tls.Config{RootCAs: config.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchConnect,
			ResponseHeaderTimeout:  fetchTimeout,
			MaxResponseHeaderBytes: maxFetchedHeader,
			DisableKeepAlives:      true,
			DisableCompression:     true, // A small response could expand into a large one.
		},
	}
	return o
}

// Get returns the body of the response to a GET: status 200, at most maxFetched bytes. Errors contain no part of the response.
func (o *Client) Get(ctx context.Context, address, accept string) ([]byte, error) {
	body, _, err := o.get(ctx, address, accept, maxFetched)
	return body, err
}

// GetJSON returns the body and the header of the response to a GET: status 200, a media type of JSON, at most limit bytes.
func (o *Client) GetJSON(ctx context.Context, address string, limit int64) ([]byte, http.Header, error) {
	body, header, err := o.get(ctx, address, "application/json", limit)
	if err != nil {
		return nil, nil, err
	}
	essence, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	essence = strings.ToLower(strings.TrimSpace(essence))
	if essence != "application/json" && (!strings.HasPrefix(essence, "application/") || !strings.HasSuffix(essence, "+json")) {
		return nil, nil, fmt.Errorf("%w: the response is not JSON by its Content-Type", ErrFailed)
	}
	return body, header, nil
}

func (o *Client) get(ctx context.Context, address, accept string, limit int64) ([]byte, http.Header, error) {
	response, err := o.call(ctx, http.MethodGet, address, http.NoBody, map[string]string{"Accept": accept})
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%w: status %d", ErrFailed, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFailed, WithoutURL(err))
	}
	if int64(len(body)) > limit {
		return nil, nil, fmt.Errorf("%w: the response is longer than %d bytes", ErrFailed, limit)
	}
	return body, response.Header, nil
}

// Exchange sends a request to the API of a provider, and returns the status and the body of the response, of at most maxFetched bytes.
// Errors contain no part of the response.
func (o *Client) Exchange(ctx context.Context, method, address string, body []byte, header map[string]string) (status int, received []byte, err error) {
	response, err := o.call(ctx, method, address, bytes.NewReader(body), header)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	received, err = io.ReadAll(io.LimitReader(response.Body, maxFetched+1))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrFailed, WithoutURL(err))
	}
	if len(received) > maxFetched {
		return 0, nil, fmt.Errorf("%w: the response is longer than %d bytes", ErrFailed, maxFetched)
	}
	return response.StatusCode, received, nil
}

// PostJSON sends JSON with a signature as Sign returns it. Any successful status is accepted; the body is not read.
func (o *Client) PostJSON(ctx context.Context, address string, body []byte, signature string) error {
	header := map[string]string{"Content-Type": "application/json", SignatureHeader: signature}
	response, err := o.call(ctx, http.MethodPost, address, bytes.NewReader(body), header)
	if err != nil {
		return err
	}
	return accepted(response)
}

// Reach sends a HEAD request. Any response will do, because services treat HEAD differently.
func (o *Client) Reach(ctx context.Context, address string) error {
	response, err := o.call(ctx, http.MethodHead, address, http.NoBody, nil)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// Probe sends a GET, and returns the status and the header of the response. The body is not read.
func (o *Client) Probe(ctx context.Context, address string) (int, http.Header, error) {
	response, err := o.call(ctx, http.MethodGet, address, http.NoBody, nil)
	if err != nil {
		return 0, nil, err
	}
	return response.StatusCode, response.Header, response.Body.Close()
}

// Post sends a form. Any successful status is accepted; the body is not read.
func (o *Client) Post(ctx context.Context, address string, form url.Values) error {
	response, err := o.call(ctx, http.MethodPost, address, strings.NewReader(form.Encode()), map[string]string{"Content-Type": endpoint.FormMediaType})
	if err != nil {
		return err
	}
	return accepted(response)
}

// PostText sends a text of a media type. Any successful status is accepted; the body is not read.
func (o *Client) PostText(ctx context.Context, address, mediaType, text string) error {
	header := map[string]string{"Content-Type": mediaType, "Accept": "application/json"}
	response, err := o.call(ctx, http.MethodPost, address, strings.NewReader(text), header)
	if err != nil {
		return err
	}
	return accepted(response)
}

// accepted closes a response, and returns an error unless its status is of success.
func accepted(response *http.Response) error {
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%w: status %d%s", ErrFailed, response.StatusCode, excerpt(response.Body))
	}
	return nil
}

// maxExcerpt bounds what is logged of the body of an error, in bytes.
const maxExcerpt = 200

// excerpt returns the beginning of an error response for the log, on one line and without possible tokens, because receivers
// explain the rejection there. It is empty without a body.
func excerpt(body io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(body, maxExcerpt))
	cleaned := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return ' '
	}, string(text))
	cleaned = endpoint.Redacted(strings.Join(strings.Fields(cleaned), " "))
	if err != nil || cleaned == "" {
		return ""
	}
	return ": " + cleaned
}

// call sends a request with additional header fields. The caller closes the response body.
func (o *Client) call(ctx context.Context, method, address string, body io.Reader, header map[string]string) (*http.Response, error) {
	if err := o.check(address); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errAddressRefused
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", "minifed")
	response, err := o.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFailed, WithoutURL(err))
	}
	return response, nil
}

// WithoutURL drops the address, which may hold what its owner takes for a secret.
func WithoutURL(err error) error {
	if around, ok := errors.AsType[*url.Error](err); ok {
		return around.Err
	}
	return err
}

// check rejects anything but an https address with a host.
func (o *Client) check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxFetchURL:
		return fmt.Errorf("%w: it is malformed", errAddressRefused)
	case u.Scheme != "https" && (u.Scheme != "http" || !o.config.AllowPrivate):
		return fmt.Errorf("%w: it is not https", errAddressRefused)
	case u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Fragment != "":
		return fmt.Errorf("%w: it is not the plain address of a host", errAddressRefused)
	default:
		return nil
	}
}

// dial connects to the first permitted address of a host. It dials the address that it checked, so that a later change of the
// name has no effect.
func (o *Client) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errAddressRefused
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, errAddressRefused
	}
	ctx, cancel := context.WithTimeout(ctx, fetchConnect)
	defer cancel()
	found, err := o.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	rejected := fmt.Errorf("%w: the host has no public address", errAddressRefused)
	for _, ip := range found {
		ip = ip.Unmap()
		if !o.mayCall(ip) {
			continue
		}
		connection, err := o.config.Dial(ctx, netip.AddrPortFrom(ip, uint16(number)))
		if err == nil {
			return connection, nil
		}
		rejected = err
	}
	return nil, rejected
}

// mayCall reports whether an address is public, or allowed by the configuration.
func (o *Client) mayCall(ip netip.Addr) bool {
	return o.config.AllowPrivate || isPublic(ip)
}

func (o *Client) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	found, err := o.config.Lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("%w: the host is not known", ErrFailed)
	}
	return found, nil
}

// isPublic reports whether an address is public: global unicast, and neither reserved nor an embedded IPv4 address (IANA's
// special-purpose registries, RFC 6890).
func isPublic(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" || !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, network := range reservedNetworks() {
		if network.Contains(ip) {
			return false
		}
	}
	return ip.Is4() || netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20}), 3).Contains(ip)
}

// reservedNetworks are the reserved networks within global unicast.
func reservedNetworks() []netip.Prefix {
	four := func(a, b, c byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c}), bits)
	}
	six := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{a, b, c, d}), bits)
	}
	return []netip.Prefix{
		four(0, 0, 0, 8),          // this network
		four(100, 64, 0, 10),      // shared by carriers; metadata services of some clouds
		four(192, 0, 0, 24),       // protocol assignments
		four(192, 0, 2, 24),       // documentation
		four(192, 88, 99, 24),     // 6to4 relays
		four(198, 18, 0, 15),      // benchmarks
		four(198, 51, 100, 24),    // documentation
		four(203, 0, 113, 24),     // documentation
		four(240, 0, 0, 4),        // reserved, broadcast
		six(0x20, 0x01, 0, 0, 23), // protocol assignments, Teredo
		six(0x20, 0x01, 0x0d, 0xb8, 32),
		six(0x20, 0x02, 0, 0, 16), // 6to4
		six(0x3f, 0xff, 0, 0, 20), // documentation
	}
}
