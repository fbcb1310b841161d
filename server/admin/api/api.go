package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// Path is the path below which the API is mounted.
const Path = "/admin/v1"

// Config is what the API needs. All fields but Export are required.
type Config struct {
	Service *admin.Service
	// Actor returns who sends a request; the error is admin.ErrUnauthenticated, or one of the store.
	Actor func(*http.Request) (admin.Actor, error)
	// Engine and Master keep the results of creations for repeats.
	Engine storage.Engine
	Master *keys.Master
	Now    func() time.Time
	Random io.Reader
	Logger *slog.Logger
}

// api is the handler of the API.
type api struct {
	config   Config
	types    *types
	routes   []route
	router   *mux.Router
	document []byte
	etag     string
}

// New returns the handler of the API, for the paths below Path.
func New(config Config) (http.Handler, error) {
	if config.Service == nil || config.Actor == nil || config.Engine == nil || config.Master == nil || config.Now == nil || config.Random == nil || config.Logger == nil {
		return nil, errors.New("admin API: configuration needs Service, Actor, Engine, Master, Now, Random and Logger")
	}
	a := &api{config: config, types: newTypes(), router: mux.NewRouter().SkipClean(true).UseEncodedPath()}
	a.routes = a.allRoutes()
	a.describeRoutes()
	if err := a.writeDocument(); err != nil {
		return nil, err
	}
	for i := range a.routes {
		path := strings.ReplaceAll(a.routes[i].path, "{directory}", "{directory:"+directoryPattern+"}")
		a.router.Handle(Path+path, a.handler(&a.routes[i])).Methods(methodsOf(a.routes[i])...)
	}
	a.router.NotFoundHandler = a.handler(&route{id: "not_found", serve: func(c *call) (reply, error) {
		return reply{}, newProblem(problemNotFound, "there is no such path; %s/openapi.json lists all", Path)
	}})
	a.router.MethodNotAllowedHandler = a.handler(&route{id: "method_not_allowed", serve: func(c *call) (reply, error) {
		allowed := strings.Join(a.methodsAt(c.URL.Path), ", ")
		return reply{}, newProblem(problemMethod, "this path has %s", allowed).with("Allow", allowed)
	}})
	return a, nil
}

// describeRoutes reads the shapes of all bodies.
func (a *api) describeRoutes() {
	for _, route := range a.routes {
		for _, typ := range []reflect.Type{route.body, route.reply} {
			if typ != nil {
				a.types.of(typ)
			}
		}
	}
	a.types.of(reflect.TypeFor[Problem]())
}

func methodsOf(route route) []string {
	if route.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{route.method}
}

// methodsAt returns the methods of a path.
func (a *api) methodsAt(path string) []string {
	var all []string
	for _, route := range a.routes {
		for _, method := range methodsOf(route) {
			match := mux.RouteMatch{}
			request := &http.Request{Method: method, URL: mustPath(path)}
			if a.router.Match(request, &match) && match.MatchErr == nil && !slices.Contains(all, method) {
				all = append(all, method)
			}
		}
	}
	slices.Sort(all)
	return all
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	a.router.ServeHTTP(w, r)
}

// handler serves one operation.
func (a *api) handler(route *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, api: a, route: route, writer: w}
		defer a.recoverPanic(c)
		if err := a.serve(c); err != nil {
			a.fail(c, err)
		}
	})
}

// fail writes the problem of an error.
func (a *api) fail(c *call, err error) {
	problem := a.problemOf(c, err)
	problem.RequestID = c.requestID
	writeProblem(c.writer, problem)
}

// recoverPanic responds to a request whose code panicked.
func (a *api) recoverPanic(c *call) {
	failure := recover()
	if failure == nil {
		return
	}
	if failure == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so.
		panic(failure) // It ends the connection, as net/http documents.
	}
	a.config.Logger.ErrorContext(c.Context(), "admin API: panic", "operation", c.route.id, "request_id", c.requestID, "stack", string(debug.Stack()))
	a.fail(c, newProblem(problemInternal, "the server's log has the cause under the request ID"))
}

