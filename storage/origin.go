package storage

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckOrigin returns an error unless raw is an origin (RFC 6454 §6.2) for issuers: https, or http on a loopback host, then a
// lower-case host and possibly a port, and nothing else, because issuers are compared byte by byte.
func CheckOrigin(raw string) error {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Hostname() == "" || strings.ContainsFunc(raw, isNotPrintableASCII) {
		return errors.New("must be an origin in ASCII, such as https://id.example.com")
	}
	if parsed.Scheme != "https" && parsed.Scheme != "http" {
		return fmt.Errorf("has scheme %q; it must be https", parsed.Scheme)
	}
	if parsed.Scheme == "http" && !IsLoopback(parsed.Hostname()) {
		return errors.New("must be https; plain http is for localhost, 127.0.0.1 and [::1] alone")
	}
	if port := parsed.Port(); port == "443" && parsed.Scheme == "https" || port == "80" && parsed.Scheme == "http" {
		return fmt.Errorf("must leave out :%s, which is the default", port)
	}
	if port, err := strconv.ParseUint(parsed.Port(), 10, 16); parsed.Port() != "" && (err != nil || port == 0) {
		return fmt.Errorf("has port %s; a port is a number from 1 to 65535", parsed.Port())
	}
	if origin := parsed.Scheme + "://" + strings.ToLower(parsed.Host); raw != origin || strings.HasSuffix(parsed.Host, ":") {
		return fmt.Errorf("must be an origin, lower case, without user, path, query or slash at the end: %s", strings.TrimSuffix(origin, ":"))
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
