package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/storage/oauth2"
)

// revokeEndpoint is POST /oauth2/revoke (RFC 7009): a client gives up a token of its own. With it ends its grant, and so every
// other token of it.
type revokeEndpoint struct {
	authentication clientAuth
	tokens         accessTokens
	store          *oauth2.Store
}

const (
	routeRevoke = "revoke"
	revokePath  = "/oauth2/revoke"
)

func (e *revokeEndpoint) mount(t *table) {
	t.handle(route{name: routeRevoke, path: revokePath, methods: []string{http.MethodPost}, serve: e.serve, surface: oauthErrors, browsers: true})
	t.advertise(func(p *discovery.Provider) { p.Endpoints.Revocation = revokePath })
}

func (e *revokeEndpoint) serve(w http.ResponseWriter, r *call) error {
	client, token, err := readToken(r, e.authentication)
	if err != nil {
		return err
	}
	err = e.revoke(r.Context(), r.issuer, client, token)
	if errors.Is(err, errNotIssuedToIt) {
		return refusal(fosite.ErrInvalidGrant, "The token was issued to another client. Nothing was revoked.")
	}
	// A token that is unknown, expired or revoked already is as the client wants it (§2.2).
	if err != nil && !errors.Is(err, oauth2.ErrNoGrant) && !errors.Is(err, errAccessToken) {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

// handlePrefix begins every token that is not a JWT.
const handlePrefix = "mf_"

// errNotIssuedToIt says that a token is another client's (RFC 7009 §2.1).
var errNotIssuedToIt = errors.New("server: the token was issued to another client")

// revoke ends the grant of a token of client's, or the token itself where it has none. What it looks like tells the kinds of
// tokens apart: token_type_hint is not needed (§2.1).
func (e *revokeEndpoint) revoke(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, token string) error {
	if strings.HasPrefix(token, handlePrefix) {
		return ownership(e.store.RevokeToken(ctx, client, token))
	}
	claims, err := e.tokens.verify(ctx, issuer, token)
	if err != nil {
		return err
	}
	if claims.ClientID != client.GetID() {
		return errNotIssuedToIt
	}
	if grant, ok := oauth2.GrantOf(claims.ID); ok {
		return ownership(e.store.RevokeGrantOf(ctx, client, grant))
	}
	return e.store.RevokeJTI(ctx, claims.ID, time.Unix(claims.ExpiresAt, 0).Add(clockSkew))
}

func ownership(err error) error {
	if errors.Is(err, oauth2.ErrOtherClient) {
		return errNotIssuedToIt
	}
	return err
}

// readToken reads a request about a token: who asks (RFC 7009 §2.1, RFC 7662 §2.1), and the token.
func readToken(r *call, authentication clientAuth) (*oauth2.Client, string, error) {
	form, err := readForm(r)
	if err != nil {
		return nil, "", err
	}
	client, err := authentication.client(r.Context(), r.Request, form)
	if err != nil {
		return nil, "", err
	}
	token := form.Get("token")
	if token == "" {
		return nil, "", refusal(fosite.ErrInvalidRequest, "The parameter token is missing.")
	}
	return client, token, nil
}
