package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// leaseTime is how long other processes wait after the one that sends was killed.
	leaseTime = 30 * time.Second
	// requestTimeout bounds one request. It is shorter than what a lease has at least when a request is sent.
	requestTimeout = 10 * time.Second
	// followEvery is how often a process that does not send looks for the record of the sender.
	followEvery = 10 * time.Second
)

// lead takes or renews the record of the sender. Afterwards lease is nil if another process sends.
func (s *Sender) lead(ctx context.Context) (wait time.Duration, err error) {
	now := s.now()
	if s.lease != nil && s.failures >= giveWayAfter && now.Before(s.retryAt) {
		s.giveWay(ctx)
		return s.retryAt.Sub(now), nil
	}
	if s.lease != nil && s.lease.Record.Until.Sub(now) > leaseTime/2 {
		return 0, nil
	}
	held, err := storage.Get[storage.AuditSender](ctx, s.config.Engine, storage.AuditSenderID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		held, err = storage.Insert(ctx, s.config.Engine, s.record(storage.AuditSender{}, now.Add(leaseTime)))
	case err != nil:
	case held.Record.Process != s.process && now.Before(held.Record.Until) && !s.config.Alone:
		s.forget()
		s.mu.Lock()
		s.state.WaitingSince = time.Time{}
		s.mu.Unlock()
		return min(followEvery, held.Record.Until.Sub(now)), nil
	default:
		held, err = held.Replace(ctx, s.config.Engine, s.record(held.Record, now.Add(leaseTime)))
	}
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) {
		s.forget()
		return followEvery, nil
	}
	if err != nil {
		return storeRetry, err
	}
	if s.lease == nil {
		if err := s.load(ctx); err != nil {
			return storeRetry, err
		}
	}
	s.lease = held
	return 0, nil
}

// record returns the record of this process as the sender.
func (s *Sender) record(before storage.AuditSender, until time.Time) storage.AuditSender {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := storage.AuditSender{Process: s.process, Until: until, SentAt: before.SentAt, WaitingSince: s.state.WaitingSince, Failure: s.state.failure}
	if s.state.sentAt.After(next.SentAt) {
		next.SentAt = s.state.sentAt
	}
	if s.state.Accepted+s.state.Failed == 0 { // It continues the work of another process.
		next.WaitingSince, next.Failure = before.WaitingSince, before.Failure
	}
	return next
}

// giveWay lets another process send at once. What it cannot write, the end of the lease does.
func (s *Sender) giveWay(ctx context.Context) {
	if s.lease == nil {
		return
	}
	_, err := s.lease.Replace(ctx, s.config.Engine, s.record(s.lease.Record, s.now()))
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		s.config.Logger.WarnContext(ctx, "another instance sends the audit to the webhook only when the lease ends", "cause", err.Error())
	}
	s.forget()
}

// forget drops what only the sender knows: another process may have continued.
func (s *Sender) forget() {
	s.lease, s.waiting, s.chains, s.order, s.known = nil, nil, nil, nil, nil
	s.listed, s.listAt = time.Time{}, time.Time{}
}
