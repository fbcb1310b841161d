package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// ServeHTTP serves every endpoint of every directory.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{started: s.config.Now(), remote: s.callers.remote(r)}
	answer := &recorder{ResponseWriter: w}
	r = r.WithContext(c.in(r.Context()))
	defer s.finish(answer, r)
	defer s.rescue(answer, r, oauthErrors)

	id, err := s.callers.requestID(r)
	if err != nil {
		refuse(answer, r, oauthErrors, err)
		return
	}
	c.id = id
	answer.Header().Set("X-Request-Id", id)
	maps.Copy(answer.Header(), s.headers)
	r.Body = http.MaxBytesReader(answer, r.Body, maxBody)
	s.dispatch(answer, r, c)
}

// dispatch finds the directory and the endpoint that the request is for.
func (s *Server) dispatch(w *recorder, r *http.Request, c *call) {
	// 1. The path, before anything is looked up by it.
	if !plainPath(r) {
		refuse(w, r, oauthErrors, noSuchEndpoint())
		return
	}
	where, err := s.catalog.place(r)
	if err != nil {
		s.nowhere(w, r, place{directory: s.catalog.defaultID}, absent(err))
		return
	}
	if where.host != "" { // A host of its own is at https, whatever the public URL is.
		w.Header().Set(strictTransport, httpsForAYear)
	}
	r = at(r, where.path)
	if c.route = s.table.find(r); c.route == nil {
		s.nowhere(w, r, where, noSuchEndpoint())
		return
	}
	// 2. The directory.
	issuer, err := s.catalog.issuer(r.Context(), where, c.route.cached)
	if errors.Is(err, storage.ErrNotFound) {
		s.nowhere(w, r, place{directory: s.catalog.defaultID}, noSuchEndpoint())
		return
	}
	if err != nil {
		refuse(w, r, c.route.surface, err)
		return
	}
	c.issuer = issuer
	// 3. The endpoint.
	r = r.WithContext(oauth2.Begin(r.Context(), issuer))
	defer s.rescue(w, r, c.route.surface)
	if c.route.browsers {
		origins{s.catalog}.serve(w, r, c.route)
		return
	}
	c.route.ServeHTTP(w, r)
}

// nowhere answers a request that leads nowhere: programs get JSON, and people a page that looks like those of the directory.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request, like place, err error) {
	if !forPeople(r) {
		refuse(w, r, oauthErrors, err)
		return
	}
	issuer, unknown := s.catalog.issuer(r.Context(), like, true)
	if unknown != nil {
		refuse(w, r, oauthErrors, err)
		return
	}
	refuse(w, r.WithContext(oauth2.Begin(r.Context(), issuer)), s.failure, err)
}

// forPeople reports whether a browser asks for a page: it names the media type, as programs do not.
func forPeople(r *http.Request) bool {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	return reading && strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html")
}

// at is the request with the path that the route table knows.
func at(r *http.Request, path string) *http.Request {
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

// headersOf are the headers that every answer has. Pages set a policy of their own for what they need.
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
func (s *Server) finish(answer *recorder, r *http.Request) {
	if answer.status == 0 {
		answer.status = http.StatusOK // So net/http answers for a handler that wrote nothing.
	}
	c := callOf(r.Context())
	elapsed := s.config.Now().Sub(c.started)
	s.metrics.observe(c, answer.status, elapsed)
	s.access.log(r, answer, elapsed)
}

// rescue is deferred: it logs a panic without its value, which may hold anything that the request held, and answers
// server_error the way that the callers expect.
func (s *Server) rescue(answer *recorder, r *http.Request, write surface) {
	value := recover()
	if value == nil {
		return
	}
	c := callOf(r.Context())
	s.config.Logger.ErrorContext(r.Context(), "panic", "request_id", c.id, "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if answer.status != 0 {
		return // Half an answer is out; the connection cannot say more.
	}
	refuse(answer, r, write, errors.New("server: a handler panicked"))
}

// recorder remembers what was answered.
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
