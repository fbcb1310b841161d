package federation

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// The methods of bindUser.
const (
	bindRegister = "register"
	bindPhone    = "phone"
	bindPassword = "password"
	bindSession  = "session"
)

// Request has the parameters of a token request that the grant does not have, and its result. It is in the context of the grant,
// which does not know about binding.
type Request struct {
	*endpoint.Request
	results *ResultCache

	// codeType is the type of the code; empty for a code of wx.login.
	codeType string
	// method is the method of bindUser; empty for other endpoints.
	method string
	// ticket is a bind ticket; empty without one.
	ticket string
	// username and password, or accessToken, prove the ownership of an account.
	username, password, accessToken string
	// termsVersion is the version of the terms that the user accepted, and terms are the documents of the current version. Empty without.
	termsVersion string
	terms        []storage.TermsDocument
	// guardianConsent names the proof that a guardian of the user consented; empty without one.
	guardianConsent string
	// profile is the profile of the user that the mini-program sent; nil without one.
	profile *identity.ProfileUpdate

	// native means that the code is of a mobile app, and web is its WeChat user after the code was exchanged.
	native bool
	web    *WebUser
	// pending is the grant of the ticket, after it was read.
	pending *storage.Grant
	// proven is the user of accessToken.
	proven *storage.User
	// user is the stored user who signed in, at client.
	user *storage.User
	// formerSub is the value of oauth2.ClaimFormerSub; nil if there is none.
	formerSub any
	client    *storage.Client
	// ids are the candidate IDs of the code's grant, after they were derived.
	ids []oauth2.GrantID
	// searched means that an earlier request with the code was searched.
	searched bool
	// cached are the keys of WeChat's results for this request. unfinished means that a later login may need them.
	cached     []resultKey
	unfinished bool
	// digest caches requestDigest.
	digest string
	// confirmation is what the login confirms; nil for a login alone.
	confirmation Confirmation
	// grant is the ID of the grant of the login.
	grant string
}

type requestKey struct{}

// Begin returns the state of a token request, for token.Endpoint.
func (c *ResultCache) Begin(r *endpoint.Request) token.ExchangeState {
	return &Request{Request: r, results: c}
}

// InContext implements token.ExchangeState.
func (v *Request) InContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestKey{}, v)
}

// End implements token.ExchangeState. It removes WeChat's results for the request, unless its response is a 503.
func (v *Request) End(err error) {
	if v.unfinished || err != nil && endpoint.ErrorOf(err).Protocol.CodeField == http.StatusServiceUnavailable {
		return
	}
	v.results.remove(v.cached)
}

// requestFrom returns the request of the grant's context. Only the methods that the grant calls use it.
func requestFrom(ctx context.Context) *Request {
	v, _ := ctx.Value(requestKey{}).(*Request)
	return v
}

// ticketAlone reports whether the ticket replaces the code. Only registration permits this: it links no existing account.
func (v *Request) ticketAlone() bool { return v.method == bindRegister && v.ticket != "" }

// requestDigest is the digest of a request's parameters and proof. A repeat must have the same. The random code, which is not stored,
// protects a password in it from being guessed by a reader of the store.
func (v *Request) requestDigest(request grants.Exchange) string {
	if v.digest == "" {
		kind := v.Route.Name
		if v.native {
			kind += " " + MethodNativeApp
		}
		parts := []string{
			kind, v.method, v.ticket, request.Code,
			strings.Join(request.Scopes, " "), storage.Digest(request.Audience...), request.Nonce, request.PhoneCode,
			v.username, v.password, v.accessToken,
		}
		if request.TermsVersion != "" { // Digests of earlier versions have no such part.
			parts = append(parts, "terms "+request.TermsVersion)
		}
		if request.GuardianConsent != "" {
			parts = append(parts, "guardian "+request.GuardianConsent)
		}
		if v.confirmation != nil {
			parts = append(parts, v.confirmation.Digest())
		}
		v.digest = storage.Digest(parts...)
	}
	return v.digest
}

// authenticatedAt is when WeChat authenticated the user.
func (v *Request) authenticatedAt(now time.Time) time.Time {
	if v.ticketAlone() && v.pending != nil {
		return v.pending.Pending.ProvenAt
	}
	return storage.Instant(now)
}
