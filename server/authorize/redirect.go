package authorize

import (
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/storage"
)

// registeredRedirect reports whether a client registered a redirection endpoint, by comparing texts (RFC 3986 §6.2.1, RFC 9700 §2.1):
// nothing is parsed that could be parsed in two ways. The port of a native app's loopback interface is open (RFC 8252 §7.3),
// because the system chooses it.
func registeredRedirect(client storage.Client, uri string) bool {
	if slices.Contains(client.RedirectURIs, uri) {
		return true
	}
	if client.Kind != storage.ClientNative {
		return false
	}
	host, rest, ok := cutLoopback(uri)
	return ok && slices.ContainsFunc(client.RedirectURIs, func(registered string) bool {
		h, r, ok := cutLoopback(registered)
		return ok && h == host && r == rest
	})
}

// cutLoopback splits a URI of the loopback interface into its host and what follows the port. The host is compared as it was
// registered: localhost, which many tools send (RFC 8252 §8.3), never matches an IP literal.
func cutLoopback(uri string) (host, rest string, ok bool) {
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		rest, found := strings.CutPrefix(uri, "http://"+host)
		if !found {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			end := strings.IndexFunc(port, func(r rune) bool { return r < '0' || '9' < r })
			if end < 0 {
				end = len(port)
			}
			if _, err := strconv.ParseUint(port[:end], 10, 16); err != nil {
				return "", "", false
			}
			rest = port[end:]
		}
		return host, rest, true
	}
	return "", "", false
}

// assured reports whether what is sent to a redirection endpoint reaches the client and nobody else: https does, while any app
// of a device can take a private scheme or a port of the loopback interface (RFC 8252 §8.6).
func assured(client storage.Client, uri string) bool {
	return client.Kind != storage.ClientNative || strings.HasPrefix(uri, "https://")
}
