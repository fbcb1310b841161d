package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage/oauth2"
)

// userinfoEndpoint is /oauth2/userinfo (OpenID Connect Core §5.3).
type userinfoEndpoint struct {
	bearer *bearer
}

func (e *userinfoEndpoint) mount(t *table) {
	t.handle(route{
		name: routeUserInfo, path: "/oauth2/userinfo", methods: []string{http.MethodGet, http.MethodPost},
		serve: e.serve, surface: bearerErrors, browsers: true,
	})
}

func (e *userinfoEndpoint) serve(w http.ResponseWriter, r *call) error {
	token, err := readBearer(r)
	if err != nil {
		return err
	}
	presented, err := e.bearer.accept(r.Context(), r.issuer, token)
	if err != nil {
		return err
	}
	r.client = presented.Client.GetID()
	if !slices.Contains(presented.audience, r.issuer.URL) { // RFC 9068 §4: the token is for others, who must not use it here.
		return invalidToken(errAccessToken)
	}
	if !slices.Contains(presented.scopes, scopeOpenID) {
		problem := refusalStatus(fosite.ErrInvalidRequest, http.StatusForbidden, "The access token was not granted the scope openid.")
		problem.Protocol.ErrorField = "insufficient_scope"
		problem.Extra = map[string]any{"scope": scopeOpenID}
		return problem
	}
	user := withPlaceholder(presented.User, presented.Client.Record(), presented.Subject)
	claims := standardClaims(presented.Subject, user, presented.scopes)
	maps.Copy(claims, userInfoClaims(presented.Grant.Claims, user))
	return writeJSON(w, claims)
}

// presented is an access token that was shown and is good: its grant stands, its user may sign in.
type presented struct {
	*oauth2.Live
	scopes   []string
	audience []string
}

// bearer accepts access tokens of the request's issuer, JWTs and opaque ones.
type bearer struct {
	tokens accessTokens
	store  *oauth2.Store
}

// opaquePrefix begins the access tokens that only the store understands.
const opaquePrefix = "mf_at_"

// accept returns what a token is worth, or invalid_token (RFC 6750 §3.1). A token of a client that acts for itself has no user
// and is refused.
func (b *bearer) accept(ctx context.Context, issuer *oauth2.Issuer, token string) (presented, error) {
	found, err := b.find(ctx, issuer, token)
	if errors.Is(err, errAccessToken) || errors.Is(err, oauth2.ErrNoGrant) {
		return presented{}, invalidToken(err)
	}
	if err == nil && found.User.ID == "" {
		return presented{}, invalidToken(errAccessToken)
	}
	return found, err
}

func (b *bearer) find(ctx context.Context, issuer *oauth2.Issuer, token string) (presented, error) {
	if strings.HasPrefix(token, opaquePrefix) {
		access, err := b.store.Access(ctx, token)
		if err != nil {
			return presented{}, err
		}
		return presented{&access.Live, access.Scopes, access.Audience}, nil
	}
	claims, err := b.tokens.verify(ctx, issuer, token)
	if err != nil {
		return presented{}, err
	}
	grant, ok := oauth2.GrantOf(claims.ID)
	if !ok {
		return presented{}, errAccessToken
	}
	live, err := b.store.Live(ctx, grant)
	if err != nil {
		return presented{}, err
	}
	if live.Client.GetID() != claims.ClientID {
		return presented{}, errAccessToken
	}
	return presented{live, strings.Fields(claims.Scope), claims.Audience}, nil
}

// readBearer reads the access token of a request: from the header, or from the form of a POST, never from both, and never
// from the URL (RFC 6750 §2).
func readBearer(r *call) (string, error) {
	header, err := bearerHeader(r.Request)
	if err != nil {
		return "", err
	}
	if r.URL.Query().Has("access_token") {
		return "", refusal(fosite.ErrInvalidRequest, "The access token must not be sent in the URL.")
	}
	if r.Method != http.MethodPost || mediaType(r.Request) != formType {
		if header == "" {
			return "", noToken()
		}
		return header, nil
	}
	form, err := readForm(r)
	if err != nil {
		return "", err
	}
	body := form.Get("access_token")
	switch {
	case header != "" && body != "":
		return "", refusal(fosite.ErrInvalidRequest, "The access token was sent in two ways. Use one.")
	case header == "" && body == "":
		return "", noToken()
	default:
		return header + body, nil
	}
}

func bearerHeader(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || token == "" && strings.EqualFold(scheme, "Bearer") {
		return "", refusal(fosite.ErrInvalidRequest, "The Authorization header is malformed.")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", noToken()
	}
	return token, nil
}

// noToken asks for a token without an error code, because none was shown (RFC 6750 §3.1).
func noToken() error {
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
