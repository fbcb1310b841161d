package page

import (
	"net"
	"net/url"
	"strings"

	"github.com/minifed/minifed/storage"
)

// remedy is something that the operator can do about an error: a text, and the command or setting.
type remedy struct {
	Text Message
	Code string
}

// wrongHostRemedies returns how the operator opens the console at the host that a browser asked for. console is an address of the
// console as configured. A browser that comes through an SSH tunnel names the tunnel's port, and that can differ.
func wrongHostRemedies(console, host string, secure bool) []remedy {
	configured, err := url.Parse(console)
	if err != nil {
		return nil
	}
	var remedies []remedy
	if port := configured.Port(); port != "" && storage.IsLoopback(configured.Hostname()) {
		remedies = append(remedies, remedy{Text("failure.wrong_host.tunnel"), "ssh -L " + port + ":127.0.0.1:" + port + " HOST"})
	}
	if wanted := wantedOrigin(host, secure); wanted != "" {
		remedies = append(remedies, remedy{Text("failure.wrong_host.setting"), "admin.public_url: " + wanted})
	}
	return remedies
}

// wantedOrigin returns the origin that a Host header names, if it can be a setting. On this machine it is a name, because passkeys need
// one.
func wantedOrigin(host string, secure bool) string {
	parsed, err := url.Parse("http://" + strings.ToLower(host))
	if err != nil {
		return ""
	}
	if storage.IsLoopback(parsed.Hostname()) {
		parsed.Host = "localhost"
		if _, port, err := net.SplitHostPort(host); err == nil {
			parsed.Host = net.JoinHostPort("localhost", port)
		}
	} else {
		secure = true
	}
	if secure {
		parsed.Scheme = "https"
	}
	origin := parsed.String()
	if storage.CheckOrigin(origin) != nil {
		return ""
	}
	return origin
}
