package webhook

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// pollEvery is the interval at which new entries are looked for. A chain without new entries is read less often, up to maxPoll.
	pollEvery = time.Second
	maxPoll   = 10 * time.Second
	// storeRetry is the wait after an error of the store.
	storeRetry = 5 * time.Second
	// firstRetry is the wait after the first failed request. It doubles up to maxRetry.
	firstRetry = time.Second
	maxRetry   = 5 * time.Minute
	// giveWayAfter is the number of failed requests after which another process may try: only this one may have no way to the
	// receiver.
	giveWayAfter = 5
	// closeTimeout bounds the last write of a process that ends.
	closeTimeout = 2 * time.Second
	// maxFailure bounds the stored reason of a failure, in bytes.
	maxFailure = 300
)

// Config has the dependencies of a Sender; every field but Alone is required.
type Config struct {
	Engine storage.Engine
	// Alone means that only this process serves from the store, so that it need not wait for the lease of one that was killed.
	Alone bool
	// Post sends one batch, and returns an error unless the receiver accepted it. It must end within requestTimeout.
	Post   func(ctx context.Context, body []byte) error
	Now    func() time.Time
	Random io.Reader
	Logger *slog.Logger
}

// Sender sends the audit for one process. Only one goroutine may call Run or Step; State is safe for concurrent use.
type Sender struct {
	config  Config
	process string
	// lease is the record of the sender; nil while another process sends.
	lease *storage.Entry[storage.AuditSender]
	// listed is the beginning of the last chain of the list, and listAt when the list is read again.
	listed, listAt time.Time
	// chains are the chains that are not complete, and order their IDs in the order in which they are read.
	chains map[string]*chain
	order  []string
	// known are the chains of chains and those that are complete.
	known map[string]bool
	// waiting is the batch that the receiver has not accepted, or whose acceptance is not stored; nil for none.
	waiting *batch
	// failures is the number of failed requests in a row, and retryAt when the next one may be sent.
	failures int
	retryAt  time.Time

	mu    sync.Mutex
	state State
}

// State is what a process has sent, and what waits.
type State struct {
	// Sent are the entries that the receiver accepted from this process. Missed are those that were deleted before.
	Sent, Missed int64
	// Accepted and Failed are the requests.
	Accepted, Failed int64
	// WaitingSince is the time of the oldest entry that this process has to send; zero for none.
	WaitingSince time.Time
	sentAt       time.Time
	failure      string
}

// New returns a sender with a random process ID.
func New(config Config) (*Sender, error) {
	if config.Engine == nil || config.Post == nil || config.Now == nil || config.Random == nil || config.Logger == nil {
		return nil, errors.New("webhook: configuration needs Engine, Post, Now, Random and Logger")
	}
	var raw [16]byte
	if _, err := io.ReadFull(config.Random, raw[:]); err != nil {
		return nil, fmt.Errorf("webhook: randomness: %w", err)
	}
	process := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:]))
	return &Sender{config: config, process: process}, nil
}

// State returns what this process has sent, and what waits.
func (s *Sender) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Run sends until ctx ends. Then another process may send at once.
func (s *Sender) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			s.giveWay(closing)
			return
		case <-timer.C:
		}
		wait, err := s.Step(ctx)
		if err != nil && ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "the audit waits for the store before it is sent to the webhook", "cause", err.Error())
			wait = storeRetry
		}
		timer.Reset(wait)
	}
}

// Step sends at most one batch, and returns how long to wait before the next step. An error is one of the store.
func (s *Sender) Step(ctx context.Context) (wait time.Duration, err error) {
	if rest := s.retryAt.Sub(s.now()); s.lease == nil && rest > 0 {
		return rest, nil
	}
	if wait, err := s.lead(ctx); err != nil || s.lease == nil {
		return wait, err
	}
	if rest := s.retryAt.Sub(s.now()); rest > 0 {
		return min(rest, leaseTime/4), nil
	}
	if s.waiting == nil {
		next, err := s.collect(ctx)
		if err != nil || next == nil {
			return pollEvery, err
		}
		s.waiting = next
	}
	if !s.waiting.accepted && !s.post(ctx) {
		return 0, nil
	}
	if err := s.store(ctx); err != nil {
		return 0, err
	}
	return 0, nil
}

// post sends the waiting batch, and reports whether the receiver accepted it.
func (s *Sender) post(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.config.Post(ctx, s.waiting.body())
	if err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return false // The process ends.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.waiting.accepted, s.failures, s.retryAt = true, 0, time.Time{}
		s.state.Accepted++
		s.state.Sent += int64(len(s.waiting.entries))
		s.state.Missed += s.waiting.missedEntries()
		s.state.sentAt, s.state.failure = s.now(), ""
		return true
	}
	s.failures++
	s.retryAt = s.now().Add(s.backoff())
	s.state.Failed++
	s.state.failure = bounded(err.Error())
	s.config.Logger.WarnContext(ctx, "the webhook does not accept the audit", "failures", s.failures, "retry_at", s.retryAt, "cause", err.Error())
	return false
}

// backoff returns the wait after a failed request: doubled by each failure, and up to a quarter longer, so that instances do not
// call together.
func (s *Sender) backoff() time.Duration {
	wait := maxRetry
	if s.failures < 10 {
		wait = min(maxRetry, firstRetry<<(s.failures-1))
	}
	var random [1]byte
	_, _ = io.ReadFull(s.config.Random, random[:]) // Without randomness, the wait is not longer.
	return wait + wait/4*time.Duration(random[0])/256
}

func (s *Sender) now() time.Time { return storage.Instant(s.config.Now()) }

// bounded returns the beginning of a text.
func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxFailure)], "")
}
