package clientdocument

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
)

// IsID reports whether a client_id claims to be the URL of a document.
func IsID(id string) bool { return strings.HasPrefix(id, "https://") }

// parseID returns the URL of a document: https with a host name and a path, and nothing that two parsers could read differently.
func parseID(id string) (*url.URL, bool) {
	parsed, err := url.Parse(id)
	if err != nil || len(id) > endpoint.MaxClientID || !IsID(id) || strings.ContainsAny(id, "#\\%") || strings.ContainsFunc(id, isNotPrintableASCII) {
		return nil, false
	}
	host := parsed.Hostname()
	if parsed.User != nil || host == "" || host != strings.ToLower(host) || strings.HasSuffix(parsed.Host, ":") || strings.HasSuffix(host, ".") {
		return nil, false
	}
	if strings.Contains(id, "@") || !strings.HasPrefix(parsed.Path, "/") || parsed.Path == "/" {
		return nil, false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, false // A certificate for a name proves more than one for an address.
	}
	segments := strings.Split(parsed.Path, "/")
	return parsed, !slices.Contains(segments, ".") && !slices.Contains(segments, "..")
}

func isNotPrintableASCII(r rune) bool { return r <= ' ' || r >= 0x7f }

// hostOf returns the host of a document as operators write it: with its port unless that is 443.
func hostOf(address *url.URL) string { return strings.TrimSuffix(address.Host, ":443") }
