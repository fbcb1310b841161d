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

	"github.com/minifed/minifed/wechat"
)

// MiniProgramHandler exchanges wx.login codes at fosite's token endpoint. NewMiniProgramFactory makes it; fosite keeps one
// handler of a Go type, so this one serves all mini-programs, and the client says which it is.
type MiniProgramHandler struct {
	exchanger       CodeExchanger
	resolver        SubjectResolver
	repeater        Repeater // nil unless the resolver is one
	defaultScopes   func(context.Context, fosite.Client) []string
	defaultAudience func(context.Context, fosite.Client) []string
	timeout         time.Duration
	repeatWait      time.Duration
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
	fault   error // what the factory missed; nil when all is there
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
	response, err := json.Marshal(subject.Response)
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
	form.Set(responseKey, string(response))
	return nil
}

// responseKey is where Subject.Response waits in the form until the response exists. Forms end with the request: fosite
// strips the key from what is stored.
const responseKey = "urn:minifed:token-response"

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
	session.SetExpiresAt(fosite.AccessToken, now.Add(h.accessTokenLifespan(ctx, client)).Round(time.Second))
	refresh := fosite.GetEffectiveLifespan(client, GrantType, fosite.RefreshToken, h.config.GetRefreshTokenLifespan(ctx))
	if refresh > -1 { // fosite's value for a refresh token that does not expire
		session.SetExpiresAt(fosite.RefreshToken, now.Add(refresh).Round(time.Second))
	}
}

func (h *MiniProgramHandler) accessTokenLifespan(ctx context.Context, client fosite.Client) time.Duration {
	return fosite.GetEffectiveLifespan(client, GrantType, fosite.AccessToken, h.config.GetAccessTokenLifespan(ctx))
}

// detached is the context of work that goes on when the caller hangs up.
func (h *MiniProgramHandler) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), h.timeout)
}

// subject says who the user is: whom this code named before, or whom WeChat names now. Requests that carry the same code at
// the same time share one WeChat call when there is a Repeater, which then gives all of them the one answer.
func (h *MiniProgramHandler) subject(ctx context.Context, exchange Exchange) (Subject, error) {
	if err := ctx.Err(); err != nil {
		return Subject{}, Retry(err) // Nobody waits any more, and the code is still good.
	}
	if h.repeater == nil {
		return h.prove(ctx, exchange)
	}
	subject, found, err := h.repeat(ctx, exchange)
	if found || err != nil {
		return subject, err
	}
	key := flightKey{h.config.GetIDTokenIssuer(ctx), exchange.Client.GetID(), exchange.Code}
	flight, leads := h.flights.join(key)
	if leads {
		return h.lead(ctx, key, flight, exchange)
	}
	return h.follow(ctx, flight, exchange)
}

// lead spends the code on behalf of all who wait for flight.
func (h *MiniProgramHandler) lead(ctx context.Context, key flightKey, flight *flight, exchange Exchange) (_ Subject, err error) {
	err = serverError(errors.New("grants: the request that spent the code panicked"))
	defer func() { h.flights.land(key, flight, err) }()
	return h.prove(ctx, exchange)
}

// follow waits for the flight and takes its answer: the grant that its leader makes, or else the error that it met.
func (h *MiniProgramHandler) follow(ctx context.Context, flight *flight, exchange Exchange) (Subject, error) {
	select {
	case <-flight.landed:
	case <-ctx.Done():
		return Subject{}, Retry(ctx.Err())
	}
	if flight.err == nil {
		return h.await(ctx, exchange, nil)
	}
	subject, found, err := h.repeat(ctx, exchange)
	if found || err != nil {
		return subject, err
	}
	return Subject{}, flight.err
}

// prove spends the code and resolves who WeChat says it is. From here on the caller's hanging up changes nothing.
func (h *MiniProgramHandler) prove(ctx context.Context, exchange Exchange) (Subject, error) {
	ctx, cancel := h.detached(ctx)
	defer cancel()
	session, err := h.exchanger.ExchangeCode(ctx, exchange.Client, exchange.Code)
	if errors.Is(err, wechat.ErrCodeUsed) && h.repeater != nil {
		return h.await(ctx, exchange, err)
	}
	if err != nil {
		return Subject{}, FromWeChat(err)
	}
	subject, err := h.resolver.ResolveSubject(ctx, exchange, session)
	if err != nil {
		return Subject{}, protocolError(err)
	}
	return subject, nil
}

const firstPoll = 20 * time.Millisecond

// await asks for the grant that another request makes from this code, until it is there or can be expected no longer.
func (h *MiniProgramHandler) await(ctx context.Context, exchange Exchange, cause error) (Subject, error) {
	lost := NewCode("The code was used before, and what came of it is not known here. Call wx.login again and send the new code.", cause)
	for pause, waited := firstPoll, time.Duration(0); ; pause, waited = 2*pause, waited+pause {
		subject, found, err := h.repeat(ctx, exchange)
		if found || err != nil {
			return subject, err
		}
		if pause = min(pause, h.repeatWait-waited); pause <= 0 {
			return Subject{}, lost
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Subject{}, lost
		}
	}
}

func (h *MiniProgramHandler) repeat(ctx context.Context, exchange Exchange) (Subject, bool, error) {
	subject, found, err := h.repeater.RepeatSubject(ctx, exchange)
	if err != nil {
		return Subject{}, false, protocolError(err)
	}
	return subject, found, nil
}
