package endpoint

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage/oauth2"
)

// Request is one request on its way through the server: what endpoints ask about it, and what its log line and its error say.
// Only the goroutine that serves the request touches it.
type Request struct {
	*http.Request

	ID       string
	Started  time.Time
	ClientIP netip.Addr

	// Route and issuer are nil until they are found.
	Route  *Route
	Issuer *oauth2.Issuer

	// Parameters holds the parameters once they were read; the log picks from it by its allow-list.
	Parameters url.Values
	// ClientID is the ID of the client that the request is from, or says that it is from; empty if there is no such one.
	ClientID string
	// Returns is what a page of a failure offers.
	Returns ReturnLink
	// GrantType is the grant type that served the request, once it is known to be one of ours.
	GrantType string
	// Failure is what was answered instead of success, and cause what the operator hears.
	Failure *grants.Error
	Cause   error
	// Advice is what the operator hears of a request that succeeded and yet did not do what its client wants; empty for nothing.
	Advice OperatorCause
}

type requestKey struct{}

// FromContext returns the call that ctx belongs to. Every handler runs in one.
func FromContext(ctx context.Context) *Request {
	c, _ := ctx.Value(requestKey{}).(*Request)
	return c
}

// InContext returns ctx with the request in it.
func (c *Request) InContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestKey{}, c)
}

// TrustedProxies tells who calls: the address behind trusted proxies, and the ID that they or we give to the request.
type TrustedProxies struct {
	Networks []netip.Prefix
	Random   io.Reader
}

const maxRequestID = 64

// RequestID is the trusted proxy's X-Request-Id, or a new one of 16 random bytes. A header from anywhere else is ignored:
// it could make two requests look like one in the log.
func (p TrustedProxies) RequestID(r *http.Request) (string, error) {
	if id := r.Header.Get("X-Request-Id"); plausibleRequestID(id) && p.trusts(peer(r)) {
		return id, nil
	}
	var raw [16]byte
	if _, err := io.ReadFull(p.Random, raw[:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

func plausibleRequestID(id string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return id != "" && len(id) <= maxRequestID && strings.Trim(id, allowed) == ""
}

// ClientIP is the address of the caller: the last one in X-Forwarded-For that no trusted proxy vouches for as another proxy.
func (p TrustedProxies) ClientIP(r *http.Request) netip.Addr {
	address := peer(r)
	if !p.trusts(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := hopAddress(strings.TrimSpace(hop))
		if !ok {
			return address
		}
		address = next.Unmap()
		if !p.trusts(address) {
			return address
		}
	}
	return address
}

// hopAddress reads one address of X-Forwarded-For. Some proxies add the port.
func hopAddress(hop string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr(), true
	}
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
	return address, err == nil
}

func (p TrustedProxies) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(p.Networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap()
}

func lower(s string) string { return strings.ToLower(s) }

// IssuerURL is the issuer that ctx belongs to; empty without one.
func IssuerURL(ctx context.Context) string {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return ""
	}
	return issuer.URL
}

// ErrNoRequest says that a context belongs to no request.
var ErrNoRequest = errors.New("server: the context belongs to no request")
