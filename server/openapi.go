package server

import (
	"bytes"
	_ "embed" // for openapi.json
	"encoding/json"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/server/endpoint"
)

// openAPI describes the API endpoints (OpenAPI 3.1). Tests compare it with the code and with every response. docs/api.md has the
// same content.
//
//go:embed openapi.json
var openAPI []byte

// openAPIServer is the placeholder of the issuer in the description.
const openAPIServer = "https://issuer.example"

// openAPIEndpoint is GET /openapi.json: the description, with the issuer as its server.
type openAPIEndpoint struct{}

// Mount implements endpoint.Endpoint.
func (e openAPIEndpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "openapi", Path: "/openapi.json", Methods: documentMethods(),
		Serve: cachedDocument("application/json", e.document), ErrorWriter: endpoint.OAuthErrors, FromMemory: true,
	})
}

func (openAPIEndpoint) document(r *endpoint.Request) (discovery.Document, error) {
	url, err := json.Marshal(r.Issuer.URL)
	if err != nil {
		return discovery.Document{}, err
	}
	body := bytes.Replace(openAPI, []byte(`"`+openAPIServer+`"`), url, 1)
	return discovery.Document{Body: body, MaxAge: metadataMaxAge}, nil
}
