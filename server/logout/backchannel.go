package logout

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Backchannel sends logout tokens to the clients of an ended session (OpenID Connect Back-Channel Logout 1.0). The write that
// ends a session also schedules them, so that a crash loses none. The session's record lists the clients that are not notified
// yet. Delivery is at least once, and ends after the last retry of retryDelays.
type Backchannel struct {
	engine   storage.Engine
	catalog  *endpoint.Catalog
	subjects token.Subjects
	keys     *keys.Ring
	client   *outbound.Client
	now      func() time.Time
	random   io.Reader
	logger   *slog.Logger
	// completeMerge completes a merge of the user, or its reversal, that a crash interrupted.
	completeMerge func(context.Context, storage.User) error
}

// BackchannelConfig configures Backchannel.
type BackchannelConfig struct {
	Engine  storage.Engine
	Secrets token.Secrets
	Keys    *keys.Ring
	Fetch   outbound.Config
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
	// CompleteMerge is called for each user whose sessions ended, because a merge ends them too. Required.
	CompleteMerge func(context.Context, storage.User) error
}

// NewBackchannel returns the delivery of logout tokens to the clients of a catalog.
func NewBackchannel(config BackchannelConfig, known *endpoint.Catalog) *Backchannel {
	return &Backchannel{
		engine: config.Engine, catalog: known, subjects: token.Subjects{Secrets: config.Secrets}, keys: config.Keys, client: outbound.NewClient(config.Fetch),
		now: config.Now, random: config.Rand, logger: config.Logger, completeMerge: config.CompleteMerge,
	}
}

const (
	// maxDeliveryWait bounds how long a request that ends a session waits for the delivery.
	maxDeliveryWait = 2 * time.Second
	// deliveryInterval is the interval of the searches for due deliveries.
	deliveryInterval = 5 * time.Second
	// clockCheckEvery is the number of such searches for each search for deliveries planned by a clock ahead.
	clockCheckEvery = 720
	// deliveryPage bounds a page of due deliveries, and maxParallelDeliveries the concurrent ones.
	deliveryPage          = 64
	maxParallelDeliveries = 8
	// deliveryWriteTimeout bounds the write that records the notified clients.
	deliveryWriteTimeout = 5 * time.Second
)

// retryDelays are the delays before each retry. After the last one the remaining clients are dropped.
func retryDelays() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}
}

// Deliver notifies the clients of a session that has just ended, before the browser returns to one of them. It waits for at most
// maxDeliveryWait; Run retries the others later.
func (b *Backchannel) Deliver(ctx context.Context, entry *storage.Entry[storage.Session]) {
	if entry.Record.DeliverAt.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxDeliveryWait)
	defer cancel()
	b.deliver(ctx, entry)
}

// Run performs the due work until ctx ends.
func (b *Backchannel) Run(ctx context.Context) {
	ticker := time.NewTicker(deliveryInterval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if n%clockCheckEvery == 0 {
			if err := b.BoundDue(ctx); err != nil && ctx.Err() == nil {
				b.logger.WarnContext(ctx, "logout notices with a time in the future could not be searched", "cause", err.Error())
			}
		}
		if err := b.DeliverDue(ctx); err != nil && ctx.Err() == nil {
			b.logger.WarnContext(ctx, "not all clients were notified of ended sessions", "cause", err.Error())
		}
	}
}

// DeliverDue performs the due work: it ends the sessions of users who were signed out everywhere, and sends the logout
// tokens of ended sessions and the events of users.
func (b *Backchannel) DeliverDue(ctx context.Context) error {
	now := b.now()
	return errors.Join(each(ctx, b, now, b.endSessions), each(ctx, b, now, b.lease), each(ctx, b, now, b.deliverEvent))
}

