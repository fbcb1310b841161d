package token

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// HintClaims are the claims that are read from an id_token_hint.
type HintClaims struct {
	Issuer    string            `json:"iss"`
	Subject   string            `json:"sub"`
	Audience  endpoint.Audience `json:"aud"`
	SessionID string            `json:"sid"`
	ID        string            `json:"jti"`
	// TokenUse is empty in ID tokens.
	TokenUse string `json:"token_use"`
}

// Of reports whether the token was issued to this client, and not to a deleted one with the same ID.
func (h HintClaims) Of(client *oauth2.Client) bool {
	return slices.Contains(h.Audience, client.GetID()) && h.Incarnation() == client.Record().Incarnation
}

// Incarnation returns the incarnation of the client that got the token.
func (h HintClaims) Incarnation() string { return incarnationIn(h.ID) }

// VerifyHint reads an id_token_hint: an ID token of this issuer, which may have expired, signed by a key in use or retired
// (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2). It returns keys.ErrInvalid for anything else.
func VerifyHint(ctx context.Context, issuer *oauth2.Issuer, ring *keys.Ring, hint string) (HintClaims, error) {
	verified, err := ring.VerifyHint(ctx, issuer.Directory.ID, hint)
	if err != nil {
		return HintClaims{}, err
	}
	var claims HintClaims
	if verified.Type != idTokenType || json.Unmarshal(verified.Payload, &claims) != nil || claims.TokenUse != "" {
		return HintClaims{}, fmt.Errorf("%w: not an ID token", keys.ErrInvalid)
	}
	if claims.Issuer != issuer.URL || claims.Subject == "" {
		return HintClaims{}, fmt.Errorf("%w: another issuer's", keys.ErrInvalid)
	}
	return claims, nil
}
