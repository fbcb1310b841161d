package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	// ErrInvalidToken means that a token is not valid for the API. The text after it is the cause, for the log.
	ErrInvalidToken = errors.New("resource: invalid token")
	// ErrUnavailable means that the issuer cannot be asked at the moment, so that nothing is known of the token.
	ErrUnavailable = errors.New("resource: issuer is unavailable")
)

// Token is a valid access token (RFC 9068 §2.2). Times that the token does not have are zero.
type Token struct {
	// Subject is the user, or the client itself for a token of a client.
	Subject  string
	ClientID string
	Scopes   []string
	// ID is the claim jti.
	ID        string
	IssuedAt  time.Time
	ExpiresAt time.Time
	// AuthTime, ACR and AMR say when and how the user signed in.
	AuthTime time.Time
	ACR      string
	AMR      []string

	claims []byte
}

// Claims decodes all claims of the token as JSON.
func (t *Token) Claims(into any) error { return json.Unmarshal(t.claims, into) }

// HasScope reports whether the token has a scope.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.Scopes, scope) }

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// Verify validates an access token. Its errors are ErrInvalidToken and ErrUnavailable, with the cause.
func (s *Server) Verify(ctx context.Context, token string) (*Token, error) {
	if len(token) > maxToken {
		return nil, invalid("it has more than %d bytes", maxToken)
	}
	introspection := s.config.Introspection
	if strings.Count(token, ".") != 2 {
		if introspection == nil {
			return nil, invalid("it is not a JWT, and no introspection is configured")
		}
		return s.introspect(ctx, token)
	}
	verified, err := s.verifyJWT(ctx, token)
	if err != nil || introspection == nil || !introspection.Always {
		return verified, err
	}
	return s.introspect(ctx, token)
}

func invalid(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidToken, fmt.Sprintf(format, values...))
}

// wireClaims are the claims of an access token, or the members of an introspection response.
type wireClaims struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	Audience  audience    `json:"aud"`
	ClientID  string      `json:"client_id"`
	Scope     string      `json:"scope"`
	ID        string      `json:"jti"`
	ExpiresAt json.Number `json:"exp"`
	IssuedAt  json.Number `json:"iat"`
	NotBefore json.Number `json:"nbf"`
	AuthTime  json.Number `json:"auth_time"`
	ACR       string      `json:"acr"`
	AMR       []string    `json:"amr"`
	// TokenUse distinguishes an access token whose typ is JWT from an ID token.
	TokenUse string `json:"token_use"`
	Active   bool   `json:"active"`
}

// audience is one string or a list of strings.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// check returns the token of claims that are valid now and for the API.
func (s *Server) check(claims wireClaims, raw []byte) (*Token, error) {
	now, skew := s.config.Now(), s.config.ClockSkew
	expires, err := instant(claims.ExpiresAt)
	if err != nil || expires.IsZero() {
		return nil, invalid("it has no exp")
	}
	issued, issuedErr := instant(claims.IssuedAt)
	begins, beginsErr := instant(claims.NotBefore)
	authenticated, authErr := instant(claims.AuthTime)
	if errors.Join(issuedErr, beginsErr, authErr) != nil {
		return nil, invalid("a time of it is not a number")
	}
	switch {
	case claims.Subject == "":
		return nil, invalid("it has no sub")
	case !slices.ContainsFunc(claims.Audience, func(aud string) bool { return canonical(aud) == s.audience }):
		return nil, invalid("it is for another audience")
	case !now.Before(expires.Add(skew)):
		return nil, invalid("it has expired")
	case issued.After(now.Add(skew)), begins.After(now.Add(skew)):
		return nil, invalid("it is not valid yet: are the clocks right?")
	}
	return &Token{
		Subject: claims.Subject, ClientID: claims.ClientID, Scopes: strings.Fields(claims.Scope), ID: claims.ID,
		IssuedAt: issued, ExpiresAt: expires, AuthTime: authenticated, ACR: claims.ACR, AMR: claims.AMR, claims: raw,
	}, nil
}

// latest bounds the times of tokens, so that no arithmetic overflows.
const latest = 1 << 40

// instant reads a NumericDate (RFC 7519 §2); an absent one is the zero time.
func instant(number json.Number) (time.Time, error) {
	if number == "" {
		return time.Time{}, nil
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > latest {
		return time.Time{}, errors.New("resource: not a time")
	}
	return time.Unix(int64(seconds), 0), nil
}
