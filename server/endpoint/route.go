package endpoint

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/grants"
)

// The names of the routes that discovery documents speak of.
const (
	// RouteToken names the token endpoint in the route table.
	RouteToken    = "token"
	RouteUserInfo = "userinfo"
	RouteJWKS     = "jwks"
)

// Route is one path of every issuer.
type Route struct {
	// Name is the endpoint in logs, in metrics and to the discovery documents.
	Name string
	// Path is relative to the issuer.
	Path string
	// Methods are the HTTP methods it answers; GET brings HEAD.
	Methods []string
	// Serve answers, or returns an error for surface to write. It has written nothing when it returns one.
	Serve func(http.ResponseWriter, *Request) error
	// ErrorWriter writes errors.
	ErrorWriter ErrorWriter
	// FromMemory serves from memory, so it needs no database to know its directory.
	FromMemory bool
	// CORS lets scripts of the client's origins read the answers.
	CORS bool
}

// ErrorWriter writes an error the way that the callers of a group of endpoints expect.
type ErrorWriter func(http.ResponseWriter, *Request, *grants.Error)

// Endpoint is one idea of the provider: it puts its routes into the table.
type Endpoint interface {
	Mount(*RouteTable)
}

// RouteTable is the route table. The same one serves every issuer.
type RouteTable struct {
	router *mux.Router
	Routes []*Route
	// byPath are the routes by what the router found.
	byPath map[*mux.Route]*Route
	// Advertised adds to the metadata what the endpoints offer.
	Advertised []func(*discovery.Provider)
}

// NewRouteTable returns an empty route table.
func NewRouteTable() *RouteTable {
	// Cleaning is off: it would redirect paths that must not exist.
	return &RouteTable{router: mux.NewRouter().SkipClean(true), byPath: map[*mux.Route]*Route{}}
}

// Handle adds a route.
func (t *RouteTable) Handle(added Route) {
	t.Routes = append(t.Routes, &added)
	t.byPath[t.router.Path(added.Path).Name(added.Name)] = &added
}

// Advertise has add write what an endpoint offers into the metadata of an issuer.
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

// Path returns the path of the route of that name; it is empty when no endpoint mounted one.
func (t *RouteTable) Path(name string) string {
	for _, mounted := range t.Routes {
		if mounted.Name == name {
			return mounted.Path
		}
	}
	return ""
}

// Respond serves a request, errors included.
func (rt *Route) Respond(w http.ResponseWriter, r *Request) {
	if !rt.Answers(r.Method) {
		w.Header().Set("Allow", rt.allow())
		rt.writeError(w, r, methodNotAllowed())
		return
	}
	if err := rt.Serve(w, r); err != nil {
		rt.writeError(w, r, err)
	}
}

// writeError writes err by the route's surface and remembers it for the log.
func (rt *Route) writeError(w http.ResponseWriter, r *Request, err error) {
	WriteError(w, r, rt.ErrorWriter, err)
}

// Answers reports whether the route serves a method.
func (rt *Route) Answers(method string) bool {
	return slices.Contains(rt.Methods, method) || method == http.MethodHead && slices.Contains(rt.Methods, http.MethodGet)
}

func (rt *Route) allow() string {
	allowed := slices.Clone(rt.Methods)
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return strings.Join(allowed, ", ")
}

// IsCanonicalPath reports whether a path is written in the one way that is served: percent-encoding, dot segments, empty segments
// and backslashes could make proxies, logs and this server see different paths (RFC 3986 §6.2.2), so they do not exist.
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
