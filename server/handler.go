package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// ServeHTTP serves every endpoint of every directory but that of the operators.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.headers, func(w *recorder, c *endpoint.Request) {
		c.Body = http.MaxBytesReader(w, c.Body, endpoint.MaxBody)
		s.dispatch(w, c)
	})
}

// serve prepares a request for dispatch, and counts and logs it after that.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, headers http.Header, dispatch func(*recorder, *endpoint.Request)) {
	c := &endpoint.Request{Started: s.config.Now(), ClientIP: s.proxies.ClientIP(r), Country: s.proxies.Country(r)}
	response := &recorder{ResponseWriter: w}
	c.Request = r.WithContext(audit.WithOrigin(c.InContext(r.Context()), c))
	defer s.finish(response, c)
	defer s.recoverPanic(response, c, endpoint.OAuthErrors)

	id, err := s.proxies.RequestID(r)
	if err != nil {
		endpoint.WriteError(response, c, endpoint.OAuthErrors, err)
		return
	}
	c.ID = id
	response.Header().Set("X-Request-Id", id)
	maps.Copy(response.Header(), headers)
	dispatch(response, c)
}

// dispatch finds the directory and the endpoint that the request is for.
func (s *Server) dispatch(w *recorder, c *endpoint.Request) {
	// 1. The path.
	if !endpoint.IsCanonicalPath(c.Request) {
		endpoint.WriteError(w, c, endpoint.OAuthErrors, endpoint.NotFound())
		return
	}
	where, err := s.shared.catalog.Resolve(c.Request)
	if err != nil {
		s.notFound(w, c, endpoint.Target{Directory: s.shared.catalog.DefaultID}, endpoint.AsNotFound(err))
		return
	}
	if where.Host != "" { // A host of its own uses https, also if the public URL does not.
		w.Header().Set(strictTransport, httpsForAYear)
	}
	c.Request = withPath(c.Request, where.Path)
	if c.Route = s.table.Find(c.Request); c.Route == nil {
		s.notFound(w, c, where, endpoint.NotFound())
		return
	}
	// 2. The directory.
	issuer, err := s.shared.catalog.Issuer(c.Context(), where, c.Route.FromMemory)
	if errors.Is(err, storage.ErrNotFound) {
		s.notFound(w, c, endpoint.Target{Directory: s.shared.catalog.DefaultID}, endpoint.NotFound())
		return
	}
	if err != nil {
		endpoint.WriteError(w, c, c.Route.ErrorWriter, err)
		return
	}
	c.Issuer = issuer
	s.respond(w, c)
}

// respond calls the endpoint of a request.
func (s *Server) respond(w *recorder, c *endpoint.Request) {
	c.Request = c.WithContext(oauth2.Begin(c.Context(), c.Issuer))
	defer s.recoverPanic(w, c, c.Route.ErrorWriter)
	if c.Route.CORS {
		endpoint.Cors{Clients: s.shared.catalog}.Serve(w, c, c.Route)
		return
	}
	c.Route.Respond(w, c)
}

// notFound responds to a request without an endpoint: programs get JSON, browsers a page in the directory's style.
func (s *Server) notFound(w http.ResponseWriter, c *endpoint.Request, like endpoint.Target, err error) {
	if !acceptsHTML(c.Request) {
		endpoint.WriteError(w, c, endpoint.OAuthErrors, err)
		return
	}
	issuer, unknown := s.shared.catalog.Issuer(c.Context(), like, true)
	if unknown != nil {
		endpoint.WriteError(w, c, endpoint.OAuthErrors, err)
		return
	}
	c.Issuer = issuer // For the page: the request is for no directory, and so is its line in the log.
	defer func() { c.Issuer = nil }()
	endpoint.WriteError(w, c, s.shared.pages.WriteError, err)
}

// acceptsHTML reports whether a browser requests a page: unlike other programs, it names the media type.
func acceptsHTML(r *http.Request) bool {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	return reading && strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html")
}

// withPath returns the request with a path of the route table.
func withPath(r *http.Request, path string) *http.Request {
	if path == r.URL.Path {
		return r
	}
	moved, url := *r, *r.URL
	url.Path, url.RawPath = path, ""
	moved.URL = &url
	return &moved
}

// The header of RFC 6797.
const (
	strictTransport = "Strict-Transport-Security"
	httpsForAYear   = "max-age=31536000"
)

// headersOf returns the headers of every response. Pages set a policy of their own for what they need.
func headersOf(publicURL string) http.Header {
	header := http.Header{}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if strings.HasPrefix(publicURL, "https:") {
		header.Set(strictTransport, httpsForAYear)
	}
	return header
}

// finish counts and logs the request.
func (s *Server) finish(response *recorder, c *endpoint.Request) {
	if response.status == 0 {
		response.status = http.StatusOK // The default of net/http for a handler that wrote nothing.
	}
	elapsed := s.config.Now().Sub(c.Started)
	s.shared.metrics.observe(c, response.status, elapsed)
	s.access.log(c, response, elapsed)
	s.recordSignIn(c)
}

// recoverPanic is deferred: it logs a panic without its value, which may contain parts of the request, and writes
// server_error in the format of the endpoint. http.ErrAbortHandler is no bug: it ends the connection of an incomplete download.
func (s *Server) recoverPanic(response *recorder, c *endpoint.Request, write endpoint.ErrorWriter) {
	value := recover()
	if value == nil {
		return
	}
	if value == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so.
		panic(value) // It ends the connection, as net/http documents.
	}
	s.config.Logger.ErrorContext(c.Context(), "panic", "request_id", c.ID, "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if response.status != 0 {
		return // A part of the response is sent, so that no error can follow.
	}
	endpoint.WriteError(response, c, write, errors.New("server: a handler panicked"))
}

// recorder records the status of the response.
type recorder struct {
	http.ResponseWriter
	status  int
	written int64
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(body []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(body)
	w.written += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
