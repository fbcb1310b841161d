package token

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/discovery"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Introspection is POST /oauth2/introspect (RFC 7662). It returns the state of a token to the token's client, to its audience, to
// the clients that may introspect tokens of its resource, and to those that may introspect every token. For any other token, and
// in case of doubt, it returns active=false.
type Introspection struct {
	Clients      clientauth.Authenticator
	AccessTokens AccessTokens
	Store        *oauth2.Store
	Resources    target.Resources
}

const (
	routeIntrospect = "introspect"
	introspectPath  = "/oauth2/introspect"
)

// Mount implements endpoint.Endpoint.
func (e *Introspection) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{Name: routeIntrospect, Path: introspectPath, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.ChallengedErrors})
	t.Advertise(func(p *discovery.Provider) {
		p.Endpoints.Introspection = introspectPath
		p.IntrospectionAuthMethods = slices.DeleteFunc(slices.Clone(p.AuthMethods), func(method string) bool { return method == clientauth.MethodNone })
	})
}

// introspection is the response (RFC 7662 §2.2), with acr and auth_time (RFC 9470 §6.2). The zero value is an inactive token.
type introspection struct {
	Active   bool              `json:"active"`
	Issuer   string            `json:"iss,omitempty"`
	Subject  string            `json:"sub,omitempty"`
	Username string            `json:"username,omitempty"`
	ClientID string            `json:"client_id,omitempty"`
	Audience endpoint.Audience `json:"aud,omitempty"`
	Scope    string            `json:"scope,omitempty"`
	// TokenType is set for access tokens only, so that no resource server accepts a refresh token as one.
	TokenType string   `json:"token_type,omitempty"`
	ID        string   `json:"jti,omitempty"`
	ExpiresAt int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
}

func (e *Introspection) serve(w http.ResponseWriter, r *endpoint.Request) error {
	client, token, err := readToken(r, e.Clients)
	if err != nil {
		return err
	}
	if client.IsPublic() { // Anyone could use its client_id to guess tokens (§4).
		return endpoint.CausedBy(endpoint.NewError(fosite.ErrInvalidClient, "Introspection needs a client that authenticates: this one is public."), clientauth.CauseIntrospectPublic)
	}
	found, err := e.introspect(r, client, token)
	if errors.Is(err, errAccessToken) || errors.Is(err, oauth2.ErrNoGrant) || errors.Is(err, storage.ErrNotFound) {
		found, err = introspection{}, nil
	}
	if err != nil {
		return err
	}
	return endpoint.WriteJSON(w, found)
}

// introspect returns the state of a token for a client. Any error counts as an inactive token.
func (e *Introspection) introspect(r *endpoint.Request, client *oauth2.Client, token string) (introspection, error) {
	switch {
	case strings.HasPrefix(token, opaquePrefix):
		return e.opaque(r, client, token)
	case strings.HasPrefix(token, handlePrefix):
		return e.refresh(r, client, token)
	default:
		return e.jwt(r, client, token)
	}
}

// jwt introspects an access token that is a JWT.
func (e *Introspection) jwt(r *endpoint.Request, client *oauth2.Client, token string) (introspection, error) {
	claims, err := e.AccessTokens.verify(r.Context(), r.Issuer, token)
	if err != nil {
		return introspection{}, err
	}
	if err := e.checkMay(r, client, claims.ClientID, claims.Audience); err != nil {
		return introspection{}, err
	}
	response := introspection{
		Active: true, Issuer: claims.Issuer, Subject: claims.Subject, ClientID: claims.ClientID, Audience: claims.Audience,
		Scope: claims.Scope, TokenType: "Bearer", ID: claims.ID, ExpiresAt: claims.ExpiresAt, IssuedAt: claims.IssuedAt,
		AuthTime: claims.AuthTime, ACR: claims.ACR, AMR: claims.AMR,
	}
	grant, ok := oauth2.GrantOf(claims.ID)
	if !ok {
		return response, checkClientsOwn(r.Context(), e.Store, claims)
	}
	live, err := e.Store.ActiveGrant(r.Context(), grant)
	if err != nil {
		return introspection{}, err
	}
	if live.Client.GetID() != claims.ClientID {
		return introspection{}, errAccessToken
	}
	response.Username = username(live.User, strings.Fields(claims.Scope))
	return response, nil
}

