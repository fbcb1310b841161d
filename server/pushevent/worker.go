package pushevent

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

const (
	// interval is the interval of the searches for events of other instances, and for those that are due again.
	interval = 5 * time.Second
	// lease is the time in which one instance applies an event.
	lease = time.Minute
	// pageSize bounds a page of due events.
	pageSize = 64
	// keepApplied is the time that an applied event is stored, so that a repetition is detected.
	keepApplied = 7 * 24 * time.Hour
)

// The values of storage.PushEvent.Outcome.
const (
	OutcomeUnknownUser = "unknown_user"
	OutcomeWithdrawn   = "withdrawn"
	OutcomeDetached    = "detached"
	OutcomeDeleted     = "deleted"
	// OutcomeDeletionRequested means that the user is deleted after the grace period.
	OutcomeDeletionRequested = "deletion_requested"
	OutcomeKept              = "kept"

	// OutcomeFailed is only counted: an attempt that failed.
	OutcomeFailed = "failed"
)

// retryDelay is the delay after a number of failed attempts. An event is never dropped.
func retryDelay(attempts int) time.Duration {
	delays := []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	return delays[min(attempts, len(delays))-1]
}

// Worker applies stored events. Any number of instances may run on one store.
type Worker struct {
	WorkerConfig
	stored chan struct{}
}

// WorkerConfig is what a Worker needs.
type WorkerConfig struct {
	Engine  storage.Engine
	Users   *identity.Service
	Clients *endpoint.Catalog
	Now     func() time.Time
	Logger  *slog.Logger
	// Observe counts an event with its outcome.
	Observe func(event, outcome string)
}

// NewWorker returns a worker.
func NewWorker(config WorkerConfig) *Worker {
	return &Worker{config, make(chan struct{}, 1)}
}

// Stored notifies the worker that this instance stored an event.
func (w *Worker) Stored() {
	select {
	case w.stored <- struct{}{}:
	default: // It will look for events anyway.
	}
}

// Run applies due events until ctx ends.
func (w *Worker) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-w.stored:
		}
		if err := w.ApplyDue(ctx); err != nil && ctx.Err() == nil {
			w.Logger.WarnContext(ctx, "WeChat's push events could not be read; they are applied later", "cause", err.Error())
		}
	}
}

// ApplyDue applies the events that are due.
func (w *Worker) ApplyDue(ctx context.Context) error {
	query := storage.Query{Order: storage.ByDue, DueBefore: w.Now(), Limit: pageSize}
	for {
		entries, next, err := storage.List[storage.PushEvent](ctx, w.Engine, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := w.claim(ctx, entry); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		query.After = next
	}
}

// claim applies an event, unless another instance does.
func (w *Worker) claim(ctx context.Context, entry *storage.Entry[storage.PushEvent]) error {
	next := entry.Record
	next.DueAt = storage.Instant(w.Now().Add(lease))
	claimed, err := entry.Replace(ctx, w.Engine, next)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease) // An event is completed when the server stops.
	defer cancel()
	next, err = w.apply(ctx, claimed.Record)
	outcome := next.Outcome
	if err != nil {
		outcome = OutcomeFailed
		next = claimed.Record
		next.Attempts++
		next.DueAt = storage.Instant(w.Now().Add(retryDelay(next.Attempts)))
		w.Logger.WarnContext(ctx, "an event of WeChat could not be applied; it is tried again", "directory", next.Directory, "client", next.Client,
			"event", next.Name, "attempt", next.Attempts, "again", next.DueAt, "cause", err.Error())
	}
	if outcome != "" { // An event of an earlier version, whose user is deleted later, has none.
		w.Observe(claimed.Record.Name, outcome)
	}
	_, err = claimed.Replace(ctx, w.Engine, next)
	if errors.Is(err, storage.ErrConflict) {
		return nil // The lease was over, and another instance has applied it.
	}
	return err
}

// apply applies an event and returns it with its outcome, or with the time when it goes on.
func (w *Worker) apply(ctx context.Context, event storage.PushEvent) (storage.PushEvent, error) {
	issuer, err := w.Clients.Directories.Get(ctx, event.Directory)
	if errors.Is(err, storage.ErrNotFound) {
		return w.done(event, OutcomeUnknownUser), nil
	}
	if err != nil {
		return event, err
	}
	about := identity.WeChatEvent{
		Directory: event.Directory, AppID: event.AppID, OpenID: event.OpenID, At: event.HappenedAt,
		Details: map[string]string{"event": event.Name},
	}
	if event.Name == wechat.EventUserRevoked {
		about.Details["revoked"] = strconv.Itoa(event.Revoked)
	}
	switch {
	case !event.DeletesAt.IsZero(): // An earlier version applied it.
		return w.completeDeregistration(ctx, event, about, issuer.Directory)
	case event.Name == wechat.EventUserDeregistered:
		return w.deregister(ctx, event, about, issuer.Directory)
	default:
		return w.withdraw(ctx, event, about)
	}
}

// clients returns the clients of an event's app: that of the push URL, or those that exchange the codes of a connection's mobile app.
// A website and an official account have none.
func (w *Worker) clients(ctx context.Context, event storage.PushEvent) (clients []string, err error) {
	if event.Client != "" {
		return []string{event.Client}, nil
	}
	query := storage.Query{Order: storage.ByCreated, Owner: event.Directory, Limit: storage.MaxPage}
	for {
		entries, next, err := storage.List[storage.Client](ctx, w.Engine, query)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if entry.Record.NativeApp == event.AppID {
				clients = append(clients, entry.Record.ID)
			}
		}
		if next == "" {
			return clients, nil
		}
		query.After = next
	}
}

func (w *Worker) withdraw(ctx context.Context, event storage.PushEvent, about identity.WeChatEvent) (storage.PushEvent, error) {
	clients, err := w.clients(ctx, event)
	if err != nil {
		return event, err
	}
	_, err = w.Users.Withdraw(ctx, about, withdrawal(event, clients))
	if errors.Is(err, identity.ErrUnknownUser) {
		return w.done(event, OutcomeUnknownUser), nil
	}
	return w.done(event, OutcomeWithdrawn), err
}

func (w *Worker) deregister(
	ctx context.Context, event storage.PushEvent, about identity.WeChatEvent, directory storage.Directory,
) (storage.PushEvent, error) {
	clients, err := w.clients(ctx, event)
	if err != nil {
		return event, err
	}
	result, err := w.Users.Deregister(ctx, about, clients, directory)
	switch {
	case errors.Is(err, identity.ErrUnknownUser):
		return w.done(event, OutcomeUnknownUser), nil
	case err != nil:
		return event, err
	case result.DeletesAt.IsZero():
		return w.done(event, OutcomeDetached), nil
	default:
		return w.done(event, OutcomeDeletionRequested), nil
	}
}

func (w *Worker) completeDeregistration(
	ctx context.Context, event storage.PushEvent, about identity.WeChatEvent, directory storage.Directory,
) (storage.PushEvent, error) {
	deleted, err := w.Users.CompleteDeregistration(ctx, about, directory)
	if err == nil && !deleted {
		return w.done(event, OutcomeKept), nil
	}
	return w.done(event, OutcomeDeleted), err
}

// done returns an applied event, without the user.
func (w *Worker) done(event storage.PushEvent, outcome string) storage.PushEvent {
	event.OpenID, event.Outcome, event.DueAt = "", outcome, time.Time{}
	event.ExpiresAt = storage.Instant(w.Now().Add(keepApplied))
	return event
}