// BoundDue moves to now the deliveries that an instance with a fast clock scheduled later than any delay allows.
func (b *Backchannel) BoundDue(ctx context.Context) error {
	latest := retryDelays()[len(retryDelays())-1]
	users := func(ctx context.Context, user *storage.Entry[storage.User]) error {
		if !storage.MadeAhead(user.Record.SessionsDueAt, b.now()) {
			return nil
		}
		next := user.Record
		next.SessionsDueAt = storage.Instant(b.now())
		_, err := user.Replace(ctx, b.engine, next)
		return ignoreConflict(err)
	}
	sessions := func(ctx context.Context, session *storage.Entry[storage.Session]) error {
		if !storage.MadeAhead(session.Record.DeliverAt, b.now().Add(latest)) {
			return nil
		}
		next := session.Record
		next.DeliverAt = storage.Instant(b.now())
		_, err := session.Replace(ctx, b.engine, next)
		return ignoreConflict(err)
	}
	events := func(ctx context.Context, event *storage.Entry[storage.SecurityEvent]) error {
		if !storage.MadeAhead(event.Record.DeliverAt, b.now().Add(latest)) {
			return nil
		}
		next := event.Record
		next.DeliverAt = storage.Instant(b.now())
		_, err := event.Replace(ctx, b.engine, next)
		return ignoreConflict(err)
	}
	ever := b.now().AddDate(1000, 0, 0)
	return errors.Join(each(ctx, b, ever, users), each(ctx, b, ever, sessions), each(ctx, b, ever, events))
}

// each calls do with every record of a kind that is due before a time, several at once. do changes the time when the record is due,
// or leaves that to another instance.
func each[R storage.Record](ctx context.Context, b *Backchannel, before time.Time, do func(context.Context, *storage.Entry[R]) error) error {
	query := storage.Query{Order: storage.ByDue, DueBefore: before, Limit: deliveryPage}
	for {
		entries, next, err := storage.List[R](ctx, b.engine, query)
		if err != nil {
			return err
		}
		var group errgroup.Group
		group.SetLimit(maxParallelDeliveries)
		for _, entry := range entries {
			group.Go(func() error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return do(ctx, entry)
			})
		}
		if err := group.Wait(); err != nil || next == "" {
			return err
		}
		query.After = next
	}
}

// endSessions ends the sessions of a user that the user's epoch or state has already invalidated and that have clients to notify.
// They are invalid already, so that no caller waits for this.
func (b *Backchannel) endSessions(ctx context.Context, user *storage.Entry[storage.User]) error {
	if due := user.Record.SessionsDueAt; due.IsZero() || due.After(b.now()) {
		return nil // The user is due for deletion.
	}
	query := storage.Query{Order: storage.ByCreated, Owner: storage.Key(user.Record.Directory, user.Record.ID)}
	for {
		entries, next, err := storage.List[storage.Session](ctx, b.engine, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := b.endSession(ctx, user.Record, entry); err != nil {
				return ignoreConflict(err)
			}
		}
		if next == "" {
			break
		}
		query.After = next
	}
	if err := b.endMiniProgramGrants(ctx, user.Record); err != nil {
		return err
	}
	if err := b.completeMerge(ctx, user.Record); err != nil {
		return err
	}
	if err := b.scheduleEvents(ctx, user.Record); err != nil {
		return err
	}
	done := user.Record
	done.SessionsDueAt, done.Events = time.Time{}, nil
	_, err := user.Replace(ctx, b.engine, done)
	return ignoreConflict(err)
}

func (b *Backchannel) endSession(ctx context.Context, user storage.User, entry *storage.Entry[storage.Session]) error {
	next := entry.Record
	alive := user.Status == storage.UserActive && next.UserEpoch == user.Epoch
	if alive || !next.EndedAt.IsZero() || len(next.Clients) == 0 {
		return nil
	}
	next.End(storage.Instant(b.now()), 0) // Any instance may deliver: see lease.
	_, err := entry.Replace(ctx, b.engine, next)
	return err
}

// ignoreConflict ignores ErrConflict: another instance updated the session first.
func ignoreConflict(err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// lease delivers the logout tokens of one session, unless another instance does already.
func (b *Backchannel) lease(ctx context.Context, entry *storage.Entry[storage.Session]) error {
	next := entry.Record
	next.DeliverAt = storage.Instant(b.now().Add(storage.DeliveryLease))
	leased, err := entry.Replace(ctx, b.engine, next)
	if err != nil {
		return ignoreConflict(err)
	}
	b.deliver(context.WithoutCancel(ctx), leased) // A delivery that has begun is completed when the server stops.
	return nil
}

// deliver notifies the remaining clients of a leased session, and records the result. If that write is lost, they are notified
// again after the lease.
func (b *Backchannel) deliver(ctx context.Context, entry *storage.Entry[storage.Session]) {
	next := entry.Record
	next.Clients = b.notify(ctx, next)
	next.DeliverAt = time.Time{}
	if next.DeliveryAttempts < len(retryDelays()) && len(next.Clients) > 0 {
		next.DeliverAt = storage.Instant(b.now().Add(retryDelays()[next.DeliveryAttempts]))
	}
	next.DeliveryAttempts++
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliveryWriteTimeout)
	defer cancel()
	if _, err := entry.Replace(ctx, b.engine, next); err != nil {
		b.logger.WarnContext(ctx, "clients that were notified of a logout will be notified again", "directory", next.Directory, "cause", err.Error())
	}
}

