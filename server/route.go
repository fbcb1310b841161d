package server

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
	routeToken    = "token"
	routeUserInfo = "userinfo"
	routeJWKS     = "jwks"
)

// route is one path of every issuer.
type route struct {
	// name is the endpoint in logs, in metrics and to the discovery documents.
	name string
	// path is relative to the issuer.
	path string
	// methods are the HTTP methods it answers; GET brings HEAD.
	methods []string
	// serve answers, or returns an error for surface to write. It has written nothing when it returns one.
	serve func(http.ResponseWriter, *call) error
	// surface writes errors.
	surface surface
	// cached serves from memory, so it needs no database to know its directory.
	cached bool
	// browsers lets scripts of the client's origins read the answers.
	browsers bool
}

// surface writes an error the way that the callers of a group of endpoints expect.
type surface func(http.ResponseWriter, *call, *grants.Error)

// endpoint is one idea of the provider: it puts its routes into the table.
type endpoint interface {
	mount(*table)
}

// table is the route table. The same one serves every issuer.
type table struct {
	router *mux.Router
	routes []*route
	// byPath are the routes by what the router found.
	byPath map[*mux.Route]*route
	// advertised adds to the metadata what the endpoints offer.
	advertised []func(*discovery.Provider)
}

func newTable() *table {
	// Cleaning is off: it would redirect paths that must not exist.
	return &table{router: mux.NewRouter().SkipClean(true), byPath: map[*mux.Route]*route{}}
}

// handle adds a route.
func (t *table) handle(added route) {
	t.routes = append(t.routes, &added)
	t.byPath[t.router.Path(added.path).Name(added.name)] = &added
}

// advertise has add write what an endpoint offers into the metadata of an issuer.
func (t *table) advertise(add func(*discovery.Provider)) { t.advertised = append(t.advertised, add) }

// find returns the route of a path, or nil.
func (t *table) find(r *http.Request) *route {
	var match mux.RouteMatch
	if !t.router.Match(r, &match) || match.MatchErr != nil {
		return nil
	}
	return t.byPath[match.Route]
}

// path returns the path of the route of that name; it is empty when no endpoint mounted one.
func (t *table) path(name string) string {
	for _, mounted := range t.routes {
		if mounted.name == name {
			return mounted.path
		}
	}
	return ""
}

// respond serves a request, errors included.
func (rt *route) respond(w http.ResponseWriter, r *call) {
	if !rt.answers(r.Method) {
		w.Header().Set("Allow", rt.allow())
		rt.refuse(w, r, methodNotAllowed())
		return
	}
	if err := rt.serve(w, r); err != nil {
		rt.refuse(w, r, err)
	}
}

// refuse writes err by the route's surface and remembers it for the log.
func (rt *route) refuse(w http.ResponseWriter, r *call, err error) {
	refuse(w, r, rt.surface, err)
}

func (rt *route) answers(method string) bool {
	return slices.Contains(rt.methods, method) || method == http.MethodHead && slices.Contains(rt.methods, http.MethodGet)
}

func (rt *route) allow() string {
	allowed := slices.Clone(rt.methods)
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return strings.Join(allowed, ", ")
}

// plainPath reports whether a path is written in the one way that is served: percent-encoding, dot segments, empty segments
// and backslashes could make proxies, logs and this server see different paths (RFC 3986 §6.2.2), so they do not exist.
func plainPath(r *http.Request) bool {
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
