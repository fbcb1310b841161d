package token

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// linkFreshness is how long after a sign-in its token permits a change of the sign-in methods.
const linkFreshness = 5 * time.Minute

// LinkProof accepts access tokens that permit a change of the user's sign-in methods: for this issuer, with the scope
// urn:minifed:link, and of a recent sign-in.
type LinkProof struct {
	Bearer *Bearer
	Now    func() time.Time
}

// Accept returns the user and grant of a token, or an error of a protected resource (RFC 6750 §3.1, RFC 9470 §3).
func (p LinkProof) Accept(ctx context.Context, issuer *oauth2.Issuer, token string) (PresentedToken, error) {
	found, err := p.Bearer.accept(ctx, issuer, token)
	if err != nil {
		return PresentedToken{}, err
	}
	switch {
	case !slices.Contains(found.audience, issuer.URL):
		return PresentedToken{}, invalidToken(errAccessToken)
	case !slices.Contains(found.Scopes, endpoint.ScopeLink), !found.Client.Record().AccountLinking:
		return PresentedToken{}, insufficientScope(endpoint.ScopeLink)
	case p.Now().Sub(found.Grant.AuthTime) > linkFreshness:
		return PresentedToken{}, tooLongAgo()
	default:
		return found, nil
	}
}

// AcceptSession is Accept for bindUser's method session. The token must be an at+jwt, of the client itself or of one of its
// registered partners.
func (p LinkProof) AcceptSession(ctx context.Context, issuer *oauth2.Issuer, token, client string, partners []string) (PresentedToken, error) {
	reject := func(cause error) error {
		return &grants.Error{
			Protocol: endpoint.Describe(fosite.ErrInvalidGrant, "access_token does not prove an account: it must be an unexpired at+jwt for this issuer with the scope "+endpoint.ScopeLink+", of a sign-in within the last five minutes, of this client or a partner of it.", cause),
			Reason:   reasonSessionToken,
		}
	}
	if strings.HasPrefix(token, opaquePrefix) {
		return PresentedToken{}, reject(errAccessToken)
	}
	found, err := p.Accept(ctx, issuer, token)
	if err != nil && endpoint.ErrorOf(err).Protocol.CodeField < http.StatusInternalServerError {
		return PresentedToken{}, reject(err)
	}
	if err != nil {
		return PresentedToken{}, err
	}
	if of := found.Client.GetID(); of != client && !slices.Contains(partners, of) {
		return PresentedToken{}, reject(errAccessToken)
	}
	return found, nil
}

// reasonSessionToken is the reason for an access token that does not prove an account.
const reasonSessionToken = "session_token"

// insufficientScope is the error for a token without a scope (RFC 6750 §3.1).
func insufficientScope(scope string) error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusForbidden, "The access token was not granted the scope "+scope+".")
	problem.Protocol.ErrorField = "insufficient_scope"
	problem.Extra = map[string]any{"scope": scope}
	return problem
}

// tooLongAgo is the challenge for a token of a sign-in that is too old (RFC 9470 §3).
func tooLongAgo() error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusUnauthorized, "The user signed in more than five minutes ago and has to sign in again.")
	problem.Protocol.ErrorField = "insufficient_user_authentication"
	problem.Extra = map[string]any{"max_age": int(linkFreshness / time.Second)}
	return problem
}
