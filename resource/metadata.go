package resource

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const wellKnown = "/.well-known/oauth-protected-resource"

// MetadataPath is the path of the metadata on the host of the API: the path of its identifier after the well-known one (RFC 9728
// §3.1).
func (s *Server) MetadataPath() string {
	parsed, err := url.Parse(s.config.Resource)
	if err != nil {
		return wellKnown // New has parsed it.
	}
	return wellKnown + strings.TrimSuffix(parsed.EscapedPath(), "/")
}

// MetadataURL is the address of the metadata.
func (s *Server) MetadataURL() string {
	parsed, err := url.Parse(s.config.Resource)
	if err != nil {
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host + s.MetadataPath()
}

// protectedResource is the metadata (RFC 9728 §2).
type protectedResource struct {
	Resource      string   `json:"resource"`
	Servers       []string `json:"authorization_servers"`
	Scopes        []string `json:"scopes_supported,omitempty"`
	Methods       []string `json:"bearer_methods_supported"`
	Name          string   `json:"resource_name,omitempty"`
	Documentation string   `json:"resource_documentation,omitempty"`
}

// Metadata serves the metadata of the API at MetadataPath, to scripts of every origin.
func (s *Server) Metadata() http.Handler {
	body, err := json.Marshal(protectedResource{
		Resource: s.config.Resource, Servers: []string{s.config.Issuer}, Scopes: s.config.Scopes, Methods: []string{"header"},
		Name: s.config.Name, Documentation: s.config.Documentation,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		switch {
		case err != nil: // Strings always have a JSON form.
			w.WriteHeader(http.StatusInternalServerError)
		case r.Method == http.MethodOptions:
			header.Set("Access-Control-Allow-Methods", "GET, HEAD")
			header.Set("Access-Control-Allow-Headers", "*")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			header.Set("Content-Type", "application/json")
			header.Set("Cache-Control", "public, max-age=3600")
			_, _ = w.Write(body) // The connection is gone when this fails.
		}
	})
}
