package health

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"
)

// ProfileTimeout is the timeout of a response of the admin listener. The request of a profile chooses its duration.
const ProfileTimeout = 5 * time.Minute

// WithProfiles adds Go's profiles to the handler of an admin listener on loopback. Profiles show memory and the command line of the
// process. A web page in a browser on this machine must not read them through a name that resolves to loopback (DNS rebinding).
func WithProfiles(inner http.Handler) http.Handler {
	routes := http.NewServeMux() // For profiles alone: it would redirect other paths, such as those with two slashes.
	for path, profile := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/profile": pprof.Profile, "/debug/pprof/trace": pprof.Trace,
	} {
		routes.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if !namesLoopback(r.Host) {
				http.NotFound(w, r)
				return
			}
			profile(w, r)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/debug/pprof/") {
			routes.ServeHTTP(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// OnLoopback reports whether a listener is reachable only from this machine.
func OnLoopback(listener net.Listener) bool {
	address, ok := listener.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}

// namesLoopback reports whether a Host header is localhost or a loopback address.
func namesLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
