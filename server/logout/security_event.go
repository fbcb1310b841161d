package logout

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	// eventTokenType is the header "typ" of a security event token (RFC 8417 §2.3), which passes for no other token.
	eventTokenType = "secevent+jwt"
	// eventPrefix is the prefix of the URIs of events.
	eventPrefix = "urn:minifed:event:"
	// EventMediaType is the media type of a delivery (RFC 8935 §2.1).
	EventMediaType = "application/secevent+jwt"
)

// eventClaims are the claims of a security event token (RFC 8417 §2.2). It has neither "sub" nor "exp", so that it is no ID token.
type eventClaims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	// EventAt is when the event happened.
	EventAt int64                `json:"toe"`
	ID      string               `json:"jti"`
	Subject subjectID            `json:"sub_id"`
	Events  map[string]eventBody `json:"events"`
}

// subjectID is the user of an event, by the identifier format of issuer and subject (RFC 9493 §3.2.5).
type subjectID struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

// eventBody is what an event says: From was merged into Into, or is separate from it again. It is empty for the other events.
type eventBody struct {
	From string `json:"from,omitempty"`
	Into string `json:"into,omitempty"`
}

// scheduleEvents stores the notifications of a user's events, for each client that receives them. It can be repeated.
func (b *Backchannel) scheduleEvents(ctx context.Context, user storage.User) error {
	if len(user.Events) == 0 {
		return nil
	}
	receivers, err := b.receivers(ctx, user)
	if err != nil {
		return err
	}
	for _, event := range user.Events {
		for _, client := range receivers {
			if err := b.scheduleEvent(ctx, user, event, client); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Backchannel) scheduleEvent(ctx context.Context, user storage.User, event storage.UserEvent, client storage.Client) error {
	now := storage.Instant(b.now())
	_, err := storage.Insert(ctx, b.engine, storage.SecurityEvent{
		Directory: user.Directory, User: user.ID, Client: client.Instance(), Event: event,
		ID:        storage.Digest("event", user.ID, string(event.Type), event.Other, event.At.UTC().Format(time.RFC3339Nano), client.Instance()),
		DeliverAt: now, CreatedAt: now, ExpiresAt: now.Add(storage.EventPeriod),
	})
	if errors.Is(err, storage.ErrExists) { // An attempt that crashed, or another instance, has stored it.
		return nil
	}
	return err
}

// receivers returns the clients that are notified of the events of a user: those with an event URI that know the user, and those that
// belong to the operator of the directory, which may have known the user for longer than anything of theirs is stored.
func (b *Backchannel) receivers(ctx context.Context, user storage.User) ([]storage.Client, error) {
	var found []storage.Client
	var known map[string]bool
	query := storage.Query{Order: storage.ByCreated, Owner: user.Directory, Limit: storage.MaxPage}
	for {
		clients, next, err := storage.List[storage.Client](ctx, b.engine, query)
		if err != nil {
			return nil, err
		}
		for _, entry := range clients {
			client := entry.Record
			if client.EventURI == "" || client.Disabled {
				continue
			}
			if known == nil {
				if known, err = b.clientsOf(ctx, user); err != nil {
					return nil, err
				}
			}
			if client.FirstParty || client.Kind == storage.ClientMiniapp || known[client.ID] {
				found = append(found, client)
			}
		}
		if next == "" {
			return found, nil
		}
		query.After = next
	}
}

// clientsOf returns the IDs of the clients with a grant or a consent of a user, or of the one that the user was merged into.
func (b *Backchannel) clientsOf(ctx context.Context, user storage.User) (map[string]bool, error) {
	known := map[string]bool{}
	ids := []string{user.ID}
	for _, event := range user.Events {
		if event.Other != "" {
			ids = append(ids, event.Other)
		}
	}
	for _, id := range ids {
		owner := storage.Key(user.Directory, id)
		err := eachOf(ctx, b.engine, owner, func(grant storage.Grant) { known[grant.Client] = true })
		if err == nil {
			err = eachOf(ctx, b.engine, owner, func(consent storage.Consent) { known[consent.Client] = true })
		}
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

// eachOf calls do with every record of an owner.
func eachOf[R storage.Record](ctx context.Context, engine storage.Engine, owner string, do func(R)) error {
	query := storage.Query{Order: storage.ByCreated, Owner: owner, Limit: storage.MaxPage}
	for {
		entries, next, err := storage.List[R](ctx, engine, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			do(entry.Record)
		}
		if next == "" {
			return nil
		}
		query.After = next
	}
}

// deliverEvent sends one event, unless another instance does already. An event that was not accepted is sent again until it expires.
func (b *Backchannel) deliverEvent(ctx context.Context, entry *storage.Entry[storage.SecurityEvent]) error {
	next := entry.Record
	next.DeliverAt = storage.Instant(b.now().Add(storage.DeliveryLease))
	leased, err := entry.Replace(ctx, b.engine, next)
	if err != nil {
		return ignoreConflict(err)
	}
	ctx = context.WithoutCancel(ctx) // A delivery that has begun is completed when the server stops.
	if err = b.sendEvent(ctx, next); err == nil {
		return b.engine.Delete(ctx, storage.KindSecurityEvent, next.Document().ID)
	}
	b.logger.WarnContext(ctx, "a security event was not accepted", "directory", next.Directory, "client", clientIDOf(next.Client),
		"event", string(next.Event.Type), "attempt", next.Attempts+1, "until", next.ExpiresAt, "cause", err.Error())
	delays := retryDelays()
	next.DeliverAt = storage.Instant(b.now().Add(delays[min(next.Attempts, len(delays)-1)]))
	next.Attempts++
	_, err = leased.Replace(ctx, b.engine, next)
	return ignoreConflict(err)
}

// sendEvent sends one event. A client that is deleted or no longer registered for events counts as notified.
func (b *Backchannel) sendEvent(ctx context.Context, event storage.SecurityEvent) error {
	issuer, err := b.catalog.Directories.Get(ctx, event.Directory)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	client, err := b.catalog.Client(ctx, event.Directory, clientIDOf(event.Client))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if record := client.Record(); record.Instance() != event.Client || record.Disabled || record.EventURI == "" {
		return nil
	}
	signed, err := b.eventToken(ctx, issuer, client, event)
	if err != nil {
		return err
	}
	return b.client.PostText(ctx, client.Record().EventURI, EventMediaType, signed)
}

// eventToken is the security event token of an event for a client, signed as its ID tokens are.
func (b *Backchannel) eventToken(ctx context.Context, issuer *oauth2.Issuer, client *oauth2.Client, event storage.SecurityEvent) (string, error) {
	subject, err := b.subjects.ForUser(ctx, client, event.User)
	if err != nil {
		return "", err
	}
	var body eventBody
	if event.Event.Other != "" {
		body.From = subject
		if body.Into, err = b.subjects.ForUser(ctx, client, event.Event.Other); err != nil {
			return "", err
		}
	}
	claims := eventClaims{
		Issuer: issuer.URL, Audience: client.GetID(), IssuedAt: b.now().Unix(), EventAt: event.Event.At.Unix(), ID: event.ID,
		Subject: subjectID{"iss_sub", issuer.URL, subject}, Events: map[string]eventBody{eventPrefix + string(event.Event.Type): body},
	}
	return token.Sign(ctx, b.keys, issuer, client.IDTokenAlgorithm(), eventTokenType, claims)
}
