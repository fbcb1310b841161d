package operators

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
)

// Gate accepts requests to the console and the admin API. Another host name could be that of an attacker's page in the operator's
// browser (DNS rebinding), and plain http would disclose sessions and tokens.
type Gate struct {
	// URL is the origin of the console and the API.
	URL     string
	Proxies endpoint.TrustedProxies
}

// Check returns an error for a request that must not reach the console or the API.
func (g Gate) Check(r *http.Request) error {
	if !g.isHost(r.Host) {
		return reject(endpoint.ReasonWrongHost, http.StatusMisdirectedRequest, "The console and the admin API are at "+g.URL+", and this request is for another host. The operator sets their address by admin.public_url.")
	}
	return g.CheckTransport(r)
}

// CheckTransport is Check without the host, for programs that call the listener by another name.
func (g Gate) CheckTransport(r *http.Request) error {
	if g.Proxies.IsHTTPS(r) || !g.secure() && g.Proxies.IsNear(r) {
		return nil
	}
	return reject(endpoint.ReasonPlainHTTP, http.StatusForbidden, "The console and the admin API are served only by https, or on this machine. A proxy in front must be one of listen.trusted_proxies, and must set X-Forwarded-Proto.")
}

// IsSameOrigin reports whether a page of this origin sent a form. Browsers send one of the two headers with every form.
func (g Gate) IsSameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return r.Header.Get("Origin") == g.URL
}

func (g Gate) secure() bool { return strings.HasPrefix(g.URL, "https:") }

// isHost reports whether a Host header names the host of the URL. Some clients add the default port.
func (g Gate) isHost(header string) bool {
	parsed, err := url.Parse(g.URL)
	if err != nil {
		return false
	}
	port := ":80"
	if g.secure() {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(header, port), parsed.Host)
}

func reject(reason string, status int, description string) error {
	return &grants.Error{Protocol: &fosite.RFC6749Error{ErrorField: "invalid_request", DescriptionField: description, CodeField: status}, Reason: reason}
}
