package storage

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// OriginReason is the reason why a text is not an origin for issuers. Callers may switch on it; its text may change.
type OriginReason int

const (
	// OriginMalformed is a text that is no URL with a host, or not ASCII.
	OriginMalformed OriginReason = iota + 1
	// OriginScheme is a scheme other than https; Detail is the scheme.
	OriginScheme
	// OriginPlainHTTP is http on a host that is not loopback.
	OriginPlainHTTP
	// OriginDefaultPort is a port that the scheme has by default; Detail is the port.
	OriginDefaultPort
	// OriginPort is no number of a port; Detail is the port.
	OriginPort
	// OriginNotBare is a URL with more than an origin; Detail is its origin.
	OriginNotBare
)

// OriginError reports that a text is not an origin for issuers.
type OriginError struct {
	Reason OriginReason
	// Detail is a part of the text, or what would be right, as the reason says.
	Detail string
}

// Error implements error.
func (e *OriginError) Error() string {
	switch e.Reason {
	case OriginMalformed:
		return "must be an origin in ASCII, such as https://id.example.com"
	case OriginScheme:
		return fmt.Sprintf("has scheme %q; it must be https", e.Detail)
	case OriginPlainHTTP:
		return "must be https; plain http is for localhost, 127.0.0.1 and [::1] alone"
	case OriginDefaultPort:
		return fmt.Sprintf("must leave out :%s, which is the default", e.Detail)
	case OriginPort:
		return fmt.Sprintf("has port %s; a port is a number from 1 to 65535", e.Detail)
	default:
		return "must be an origin, lower case, without user, path, query or slash at the end: " + e.Detail
	}
}

// CheckOrigin returns an *OriginError unless raw is an origin (RFC 6454 §6.2) for issuers: https, or http on a loopback host, then
// a lower-case host and possibly a port, and nothing else, because issuers are compared byte by byte.
func CheckOrigin(raw string) error {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Hostname() == "" || strings.ContainsFunc(raw, isNotPrintableASCII) {
		return &OriginError{Reason: OriginMalformed}
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" {
		return &OriginError{OriginScheme, parsed.Scheme}
	}
	if parsed.Scheme == "http" && !IsLoopback(parsed.Hostname()) {
		return &OriginError{Reason: OriginPlainHTTP}
	}
	if port := parsed.Port(); port == "443" && parsed.Scheme == "https" || port == "80" && parsed.Scheme == "http" {
		return &OriginError{OriginDefaultPort, port}
	}
	if port, err := strconv.ParseUint(parsed.Port(), 10, 16); parsed.Port() != "" && (err != nil || port == 0) {
		return &OriginError{OriginPort, parsed.Port()}
	}
	if origin := parsed.Scheme + "://" + strings.ToLower(parsed.Host); raw != origin || strings.HasSuffix(parsed.Host, ":") {
		return &OriginError{OriginNotBare, strings.TrimSuffix(origin, ":")}
	}
	return nil
}

func isNotPrintableASCII(r rune) bool { return r <= ' ' || r >= 0x7f }

// IsLoopback reports whether a host, without port and brackets, is this machine on every network: localhost, or a loopback
// address.
func IsLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
