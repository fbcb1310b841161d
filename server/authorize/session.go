package authorize

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Sessions manages browser sessions, one for each directory (OpenID Connect Core §2, "auth_time"; Back-Channel Logout §2.1,
// "sid"). A cookie contains the session's ID and a secret, of which the store has the digest.
type Sessions struct {
	Engine storage.Engine
	Now    func() time.Time
	// ClockTrusted reports whether Now may be compared with the times of other instances; nil is always.
	ClockTrusted func() bool
	Random       io.Reader
	// Ended is called for every session that this process ended, after the write.
	Ended func(ctx context.Context, entry *storage.Entry[storage.Session])
	// Full is called for a client that gets no logout token, because the session already has MaxSessionClients others.
	Full func(ctx context.Context, client storage.Client)
}

// Authentication is how and when a user authenticated.
type Authentication struct {
	Time time.Time
	// AMR are the methods (RFC 8176), ACR their class (OpenID Connect Core §2).
	AMR []string
	ACR string
	// BackendInitiated means that the backend of a client could do it without the user: see storage.Session.
	BackendInitiated bool
	// Client is the Instance of the only client that the session signs in to; empty for all. See storage.Session.
	Client string
}

// method returns the name of the sign-in method in the audit and the statistics.
func (a Authentication) method() string {
	switch {
	case len(a.AMR) == 0:
		return "other"
	case a.AMR[0] == "pwd":
		return MethodPassword
	case a.AMR[0] == AMRScan:
		return MethodScan
	case a.AMR[0] == AMRLink:
		return MethodLink
	case a.AMR[0] == AMRHandOff:
		return MethodHandOff
	case a.AMR[0] == AMRSMS:
		return MethodPhoneCode
	case slices.Contains(a.AMR, AMREmail):
		return MethodEmailCode
	case a.AMR[0] == AMRWebsite:
		return MethodWebsite
	case a.AMR[0] == AMROfficialAccount:
		return MethodOfficialAccount
	case a.AMR[0] == "hwk", a.AMR[0] == "swk", a.AMR[0] == "user", a.AMR[0] == "pop":
		return MethodPasskey
	default:
		return a.AMR[0]
	}
}

// MethodOf returns the name of the sign-in method of a session or a grant.
func MethodOf(amr []string) string { return Authentication{AMR: amr}.method() }

// ByPasskey reports whether the user signed in by a passkey.
func (a Authentication) ByPasskey() bool { return a.method() == MethodPasskey }

// The names of sign-in methods in the audit and the statistics.
const (
	MethodPassword = "password"
	MethodPasskey  = "passkey"
	// MethodTOTP is a wrong code after a password. A sign-in with a right one is by MethodPassword.
	MethodTOTP = "totp"
	MethodScan = "scan"
	MethodLink = "link"
	// MethodHandOff is the sign-in of a web-view by the backend of its mini-program.
	MethodHandOff = "hand-off"
	// MethodDevice is the decision of a user to allow a device.
	MethodDevice = "device"
	// MethodWebsite and MethodOfficialAccount are sign-ins by WeChat's own pages.
	MethodWebsite         = storage.SignInWebsite
	MethodOfficialAccount = storage.SignInOfficialAccount
	// MethodPhoneCode and MethodEmailCode are sign-ins by a code.
	MethodPhoneCode = storage.SignInPhoneCode
	MethodEmailCode = storage.SignInEmailCode
)

// The authentication methods ("amr", RFC 8176) of sign-ins by WeChat's own pages.
const (
	AMRWebsite         = "wechat_website"
	AMROfficialAccount = "wechat_official_account"
)

// The authentication methods ("amr", RFC 8176) of sign-ins with a mini-program on the phone of the user.
const (
	AMRScan = "wechat_scan"
	AMRLink = "wechat_link"
	// AMRDevice is of a device that a user allowed in a mini-program.
	AMRDevice = "wechat_device"
	// AMRHandOff is of a web-view.
	AMRHandOff = "wechat_hand_off"
)

// The authentication methods ("amr", RFC 8176) of sign-ins by a code: AMRSMS of one by SMS, and the others together of one by mail.
const (
	AMRSMS         = "sms"
	AMROneTimeCode = "otp"
	AMREmail       = "email"
)

// CurrentSession is an active browser session, with its user as read now.
type CurrentSession struct {
	*storage.Entry[storage.Session]
	User storage.User
}

const (
	// SessionIDSize is the size of a session's ID and of its secret, in random bytes.
	SessionIDSize     = 16
	sessionSecretSize = 32
	// MaxSessionClients bounds Session.Clients, so that the longest client IDs fit into a document of storage.MaxBody.
	MaxSessionClients = 128
	// seenParts divides the idle lifetime: the session is written once in each part, however often it is used, and may end
	// earlier by one part.
	seenParts = 32
	// sessionAttempts bounds the retries of a compare-and-set of a session.
	sessionAttempts = 8
)

// Current returns the session of the browser of r, or nil if it is not signed in: no session, a session that ended or was idle
// for too long, or has fewer factors than the directory requires, or a user who is not active or ended all sessions. A session for
// one client alone is none here: see CurrentFor.
func (s *Sessions) Current(r *endpoint.Request) (*CurrentSession, error) {
	return s.current(r, "")
}

// CurrentFor is Current for a request of a client, for which a session for that client alone is one too.
func (s *Sessions) CurrentFor(r *endpoint.Request, client storage.Client) (*CurrentSession, error) {
	return s.current(r, client.Instance())
}

func (s *Sessions) current(r *endpoint.Request, client string) (*CurrentSession, error) {
	issuer := r.Issuer
	entry, err := s.Stored(r.Request, issuer)
	if err == nil && entry != nil && entry.Record.Client != "" && entry.Record.Client != client {
		return nil, nil
	}
	if err != nil || entry == nil || s.IsIdle(entry.Record, issuer) || isTooWeak(entry.Record, issuer.Directory) {
		return nil, err
	}
	return s.Alive(r.Context(), entry)
}

// IsIdle reports whether a session was idle for so long that its cookie no longer signs in. The grants of the session may
// remain: using a refresh token extends its own lifetime (see oauth2.Store.ActiveGrant).
func (s *Sessions) IsIdle(session storage.Session, issuer *oauth2.Issuer) bool {
	return !s.Now().Before(session.SeenAt.Add(oauth2.DirectoryLifetimes(issuer.Directory).SessionIdle))
}

// Alive returns a session that its user has not ended, or nil if its user is not active or ended all sessions.
func (s *Sessions) Alive(ctx context.Context, entry *storage.Entry[storage.Session]) (*CurrentSession, error) {
	session := entry.Record
	user, err := storage.Get[storage.User](ctx, s.Engine, storage.Key(session.Directory, session.User))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("authorize: user of a session: %w", err)
	}
	if user.Record.Status != storage.UserActive || user.Record.Epoch != session.UserEpoch {
		return nil, nil
	}
	return &CurrentSession{entry, user.Record}, nil
}

