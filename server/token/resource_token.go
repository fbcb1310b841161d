package token

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// ResourceToken is a valid access token for one resource of this server.
type ResourceToken struct {
	// Client is the ID of the client. Incarnation is the client's in a token of the client itself.
	Client, Incarnation string
	// User is nil for a token of the client itself.
	User     *storage.User
	AuthTime time.Time
	ACR      string
}

// ForResource returns an access token whose only audience is a resource, or invalid_token (RFC 6750 §3.1, RFC 9068 §4). It accepts
// tokens of users and of clients themselves.
func (b *Bearer) ForResource(ctx context.Context, issuer *oauth2.Issuer, token, resource string) (ResourceToken, error) {
	found, err := b.forResource(ctx, issuer, token, []string{resource})
	if errors.Is(err, errAccessToken) || errors.Is(err, oauth2.ErrNoGrant) || errors.Is(err, storage.ErrNotFound) {
		return ResourceToken{}, invalidToken(err)
	}
	return found, err
}

func (b *Bearer) forResource(ctx context.Context, issuer *oauth2.Issuer, token string, audience []string) (ResourceToken, error) {
	if !strings.HasPrefix(token, opaquePrefix) {
		claims, err := b.Tokens.verify(ctx, issuer, token)
		if err != nil {
			return ResourceToken{}, err
		}
		if _, ofGrant := oauth2.GrantOf(claims.ID); !ofGrant {
			if !slices.Equal(claims.Audience, audience) {
				return ResourceToken{}, errAccessToken
			}
			return ResourceToken{Client: claims.ClientID, Incarnation: claims.Incarnation}, checkClientsOwn(ctx, b.Store, claims)
		}
	}
	found, err := b.find(ctx, issuer, token)
	if err != nil {
		return ResourceToken{}, err
	}
	if !slices.Equal(found.audience, audience) {
		return ResourceToken{}, errAccessToken
	}
	presented := ResourceToken{Client: found.Client.GetID(), AuthTime: found.Grant.AuthTime, ACR: found.Grant.ACR}
	if found.User.ID == "" {
		presented.Incarnation = found.Client.Record().Incarnation
		return presented, nil
	}
	presented.User = &found.User
	return presented, nil
}

// Rejected returns invalid_token for a token that is valid and does not suffice. The cause is for the log.
func Rejected(cause string) error { return invalidToken(errors.New("token: " + cause)) }
