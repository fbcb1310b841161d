package token

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// Revocation is POST /oauth2/revoke (RFC 7009): a client revokes a token of its own. This ends its grant, and so every other
// token of the grant.
type Revocation struct {
	Clients      clientauth.Authenticator
	AccessTokens AccessTokens
	Store        *oauth2.Store
}

const (
	routeRevoke = "revoke"
	revokePath  = "/oauth2/revoke"
)

// Mount implements endpoint.Endpoint.
func (e *Revocation) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{Name: routeRevoke, Path: revokePath, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors, CORS: true})
	t.Advertise(func(p *discovery.Provider) { p.Endpoints.Revocation = revokePath })
}

func (e *Revocation) serve(w http.ResponseWriter, r *endpoint.Request) error {
	client, token, err := readToken(r, e.Clients)
	if err != nil {
		return err
	}
	err = e.revoke(r.Context(), r.Issuer, client, token)
	if errors.Is(err, errNotIssuedToIt) {
		return endpoint.NewError(fosite.ErrInvalidGrant, "The token was issued to another client. Nothing was revoked.")
	}
	// A token that is unknown, expired or already revoked is a success (§2.2).
	if err != nil && !errors.Is(err, oauth2.ErrNoGrant) && !errors.Is(err, errAccessToken) {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

// handlePrefix is the prefix of every token that is not a JWT.
const handlePrefix = "mf_"

// errNotIssuedToIt means that a token belongs to another client (RFC 7009 §2.1).
var errNotIssuedToIt = errors.New("token: the token was issued to another client")

// revoke ends the grant of a client's token, or the token itself if it has no grant. The format of the token identifies its
// kind, so that token_type_hint is not needed (§2.1).
func (e *Revocation) revoke(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, token string) error {
	if strings.HasPrefix(token, handlePrefix) {
		return ownershipError(e.Store.RevokeToken(ctx, client, token))
	}
	claims, err := e.AccessTokens.verify(ctx, issuer, token)
	if err != nil {
		return err
	}
	if claims.ClientID != client.GetID() {
		return errNotIssuedToIt
	}
	if grant, ok := oauth2.GrantOf(claims.ID); ok {
		return ownershipError(e.Store.RevokeGrantOf(ctx, client, grant))
	}
	return e.Store.RevokeJTI(ctx, claims.ID, time.Unix(claims.ExpiresAt, 0).Add(clientauth.ClockSkew))
}

func ownershipError(err error) error {
	if errors.Is(err, oauth2.ErrOtherClient) {
		return errNotIssuedToIt
	}
	return err
}

// readToken authenticates the client of a request about a token (RFC 7009 §2.1, RFC 7662 §2.1), and reads the token.
func readToken(r *endpoint.Request, authentication clientauth.Authenticator) (*oauth2.Client, string, error) {
	form, err := endpoint.ReadForm(r)
	if err != nil {
		return nil, "", err
	}
	client, err := authentication.Client(r.Context(), r, form)
	if err != nil {
		return nil, "", err
	}
	token := form.Get("token")
	if token == "" {
		return nil, "", endpoint.NewError(fosite.ErrInvalidRequest, "The parameter token is missing.")
	}
	return client, token, nil
}
