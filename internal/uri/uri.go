package uri

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/storage"
)

// maxURI bounds a URI, in bytes.
const maxURI = 1024

// CheckRedirect follows OpenID Connect Core §3.1.2.1, RFC 9700 §2.1 and RFC 8252 §7: absolute, no fragment, and of a
// form that the client's kind can hold safely.
func CheckRedirect(kind storage.ClientKind, raw string) error {
	parsed, err := Parse(raw)
	if err != nil {
		return err
	}
	if err := checkReserved(parsed, authorizationResponseMembers()); err != nil {
		return err
	}
	return checkReturn(kind, parsed)
}

// checkReturn checks scheme and host of a URI that a browser is sent to for a client.
func checkReturn(kind storage.ClientKind, parsed *url.URL) error {
	switch {
	case parsed.Scheme == "https":
		return requireHost(parsed)
	case parsed.Scheme == "http" && kind == storage.ClientNative:
		return checkNativeLoopback(parsed)
	case parsed.Scheme == "http":
		if !storage.IsLoopback(parsed.Hostname()) {
			return errors.New("must be https; plain http is for localhost, 127.0.0.1 and [::1] alone")
		}
		return nil
	case kind == storage.ClientNative:
		return checkPrivateScheme(parsed)
	default:
		return fmt.Errorf("has scheme %q; a %s client needs https", parsed.Scheme, kind)
	}
}

// checkNativeLoopback checks RFC 8252 §7.3. The name localhost is accepted as well as the IP literals, although §8.3 advises
// against it: widely used command-line tools send only that name.
func checkNativeLoopback(parsed *url.URL) error {
	if slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, parsed.Hostname()) {
		return nil
	}
	return errors.New("must be http://127.0.0.1/…, http://[::1]/… or http://localhost/…, with any port; other hosts need https (RFC 8252 §8.3)")
}

// checkPrivateScheme is RFC 8252 §7.1: a domain name of the app's maker, reversed.
func checkPrivateScheme(parsed *url.URL) error {
	if !strings.Contains(parsed.Scheme, ".") {
		return fmt.Errorf("has scheme %q; a private scheme must be a domain reversed, such as com.example.app (RFC 8252 §7.1)", parsed.Scheme)
	}
	return nil
}

// CheckHTTPS is for URIs that minifed itself or a browser fetches.
func CheckHTTPS(raw string) error {
	parsed, err := Parse(raw)
	if err != nil {
		return err
	}
	if parsed.Scheme == "http" && storage.IsLoopback(parsed.Hostname()) {
		return nil
	}
	if parsed.Scheme != "https" {
		return errors.New("must be https")
	}
	return requireHost(parsed)
}

// Parse accepts absolute URIs without fragment, user or dot segments, so that what is registered is what is compared.
func Parse(raw string) (*url.URL, error) {
	if len(raw) > maxURI {
		return nil, fmt.Errorf("is longer than %d bytes", maxURI)
	}
	parsed, err := url.Parse(raw)
	if err != nil || !parsed.IsAbs() || parsed.Opaque != "" || strings.ContainsFunc(raw, isNotPrintableASCII) {
		return nil, errors.New("must be an absolute URI in ASCII")
	}
	if strings.Contains(raw, "#") {
		return nil, errors.New("must not have a fragment (RFC 6749 §3.1.2)")
	}
	if parsed.User != nil {
		return nil, errors.New("must not have a user in front of the host")
	}
	if strings.Contains(raw, "*") || strings.Contains(raw, `\`) {
		return nil, errors.New("must be exact: no * and no backslash")
	}
	if err := checkPort(parsed); err != nil {
		return nil, err
	}
	if _, err := url.ParseQuery(parsed.RawQuery); err != nil {
		return nil, errors.New("must have a query of names and values, with & between them and %XX for other characters")
	}
	segments := strings.Split(parsed.Path, "/")
	if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return nil, errors.New("must not have dot segments")
	}
	return parsed, nil
}

// checkPort rejects an empty or invalid port.
func checkPort(parsed *url.URL) error {
	if strings.HasSuffix(parsed.Host, ":") {
		return errors.New("must not have a colon without a port")
	}
	if parsed.Port() == "" {
		return nil
	}
	if port, err := strconv.ParseUint(parsed.Port(), 10, 16); err != nil || port == 0 {
		return fmt.Errorf("has port %s; a port is a number from 1 to 65535", parsed.Port())
	}
	return nil
}

// authorizationResponseMembers are what an authorization response adds to a redirect URI (RFC 6749 §4.1.2 and §4.2.2, RFC 9207
// §2, OpenID Connect Session Management §3, JARM §2.3).
func authorizationResponseMembers() []string {
	return []string{
		"code", "state", "iss", "error", "error_description", "error_uri", "session_state", "response",
		"access_token", "token_type", "expires_in", "scope", "id_token",
	}
}

// checkReserved rejects a query with parameter names of the response: the client could not distinguish them. An attacker who
// registers or injects one could forge a response of minifed (RFC 6749 §3.1: no parameter more than once).
func checkReserved(parsed *url.URL, reserved []string) error {
	for name := range parsed.Query() {
		if slices.Contains(reserved, name) {
			return fmt.Errorf("must not have the parameter %q in its query: the response has one of that name (RFC 6749 §3.1)", name)
		}
	}
	return nil
}

// CheckPostLogout is CheckRedirect for a URI where people come back to after logout, with "state" added to it (OpenID
// Connect RP-Initiated Logout §3).
func CheckPostLogout(kind storage.ClientKind, raw string) error {
	parsed, err := Parse(raw)
	if err != nil {
		return err
	}
	if err := checkReserved(parsed, []string{"state"}); err != nil {
		return err
	}
	return checkReturn(kind, parsed)
}

func requireHost(parsed *url.URL) error {
	if parsed.Hostname() == "" {
		return errors.New("must have a host")
	}
	return nil
}

func isNotPrintableASCII(r rune) bool { return r <= ' ' || r >= 0x7f }
