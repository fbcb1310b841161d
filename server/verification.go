package server

import (
	"io"
	"net/http"
	"path"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// verificationEndpoint is GET /NAME.txt: files by which WeChat verifies that the operator controls the host. They are settings of
// the directory.
type verificationEndpoint struct{ pages *page.Renderer }

// Mount implements endpoint.Endpoint.
func (e verificationEndpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "verification_file", Path: "/{file:[A-Za-z0-9_-]+[.]txt}", Methods: []string{http.MethodGet}, Serve: e.serve,
		ErrorWriter: e.pages.WriteError, FromMemory: true,
	})
}

func (verificationEndpoint) serve(w http.ResponseWriter, r *endpoint.Request) error {
	name := path.Base(r.URL.Path)
	for _, file := range r.Issuer.Directory.VerificationFiles {
		if file.Name == name {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-cache")
			_, _ = io.WriteString(w, file.Content) // The connection is gone when this fails.
			return nil
		}
	}
	return endpoint.NotFound()
}