// Stored returns the session that the cookie proves, unless it has ended. Its user may have ended all sessions, or its browser
// may have been idle.
func (s *Sessions) Stored(r *http.Request, issuer *oauth2.Issuer) (*storage.Entry[storage.Session], error) {
	id, secret, ok := strings.Cut(SessionCookie(issuer).Get(r, issuer), ".")
	if !ok || !endpoint.IsRandomString(id, SessionIDSize) || !endpoint.IsRandomString(secret, sessionSecretSize) {
		return nil, nil
	}
	entry, err := storage.Get[storage.Session](r.Context(), s.Engine, storage.Key(issuer.Directory.ID, id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("authorize: session: %w", err)
	}
	proven := subtle.ConstantTimeCompare([]byte(entry.Record.Secret), []byte(secretDigest(issuer, id, secret))) == 1
	if !proven || !entry.Record.EndedAt.IsZero() {
		return nil, nil
	}
	return s.bound(r.Context(), entry)
}

// bound corrects the times of a session that are in the future because of another clock.
func (s *Sessions) bound(ctx context.Context, entry *storage.Entry[storage.Session]) (*storage.Entry[storage.Session], error) {
	bounded, err := oauth2.BoundSession(ctx, s.Engine, entry, storage.Instant(s.Now()), s.ClockTrusted)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("authorize: session: %w", err)
	}
	return bounded, nil
}

