package discovery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The media types of the documents.
const (
	// ContentTypeMetadata is what both specifications of metadata ask for (RFC 8414 §3.2).
	ContentTypeMetadata = "application/json"
	// ContentTypeJWKS is the registered type of a JWK Set (RFC 7517 §8.5.2).
	ContentTypeJWKS = "application/jwk-set+json"
)

// Document is a JSON document as it is served now.
type Document struct {
	Body []byte
	// MaxAge is how long caches may store the document; with zero they revalidate it at every use.
	MaxAge time.Duration
}

// Handler serves a public JSON document to every origin (CORS), by GET and HEAD, with a strong ETag.
type Handler struct {
	// Source returns the document for a request's context. It is called for each request and should read from memory.
	Source func(context.Context) (Document, error)
	// ContentType is the document's media type.
	ContentType string
	// Failed writes the response when Source returns an error.
	Failed func(http.ResponseWriter, *http.Request, error)
}

// ServeHTTP implements http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.serve(w, r)
	case http.MethodOptions:
		preflight(w)
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// preflight allows the conditional requests of scripts in browsers.
func preflight(w http.ResponseWriter) {
	w.Header().Set("Allow", "GET, HEAD, OPTIONS")
	w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
	w.Header().Set("Access-Control-Allow-Headers", "*")
	w.Header().Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

func (h Handler) serve(w http.ResponseWriter, r *http.Request) {
	document, err := h.Source(r.Context())
	if err != nil {
		h.Failed(w, r, err)
		return
	}
	etag := entityTag(document.Body)
	header := w.Header()
	header.Set("ETag", etag)
	header.Set("Cache-Control", cacheControl(document.MaxAge))
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", h.ContentType)
	header.Set("Content-Length", strconv.Itoa(len(document.Body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(document.Body) // the client may have closed the connection
	}
}

func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

func cacheControl(maxAge time.Duration) string {
	if maxAge <= 0 {
		return "public, no-cache"
	}
	return fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds()))
}

// matches compares weakly, as If-None-Match requires (RFC 9110 §13.1.2).
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
