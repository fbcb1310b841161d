package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// sessions keeps browsers signed in, each to as many directories as it likes (OpenID Connect Core §2, "auth_time"; Back-Channel
// Logout §2.1, "sid"). A cookie names the session and proves it by a secret of which the store has the digest.
type sessions struct {
	engine storage.Engine
	now    func() time.Time
	random io.Reader
	// ended hears of every session that this process ended, once it is stored.
	ended func(ctx context.Context, entry *storage.Entry[storage.Session])
	// full is called for a client that gets no logout token, because the session has maxSessionClients others.
	full func(ctx context.Context, client storage.Client)
}

// authentication is how and when a user was recognised.
type authentication struct {
	at time.Time
	// amr are the methods (RFC 8176), acr the class they make (OpenID Connect Core §2).
	amr []string
	acr string
}

// signedIn is a browser session that lives, with its user as just read.
type signedIn struct {
	*storage.Entry[storage.Session]
	user storage.User
}

const (
	sessionIDSize     = 16
	sessionSecretSize = 32
	// maxSessionClients bounds Session.Clients: with the longest client IDs they fit a document of storage.MaxBody.
	maxSessionClients = 128
	// seenParts is into how many parts the idle lifetime is cut: a session is written once in a part, however often it is
	// used, and may end that much early.
	seenParts = 32
	// sessionAttempts bounds how often a lost compare-and-set of a session is decided again.
	sessionAttempts = 8
)

// browserSession returns the session of the browser that sent r, or nil when it is not signed in: no session, a session that
// ended or that no browser used for too long, or a user who is not active any more or ended all sessions.
func (s *sessions) browserSession(r *call) (*signedIn, error) {
	issuer := r.issuer
	entry, err := s.stored(r.Request, issuer)
	if err != nil || entry == nil || s.isIdle(entry.Record, issuer) {
		return nil, err
	}
	return s.alive(r.Context(), entry)
}

// isIdle reports whether no browser used a session for so long that its cookie signs in nowhere any more. What was given under the
// session may live on: a refresh token that is used keeps itself alive (see oauth2.Store.Live).
func (s *sessions) isIdle(session storage.Session, issuer *oauth2.Issuer) bool {
	return !s.now().Before(session.SeenAt.Add(oauth2.DirectoryLifetimes(issuer.Directory).SessionIdle))
}

// alive returns a session that has not ended with its user, or nil when its user is not active any more or ended all sessions.
func (s *sessions) alive(ctx context.Context, entry *storage.Entry[storage.Session]) (*signedIn, error) {
	session := entry.Record
	user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(session.Directory, session.User))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: user of a session: %w", err)
	}
	if user.Record.Status != storage.UserActive || user.Record.Epoch != session.UserEpoch {
		return nil, nil
	}
	return &signedIn{entry, user.Record}, nil
}

// stored returns the session that the cookie proves, unless it has ended; its user may have, and its browser may have been idle.
func (s *sessions) stored(r *http.Request, issuer *oauth2.Issuer) (*storage.Entry[storage.Session], error) {
	id, secret, ok := strings.Cut(sessionCookie(issuer).get(r, issuer), ".")
	if !ok || !isRandomText(id, sessionIDSize) || !isRandomText(secret, sessionSecretSize) {
		return nil, nil
	}
	entry, err := storage.Get[storage.Session](r.Context(), s.engine, storage.Key(issuer.Directory.ID, id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: session: %w", err)
	}
	proven := subtle.ConstantTimeCompare([]byte(entry.Record.Secret), []byte(secretDigest(issuer, id, secret))) == 1
	if !proven || !entry.Record.EndedAt.IsZero() {
		return nil, nil
	}
	return s.bound(r.Context(), entry)
}

// bound sets back a session that a clock ahead made, or that was made before the clock was set back.
func (s *sessions) bound(ctx context.Context, entry *storage.Entry[storage.Session]) (*storage.Entry[storage.Session], error) {
	bounded, err := oauth2.BoundSession(ctx, s.engine, entry, storage.Instant(s.now()))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: session: %w", err)
	}
	return bounded, nil
}

// signIn signs user in to the browser that sent r. The cookie gets a new secret at every sign-in, so that nobody who planted or
// saw the one before is signed in too. A user who signs in again keeps the session, and what was given under it; somebody
// else's ends.
func (s *sessions) signIn(w http.ResponseWriter, r *call, user storage.User, how authentication) (*signedIn, error) {
	issuer := r.issuer
	// 1. The session before.
	before, err := s.stored(r.Request, issuer)
	if err != nil {
		return nil, err
	}
	same := before != nil && before.Record.User == user.ID && before.Record.UserEpoch == user.Epoch
	if before != nil && !same {
		if err := s.end(r.Context(), before); err != nil {
			return nil, err
		}
	}
	// 2. The session from now on.
	secret, err := randomText(s.random, sessionSecretSize)
	if err != nil {
		return nil, err
	}
	var entry *storage.Entry[storage.Session]
	if same {
		entry, err = s.renew(r.Request, issuer, before, how, secret)
	}
	if !same || errors.Is(err, errSessionOver) {
		entry, err = s.begin(r.Request, issuer, user, how, secret)
	}
	if err != nil {
		return nil, err
	}
	// 3. The cookie that proves it.
	sessionCookie(issuer).set(w, issuer, entry.Record.ID+"."+secret)
	return &signedIn{entry, user}, nil
}

