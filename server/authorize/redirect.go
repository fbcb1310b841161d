package authorize

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// registeredRedirect reports whether a client registered a redirect URI. It compares texts (RFC 3986 §6.2.1, RFC 9700 §2.1),
// so that no parser can read the URI differently. The port of a native app's loopback URI is free (RFC 8252 §7.3), because the
// operating system chooses it.
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

// cutLoopback splits a loopback URI into its host and the part after the port. The host must be the registered one: localhost,
// which many tools send (RFC 8252 §8.3), never matches an IP literal.
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

// alwaysAsks reports whether an earlier consent does not count: for a redirect URI that another app on the device can take, which
// is every one but https (RFC 6749 §10.2, RFC 8252 §8.6), and for a client that registered itself.
func alwaysAsks(client storage.Client, uri string) bool {
	return !strings.HasPrefix(uri, "https://") || client.Origin == storage.OriginRegistered
}

// redirectOf returns the redirect URI of a request, which must be registered. OpenID Connect requires the parameter; an OAuth
// client with a single registered URI may omit it (RFC 6749 §3.1.2.3).
func redirectOf(client storage.Client, form url.Values) (string, error) {
	switch uris := form["redirect_uri"]; len(uris) {
	case 0:
		scopes := strings.Fields(form.Get("scope"))
		if len(client.RedirectURIs) == 1 && !slices.Contains(scopes, endpoint.ScopeOpenID) {
			return client.RedirectURIs[0], nil
		}
		return "", PageError("redirect_uri_missing", "The parameter redirect_uri is missing.")
	case 1:
		if registeredRedirect(client, uris[0]) {
			return uris[0], nil
		}
		return "", PageError("redirect_uri_unregistered", "The redirect_uri is not registered for this client. It must equal a registered one in every character.")
	default:
		return "", PageError("redirect_uri_missing", "The parameter redirect_uri is repeated. Send it once.")
	}
}