// checkClientsOwn checks a client's own token, which has no grant: the client must be active and the token not revoked.
func checkClientsOwn(ctx context.Context, store *oauth2.Store, claims accessClaims) error {
	client, err := store.GetClient(ctx, claims.ClientID)
	if err != nil {
		return err
	}
	if endpoint.IncarnationOf(client) != claims.Incarnation {
		return errAccessToken
	}
	revoked, err := store.JTIRevoked(ctx, claims.ID)
	if err == nil && revoked {
		return errAccessToken
	}
	return err
}

// opaque introspects an access token that is in the store.
func (e *Introspection) opaque(r *endpoint.Request, client *oauth2.Client, token string) (introspection, error) {
	access, err := e.Store.Access(r.Context(), token)
	if err != nil {
		return introspection{}, err
	}
	if err := e.checkMay(r, client, access.Client.GetID(), access.Audience); err != nil {
		return introspection{}, err
	}
	response := e.activeGrant(r.Issuer, &access.ActiveGrant)
	response.Audience, response.Scope, response.TokenType = access.Audience, strings.Join(access.Scopes, " "), "Bearer"
	response.ID, response.ExpiresAt, response.IssuedAt = access.JTI, access.ExpiresAt.Unix(), access.IssuedAt.Unix()
	response.Username = username(access.User, access.Scopes)
	return response, nil
}

// refresh introspects a refresh token. Only its client may do so: a resource server must not accept it as an access token.
func (e *Introspection) refresh(r *endpoint.Request, client *oauth2.Client, token string) (introspection, error) {
	live, err := e.Store.Refreshable(r.Context(), token)
	if err != nil {
		return introspection{}, err
	}
	if live.Client.GetID() != client.GetID() {
		return introspection{}, errAccessToken
	}
	response := e.activeGrant(r.Issuer, live)
	response.Scope, response.ExpiresAt = strings.Join(live.Grant.Scopes, " "), live.Grant.Refresh.IdleUntil.Unix()
	return response, nil
}

// activeGrant returns what is common to all tokens of an active grant.
func (*Introspection) activeGrant(issuer *oauth2.Issuer, live *oauth2.ActiveGrant) introspection {
	return introspection{
		Active: true, Issuer: issuer.URL, Subject: live.Subject, ClientID: live.Client.GetID(),
		AuthTime: seconds(live.Grant.AuthTime), ACR: live.Grant.ACR, AMR: live.Grant.AMR,
	}
}

// checkMay checks that a client may introspect an access token: its own, one for its audience, one for a resource that it may
// introspect, or any if it is registered so. Otherwise the log names the setting that permits it, because the client sees a valid
// token as inactive. A token for a disabled resource is inactive for every client.
func (e *Introspection) checkMay(r *endpoint.Request, client *oauth2.Client, owner string, audience []string) error {
	may := client.GetID() == owner || slices.Contains(audience, client.GetID()) || client.Record().Introspection
	for _, value := range audience {
		if value == r.Issuer.URL {
			continue
		}
		resource, err := e.Resources.FindAudience(r.Context(), r.Issuer, value)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return err
		case resource.Disabled:
			r.Advice = causeDisabledResource
			return errAccessToken
		default:
			may = may || slices.Contains(resource.IntrospectedBy, client.GetID())
		}
	}
	if !may {
		r.Advice = clientauth.CauseIntrospectForeign
		return errAccessToken
	}
	return nil
}

// causeDisabledResource is the cause of an introspection of a token for a disabled resource.
const causeDisabledResource endpoint.OperatorCause = "the token is for a disabled resource, so introspection returns it as not active: enable it by minifed resource enable"

// username returns the user's display name, if the scopes include it.
func username(user storage.User, scopes []string) string {
	if !slices.Contains(scopes, endpoint.ScopeProfile) {
		return ""
	}
	return user.Username
}

// seconds returns a NumericDate (RFC 7519 §2), or zero for the zero time.
func seconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}
