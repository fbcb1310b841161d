package oauth2

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

// Issuer is a directory with its issuer identifier. It must not change once a request began with it.
type Issuer struct {
	Directory storage.Directory
	// URL is the issuer identifier, the claim "iss".
	URL string
}

// Begin returns the context of one request at issuer. All functions of this package need it.
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

// request is the cache of one request: what it read, and what it will write. Keys are IDs within the directory.
type request struct {
	issuer   *Issuer
	grants   map[string]*unit
	users    map[string]*storage.User
	sessions map[string]*storage.Session
	// open delays writes until Commit.
	open bool
}

// unit is one grant during one request.
type unit struct {
	// stored is nil while the store does not have the grant.
	stored *storage.Entry[storage.Grant]
	// readAt is when the request first read the grant. A refresh token is late by this time, so that a slow request is not late.
	readAt time.Time
	// next is the new state of the grant; nil when there is nothing to write.
	next *storage.Grant
	// complete says that next may be written.
	complete bool
	// prolongs means that next only extends the current refresh token: a repeat of the request finds no other change.
	prolongs bool
	// unanswered means that stored is the result of a rotation by this process that had no response: see unknownOutcomes.
	unanswered bool
}

// grant is the grant in the view of this request.
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
