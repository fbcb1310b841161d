package oauth2

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// GrantID is the ID of a future grant, and the generation of the token secrets of its handles.
type GrantID struct {
	ID               string
	SecretGeneration uint32
}

// purposeGrantID derives the IDs of grants.
const purposeGrantID = "grant id"

// GrantIDs derives the ID of a grant from parts, such as a client, an AppID and a WeChat code: the same parts give the same
// grant, once. A new grant gets the first ID. Shortly after a switch of token secrets there is a second ID, which the grant may
// have if it already exists.
func (s *Store) GrantIDs(ctx context.Context, parts ...string) ([]GrantID, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	current, previous, err := s.Secrets.Generation(ctx, r.directory())
	if err != nil {
		return nil, fmt.Errorf("oauth2: token secrets: %w", err)
	}
	message := []byte(storage.Digest(parts...))
	ids := make([]GrantID, 0, 2)
	for _, generation := range slices.Compact([]uint32{current, previous}) {
		mac, err := s.Secrets.MAC(ctx, r.directory(), generation, purposeGrantID, message)
		if err != nil {
			return nil, fmt.Errorf("oauth2: token secrets: %w", err)
		}
		ids = append(ids, GrantID{ID: base64.RawURLEncoding.EncodeToString(mac[:grantIDSize]), SecretGeneration: generation})
	}
	return ids, nil
}

// NewGrantID returns a random one.
func (s *Store) NewGrantID(ctx context.Context) (GrantID, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return GrantID{}, err
	}
	current, _, err := s.Secrets.Generation(ctx, r.directory())
	if err != nil {
		return GrantID{}, fmt.Errorf("oauth2: token secrets: %w", err)
	}
	raw := make([]byte, grantIDSize)
	if _, err := io.ReadFull(s.Rand, raw); err != nil {
		return GrantID{}, fmt.Errorf("oauth2: randomness: %w", err)
	}
	return GrantID{ID: base64.RawURLEncoding.EncodeToString(raw), SecretGeneration: current}, nil
}

// NewGrant announces the grant that this request will create, or the pending grant from Ticket that it will activate. The codes and
// tokens of a fosite request with that ID (Requester.SetID) then belong to this grant.
//
// The caller sets ID and SecretGeneration (from GrantIDs or NewGrantID), and User with UserEpoch and ClientEpoch. It sets Asked
// if the request may be repeated, Session if the grant ends with a browser session, and ExpiresAt as the minimum time of storage.
// fosite's Create… calls set from the request what the caller omits: Client, GrantType, Scopes, AskedScopes, Audience, Nonce, the
// times, and AuthTime, AMR, ACR and SID from the session's ID token claims. Nothing is written before these calls.
func (s *Store) NewGrant(ctx context.Context, g storage.Grant) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	if _, ok := decodeGrantID(g.ID); !ok {
		return errors.New("oauth2: a new grant needs an ID of GrantIDs or NewGrantID")
	}
	u := r.unit(g.ID)
	if u == nil {
		u = r.remember(g.ID, &unit{})
	}
	if u.stored != nil && u.stored.Record.State != storage.GrantPending {
		return fmt.Errorf("oauth2: new grant: %w", storage.ErrExists)
	}
	next := copyGrant(&g)
	next.Directory, next.Issuer = r.directory(), r.issuer.URL
	if next.CreatedAt.IsZero() {
		next.CreatedAt = s.now()
	}
	u.next = next
	return nil
}

// complete copies from a fosite request the values that a draft omits.
func (s *Store) complete(next *storage.Grant, requester fosite.Requester, state storage.GrantState) error {
	session, err := sessionOf(requester)
	if err != nil {
		return err
	}
	scopes, audience := requester.GetGrantedScopes(), requester.GetGrantedAudience()
	if len(scopes) > MaxScopes || len(audience) > MaxAudience {
		return fosite.ErrInvalidRequest.WithHint("The request asks for too many scopes or resources.")
	}
	next.State = state
	client, err := clientOf(requester)
	if err != nil {
		return err
	}
	next.Client, next.Incarnation = client.GetID(), client.record.Incarnation
	next.Scopes = slices.Clone([]string(scopes))
	if next.AskedScopes == nil {
		next.AskedScopes = slices.DeleteFunc(slices.Clone([]string(requester.GetRequestedScopes())), func(scope string) bool {
			return slices.Contains(scopes, scope)
		})
	}
	next.Audience = slices.Clone([]string(audience))
	next.Nonce = session.idClaims.Nonce
	next.GrantType = cmp.Or(next.GrantType, requester.GetRequestForm().Get("grant_type"))
	if next.Asked != "" {
		next.RepeatUntil = s.now().Add(RepeatWindow)
	}
	session.record(next)
	return nil
}

// finish writes a complete grant, unless a unit of work is open: then Commit does.
func (s *Store) finish(ctx context.Context, u *unit) error {
	u.complete = true
	r, err := requestFrom(ctx)
	if err != nil || r.open {
		return err
	}
	return s.flush(ctx, u)
}

// flush writes a grant, and decides again after a concurrent write.
func (s *Store) flush(ctx context.Context, u *unit) error {
	next, redeems := u.next, redeems(u.next)
	for range attempts {
		err := s.write(ctx, u)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict):
			return undecided(err)
		}
		if err := s.reload(ctx, u); err != nil {
			return undecided(err)
		}
		if !redeems || !redeemable(&u.stored.Record) {
			return s.lost(ctx, u, next, err)
		}
		u.next = next // The code was not redeemed: another write only settled an unknown outcome.
	}
	return undecided(fmt.Errorf("oauth2: grant: %w: too many writers", storage.ErrUnavailable))
}

// redeems reports whether the new state of a grant is that after the use of its code or device code.
func redeems(next *storage.Grant) bool {
	return next.State == storage.GrantActive && (next.Code != nil || next.Device != nil)
}

// redeemable reports whether the code or the device code of a grant can be used.
func redeemable(g *storage.Grant) bool {
	return g.State == storage.GrantCode || g.State == storage.GrantPending && g.Device != nil && g.User != ""
}

// lost returns the result of flush after a concurrent write of the grant caused err.
func (s *Store) lost(ctx context.Context, u *unit, next *storage.Grant, err error) error {
	found := &u.stored.Record
	switch {
	case next.Device != nil && redeems(next):
		return ended("device code was used")
	case next.Code != nil && next.State == storage.GrantActive:
		return s.codeReused(ctx, u)
	case next.Code == nil && next.User == found.User && s.repeats(found, next.Asked, next.AskedBind) == nil:
		return nil // The same request had a response a moment ago: this one gets the same tokens.
	case next.Code != nil:
		return err // ErrExists: the authorization request that the ID derives from already has a response.
	default:
		return undecided(err)
	}
}

func sessionOf(requester fosite.Requester) (*Session, error) {
	session, ok := requester.GetSession().(*Session)
	if !ok || session == nil {
		return nil, fmt.Errorf("oauth2: session is %T, not *Session", requester.GetSession())
	}
	return session, nil
}
