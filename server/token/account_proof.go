package token

import (
	"context"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// AccountProof accepts access tokens that show and change the account of their user: for this issuer, with the scope
// urn:minifed:account.
type AccountProof struct {
	Bearer *Bearer
	Now    func() time.Time
}

// Accept returns the user and grant of a token, or an error of a protected resource (RFC 6750 §3.1). A client that may not have the scope
// any more loses it at once.
func (p AccountProof) Accept(ctx context.Context, issuer *oauth2.Issuer, token string) (PresentedToken, error) {
	found, err := p.Bearer.accept(ctx, issuer, token)
	if err != nil {
		return PresentedToken{}, err
	}
	switch {
	case !slices.Contains(found.audience, issuer.URL):
		return found, invalidToken(errAccessToken)
	case !slices.Contains(found.Scopes, endpoint.ScopeAccount), !slices.Contains(found.Client.GetScopes(), endpoint.ScopeAccount):
		return found, insufficientScope(endpoint.ScopeAccount)
	default:
		return found, nil
	}
}

// CheckFresh rejects a token whose user signed in more than five minutes ago (RFC 9470 §3). A grant that the backend of a client could
// create without its user never suffices.
func (p AccountProof) CheckFresh(found PresentedToken) error {
	inBrowser := found.Grant.GrantType == string(fosite.GrantTypeAuthorizationCode) && !found.Grant.BackendInitiated
	if inBrowser && p.Now().Sub(found.Grant.AuthTime) <= linkFreshness {
		return nil
	}
	return tooLongAgo()
}
