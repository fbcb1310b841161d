package token

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// UserInfo is /oauth2/userinfo (OpenID Connect Core §5.3).
type UserInfo struct {
	Bearer *Bearer
}

// Mount implements endpoint.Endpoint.
func (e *UserInfo) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: endpoint.RouteUserInfo, Path: "/oauth2/userinfo", Methods: []string{http.MethodGet, http.MethodPost},
		Serve: e.serve, ErrorWriter: endpoint.BearerErrors, CORS: true,
	})
}

func (e *UserInfo) serve(w http.ResponseWriter, r *endpoint.Request) error {
	token, err := readBearer(r)
	if err != nil {
		return err
	}
	presented, err := e.Bearer.accept(r.Context(), r.Issuer, token)
	if err != nil {
		return err
	}
	r.ClientID = presented.Client.GetID()
	if !slices.Contains(presented.audience, r.Issuer.URL) { // RFC 9068 §4: the token is for another resource server.
		return invalidToken(errAccessToken)
	}
	if !slices.Contains(presented.Scopes, endpoint.ScopeOpenID) {
		problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusForbidden, "The access token was not granted the scope openid.")
		problem.Protocol.ErrorField = "insufficient_scope"
		problem.Extra = map[string]any{"scope": endpoint.ScopeOpenID}
		return problem
	}
	user := WithPlaceholder(presented.User, presented.Client.Record(), presented.Subject)
	of := ClaimsOf(r.Issuer.Directory)
	claims := of.OfScopes(presented.Subject, user, presented.Scopes)
	maps.Copy(claims, of.userInfo(presented.Grant.Claims, user))
	if presented.FormerSub != nil {
		claims[oauth2.ClaimFormerSub] = presented.FormerSub
	}
	return endpoint.WriteJSON(w, claims)
}

// PresentedToken is a valid access token: its grant is active and its user may sign in.
type PresentedToken struct {
	*oauth2.ActiveGrant
	Scopes   []string
	audience []string
}

// Bearer accepts access tokens of the request's issuer, JWTs and opaque ones.
type Bearer struct {
	Tokens AccessTokens
	Store  *oauth2.Store
}

// opaquePrefix is the prefix of opaque access tokens.
const opaquePrefix = "mf_at_"

// accept returns a valid access token, or invalid_token (RFC 6750 §3.1). It rejects a client's own token, which has no user.
func (b *Bearer) accept(ctx context.Context, issuer *oauth2.Issuer, token string) (PresentedToken, error) {
	found, err := b.find(ctx, issuer, token)
	if errors.Is(err, errAccessToken) || errors.Is(err, oauth2.ErrNoGrant) {
		return PresentedToken{}, invalidToken(err)
	}
	if err == nil && found.User.ID == "" {
		return PresentedToken{}, invalidToken(errAccessToken)
	}
	return found, err
}

// AcceptOf is accept for an access token of this client, as a parameter of a request that the client authenticates.
func (b *Bearer) AcceptOf(ctx context.Context, issuer *oauth2.Issuer, token, client string) (PresentedToken, error) {
	found, err := b.accept(ctx, issuer, token)
	if err == nil && found.Client.GetID() != client {
		err = invalidToken(errAccessToken)
	}
	if err != nil && endpoint.ErrorOf(err).Protocol.CodeField < http.StatusInternalServerError {
		return PresentedToken{}, &grants.Error{
			Protocol: endpoint.Describe(fosite.ErrInvalidGrant, "access_token must be a valid access token of this client.", err), Reason: reasonSessionToken,
		}
	}
	return found, err
}

func (b *Bearer) find(ctx context.Context, issuer *oauth2.Issuer, token string) (PresentedToken, error) {
	if strings.HasPrefix(token, opaquePrefix) {
		access, err := b.Store.Access(ctx, token)
		if err != nil {
			return PresentedToken{}, err
		}
		return PresentedToken{&access.ActiveGrant, access.Scopes, access.Audience}, nil
	}
	claims, err := b.Tokens.verify(ctx, issuer, token)
	if err != nil {
		return PresentedToken{}, err
	}
	grant, ok := oauth2.GrantOf(claims.ID)
	if !ok {
		return PresentedToken{}, errAccessToken
	}
	live, err := b.Store.ActiveGrant(ctx, grant)
	if err != nil {
		return PresentedToken{}, err
	}
	if live.Client.GetID() != claims.ClientID {
		return PresentedToken{}, errAccessToken
	}
	return PresentedToken{live, strings.Fields(claims.Scope), claims.Audience}, nil
}

// readBearer reads the access token of a request: from the header, or from the form of a POST (RFC 6750 §2). It rejects both
// together, and never reads the URL.
func readBearer(r *endpoint.Request) (string, error) {
	header, err := BearerToken(r.Request)
	if err != nil {
		return "", err
	}
	if r.URL.Query().Has("access_token") {
		return "", endpoint.NewError(fosite.ErrInvalidRequest, "The access token must not be sent in the URL.")
	}
	if r.Method != http.MethodPost || endpoint.MediaType(r.Request) != endpoint.FormMediaType {
		if header == "" {
			return "", MissingToken()
		}
		return header, nil
	}
	form, err := endpoint.ReadForm(r)
	if err != nil {
		return "", err
	}
	body := form.Get("access_token")
	switch {
	case header != "" && body != "":
		return "", endpoint.NewError(fosite.ErrInvalidRequest, "The access token was sent in two ways. Use one.")
	case header == "" && body == "":
		return "", MissingToken()
	default:
		return header + body, nil
	}
}

// BearerToken returns the access token of the Authorization header (RFC 6750 §2.1).
func BearerToken(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || token == "" && strings.EqualFold(scheme, "Bearer") {
		return "", endpoint.NewError(fosite.ErrInvalidRequest, "The Authorization header is malformed.")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", MissingToken()
	}
	return token, nil
}

// MissingToken returns the challenge for a request without a token, which has no error code (RFC 6750 §3.1).
func MissingToken() error {
	return &grants.Error{Protocol: &fosite.RFC6749Error{
		DescriptionField: "Send an access token in the Authorization header.", CodeField: http.StatusUnauthorized,
	}}
}

func invalidToken(cause error) error {
	return &grants.Error{Protocol: (&fosite.RFC6749Error{
		ErrorField:       "invalid_token",
		DescriptionField: "The access token is expired, revoked, malformed, of another issuer, or meant for other resources alone.",
		CodeField:        http.StatusUnauthorized,
	}).WithWrap(cause)}
}
