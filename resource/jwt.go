package resource

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// verifyJWT validates a JWT: type, algorithm, signature, issuer, audience and times (RFC 9068 §4).
func (s *Server) verifyJWT(ctx context.Context, token string) (*Token, error) {
	parsed, err := jose.ParseSignedCompact(token, s.algorithms)
	if err != nil {
		return nil, invalid("it is not a JWS with an accepted algorithm")
	}
	header := parsed.Signatures[0].Protected
	payload, err := s.issuer.verify(ctx, parsed, header)
	if err != nil {
		return nil, err
	}
	var claims wireClaims
	if json.Unmarshal(payload, &claims) != nil {
		return nil, invalid("its claims cannot be read")
	}
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	switch {
	case !isAccessToken(typ, claims.TokenUse):
		return nil, invalid("it is not an access token: typ is %q", bounded(typ))
	case claims.Issuer != s.config.Issuer:
		return nil, invalid("it is of another issuer")
	}
	return s.check(claims, payload)
}

// isAccessToken reports whether a JWT is an access token, and no ID token of the same issuer: typ is at+jwt, or JWT with the claim
// token_use, which ID tokens of minifed do not have.
func isAccessToken(typ, use string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "at+jwt" || typ == "jwt" && use == "access"
}

// bounded returns the beginning of a text of an unknown sender, for the log.
func bounded(text string) string {
	const most = 32
	return text[:min(len(text), most)]
}
