package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"
)

// MiniProgramHandler exchanges wx.login codes at fosite's token endpoint. NewMiniProgramFactory creates it. fosite has one
// handler of each Go type, so this one serves all mini-programs, and the client determines which.
type MiniProgramHandler struct {
	exchanger       CodeExchanger
	nativeApps      CodeExchanger // nil rejects codes of mobile apps
	resolver        SubjectResolver
	replays         ReplayResolver // nil unless the resolver is one
	defaultScopes   func(context.Context, fosite.Client) []string
	defaultAudience func(context.Context, fosite.Client) []string
	timeout         time.Duration
	replayWait      time.Duration
	singleProcess   bool
	now             func() time.Time

	config interface {
		fosite.AccessTokenLifespanProvider
		fosite.RefreshTokenLifespanProvider
		fosite.IDTokenLifespanProvider
		fosite.IDTokenIssuerProvider
		fosite.ScopeStrategyProvider
		fosite.AudienceStrategyProvider
		fosite.RefreshTokenScopesProvider
		fosite.MinParameterEntropyProvider
	}
	storage         any // begins transactions: the same value as the two below
	accessTokens    oauth2.AccessTokenStorage
	refreshTokens   oauth2.RefreshTokenStorage
	accessStrategy  oauth2.AccessTokenStrategy
	refreshStrategy oauth2.RefreshTokenStrategy
	idStrategy      openid.OpenIDConnectTokenStrategy

	flights flights
	spent   spentCodes // by this process; used only with singleProcess
	fault   error      // what the factory missed; nil when complete
}

var _ fosite.TokenEndpointHandler = (*MiniProgramHandler)(nil)

// subjectSession is the interface that every session of this grant needs. fosite's own sessions have it.
type subjectSession interface {
	fosite.Session
	SetSubject(subject string)
}

// CanHandleTokenEndpointRequest reports whether the request is a token exchange.
func (h *MiniProgramHandler) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(GrantType)
}

// CanSkipClientAuth reports that the client has to authenticate.
func (h *MiniProgramHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// HandleTokenEndpointRequest finds the user, and writes the subject and the granted scopes into the request. Its errors are
// *Error, except fosite.ErrUnknownRequest when the request is not an exchange.
func (h *MiniProgramHandler) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if !h.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	if h.fault != nil {
		return serverError(h.fault)
	}
	// 1. Checks that need no call.
	exchange, err := h.read(ctx, request)
	if err != nil {
		return err
	}
	session, err := sessionFor(request.GetSession(), exchange)
	if err != nil {
		return serverError(err)
	}
	// 2. The user: from an earlier exchange, or from WeChat.
	subject, err := h.subject(ctx, exchange)
	if err != nil {
		return err
	}
	if subject.ID == "" {
		return serverError(errors.New("grants: the SubjectResolver returned a subject without ID"))
	}
	response, err := encodeResponse(subject.Response)
	if err != nil {
		return serverError(fmt.Errorf("grants: Subject.Response: %w", err))
	}
	// 3. The claims of the tokens. The ID comes first: a strategy may derive tokens from it.
	if subject.GrantID != "" {
		request.SetID(subject.GrantID)
	}
	for _, scope := range exchange.Scopes {
		request.GrantScope(scope)
	}
	for _, audience := range exchange.Audience {
		request.GrantAudience(audience)
	}
	h.describe(session, exchange, subject)
	h.expire(ctx, session, exchange.Client)
	// 4. Remove the parameters that later handlers could misread.
	form := request.GetRequestForm()
	for _, name := range consumed() {
		form.Del(name)
	}
	form.Set(responseKey, response)
	return nil
}

// responseKey is the form key that holds Subject.Response until the response exists. Forms end with the request: fosite removes
// the key from what is stored.
const responseKey = "urn:minifed:token-response"

// noResponse is a Subject.Response without members, as most are.
const noResponse = "{}"

func encodeResponse(members map[string]any) (string, error) {
	if len(members) == 0 {
		return noResponse, nil
	}
	encoded, err := json.Marshal(members)
	return string(encoded), err
}

// consumed lists the parameters that are removed: secrets, and those of the authorization endpoint that fosite's ID token
// strategy would apply at the token endpoint, too late to reject them.
func consumed() []string {
	return []string{"subject_token", "phone_code", "terms_version", "guardian_consent", "id_token_hint", "prompt", "max_age", "acr_values"}
}

// sessionFor returns the session with the interfaces of this grant, or an error.
func sessionFor(session fosite.Session, exchange Exchange) (subjectSession, error) {
	filled, ok := session.(subjectSession)
	if !ok {
		return nil, fmt.Errorf("grants: session %T has no SetSubject(string)", session)
	}
	if _, ok := session.(openid.Session); !ok && exchange.wantsIDToken() {
		return nil, fmt.Errorf("grants: scope openid is granted, but session %T is not an openid.Session", session)
	}
	return filled, nil
}

// describe writes the subject into the session: for ID tokens, for JWT access tokens, for introspection.
func (h *MiniProgramHandler) describe(session subjectSession, exchange Exchange, subject Subject) {
	session.SetSubject(subject.ID)
	if container, ok := session.(oauth2.JWTSessionContainer); ok {
		if claims, ok := container.GetJWTClaims().(*jwt.JWTClaims); ok {
			claims.Subject = subject.ID
		}
	}
	oidc, ok := session.(openid.Session)
	if !ok {
		return
	}
	claims := oidc.IDTokenClaims()
	for name, value := range subject.Claims {
		claims.Add(name, value) // fosite gives its own fields precedence over these.
	}
	claims.Subject = subject.ID
	claims.Nonce = exchange.Nonce
	claims.AuthTime = subject.AuthTime.UTC()
	if subject.AuthTime.IsZero() {
		claims.AuthTime = h.now().UTC().Truncate(time.Second)
	}
	claims.AuthenticationContextClassReference = subject.ACR
	claims.AuthenticationMethodsReferences = subject.AMR
	if len(subject.AMR) == 0 {
		claims.AuthenticationMethodsReferences = []string{"wechat_miniapp"}
	}
}

// expire sets when the tokens end, by the client's lifespans if it has its own.
func (h *MiniProgramHandler) expire(ctx context.Context, session fosite.Session, client fosite.Client) {
	now := h.now().UTC()
	session.SetExpiresAt(fosite.AccessToken, now.Add(h.accessTokenLifespan(ctx, client)).Truncate(time.Second))
	refresh := fosite.GetEffectiveLifespan(client, GrantType, fosite.RefreshToken, h.config.GetRefreshTokenLifespan(ctx))
	if refresh > -1 { // fosite's value for a refresh token that does not expire
		session.SetExpiresAt(fosite.RefreshToken, now.Add(refresh).Truncate(time.Second))
	}
}

func (h *MiniProgramHandler) accessTokenLifespan(ctx context.Context, client fosite.Client) time.Duration {
	return fosite.GetEffectiveLifespan(client, GrantType, fosite.AccessToken, h.config.GetAccessTokenLifespan(ctx))
}

// detached is the context of work that continues after the caller has disconnected.
func (h *MiniProgramHandler) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), h.timeout)
}
