package oauth2

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// DeviceCodeLifetime is how long a device code can be allowed and used (RFC 8628 §3.2, expires_in).
	DeviceCodeLifetime = 10 * time.Minute
	// deviceNumbersSize is the size of the time of creation in a device code: a later grant may have the same user code.
	deviceNumbersSize = 8
	// becauseDenied is Grant.RevokedBecause of a device that a user denied.
	becauseDenied = "denied"
)

var (
	// ErrDevicePending means that no user has allowed or denied the device yet.
	ErrDevicePending = errors.New("oauth2: device is not allowed yet")
	// ErrDeviceDenied means that a user denied the device.
	ErrDeviceDenied = errors.New("oauth2: device is denied")
	// ErrDeviceExpired means that the time of the device code is over.
	ErrDeviceExpired = errors.New("oauth2: device code expired")
)

// IssueDeviceCode stores a pending grant of client under a user code, and returns its device code. g has Device, Scopes, AskedScopes
// and Audience. storage.ErrExists means that another grant has the user code.
func (s *Store) IssueDeviceCode(ctx context.Context, client *Client, userCode string, g storage.Grant) (string, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return "", err
	}
	ids, err := s.deviceIDs(ctx, userCode)
	if err != nil {
		return "", err
	}
	g.ID, g.SecretGeneration, g.GrantType = ids[0].ID, ids[0].SecretGeneration, GrantTypeDevice
	if err := s.NewGrant(ctx, g); err != nil {
		return "", err
	}
	u := r.unit(g.ID)
	u.next.State, u.next.Client, u.next.Incarnation = storage.GrantPending, client.GetID(), client.record.Incarnation
	u.next.ExpiresAt = u.next.CreatedAt.Add(DeviceCodeLifetime)
	created := u.next.CreatedAt
	if err := s.flush(ctx, u); err != nil {
		return "", err
	}
	numbers := binary.BigEndian.AppendUint64(nil, uint64(created.UnixMilli()))
	return s.seal(ctx, kindDevice, handle{generation: g.SecretGeneration, grant: g.ID, numbers: numbers})
}

// deviceIDs returns the IDs that the grant of a user code may have. They are MACs: a reader of the store does not learn the code.
func (s *Store) deviceIDs(ctx context.Context, userCode string) ([]GrantID, error) {
	return s.GrantIDs(ctx, GrantTypeDevice, userCode)
}

// DeviceOfUserCode returns the grant of a user code, with its client and without user. It returns ErrNoGrant for a code that is
// unknown, expired or decided, or whose client has ended.
func (s *Store) DeviceOfUserCode(ctx context.Context, userCode string) (*ActiveGrant, error) {
	ids, err := s.deviceIDs(ctx, userCode)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		u, err := s.findGrant(ctx, s.Engine, id.ID)
		if errors.Is(err, ErrNoGrant) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if g := u.grant(); isUndecided(g) && !s.deviceExpired(g) {
			return s.checkActive(ctx, g)
		}
	}
	return nil, ended("user code is unknown")
}

// DeviceLogin returns Device.Login of the grant of a user code, in any state, or ErrNoGrant.
func (s *Store) DeviceLogin(ctx context.Context, userCode string) (string, error) {
	ids, err := s.deviceIDs(ctx, userCode)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		u, err := s.findGrant(ctx, s.Engine, id.ID)
		if errors.Is(err, ErrNoGrant) {
			continue
		}
		if err != nil {
			return "", err
		}
		if device := u.grant().Device; device != nil {
			return device.Login, nil
		}
	}
	return "", ended("user code is unknown")
}

// isUndecided reports whether a grant is of a device that no user has allowed or denied.
func isUndecided(g *storage.Grant) bool {
	return g.State == storage.GrantPending && g.Device != nil && g.User == ""
}

