package clientauth

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	methodPrivateKey = "private_key_jwt"
	assertionType    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// maxAssertion and maxJTI bound the length of an assertion and of its jti.
	maxAssertion = 8 << 10
	maxJTI       = 256
	// assertionLife is how far in the future an assertion may expire. Its jti is stored for jtiLife longer.
	assertionLife = 5 * time.Minute
	// ClockSkew is the tolerated difference between the clocks of a client, or another instance, and ours.
	ClockSkew = time.Minute
	// jtiLife is how long a jti is stored after its assertion expires. An instance checks assertions by the clock of its machine, which
	// may be behind the store's clock by MaxCorrection; the store deletes the jti by its own clock.
	jtiLife = storage.MaxCorrection + ClockSkew
	// maxTime is the last second that JSON numbers represent exactly.
	maxTime = 1 << 53
)

// assertion is a parsed client assertion, not yet verified.
type assertion struct {
	token  string
	jws    *jose.JSONWebSignature
	claims assertionClaims
}

// assertionClaims are the claims of RFC 7523 §3.
type assertionClaims struct {
	Issuer    string            `json:"iss"`
	Subject   string            `json:"sub"`
	Audience  endpoint.Audience `json:"aud"`
	ExpiresAt *float64          `json:"exp"`
	NotBefore *float64          `json:"nbf"`
	IssuedAt  *float64          `json:"iat"`
	ID        string            `json:"jti"`
}

var errAssertion = errors.New("clientauth: not a client assertion")

// parseAssertion parses a compact JWS with a supported algorithm and a JSON object of claims.
func parseAssertion(token string) (*assertion, error) {
	if len(token) > maxAssertion {
		return nil, errAssertion
	}
	algorithms := []jose.SignatureAlgorithm{ed25519Name}
	for _, name := range keys.Algorithms() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(name))
	}
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errAssertion
	}
	a := &assertion{token: token, jws: jws}
	if !a.plainHeader() {
		return nil, errAssertion
	}
	payload := jws.UnsafePayloadWithoutVerification()
	if endpoint.CheckJSON(payload) != nil || json.Unmarshal(payload, &a.claims) != nil {
		return nil, errAssertion
	}
	return a, nil
}

// plainHeader reports whether the header is that of an assertion: a JWT with the type of assertions or none (RFC 8725 §3.11),
// and without critical extensions (RFC 7515 §4.1.11).
func (a *assertion) plainHeader() bool {
	header := a.jws.Signatures[0].Protected
	for _, name := range []jose.HeaderKey{"crit", "b64"} {
		if _, has := header.ExtraHeaders[name]; has {
			return false
		}
	}
	typ, has := header.ExtraHeaders[jose.HeaderType]
	if !has {
		return true
	}
	text, _ := typ.(string)
	return slices.Contains([]string{"jwt", "client-authentication+jwt"}, strings.ToLower(text))
}

func (a *assertion) algorithm() string {
	return plainAlgorithm(a.jws.Signatures[0].Protected.Algorithm)
}

func (a *assertion) keyID() string { return a.jws.Signatures[0].Protected.KeyID }

// signedByOneOf reports whether one of the keys verifies the signature.
func (a *assertion) signedByOneOf(candidates []clientKey) bool {
	return slices.ContainsFunc(candidates, func(key clientKey) bool {
		if !key.canVerify(a.algorithm(), a.keyID()) {
			return false
		}
		return a.verify(key.public)
	})
}

// verify reports whether a key verifies the signature. Our JOSE library does not know the newer name of the algorithm.
func (a *assertion) verify(public any) bool {
	edwards, ok := public.(ed25519.PublicKey)
	if !ok {
		_, err := a.jws.Verify(public)
		return err == nil
	}
	return ed25519.Verify(edwards, []byte(a.token[:strings.LastIndexByte(a.token, '.')]), a.jws.Signatures[0].Signature)
}

