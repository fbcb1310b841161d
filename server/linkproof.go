package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage/oauth2"
)

// linkFreshness is how long after a sign-in a token of it proves the user to what changes how one signs in.
const linkFreshness = 5 * time.Minute

// linkProof accepts access tokens that prove their user to what changes how one signs in: for this issuer, with the scope
// urn:minifed:link, and of a sign-in that has just been.
type linkProof struct {
	bearer *bearer
	now    func() time.Time
}

// accept returns whom a token proves, or an error of a protected resource (RFC 6750 §3.1, RFC 9470 §3).
func (p linkProof) accept(ctx context.Context, issuer *oauth2.Issuer, token string) (presented, error) {
	found, err := p.bearer.accept(ctx, issuer, token)
	if err != nil {
		return presented{}, err
	}
	switch {
	case !slices.Contains(found.audience, issuer.URL):
		return presented{}, invalidToken(errAccessToken)
	case !slices.Contains(found.scopes, scopeLink), !found.Client.Record().AccountLinking:
		problem := refusalStatus(fosite.ErrInvalidRequest, http.StatusForbidden, "The access token was not granted the scope "+scopeLink+".")
		problem.Protocol.ErrorField = "insufficient_scope"
		problem.Extra = map[string]any{"scope": scopeLink}
		return presented{}, problem
	case p.now().Sub(found.Grant.AuthTime) > linkFreshness:
		problem := refusalStatus(fosite.ErrInvalidRequest, http.StatusUnauthorized, "The user signed in more than five minutes ago and has to sign in again.")
		problem.Protocol.ErrorField = "insufficient_user_authentication"
		problem.Extra = map[string]any{"max_age": int(linkFreshness / time.Second)}
		return presented{}, problem
	default:
		return found, nil
	}
}

// acceptSession is accept for bindUser's method session: the token must be an at+jwt, of the client itself or of one that it
// names as its partner.
func (p linkProof) acceptSession(ctx context.Context, issuer *oauth2.Issuer, token, client string, partners []string) (presented, error) {
	refused := func(cause error) error {
		return &grants.Error{
			Protocol: as(fosite.ErrInvalidGrant, "access_token does not prove an account: it must be an unexpired at+jwt for this issuer with the scope "+scopeLink+", of a sign-in within the last five minutes, of this client or a partner of it.", cause),
			Reason:   reasonSessionToken,
		}
	}
	if strings.HasPrefix(token, opaquePrefix) {
		return presented{}, refused(errAccessToken)
	}
	found, err := p.accept(ctx, issuer, token)
	if err != nil && problemOf(err).Protocol.CodeField < http.StatusInternalServerError {
		return presented{}, refused(err)
	}
	if err != nil {
		return presented{}, err
	}
	if of := found.Client.GetID(); of != client && !slices.Contains(partners, of) {
		return presented{}, refused(errAccessToken)
	}
	return found, nil
}

// reasonSessionToken is the reason of an access token that proves no account.
const reasonSessionToken = "session_token"
