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

// MiniProgramHandler exchanges wx.login codes at fosite's token endpoint. NewMiniProgramFactory makes it; fosite keeps one
// handler of a Go type, so this one serves all mini-programs, and the client says which it is.
type MiniProgramHandler struct {
	exchanger       CodeExchanger
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
	storage         any // what the transaction is asked of: the same value as the two below
	accessTokens    oauth2.AccessTokenStorage
	refreshTokens   oauth2.RefreshTokenStorage
	accessStrategy  oauth2.AccessTokenStrategy
	refreshStrategy oauth2.RefreshTokenStrategy
	idStrategy      openid.OpenIDConnectTokenStrategy

	flights flights
	spent   spentCodes // by this process; kept only with singleProcess
	fault   error      // what the factory missed; nil when all is there
}

var _ fosite.TokenEndpointHandler = (*MiniProgramHandler)(nil)

// subjectSession is what every session must be that this grant fills. fosite's own sessions are.
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

// HandleTokenEndpointRequest finds out who the user is and writes that, and what is granted, into the request. Its errors
// are *Error, but for fosite.ErrUnknownRequest when the request is not an exchange.
func (h *MiniProgramHandler) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if !h.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	if h.fault != nil {
		return serverError(h.fault)
	}
	// 1. Everything that can be wrong for free.
	exchange, err := h.read(ctx, request)
	if err != nil {
		return err
	}
	session, err := sessionFor(request.GetSession(), exchange)
	if err != nil {
		return serverError(err)
	}
	// 2. Who it is: from the answer given before, or from WeChat.
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
	// 3. What the tokens will say. The ID comes first: a strategy may derive tokens from it.
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
	// 4. The rest of the request sees nothing that it could misread.
	form := request.GetRequestForm()
	for _, name := range consumed() {
		form.Del(name)
	}
	form.Set(responseKey, response)
	return nil
}

// responseKey is where Subject.Response waits in the form until the response exists. Forms end with the request: fosite
// strips the key from what is stored.
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

// consumed lists the parameters that end here: secrets, and those of the authorization endpoint that fosite's ID token
// strategy would obey at the token endpoint, too late to refuse them.
func consumed() []string {
	return []string{"subject_token", "phone_code", "id_token_hint", "prompt", "max_age", "acr_values"}
}

// sessionFor returns the session as what this grant fills, or why it cannot be filled.
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

// expire sets when the tokens end, by the client's lifespans where it has its own.
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

// detached is the context of work that goes on when the caller hangs up.
func (h *MiniProgramHandler) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), h.timeout)
}