func (s *Store) deviceExpired(g *storage.Grant) bool {
	return storage.IsOver(g.CreatedAt.Add(DeviceCodeLifetime), DeviceCodeLifetime, s.now())
}

// AllowDevice gives the grant of a device its user: User with UserEpoch and ClientEpoch, Scopes, SID, and how the user authenticated.
// Of several calls, at any instances, one succeeds. The others return ErrNoGrant, except a repeat with the same Device.Login.
func (s *Store) AllowDevice(ctx context.Context, grantID string, by storage.Grant) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	return s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		login := by.Device.Login
		switch {
		case login != "" && next.Device != nil && next.Device.Login == login && next.User == by.User && next.State != storage.GrantRevoked:
			return false, nil
		case !isUndecided(next), s.deviceExpired(next):
			return false, ended("device is decided or expired")
		}
		next.User, next.UserEpoch, next.ClientEpoch, next.SID = by.User, by.UserEpoch, by.ClientEpoch, by.SID
		next.AuthTime, next.AMR, next.ACR = storage.Instant(by.AuthTime), by.AMR, by.ACR
		next.Scopes, next.AskedScopes, next.Device.Login = by.Scopes, by.AskedScopes, login
		return true, nil
	})
}

// DenyDevice ends the grant of a device that no user has allowed. It returns ErrNoGrant for any other.
func (s *Store) DenyDevice(ctx context.Context, grantID string) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	return s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		if !isUndecided(next) {
			return false, ended("device is decided")
		}
		s.revoke(next, becauseDenied)
		return true, nil
	})
}

// DeviceCodeGrant returns the ID of the grant of a device code of this directory, without a read, or ErrNoGrant.
func (s *Store) DeviceCodeGrant(ctx context.Context, code string) (string, error) {
	h, err := s.open(ctx, kindDevice, code)
	return h.grant, err
}

// AllowedDevice returns the grant of a device code of client, with its user. It returns ErrDevicePending, ErrDeviceDenied,
// ErrDeviceExpired, or ErrNoGrant for a code that is used, of another client, or ended by its user.
func (s *Store) AllowedDevice(ctx context.Context, client *Client, code string) (*ActiveGrant, error) {
	h, err := s.open(ctx, kindDevice, code)
	if err != nil {
		return nil, err
	}
	u, err := s.load(ctx, h.grant)
	if errors.Is(err, ErrNoGrant) {
		return nil, ErrDeviceExpired // The code is genuine, so it was stored.
	}
	if err != nil {
		return nil, err
	}
	g := u.grant()
	switch {
	case g.Device == nil || uint64(g.CreatedAt.UnixMilli()) != binary.BigEndian.Uint64(h.numbers):
		return nil, ErrDeviceExpired
	case !belongsTo(g, client, s.now()):
		return nil, ended("device code of another client")
	case g.State == storage.GrantRevoked && g.RevokedBecause == becauseDenied:
		return nil, ErrDeviceDenied
	case g.State != storage.GrantPending:
		return nil, ended("device code was used")
	case s.deviceExpired(g):
		return nil, ErrDeviceExpired
	case g.User == "":
		return nil, ErrDevicePending
	default:
		return s.checkActive(ctx, g)
	}
}

// RedeemDevice activates the grant from AllowedDevice, with a refresh token if refresh is set. Of several units of work, at any
// instances, one succeeds at Commit. The others return ErrNoGrant.
func (s *Store) RedeemDevice(ctx context.Context, client *Client, grantID string, refresh bool) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	if !redeemable(u.grant()) || u.grant().Device == nil {
		return ended("device code was used")
	}
	next := copyGrant(u.grant())
	next.State = storage.GrantActive
	next.ExpiresAt = later(next.ExpiresAt, s.now().Add(client.lifetimes.AccessToken+time.Minute))
	if refresh {
		next.Refresh = &storage.Refresh{Generation: 1}
		s.prolong(next, client)
	}
	u.next = next
	return s.finish(ctx, u)
}
