package oauth2

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

// Issuer is a directory as its tokens name it. It is not changed once a request began with it.
type Issuer struct {
	Directory storage.Directory
	// URL is the issuer identifier, the claim "iss".
	URL string
}

// Begin returns the context of one request at issuer. Everything in this package asks for it.
func Begin(ctx context.Context, issuer *Issuer) context.Context {
	return context.WithValue(ctx, requestKey{}, &request{issuer: issuer})
}

// IssuerFrom returns the issuer that the request began with.
func IssuerFrom(ctx context.Context) (*Issuer, bool) {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return nil, false
	}
	return r.issuer, true
}

type requestKey struct{}

// request is the memory of one request: what it read, and what it is going to write. Keys are IDs within the directory.
type request struct {
	issuer   *Issuer
	grants   map[string]*unit
	users    map[string]*storage.User
	sessions map[string]*storage.Session
	// open holds writes back until Commit.
	open bool
}

// unit is one grant in the course of one request.
type unit struct {
	// stored is nil while the store does not have the grant.
	stored *storage.Entry[storage.Grant]
	// readAt is when the request first saw the grant. Whether a refresh token is late goes by it: a request that takes long is
	// not late for that.
	readAt time.Time
	// next is what the grant is to become; nil when nothing is to be written.
	next *storage.Grant
	// complete says that next may be written.
	complete bool
	// prolongs says that next only lets the current refresh token live on: a repeat of the request finds nothing that it changed.
	prolongs bool
	// unanswered says that stored is what a rotation left that this process never answered: see doubts.
	unanswered bool
}

// grant is the grant as this request sees it.
func (u *unit) grant() *storage.Grant {
	if u.next != nil {
		return u.next
	}
	return &u.stored.Record
}

func requestFrom(ctx context.Context) (*request, error) {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return nil, errors.New("oauth2: the context belongs to no request: see Begin")
	}
	return r, nil
}

func (r *request) directory() string { return r.issuer.Directory.ID }

// unit returns what the request knows of a grant, or nil.
func (r *request) unit(id string) *unit { return r.grants[id] }

func (r *request) remember(id string, u *unit) *unit {
	if r.grants == nil {
		r.grants = make(map[string]*unit, 1)
	}
	r.grants[id] = u
	return u
}
