package health

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// ProfileTimeout bounds an answer of the admin listener: a profile takes as long as it was asked to.
const ProfileTimeout = 5 * time.Minute

// WithProfiles adds Go's profiles, which tell of the process's memory and command line, to the handler of an admin listener on
// loopback. A page in a browser on this machine must not read them by a name of its own that resolves to loopback.
func WithProfiles(inner http.Handler) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("/", inner)
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
	return routes
}

// OnLoopback reports whether only this machine reaches a listener.
func OnLoopback(listener net.Listener) bool {
	address, ok := listener.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}

// namesLoopback reports whether a Host header is localhost or an address of it.
func namesLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