// check validates the claims of an authenticated client (RFC 7523 §3). It returns the problem, in words for the client, and
// the time until which the jti must be stored.
func (c assertionClaims) check(now time.Time, client string, audiences []string) (until time.Time, problem string) {
	expires, ok1 := instant(c.ExpiresAt)
	issued, ok2 := instant(c.IssuedAt)
	begins, ok3 := instant(c.NotBefore)
	latest := now.Add(assertionLife)
	if c.IssuedAt != nil && issued.After(now) { // The client's clock may be ahead of ours.
		latest = issued.Add(assertionLife)
	}
	switch {
	case c.Issuer != client || c.Subject != client:
		return until, "iss and sub must both be the client_id"
	case len(c.Audience) == 0 || slices.ContainsFunc(c.Audience, func(value string) bool { return !slices.Contains(audiences, value) }):
		return until, "aud must be the issuer, the token endpoint or the endpoint called, and nothing else"
	case c.ExpiresAt == nil || !ok1 || !ok2 || !ok3:
		return until, "exp is needed, and exp, nbf and iat are numbers of seconds"
	case !now.Before(expires):
		return until, "it has expired"
	case issued.After(now.Add(ClockSkew)) || begins.After(now.Add(ClockSkew)):
		return until, "iat or nbf is in the future"
	case expires.After(latest):
		return until, "exp must not be more than five minutes ahead"
	case c.ID == "" || len(c.ID) > maxJTI:
		return until, fmt.Sprintf("jti is needed, of at most %d bytes", maxJTI)
	}
	return expires.Add(jtiLife), ""
}

// instant converts a NumericDate (RFC 7519 §2); nil is the zero time.
func instant(seconds *float64) (time.Time, bool) {
	if seconds == nil {
		return time.Time{}, true
	}
	if *seconds < 0 || *seconds > maxTime {
		return time.Time{}, false
	}
	whole := int64(*seconds)
	return time.Unix(whole, int64((*seconds-float64(whole))*float64(time.Second))), true
}

// Assertions verifies client assertions (RFC 7523 §2.2, OpenID Connect Core §9).
type Assertions struct {
	Keys  *KeySets
	Store *oauth2.Store
	Now   func() time.Time
	// ClockTrusted reports whether this instance's clock may be compared with the store's; nil is always.
	ClockTrusted func() bool
}

// proves reports whether a key of the client signed the assertion, with the registered algorithm if there is one.
func (v Assertions) proves(ctx context.Context, client *oauth2.Client, shown *assertion) (bool, error) {
	record := client.Record()
	if record.AuthAlgorithm != "" && record.AuthAlgorithm != shown.algorithm() {
		return false, nil
	}
	for _, find := range []func(context.Context, *oauth2.Client) ([]clientKey, error){v.Keys.of, v.Keys.refetch} {
		candidates, err := find(ctx, client)
		if err != nil {
			return false, keysUnreachable(err)
		}
		if shown.signedByOneOf(candidates) {
			return true, nil
		}
	}
	return false, nil
}

// spend accepts a verified assertion once (RFC 7523 §3): of all requests with it, at any instance, only the first succeeds. An
// instance rejects every assertion if its clock is too far from the store's: the store would delete the jti too early.
func (v Assertions) spend(ctx context.Context, client *oauth2.Client, shown *assertion, audiences []string) error {
	if v.ClockTrusted != nil && !v.ClockTrusted() {
		return endpoint.Unavailable(causeClock)
	}
	until, problem := shown.claims.check(v.Now(), client.GetID(), audiences)
	if problem != "" {
		return rejectAssertion(problem)
	}
	err := v.Store.UseAssertion(ctx, endpoint.InstanceOf(client), shown.claims.ID, until)
	if errors.Is(err, fosite.ErrJTIKnown) {
		return rejectAssertion("it was used before: every one needs a jti of its own")
	}
	return err
}

// assertionAudiences returns the accepted values of aud in an assertion for the called endpoint.
func assertionAudiences(r *endpoint.Request) []string {
	return []string{r.Issuer.URL, r.Issuer.URL + endpoint.TokenPath, r.Issuer.URL + r.Route.Path}
}

func rejectAssertion(problem string) error {
	return endpoint.CausedBy(endpoint.NewError(fosite.ErrInvalidClient, "The client assertion is rejected: "+problem+"."), endpoint.OperatorCause("the client assertion is rejected: "+problem))
}

func keysUnreachable(cause error) error {
	return &grants.Error{
		Protocol:   endpoint.Describe(fosite.ErrTemporarilyUnavailable, "The client's keys cannot be fetched from its jwks_uri. Repeat the request after the seconds of Retry-After.", cause),
		Reason:     grants.ReasonRetry,
		RetryAfter: keySetPause,
	}
}