// SignIn signs user in to the browser of r. The cookie gets a new secret at every sign-in, so that a planted or stolen earlier
// cookie does not sign in. If the same user signs in again, the session and its grants remain; another user's session ends.
func (s *Sessions) SignIn(w http.ResponseWriter, r *endpoint.Request, user storage.User, how Authentication) (*CurrentSession, error) {
	issuer := r.Issuer
	// 1. The previous session.
	before, err := s.Stored(r.Request, issuer)
	if err != nil {
		return nil, err
	}
	same := before != nil && before.Record.User == user.ID && before.Record.UserEpoch == user.Epoch
	if before != nil && !same {
		if err := s.End(r.Context(), before); err != nil {
			return nil, err
		}
	}
	// 2. The new session.
	secret, err := endpoint.RandomString(s.Random, sessionSecretSize)
	if err != nil {
		return nil, err
	}
	var entry *storage.Entry[storage.Session]
	if same {
		entry, err = s.renew(r, before, how, secret)
	}
	if !same || errors.Is(err, errSessionOver) {
		entry, err = s.begin(r, user, how, secret)
	}
	if err != nil {
		return nil, err
	}
	// 3. The cookie.
	SessionCookie(issuer).Set(w, issuer, entry.Record.ID+"."+secret)
	r.SignIn = endpoint.SignIn{Method: how.method(), User: user.ID, Session: entry.Record.ID, Browser: entry.Record.Browser, Done: true}
	return &CurrentSession{entry, user}, nil
}

// begin stores a new session.
func (s *Sessions) begin(r *endpoint.Request, user storage.User, how Authentication, secret string) (*storage.Entry[storage.Session], error) {
	id, err := endpoint.RandomString(s.Random, SessionIDSize)
	if err != nil {
		return nil, err
	}
	now := storage.Instant(s.Now())
	session := storage.Session{
		Directory: r.Issuer.Directory.ID, ID: id, User: user.ID, UserEpoch: user.Epoch, CreatedAt: now,
	}
	proven(&session, r, how, secret, now)
	return storage.Insert(r.Context(), s.Engine, session)
}

// renew replaces the secret of a session. errSessionOver means that the session has ended in the meantime, or that another
// sign-in has replaced the secret: the cookie of that one stays valid.
func (s *Sessions) renew(
	r *endpoint.Request, entry *storage.Entry[storage.Session], how Authentication, secret string,
) (*storage.Entry[storage.Session], error) {
	presented := entry.Record.Secret
	return s.change(r.Context(), entry, func(next *storage.Session) error {
		if next.Secret != presented {
			return errSessionOver
		}
		proven(next, r, how, secret, storage.Instant(s.Now()))
		return nil
	})
}

// proven writes a sign-in into a session.
func proven(session *storage.Session, r *endpoint.Request, how Authentication, secret string, now time.Time) {
	from, _ := r.AuditOrigin()
	session.Browser, session.From, session.Country = BrowserLabel(r.UserAgent()), from, r.Country
	session.Secret = secretDigest(r.Issuer, session.ID, secret)
	session.AuthTime, session.AMR, session.ACR = storage.Instant(how.Time), how.AMR, how.ACR
	session.BackendInitiated, session.Client = how.BackendInitiated, how.Client
	session.SeenAt = now
	session.ExpiresAt = sessionEnd(*session, r.Issuer)
}

// sessionEnd returns the time when a session ends even if it is used, counted from the sign-in.
func sessionEnd(session storage.Session, issuer *oauth2.Issuer) time.Time {
	return session.AuthTime.Add(oauth2.DirectoryLifetimes(issuer.Directory).SessionAbsolute)
}

