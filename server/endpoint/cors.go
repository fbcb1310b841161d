package endpoint

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Cors lets scripts of single-page apps call endpoints (Fetch Standard §3.2, CORS). The client of the request determines which
// origins may read the response. Cookies are never allowed: these endpoints do not use them.
type Cors struct {
	Clients oauth2.Clients
}

// Serve responds to a preflight request, and passes any other request to the route.
func (o Cors) Serve(w http.ResponseWriter, r *Request, rt *Route) {
	if isPreflight(r.Request) {
		o.preflight(w, r, rt.allow())
		return
	}
	rt.Respond(&corsWriter{ResponseWriter: w, origins: o, request: r}, r)
}

// preflight responds to the request that a browser sends before a request that is more than a form. The client is not known
// yet, so every origin may send the request; mayRead decides later who may read the response.
func (o Cors) preflight(w http.ResponseWriter, r *Request, methods string) {
	header := w.Header()
	header.Add("Vary", "Origin, Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	header.Set("Access-Control-Allow-Methods", methods)
	header.Set("Access-Control-Allow-Headers", allowedHeaders(r.Request))
	header.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

// maxRequestHeaders bounds the header names of a preflight, in bytes.
const maxRequestHeaders = 2 << 10

// allowedHeaders returns the header names that a preflight requests. Scripts may send any of them, such as traceparent: these
// endpoints use no cookies, and read only Authorization and Content-Type. The wildcard would not cover Authorization (Fetch
// Standard §4.8).
func allowedHeaders(r *http.Request) string {
	allowed := "Authorization, Content-Type"
	asked := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ",")
	if len(asked) > maxRequestHeaders {
		return allowed
	}
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.TrimSpace(name)
		if known := name == "" || strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Content-Type"); known || !isHeaderName(name) {
			continue
		}
		allowed += ", " + name
	}
	return allowed
}

// isHeaderName reports whether text is a token (RFC 9110 §5.6.2), as header names are.
func isHeaderName(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// isPreflight reports whether r is a preflight request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// corsWriter adds the CORS headers when the response is written, because only then the client is known.
type corsWriter struct {
	http.ResponseWriter
	origins Cors
	request *Request
	decided bool
}

// WriteHeader implements http.ResponseWriter.
func (w *corsWriter) WriteHeader(status int) {
	if !w.decided {
		w.decided = true
		w.decide(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *corsWriter) Write(body []byte) (int, error) {
	if !w.decided {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController find the connection.
func (w *corsWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *corsWriter) decide(status int) {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := w.request.Header.Get("Origin")
	if origin == "" || !w.origins.mayRead(w.request, origin, status) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "ETag, Retry-After, WWW-Authenticate, X-Request-Id")
}

// mayRead reports whether scripts of origin may read the response: those of the client's origins may. An error without a
// client contains nothing about a user, and every app must see that its token expired.
func (o Cors) mayRead(r *Request, origin string, status int) bool {
	id := r.ClientID
	if id == "" {
		id = r.Parameters.Get("client_id")
	}
	if id == "" {
		return status >= http.StatusBadRequest
	}
	client, err := o.Clients.Client(r.Context(), r.Issuer.Directory.ID, id)
	return err == nil && slices.Contains(originsOf(client.Record()), withoutPort(client.Record(), origin))
}

// withoutPort returns the origin of a browser. The port of a native app on a loopback host is free, as that of its redirect URI,
// if no operator registered the client.
func withoutPort(client storage.Client, origin string) string {
	parsed, err := url.Parse(origin)
	if err != nil || client.Origin == storage.OriginOperator || client.Kind != storage.ClientNative || parsed.Scheme != "http" {
		return origin
	}
	return "http://" + strings.TrimSuffix(parsed.Host, ":"+parsed.Port())
}

// originsOf returns the origins of a client: the registered ones, and those of its redirect URIs for a single-page app and for a
// client that no operator registered.
func originsOf(client storage.Client) []string {
	if client.Kind != storage.ClientSPA && client.Origin == storage.OriginOperator {
		return client.Origins
	}
	all := slices.Clone(client.Origins)
	for _, uri := range client.RedirectURIs {
		if parsed, err := url.Parse(uri); err == nil {
			all = append(all, withoutPort(client, parsed.Scheme+"://"+lower(parsed.Host)))
		}
	}
	return all
}
