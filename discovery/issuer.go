package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// CheckIssuer returns what is wrong with an issuer identifier, or nil: it is an https URL without user, query, fragment and
// trailing slash (OpenID Connect Discovery 1.0 §3, RFC 8414 §2); http is for loopback hosts alone.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("issuer is not a URL with a host")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("issuer %q is not https", u.Redacted())
	case u.User != nil || strings.ContainsAny(issuer, "?#"):
		return fmt.Errorf("issuer %q has a user, query or fragment", u.Redacted())
	case strings.HasSuffix(issuer, "/"):
		return fmt.Errorf("issuer %q ends with a slash", issuer)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// ConfigurationURL is where the issuer's OpenID Provider Metadata is (OpenID Connect Discovery 1.0 §4): the well-known part
// follows the issuer.
func ConfigurationURL(issuer string) string { return issuer + "/.well-known/openid-configuration" }

// AuthorizationServerURL is where the issuer's OAuth 2.0 Authorization Server Metadata is (RFC 8414 §3): the well-known part
// stands between host and path.
func AuthorizationServerURL(issuer string) string {
	scheme, rest, _ := strings.Cut(issuer, "://")
	host, path, found := strings.Cut(rest, "/")
	if found {
		path = "/" + path
	}
	return scheme + "://" + host + "/.well-known/oauth-authorization-server" + path
}
