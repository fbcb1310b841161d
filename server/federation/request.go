package federation

import (
	"context"
	"strings"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
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

// Request has the parameters of a federation request that the grant does not have, and its result. It is in the context of the
// request, because the grant does not know about binding.
type Request struct {
	// issuer is that of the request.
	issuer *oauth2.Issuer
	// Endpoint is the route that was asked.
	Endpoint string
	// method is how an account is bound; empty outside bindUser.
	method string
	// ticket is a bind ticket; empty without one.
	ticket string
	// username and password, or accessToken, prove that an account is the caller's.
	username, password, accessToken string
	// profile is what the mini-program says of its user; nil when it says nothing.
	profile *identity.ProfileUpdate

	// pending is the grant behind the ticket, once it was read.
	pending *storage.Grant
	// proven is the user that accessToken proves.
	proven *storage.User
	// user is who signed in, as stored; client is the client that the user signed in at.
	user   *storage.User
	client *storage.Client
	// ids are the candidate IDs of the code's grant, once they are derived.
	ids        []oauth2.GrantID
	vouched    []resultKey
	unfinished bool
	// digest is that of the request, once it is computed.
	digest string
}

type requestKey struct{}

// InContext returns ctx with the request in it.
func (v *Request) InContext(ctx context.Context) context.Context {
	v.issuer, _ = oauth2.IssuerFrom(ctx)
	return context.WithValue(ctx, requestKey{}, v)
}

// requestFrom returns the visit that ctx belongs to. Every token request is one.
func requestFrom(ctx context.Context) *Request {
	v, _ := ctx.Value(requestKey{}).(*Request)
	return v
}

// ticketAlone reports whether the ticket stands in for a code: registering takes nothing from anybody.
func (v *Request) ticketAlone() bool { return v.method == bindRegister && v.ticket != "" }

// asked is the digest of a request's parameters and proof. A repeat must have the same. The random code, which is not stored,
// protects a password in it from being guessed by a reader of the store.
func (v *Request) asked(request grants.Exchange) string {
	if v.digest == "" {
		v.digest = storage.Digest(
			v.Endpoint, v.method, v.ticket, request.Code,
			strings.Join(request.Scopes, " "), storage.Digest(request.Audience...), request.Nonce, request.PhoneCode,
			v.username, v.password, v.accessToken,
		)
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
