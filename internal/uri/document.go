package uri

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxDocumentURL bounds the URL of a metadata document, in bytes: it is a client_id.
const maxDocumentURL = 256

// ParseDocument returns the URL of a client's metadata document, which is a client_id: https with a host name and a path, and nothing that two parsers could read differently.
func ParseDocument(id string) (*url.URL, bool) {
	parsed, err := url.Parse(id)
	if err != nil || len(id) > maxDocumentURL || !strings.HasPrefix(id, "https://") || strings.ContainsAny(id, "#\\%") || strings.ContainsFunc(id, isNotPrintableASCII) {
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
