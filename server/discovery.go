package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientdocument"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/registration"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	// metadataMaxAge is how long clients may cache the metadata.
	metadataMaxAge = 5 * time.Minute
)

// discoveryEndpoint serves the metadata of an issuer (OpenID Connect Discovery §4, RFC 8414 §3). It derives from the route
// table and from the registered grants, so that it lists exactly the existing endpoints.
type discoveryEndpoint struct {
	table      *endpoint.RouteTable
	grantTypes []string
	// subjectTypes are those of OpenID Connect Core §8.
	subjectTypes []string
	authMethods  []string
	// authAlgorithms are those of private_key_jwt.
	authAlgorithms []string
	// documents caches the document of each directory, by ID, until the directory's record changes.
	documents sync.Map
}

func newDiscoveryEndpoint(d *dependencies) *discoveryEndpoint {
	return &discoveryEndpoint{
		grantTypes: d.grantTypes, subjectTypes: d.subjects.Types(), authMethods: d.clients.Methods(), authAlgorithms: keys.Algorithms(),
	}
}

// metadataDocument is the metadata of one issuer, with the record from which it was created.
type metadataDocument struct {
	issuer   *oauth2.Issuer
	document discovery.Document
}

// Mount implements endpoint.Endpoint.
func (e *discoveryEndpoint) Mount(t *endpoint.RouteTable) {
	e.table = t
	serve := cachedDocument(discovery.ContentTypeMetadata, e.document)
	for _, well := range []struct{ name, path string }{
		{"openid_configuration", endpoint.OpenIDConfiguration}, {"oauth_authorization_server", endpoint.AuthorizationServerMetadata},
	} {
		t.Handle(endpoint.Route{Name: well.name, Path: well.path, Methods: documentMethods(), Serve: serve, ErrorWriter: endpoint.OAuthErrors, FromMemory: true})
	}
}

func (e *discoveryEndpoint) document(r *endpoint.Request) (discovery.Document, error) {
	issuer := r.Issuer
	if stored, ok := e.documents.Load(issuer.Directory.ID); ok {
		if cached, _ := stored.(metadataDocument); cached.issuer == issuer {
			return cached.document, nil
		}
	}
	document, err := e.write(issuer)
	if err == nil {
		e.documents.Store(issuer.Directory.ID, metadataDocument{issuer, document})
	}
	return document, err
}

func (e *discoveryEndpoint) write(issuer *oauth2.Issuer) (discovery.Document, error) {
	metadata, err := discovery.New(e.provider(issuer))
	if err != nil {
		return discovery.Document{}, err
	}
	body, err := json.Marshal(metadata)
	return discovery.Document{Body: body, MaxAge: metadataMaxAge}, err
}

// provider returns the capabilities of this server for an issuer.
func (e *discoveryEndpoint) provider(issuer *oauth2.Issuer) discovery.Provider {
	algorithms := issuer.Directory.Policy.SigningAlgorithms
	if len(algorithms) == 0 {
		algorithms = []string{"RS256", "ES256"}
	}
	provider := discovery.Provider{
		Issuer: issuer.URL,
		Endpoints: discovery.Endpoints{
			Token:    e.table.Path(endpoint.RouteToken),
			UserInfo: e.table.Path(endpoint.RouteUserInfo),
			JWKS:     e.table.Path(endpoint.RouteJWKS),
		},
		Scopes:            append(endpoint.ScopesSupported(), token.ClaimsOf(issuer.Directory).Scopes()...),
		Claims:            token.ClaimsOf(issuer.Directory).Supported(),
		ClaimTypes:        []string{"normal"},
		GrantTypes:        offeredGrantTypes(issuer.Directory, e.grantTypes),
		SubjectTypes:      e.subjectTypes,
		IDTokenAlgorithms: algorithms,
		AuthMethods:       e.authMethods,
		AuthAlgorithms:    e.authAlgorithms,
		PolicyURL:         issuer.Directory.Branding.PolicyURL,
		TermsURL:          issuer.Directory.Branding.TermsURL,
		ACRValues:         authorize.ACRValues(issuer.Directory),
		PromptValues:      authorize.PromptValues(issuer.Directory),
	}
	if registration.Offered(issuer.Directory) {
		provider.Endpoints.Registration = e.table.Path(registration.RouteName)
	}
	provider.ClientIDMetadataDocument = clientdocument.Offered(issuer.Directory)
	for _, add := range e.table.Advertised {
		add(&provider)
	}
	if !issuer.Directory.Policy.DeviceGrant {
		provider.Endpoints.DeviceAuthorization = ""
	}
	return provider
}

// offeredGrantTypes returns those of the grant types that a directory offers.
func offeredGrantTypes(directory storage.Directory, all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(grant string) bool { return !token.OffersGrantType(directory, grant) })
}

// jwksEndpoint serves the JWK Set of a directory from memory (RFC 7517 §5).
type jwksEndpoint struct {
	keys *keys.Ring
}

// Mount implements endpoint.Endpoint.
func (e *jwksEndpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: endpoint.RouteJWKS, Path: "/oauth2/jwks", Methods: documentMethods(),
		Serve: cachedDocument(discovery.ContentTypeJWKS, e.document), ErrorWriter: endpoint.OAuthErrors, FromMemory: true,
	})
}

func (e *jwksEndpoint) document(r *endpoint.Request) (discovery.Document, error) {
	issuer := r.Issuer
	body, err := e.keys.JWKS(r.Context(), issuer.Directory.ID)
	return discovery.Document{Body: body, MaxAge: e.keys.MaxAge(issuer.Directory.ID)}, err
}

// documentMethods are the methods of public documents. Scripts of other origins send OPTIONS first.
func documentMethods() []string { return []string{http.MethodGet, http.MethodOptions} }

// cachedDocument serves a public document. It returns errors to the error writer.
func cachedDocument(contentType string, source func(*endpoint.Request) (discovery.Document, error)) func(http.ResponseWriter, *endpoint.Request) error {
	return func(w http.ResponseWriter, r *endpoint.Request) (failed error) {
		discovery.Handler{
			Source:      func(context.Context) (discovery.Document, error) { return source(r) },
			ContentType: contentType,
			Failed:      func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
		}.ServeHTTP(w, r.Request)
		return failed
	}
}