// begin stores a new session.
func (s *sessions) begin(
	r *http.Request, issuer *oauth2.Issuer, user storage.User, how authentication, secret string,
) (*storage.Entry[storage.Session], error) {
	id, err := randomText(s.random, sessionIDSize)
	if err != nil {
		return nil, err
	}
	now := storage.Instant(s.now())
	session := storage.Session{
		Directory: issuer.Directory.ID, ID: id, User: user.ID, UserEpoch: user.Epoch,
		Browser: browserLabel(r.UserAgent()), CreatedAt: now,
	}
	proven(&session, issuer, how, secret, now)
	return storage.Insert(r.Context(), s.engine, session)
}

// renew turns a session into the same one with a new secret. errSessionOver says that it ended meanwhile.
func (s *sessions) renew(
	r *http.Request, issuer *oauth2.Issuer, entry *storage.Entry[storage.Session], how authentication, secret string,
) (*storage.Entry[storage.Session], error) {
	return s.change(r.Context(), entry, func(next *storage.Session) {
		next.Browser = browserLabel(r.UserAgent())
		proven(next, issuer, how, secret, storage.Instant(s.now()))
	})
}

// proven writes a sign-in into a session.
func proven(session *storage.Session, issuer *oauth2.Issuer, how authentication, secret string, now time.Time) {
	session.Secret = secretDigest(issuer, session.ID, secret)
	session.AuthTime, session.AMR, session.ACR = storage.Instant(how.at), how.amr, how.acr
	session.SeenAt = now
	session.ExpiresAt = sessionEnd(*session, issuer)
}

// sessionEnd is when a session ends, however much it is used: its user signed in too long ago.
func sessionEnd(session storage.Session, issuer *oauth2.Issuer) time.Time {
	return session.AuthTime.Add(oauth2.DirectoryLifetimes(issuer.Directory).SessionAbsolute)
}

// seen keeps a session from going idle. client gets something under the session: one that wants to hear of its end is noted.
// Most calls write nothing.
func (s *sessions) seen(ctx context.Context, issuer *oauth2.Issuer, current *signedIn, client storage.Client) error {
	now := storage.Instant(s.now())
	part := oauth2.DirectoryLifetimes(issuer.Directory).SessionIdle / seenParts
	noted := func(session storage.Session) bool {
		_, ok := session.Clients[client.Instance()]
		return ok || client.BackchannelLogoutURI == "" || len(session.Clients) >= maxSessionClients
	}
	if _, ok := current.Record.Clients[client.Instance()]; !ok && client.BackchannelLogoutURI != "" && len(current.Record.Clients) >= maxSessionClients {
		s.full(ctx, client)
	}
	if noted(current.Record) && now.Sub(current.Record.SeenAt) < part {
		return nil
	}
	entry, err := s.change(ctx, current.Entry, func(next *storage.Session) {
		if !noted(*next) {
			next.Clients = maps.Clone(next.Clients)
			if next.Clients == nil {
				next.Clients = map[string]time.Time{}
			}
			next.Clients[client.Instance()] = now
		}
		next.SeenAt = now
		next.ExpiresAt = sessionEnd(*next, issuer)
	})
	if errors.Is(err, errSessionOver) {
		return nil // Whatever is given now is dead with it.
	}
	if err == nil {
		current.Entry = entry
	}
	return err
}

// end ends a session and with it everything that was given under it, by one write, which also says that its clients are to be
// told. One that has ended already stays as it is.
func (s *sessions) end(ctx context.Context, entry *storage.Entry[storage.Session]) error {
	ended, err := s.change(ctx, entry, func(next *storage.Session) { endNow(next, storage.Instant(s.now())) })
	if errors.Is(err, errSessionOver) {
		return nil
	}
	if err == nil {
		s.ended(ctx, ended)
	}
	return err
}

// endNow ends a session. One with clients to tell is due as soon as whoever ends it has had the time to do it.
func endNow(session *storage.Session, now time.Time) {
	session.EndedAt = now
	if len(session.Clients) == 0 {
		return
	}
	session.TellAt = now.Add(tellLease)
	if kept := now.Add(tellKept); kept.After(session.ExpiresAt) {
		session.ExpiresAt = kept
	}
}

// errSessionOver says that a session ended while it was worked on.
var errSessionOver = errors.New("server: session is over")

// change makes one compare-and-set of a session, again from what is found when another one was won in between. It answers
// errSessionOver for a session that has ended.
func (s *sessions) change(
	ctx context.Context, entry *storage.Entry[storage.Session], edit func(next *storage.Session),
) (*storage.Entry[storage.Session], error) {
	for range sessionAttempts {
		next := entry.Record
		if !next.EndedAt.IsZero() {
			return nil, errSessionOver
		}
		edit(&next)
		changed, err := entry.Replace(ctx, s.engine, next)
		if err == nil {
			return changed, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return nil, fmt.Errorf("server: session: %w", err)
		}
		entry, err = storage.Get[storage.Session](ctx, s.engine, storage.Key(next.Directory, next.ID))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, errSessionOver
		}
		if err != nil {
			return nil, fmt.Errorf("server: session: %w", err)
		}
	}
	return nil, fmt.Errorf("server: session: %w: too many writers", storage.ErrUnavailable)
}

// sessionCookie is the cookie of a directory's session. The browser keeps it for as long as a session can last.
func sessionCookie(issuer *oauth2.Issuer) cookie {
	return cookie{life: oauth2.DirectoryLifetimes(issuer.Directory).SessionAbsolute}
}

// secretDigest is what the store keeps of a cookie's secret.
func secretDigest(issuer *oauth2.Issuer, id, secret string) string {
	return storage.Digest("session", issuer.Directory.ID, id, secret)
}

const tellLease = 30 * time.Second

const tellKept = 24 * time.Hour
