package oauth2

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"

	"github.com/minifed/minifed/storage"
)

// Session is the content of the tokens of one request. A server passes an empty one to fosite. It is filled from the grant when a
// code or a refresh token is read, and at the latest when the access token is created. The zero value is empty.
type Session struct {
	idClaims      jwt.IDTokenClaims
	idHeaders     jwt.Headers
	accessHeaders jwt.Headers
	expiresAt     map[fosite.TokenType]time.Time

	// grant is the ID of the grant that the claims come from.
	grant  string
	client string
	jti    string
	claims json.RawMessage
}

var (
	_ openid.Session                   = (*Session)(nil)
	_ fositeoauth2.JWTSessionContainer = (*Session)(nil)
)

// describe fills the session from a grant of client, with subject as the "sub". Values that the grant does not have, and the
// nonce and times of the tokens, are unchanged.
func (s *Session) describe(g *storage.Grant, client *Client, subject string) {
	s.grant, s.claims = g.ID, g.Claims
	s.describeClient(client, subject)
	if !g.AuthTime.IsZero() {
		s.idClaims.AuthTime = g.AuthTime
	}
	if g.ACR != "" {
		s.idClaims.AuthenticationContextClassReference = g.ACR
	}
	if len(g.AMR) > 0 {
		s.idClaims.AuthenticationMethodsReferences = slices.Clone(g.AMR)
	}
	if g.SID != "" {
		s.idClaims.Add("sid", g.SID)
	}
}

func (s *Session) describeClient(client *Client, subject string) {
	s.client = client.GetID()
	s.idClaims.Subject = subject
	s.idClaims.Add("azp", client.GetID())
	// fosite leaves "alg" out of the header itself; signers and at_hash read it from here.
	s.idHeaders.Add("alg", client.IDTokenAlgorithm())
	s.accessHeaders.Add("alg", client.AccessTokenAlgorithm())
	s.accessHeaders.Add("typ", "at+jwt")
}

// record is the inverse of describe: it fills in values that the grant does not have yet.
func (s *Session) record(g *storage.Grant) {
	if g.AuthTime.IsZero() {
		g.AuthTime = storage.Instant(s.idClaims.AuthTime)
	}
	if g.ACR == "" {
		g.ACR = s.idClaims.AuthenticationContextClassReference
	}
	if len(g.AMR) == 0 {
		g.AMR = slices.Clone(s.idClaims.AuthenticationMethodsReferences)
	}
	if sid, ok := s.idClaims.Extra["sid"].(string); ok && g.SID == "" {
		g.SID = sid
	}
}

// IDTokenClaims implements openid.Session.
func (s *Session) IDTokenClaims() *jwt.IDTokenClaims { return &s.idClaims }

// IDTokenHeaders implements openid.Session. The header "alg" names the client's algorithm.
func (s *Session) IDTokenHeaders() *jwt.Headers { return &s.idHeaders }

// GetJWTHeader implements fosite's JWTSessionContainer: the header of the access token (RFC 9068 §2.1).
func (s *Session) GetJWTHeader() *jwt.Headers { return &s.accessHeaders }

// GetJWTClaims implements fosite's JWTSessionContainer: the claims of the access token (RFC 9068 §2.2), fresh at every call.
func (s *Session) GetJWTClaims() jwt.JWTClaimsContainer {
	extra := map[string]any{"client_id": s.client}
	if !s.idClaims.AuthTime.IsZero() {
		extra["auth_time"] = s.idClaims.AuthTime.Unix()
	}
	if acr := s.idClaims.AuthenticationContextClassReference; acr != "" {
		extra["acr"] = acr
	}
	if amr := s.idClaims.AuthenticationMethodsReferences; len(amr) > 0 {
		extra["amr"] = amr
	}
	return &jwt.JWTClaims{Subject: s.idClaims.Subject, JTI: s.jti, Extra: extra}
}

// SetExpiresAt implements fosite.Session.
func (s *Session) SetExpiresAt(token fosite.TokenType, at time.Time) {
	if s.expiresAt == nil {
		s.expiresAt = make(map[fosite.TokenType]time.Time, 2)
	}
	s.expiresAt[token] = at
}

// GetExpiresAt implements fosite.Session.
func (s *Session) GetExpiresAt(token fosite.TokenType) time.Time { return s.expiresAt[token] }

// RequestedClaims returns the granted claims parameter (OpenID Connect Core §5.5) and its grant; nothing before the session is
// filled. It must not be changed.
func (s *Session) RequestedClaims() (grantID string, claims json.RawMessage) {
	return s.grant, s.claims
}

// JTI returns the "jti" of the access token; empty before Strategy creates one.
func (s *Session) JTI() string { return s.jti }

// GetUsername implements fosite.Session: usernames are not in tokens.
func (s *Session) GetUsername() string { return "" }

// GetSubject implements fosite.Session.
func (s *Session) GetSubject() string { return s.idClaims.Subject }

// SetSubject names the subject of the tokens.
func (s *Session) SetSubject(subject string) { s.idClaims.Subject = subject }

// Clone implements fosite.Session: the copy shares nothing that is changed in place.
func (s *Session) Clone() fosite.Session {
	if s == nil {
		return nil
	}
	c := *s
	c.idClaims.Audience = slices.Clone(s.idClaims.Audience)
	c.idClaims.AuthenticationMethodsReferences = slices.Clone(s.idClaims.AuthenticationMethodsReferences)
	c.idClaims.Extra = maps.Clone(s.idClaims.Extra)
	c.idHeaders.Extra = maps.Clone(s.idHeaders.Extra)
	c.accessHeaders.Extra = maps.Clone(s.accessHeaders.Extra)
	c.expiresAt = maps.Clone(s.expiresAt)
	return &c
}
