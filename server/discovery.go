package server

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	// metadataMaxAge is how long clients may keep the metadata.
	metadataMaxAge = 5 * time.Minute
)

// discoveryEndpoint serves the metadata of an issuer (OpenID Connect Discovery §4, RFC 8414 §3). It derives from the route
// table and from what the token endpoint registered, so that it names what is there and nothing else.
type discoveryEndpoint struct {
	table      *table
	grantTypes []string
	// subjectTypes are those of OpenID Connect Core §8.
	subjectTypes []string
	authMethods  []string
	// authAlgorithms are those of private_key_jwt.
	authAlgorithms []string
	// made are the documents of the directories by their IDs: a document is good for as long as the directory's record is.
	made sync.Map
}

// madeDocument is the metadata of one issuer, as its record was.
type madeDocument struct {
	issuer   *oauth2.Issuer
	document discovery.Document
}

func (e *discoveryEndpoint) mount(t *table) {
	e.table = t
	serve := cachedDocument(discovery.ContentTypeMetadata, e.document)
	for _, well := range []struct{ name, path string }{
		{"openid_configuration", openIDConfiguration}, {"oauth_authorization_server", authorizationServerMetadata},
	} {
		t.handle(route{name: well.name, path: well.path, methods: documentMethods(), serve: serve, surface: oauthErrors, cached: true})
	}
}

func (e *discoveryEndpoint) document(r *call) (discovery.Document, error) {
	issuer := r.issuer
	if kept, ok := e.made.Load(issuer.Directory.ID); ok {
		if made, _ := kept.(madeDocument); made.issuer == issuer {
			return made.document, nil
		}
	}
	document, err := e.write(issuer)
	if err == nil {
		e.made.Store(issuer.Directory.ID, madeDocument{issuer, document})
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

// provider is what this server offers at issuer.
func (e *discoveryEndpoint) provider(issuer *oauth2.Issuer) discovery.Provider {
	algorithms := issuer.Directory.Policy.SigningAlgorithms
	if len(algorithms) == 0 {
		algorithms = []string{"RS256", "ES256"}
	}
	provider := discovery.Provider{
		Issuer: issuer.URL,
		Endpoints: discovery.Endpoints{
			Token:    e.table.path(routeToken),
			UserInfo: e.table.path(routeUserInfo),
			JWKS:     e.table.path(routeJWKS),
		},
		Scopes:            scopesSupported(),
		Claims:            claimsSupported(),
		ClaimTypes:        []string{"normal"},
		GrantTypes:        e.grantTypes,
		SubjectTypes:      e.subjectTypes,
		IDTokenAlgorithms: algorithms,
		AuthMethods:       e.authMethods,
		AuthAlgorithms:    e.authAlgorithms,
		PolicyURL:         issuer.Directory.Branding.PolicyURL,
		TermsURL:          issuer.Directory.Branding.TermsURL,
		PromptValues:      promptValues(issuer.Directory),
	}
	for _, add := range e.table.advertised {
		add(&provider)
	}
	return provider
}

// jwksEndpoint serves the JWK Set of a directory from memory (RFC 7517 §5).
type jwksEndpoint struct {
	keys *keys.Ring
}

func (e *jwksEndpoint) mount(t *table) {
	t.handle(route{
		name: routeJWKS, path: "/oauth2/jwks", methods: documentMethods(),
		serve: cachedDocument(discovery.ContentTypeJWKS, e.document), surface: oauthErrors, cached: true,
	})
}

func (e *jwksEndpoint) document(r *call) (discovery.Document, error) {
	issuer := r.issuer
	body, err := e.keys.JWKS(r.Context(), issuer.Directory.ID)
	return discovery.Document{Body: body, MaxAge: e.keys.MaxAge(issuer.Directory.ID)}, err
}

// documentMethods are those of public documents: scripts of other origins ask with OPTIONS first.
func documentMethods() []string { return []string{http.MethodGet, http.MethodOptions} }

// cachedDocument serves a public document, and leaves its failures to the error writer.
func cachedDocument(contentType string, source func(*call) (discovery.Document, error)) func(http.ResponseWriter, *call) error {
	return func(w http.ResponseWriter, r *call) (failed error) {
		discovery.Handler{
			Source:      func(context.Context) (discovery.Document, error) { return source(r) },
			ContentType: contentType,
			Failed:      func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
		}.ServeHTTP(w, r.Request)
		return failed
	}
}
