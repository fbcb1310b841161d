package endpoint

import (
	"context"
	"encoding/base64"
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

// Request is the state of one request: what endpoints read, and what the log line and the error response contain. Only the
// goroutine that serves the request uses it.
type Request struct {
	*http.Request

	ID       string
	Started  time.Time
	ClientIP netip.Addr
	// Country is the ISO 3166-1 code of the country that ClientIP is in, as a trusted proxy says; empty if unknown.
	Country string

	// Route and Issuer are nil until they are found.
	Route  *Route
	Issuer *oauth2.Issuer

	// Parameters holds the parameters after they were read. The log contains those of its allow-list.
	Parameters url.Values
	// ClientID is the ID of the authenticated or claimed client; empty if no such client exists.
	ClientID string
	// ReturnLink is the link on an error page.
	ReturnLink ReturnLink
	// GrantType is the grant type of a token request, once it is known to be supported.
	GrantType string
	// SignIn is the sign-in that the request tries; its Method is empty without one.
	SignIn SignIn
	// Failure is the error that was sent, and Cause its cause for the log.
	Failure *grants.Error
	Cause   error
	// Advice is a warning for the operator about a request that succeeded without the effect that its client expects; empty for
	// none.
	Advice OperatorCause
}

// SignIn describes a sign-in for the audit and the statistics.
type SignIn struct {
	// Method is a constant of the code, such as "password".
	Method string
	// User is the user who signed in, or the known one whose sign-in failed.
	User string
	// Session is the ID of the session that began, or the claim "sid" of the grant, and Browser its label.
	Session, Browser string
	// Done means that the user signed in.
	Done bool
}

// AuditOrigin implements audit.Origin.
func (c *Request) AuditOrigin() (from, requestID string) { return c.ClientIP.String(), c.ID }

type requestKey struct{}

// FromContext returns the request of ctx, for the methods that fosite calls. Handlers receive the request as an argument.
func FromContext(ctx context.Context) *Request {
	c, _ := ctx.Value(requestKey{}).(*Request)
	return c
}

// InContext returns a context that contains the request.
func (c *Request) InContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestKey{}, c)
}

// TrustedProxies determines a request's client address and ID, with the headers of trusted proxies.
type TrustedProxies struct {
	Networks []netip.Prefix
	Random   io.Reader
	// CountryHeader is the header in which they send the country of the client; empty for none.
	CountryHeader string
}

const maxRequestID = 64

// RequestID returns the X-Request-Id of a trusted proxy, or a new one of 16 random bytes. The header of any other sender is
// ignored: it could give two requests the same ID in the log.
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

// ClientIP returns the client's address: the last one in X-Forwarded-For that is not of a trusted proxy.
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

// Country returns the country of the client as a trusted proxy says; empty if unknown.
func (p TrustedProxies) Country(r *http.Request) string {
	if p.CountryHeader == "" || !p.trusts(peer(r)) {
		return ""
	}
	return CountryCode(r.Header.Get(p.CountryHeader))
}

// CountryCode returns an ISO 3166-1 code in capital letters. It is empty for anything else, and for the codes by which proxies
// say that they do not know: XX, and T1 for the Tor network.
func CountryCode(text string) string {
	code := strings.ToUpper(text)
	if len(code) != 2 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || code == "XX" {
		return ""
	}
	return code
}

// IsHTTPS reports whether a request arrived by https: at this process, or at a trusted proxy that says so.
func (p TrustedProxies) IsHTTPS(r *http.Request) bool {
	return r.TLS != nil || p.trusts(peer(r)) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// IsNear reports whether the connection comes from this machine or from a trusted proxy.
func (p TrustedProxies) IsNear(r *http.Request) bool {
	address := peer(r)
	return address.IsLoopback() || p.trusts(address)
}

// hopAddress parses one address of X-Forwarded-For. Some proxies add the port.
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

// peer returns the remote address of the connection.
func peer(r *http.Request) netip.Addr {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap()
}

func lower(s string) string { return strings.ToLower(s) }