// notify notifies all clients of a session concurrently and returns those that failed.
func (b *Backchannel) notify(ctx context.Context, session storage.Session) map[string]time.Time {
	var mu sync.Mutex
	var group sync.WaitGroup
	left := maps.Clone(session.Clients)
	for client := range session.Clients {
		group.Go(func() {
			if err := b.send(ctx, session, client); err != nil {
				b.logger.WarnContext(ctx, "back-channel logout failed", "directory", session.Directory, "client", clientIDOf(client),
					"attempt", session.DeliveryAttempts+1, "of", len(retryDelays())+1, "cause", err.Error())
				return
			}
			mu.Lock()
			defer mu.Unlock()
			delete(left, client)
		})
	}
	group.Wait()
	return left
}

// send sends one logout token. A client that is deleted or no longer registered for logout tokens counts as notified.
func (b *Backchannel) send(ctx context.Context, session storage.Session, instance string) error {
	issuer, err := b.catalog.Directories.Get(ctx, session.Directory)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	client, err := b.catalog.Client(ctx, session.Directory, clientIDOf(instance))
	if errors.Is(err, storage.ErrNotFound) || err == nil && !wantsLogoutToken(client.Record(), instance) {
		return nil
	}
	if err != nil {
		return err
	}
	token, err := b.token(ctx, issuer, client, session)
	if err != nil {
		return err
	}
	return b.client.Post(ctx, client.Record().BackchannelLogoutURI, url.Values{"logout_token": {token}})
}

// clientIDOf returns the ID of the client that storage.Client.Instance named.
func clientIDOf(instance string) string {
	id, _, _ := strings.Cut(instance, "#")
	return id
}

// wantsLogoutToken reports whether a client is the one in the session, enabled, and registered for logout tokens.
func wantsLogoutToken(client storage.Client, instance string) bool {
	return client.Instance() == instance && !client.Disabled && client.BackchannelLogoutURI != ""
}

const (
	// logoutTokenType is the header "typ" of a logout token (Back-Channel Logout §2.4), which passes for no other token.
	logoutTokenType = "logout+jwt"
	logoutTokenLife = 2 * time.Minute
	logoutEvent     = "http://schemas.openid.net/event/backchannel-logout"
	logoutTokenID   = 16
)

// logoutClaims are the claims of a logout token (Back-Channel Logout §2.4). It has no nonce, so that it is no ID token.
type logoutClaims struct {
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub,omitempty"`
	Audience  string              `json:"aud"`
	IssuedAt  int64               `json:"iat"`
	ExpiresAt int64               `json:"exp"`
	ID        string              `json:"jti"`
	Events    map[string]struct{} `json:"events"`
	SessionID string              `json:"sid"`
}

// token is the logout token of a session for a client, signed as its ID tokens are (§2.6).
func (b *Backchannel) token(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, session storage.Session) (string, error) {
	id, err := endpoint.RandomString(b.random, logoutTokenID)
	if err != nil {
		return "", err
	}
	subject, err := b.subjects.ForUser(ctx, client, session.User)
	if err != nil {
		return "", err
	}
	sid, err := b.subjects.ForSession(ctx, client.Record(), session.ID)
	if err != nil {
		return "", err
	}
	now := b.now()
	claims := logoutClaims{
		Issuer: issuer.URL, Subject: subject, Audience: client.GetID(), IssuedAt: now.Unix(), ExpiresAt: now.Add(logoutTokenLife).Unix(),
		ID: id, Events: map[string]struct{}{logoutEvent: {}}, SessionID: sid,
	}
	return token.Sign(ctx, b.keys, issuer, client.IDTokenAlgorithm(), logoutTokenType, claims)
}