// Used records that a page of the session was used, so that it is not idle. Most calls write nothing.
func (s *Sessions) Used(ctx context.Context, issuer *oauth2.Issuer, current *CurrentSession) error {
	return s.seen(ctx, issuer, current, storage.Client{})
}

// seen records the use of a session, so that it is not idle. client gets a grant in the session; it is added to the session if
// it is registered for logout tokens. Most calls write nothing.
func (s *Sessions) seen(ctx context.Context, issuer *oauth2.Issuer, current *CurrentSession, client storage.Client) error {
	now := storage.Instant(s.Now())
	part := oauth2.DirectoryLifetimes(issuer.Directory).SessionIdle / seenParts
	noted := func(session storage.Session) bool {
		_, ok := session.Clients[client.Instance()]
		return ok || client.BackchannelLogoutURI == "" || len(session.Clients) >= MaxSessionClients
	}
	if _, ok := current.Record.Clients[client.Instance()]; !ok && client.BackchannelLogoutURI != "" && len(current.Record.Clients) >= MaxSessionClients {
		s.Full(ctx, client)
	}
	if noted(current.Record) && now.Sub(current.Record.SeenAt) < part {
		return nil
	}
	entry, err := s.change(ctx, current.Entry, func(next *storage.Session) error {
		if !noted(*next) {
			next.Clients = maps.Clone(next.Clients)
			if next.Clients == nil {
				next.Clients = map[string]time.Time{}
			}
			next.Clients[client.Instance()] = now
		}
		next.SeenAt = now
		next.ExpiresAt = sessionEnd(*next, issuer)
		return nil
	})
	if errors.Is(err, errSessionOver) {
		return nil // The session has ended, and what is issued in it is not valid.
	}
	if err == nil {
		current.Entry = entry
	}
	return err
}

// End ends a session and all its grants by one write, which also schedules the logout tokens. A session that has already ended
// is unchanged.
func (s *Sessions) End(ctx context.Context, entry *storage.Entry[storage.Session]) error {
	ended, err := s.change(ctx, entry, func(next *storage.Session) error {
		next.End(storage.Instant(s.Now()), storage.DeliveryLease)
		return nil
	})
	if errors.Is(err, errSessionOver) {
		return nil
	}
	if err == nil {
		s.Ended(ctx, ended)
	}
	return err
}

// errSessionOver means that a session ended during an operation on it.
var errSessionOver = errors.New("authorize: session is over")

// change updates a session by compare-and-set, and retries after a conflict. It returns errSessionOver for a session that has
// ended, and an error of edit unchanged.
func (s *Sessions) change(
	ctx context.Context, entry *storage.Entry[storage.Session], edit func(next *storage.Session) error,
) (*storage.Entry[storage.Session], error) {
	for range sessionAttempts {
		next := entry.Record
		if !next.EndedAt.IsZero() {
			return nil, errSessionOver
		}
		if err := edit(&next); err != nil {
			return nil, err
		}
		changed, err := entry.Replace(ctx, s.Engine, next)
		if err == nil {
			return changed, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return nil, fmt.Errorf("authorize: session: %w", err)
		}
		entry, err = storage.Get[storage.Session](ctx, s.Engine, storage.Key(next.Directory, next.ID))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, errSessionOver
		}
		if err != nil {
			return nil, fmt.Errorf("authorize: session: %w", err)
		}
	}
	return nil, fmt.Errorf("authorize: session: %w: too many writers", storage.ErrUnavailable)
}

// SessionCookie is the cookie of a directory's session. Its lifetime is the maximum lifetime of a session.
func SessionCookie(issuer *oauth2.Issuer) endpoint.Cookie {
	return endpoint.Cookie{Lifetime: oauth2.DirectoryLifetimes(issuer.Directory).SessionAbsolute}
}

// secretDigest returns the stored digest of a cookie's secret.
func secretDigest(issuer *oauth2.Issuer, id, secret string) string {
	return storage.Digest("session", issuer.Directory.Within(issuer.Directory.ID), id, secret)
}
