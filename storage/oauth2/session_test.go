package oauth2_test

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

func TestSession_AccessClaimsAreNewForEachToken(t *testing.T) {
	s := &oauth2.Session{}
	s.IDTokenClaims().Subject = "alice"
	s.IDTokenHeaders().Add("alg", "ES256")
	s.GetJWTHeader().Add("alg", "RS256")
	if s.IDTokenClaims().Subject != "alice" || s.IDTokenHeaders().Get("alg") != "ES256" || s.GetJWTHeader().Get("alg") != "RS256" {
		t.Error("what a handler changes in place is lost")
	}
	first := s.GetJWTClaims().WithDefaults(time.Unix(1, 0), "iss").ToMapClaims()
	second := s.GetJWTClaims().WithDefaults(time.Unix(2, 0), "iss").ToMapClaims()
	if first["iat"] == second["iat"] {
		t.Error("iat is frozen at the first token")
	}
}

func TestSession_CloneSharesNothing(t *testing.T) {
	fill := func() *oauth2.Session {
		s := &oauth2.Session{}
		s.SetSubject("alice")
		s.SetExpiresAt(fosite.AccessToken, time.Unix(100, 0))
		s.IDTokenClaims().AuthenticationMethodsReferences = []string{"pwd"}
		s.IDTokenClaims().Audience = []string{"spa"}
		s.IDTokenClaims().Add("sid", "1")
		s.IDTokenHeaders().Add("alg", "ES256")
		s.GetJWTHeader().Add("alg", "ES256")
		return s
	}
	original := fill()
	clone := original.Clone().(*oauth2.Session)
	if !reflect.DeepEqual(clone, fill()) {
		t.Errorf("clone is %+v", clone)
	}
	clone.SetSubject("bob")
	clone.SetExpiresAt(fosite.AccessToken, time.Unix(200, 0))
	clone.IDTokenClaims().AuthenticationMethodsReferences[0] = "otp"
	clone.IDTokenClaims().Audience[0] = "other"
	clone.IDTokenClaims().Add("sid", "2")
	clone.IDTokenHeaders().Add("alg", "RS256")
	clone.GetJWTHeader().Add("alg", "RS256")
	if !reflect.DeepEqual(original, fill()) {
		t.Errorf("a change of the clone changed the original: %+v", original)
	}
	if (*oauth2.Session)(nil).Clone() != nil {
		t.Error("the clone of no session is one")
	}
	if original.GetUsername() != "" {
		t.Error("tokens have usernames")
	}
}

func TestSession_RequestIsEqualAfterStorage(t *testing.T) {
	k := newKit(t)
	ctx := k.begin()
	id, err := k.store.NewGrantID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	authTime := storage.Instant(time.Now().Add(-time.Hour))
	if err := k.store.NewGrant(ctx, storage.Grant{ID: id.ID, SecretGeneration: id.SecretGeneration, User: "alice", UserEpoch: 3}); err != nil {
		t.Fatal(err)
	}
	session := &oauth2.Session{}
	session.SetSubject("alice")
	session.IDTokenClaims().AuthTime = authTime
	session.IDTokenClaims().AuthenticationContextClassReference = "urn:acr"
	session.IDTokenClaims().AuthenticationMethodsReferences = []string{"pwd", "otp"}
	session.IDTokenClaims().Add("sid", "sid-1")
	put := &fosite.Request{
		ID: id.ID, Client: k.client("spa"), Session: session,
		RequestedScope: fosite.Arguments{"openid", "email"}, GrantedScope: fosite.Arguments{"openid", "email"},
		RequestedAudience: fosite.Arguments{"https://api.example"}, GrantedAudience: fosite.Arguments{"https://api.example"},
		Form: url.Values{"redirect_uri": {spaRedirect}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}, "nonce": {"n"}},
	}
	code, _, err := k.strategy.GenerateAuthorizeCode(ctx, put)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.store.CreateAuthorizeCodeSession(ctx, code, put); err != nil {
		t.Fatal(err)
	}

	read := &oauth2.Session{}
	got, err := k.store.GetAuthorizeCodeSession(k.begin(), code, read)
	if err != nil {
		t.Fatal(err)
	}
	want := *put
	want.Session, want.RequestedAt = read, got.GetRequestedAt()
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("got  %+v\nwant %+v", got, &want)
	}
	claims := read.IDTokenClaims()
	if read.GetSubject() != "alice" || !claims.AuthTime.Equal(authTime) || claims.AuthenticationContextClassReference != "urn:acr" ||
		!reflect.DeepEqual(claims.AuthenticationMethodsReferences, []string{"pwd", "otp"}) || claims.Extra["sid"] != "sid-1" || claims.Extra["azp"] != "spa" {
		t.Errorf("claims are %+v", claims)
	}
	if read.IDTokenHeaders().Get("alg") != "RS256" || read.GetJWTHeader().Get("alg") != "RS256" {
		t.Error("the headers do not name the client's algorithm")
	}
}

func TestSession_TokensUseTheAlgorithmsOfTheClient(t *testing.T) {
	k := newKit(t)
	record := k.client("spa").Record()
	record.IDTokenAlgorithm, record.AccessTokenAlgorithm = "EdDSA", "ES256"
	k.register(record)
	session := &oauth2.Session{}
	if _, err := k.store.GetAuthorizeCodeSession(k.begin(), k.mustAuthorize(nil, nil), session); err != nil {
		t.Fatal(err)
	}
	if got := session.IDTokenHeaders().Get("alg"); got != "EdDSA" {
		t.Errorf("ID token alg = %v", got)
	}
	if got := session.GetJWTHeader().Get("alg"); got != "ES256" {
		t.Errorf("access token alg = %v", got)
	}
}