// serve runs the steps of a request.
func (a *api) serve(c *call) error {
	// 1. The actor.
	if err := a.identify(c); err != nil {
		return err
	}
	// 2. The request.
	if c.route.method != "" {
		if err := c.checkQuery(); err != nil {
			return err
		}
		if err := a.authorize(c); err != nil {
			return err
		}
		if err := c.readBody(); err != nil {
			return err
		}
	}
	// 3. The work.
	done, err := a.run(c)
	if err != nil {
		return err
	}
	return a.write(c, done)
}

// identify sets the actor of a request.
func (a *api) identify(c *call) error {
	c.requestID = c.writer.Header().Get("X-Request-Id")
	if c.route.public {
		return nil
	}
	actor, err := a.config.Actor(c.Request)
	if errors.Is(err, admin.ErrUnauthenticated) {
		challenge, detail := `Bearer realm="minifed admin"`, "send an access token of this API in the header Authorization: Bearer"
		if c.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"`
			detail = "the access token is expired or revoked, or is no token of this API"
		}
		return newProblem(problemUnauthorized, "%s", detail).with("WWW-Authenticate", challenge)
	}
	if err != nil {
		return err
	}
	if actor.RequestID == "" {
		if actor.RequestID, err = a.newRequestID(); err != nil {
			return err
		}
		c.writer.Header().Set("X-Request-Id", actor.RequestID)
	}
	c.actor, c.requestID, c.service = actor, actor.RequestID, a.config.Service.As(actor)
	return nil
}

func (a *api) newRequestID() (string, error) {
	raw := make([]byte, 16)
	_, err := io.ReadFull(a.config.Random, raw)
	return hex.EncodeToString(raw), err
}

// authorize rejects a request before its body is read. The service decides again, and for some bodies more strictly.
func (a *api) authorize(c *call) error {
	if c.route.act == "" {
		return nil
	}
	directory := c.directory()
	if directory == "" {
		directory = storage.Everywhere
	}
	return c.service.Allowed(directory, c.route.act)
}

// run does the work of an operation, once for each Idempotency-Key.
func (a *api) run(c *call) (reply, error) {
	if c.route.replay != nil {
		return a.once(c)
	}
	return c.route.serve(c)
}

// write writes a successful response.
func (a *api) write(c *call, done reply) error {
	header := c.writer.Header()
	if done.revision != "" {
		header.Set("ETag", etagOf(done.revision))
	}
	if done.location != "" {
		header.Set("Location", Path+done.location)
	}
	if done.unchanged {
		c.writer.WriteHeader(http.StatusNotModified)
		return nil
	}
	if done.stream != nil {
		header.Set("Content-Type", c.route.replyMedia[0])
		return a.stream(c, done.stream)
	}
	if c.Method == http.MethodGet && done.revision != "" && matches(c.Header.Values("If-None-Match"), done.revision) {
		c.writer.WriteHeader(http.StatusNotModified)
		return nil
	}
	status := c.route.status
	if done.body == nil {
		c.writer.WriteHeader(status)
		return nil
	}
	body, err := a.encode(done.body)
	if err != nil {
		return err
	}
	header.Set("Content-Type", mediaJSON)
	c.writer.WriteHeader(status)
	_, _ = c.writer.Write(body) // The client has gone.
	return nil
}

// stream writes a body of unknown length. After its beginning, an error can only end the connection: the client sees that the body
// is incomplete.
func (a *api) stream(c *call, write func(io.Writer) error) error {
	out := &started{Writer: c.writer}
	err := write(out)
	if err == nil || !out.begun {
		return err
	}
	a.config.Logger.WarnContext(c.Context(), "admin API: a download ended early", "operation", c.route.id, "error", err, "request_id", c.requestID)
	panic(http.ErrAbortHandler) // It ends the connection, as net/http documents.
}

// started is a writer that records whether anything was written.
type started struct {
	io.Writer
	begun bool
}

func (s *started) Write(p []byte) (int, error) {
	s.begun = true
	return s.Writer.Write(p)
}

// encode returns the JSON of a value with the described members alone.
func (a *api) encode(value any) ([]byte, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var all any
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	body := new(bytes.Buffer)
	encoder := json.NewEncoder(body)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(a.types.of(reflect.TypeOf(value)).prune(all))
	return body.Bytes(), err
}
