package clientmetadata

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/internal/uri"
	"github.com/minifed/minifed/storage"
)

// maxRedirectURIs bounds the redirect URIs of a client.
const maxRedirectURIs = 20

func (m Metadata) checkRedirects() error {
	bad := func(text string) error { return &Problem{InvalidRedirectURI, "redirect_uris", text} }
	if len(m.RedirectURIs) == 0 {
		return bad("needs at least one URI")
	}
	if len(m.RedirectURIs) > maxRedirectURIs {
		return bad(fmt.Sprintf("has %d URIs; at most %d are allowed", len(m.RedirectURIs), maxRedirectURIs))
	}
	for i, redirect := range m.RedirectURIs {
		if err := checkRedirect(redirect); err != nil {
			return bad(fmt.Sprintf("%d %s", i+1, err))
		}
	}
	return nil
}

// checkRedirect accepts what clients of kind native may have, and private schemes without a dot too, which some programs use
// (RFC 8252 §7.1 advises against it).
func checkRedirect(raw string) error {
	parsed, err := uri.Parse(raw)
	if err != nil {
		return err
	}
	if parsed.Scheme == "http" || parsed.Scheme == "https" || strings.Contains(parsed.Scheme, ".") {
		return uri.CheckRedirect(storage.ClientNative, raw)
	}
	if slices.Contains(unsafeSchemes(), parsed.Scheme) {
		return fmt.Errorf("has scheme %q, which no redirect URI may have", parsed.Scheme)
	}
	// The other checks do not depend on the scheme.
	if err := uri.CheckRedirect(storage.ClientNative, "x."+raw); err != nil {
		return err
	}
	if parsed.Host == "" && parsed.Path == "" {
		return errors.New("must have a host or a path")
	}
	return nil
}

// unsafeSchemes run scripts, read files, or start a program that is no client.
func unsafeSchemes() []string {
	return []string{
		"about", "android-app", "blob", "chrome", "content", "data", "file", "filesystem", "ftp", "intent", "javascript", "mailto",
		"ms-settings", "resource", "sms", "smsto", "tel", "vbscript", "view-source", "weixin", "ws", "wss", "alipay", "alipays",
	}
}

// IsOnDevice reports whether a redirect URI leads to a program on the user's own device: by http to a loopback address, or by a private
// scheme. Any other program there can receive it too.
func IsOnDevice(redirect string) bool { return isLoopback(redirect) || isPrivate(redirect) }

// isLoopback reports whether a redirect URI leads to the user's own device by http.
func isLoopback(redirect string) bool {
	parsed, err := url.Parse(redirect)
	return err == nil && parsed.Scheme == "http"
}

// isPrivate reports whether a redirect URI has a private scheme.
func isPrivate(redirect string) bool {
	return !strings.HasPrefix(redirect, "https://") && !isLoopback(redirect)
}

// targets returns the schemes and hosts of redirect URIs, sorted and without duplicates. Ports of https count, those of the
// user's device do not.
func targets(redirects []string) []string {
	var found []string
	for _, redirect := range redirects {
		parsed, err := url.Parse(redirect)
		if err != nil {
			continue
		}
		host := strings.ToLower(parsed.Host)
		if parsed.Scheme == "http" {
			host = strings.ToLower(parsed.Hostname())
		}
		found = append(found, parsed.Scheme+"://"+host)
	}
	slices.Sort(found)
	return slices.Compact(found)
}
