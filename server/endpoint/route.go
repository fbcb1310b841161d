package endpoint

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/grants"
)

// The names of the routes in discovery documents.
const (
	// RouteToken names the token endpoint in the route table.
	RouteToken    = "token"
	RouteUserInfo = "userinfo"
	RouteJWKS     = "jwks"
)

// Route is one path of every issuer.
type Route struct {
	// Name is the endpoint's name in logs, metrics and discovery documents.
	Name string
	// Path is relative to the issuer.
	Path string
	// Methods are the accepted HTTP methods; GET includes HEAD.
	Methods []string
	// Serve writes the response, or returns an error for ErrorWriter and has written nothing.
	Serve func(http.ResponseWriter, *Request) error
	// ErrorWriter writes errors.
	ErrorWriter ErrorWriter
	// FromMemory means that the endpoint works without the store: a cached directory is sufficient.
	FromMemory bool
	// CORS lets scripts of the client's origins read the responses.
	CORS bool
}

// ErrorWriter writes an error in the format of a group of endpoints.
type ErrorWriter func(http.ResponseWriter, *Request, *grants.Error)

// Endpoint adds its routes to the route table.
type Endpoint interface {
	Mount(*RouteTable)
}

// RouteTable is the table of all routes. Every issuer has the same one.
type RouteTable struct {
	router *mux.Router
	Routes []*Route
	// byPath maps the router's results to routes.
	byPath map[*mux.Route]*Route
	// Advertised are functions that add an endpoint's metadata.
	Advertised []func(*discovery.Provider)
}

// NewRouteTable returns an empty route table.
func NewRouteTable() *RouteTable {
	// No path cleaning: it would redirect paths that must not exist.
	return &RouteTable{router: mux.NewRouter().SkipClean(true), byPath: map[*mux.Route]*Route{}}
}

// Handle adds a route.
func (t *RouteTable) Handle(added Route) {
	t.Routes = append(t.Routes, &added)
	t.byPath[t.router.Path(added.Path).Name(added.Name)] = &added
}

// Advertise registers a function that adds an endpoint's metadata to that of an issuer.
func (t *RouteTable) Advertise(add func(*discovery.Provider)) {
	t.Advertised = append(t.Advertised, add)
}

// Find returns the route of a path, or nil.
func (t *RouteTable) Find(r *http.Request) *Route {
	var match mux.RouteMatch
	if !t.router.Match(r, &match) || match.MatchErr != nil {
		return nil
	}
	return t.byPath[match.Route]
}

// Path returns the path of the route with that name, or an empty string.
func (t *RouteTable) Path(name string) string {
	for _, mounted := range t.Routes {
		if mounted.Name == name {
			return mounted.Path
		}
	}
	return ""
}

// Respond serves a request and writes its error if there is one.
func (rt *Route) Respond(w http.ResponseWriter, r *Request) {
	if !rt.Accepts(r.Method) {
		w.Header().Set("Allow", rt.allow())
		rt.writeError(w, r, methodNotAllowed())
		return
	}
	if err := rt.Serve(w, r); err != nil {
		rt.writeError(w, r, err)
	}
}

// writeError writes err with the route's ErrorWriter and records it for the log.
func (rt *Route) writeError(w http.ResponseWriter, r *Request, err error) {
	WriteError(w, r, rt.ErrorWriter, err)
}

// Accepts reports whether the route accepts a method.
func (rt *Route) Accepts(method string) bool {
	return slices.Contains(rt.Methods, method) || method == http.MethodHead && slices.Contains(rt.Methods, http.MethodGet)
}

func (rt *Route) allow() string {
	allowed := slices.Clone(rt.Methods)
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return strings.Join(allowed, ", ")
}

// IsCanonicalPath reports whether a path has the only accepted form. Percent-encoding, dot segments, empty segments and
// backslashes are not found, because proxies, logs and this server could interpret them differently (RFC 3986 §6.2.2).
func IsCanonicalPath(r *http.Request) bool {
	path := r.URL.Path
	if r.URL.EscapedPath() != path || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "%\\;") {
		return false
	}
	segments := strings.Split(path[1:], "/")
	last := len(segments) - 1
	for i, segment := range segments {
		if segment == "." || segment == ".." || segment == "" && i < last {
			return false
		}
	}
	return true
}
