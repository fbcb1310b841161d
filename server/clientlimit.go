package server

import (
	"context"
	"time"
)

// clientLimits bounds what clients can do to this server: how many requests an authenticated one makes, whatever address they
// come from, and how many wrong secrets are tried, by the address they come from and by the client they are for.
type clientLimits struct {
	throttles *throttles
	pace      *pace
	// tries are how the last try of a client from an address ended, here.
	tries *outcomes
}

// check refuses a try that has to wait. A client that authenticated from this address last does not wait for what others did:
// anybody could lock it out by wrong secrets. Nor does one wait for its address that has not failed from there: an address can
// be many backends', of which one is set up wrong.
func (l *clientLimits) check(who caller, exists bool) error {
	good, known := l.tries.of(who)
	if known && good {
		return nil
	}
	var wait time.Duration
	if exists {
		wait = l.throttles.waits(who.byClient())
	}
	if known || !exists {
		wait = max(wait, l.throttles.waits(who.byAddress()))
	}
	if wait > 0 {
		return tooManyFailures(wait)
	}
	return nil
}

// failed counts a try that showed something wrong. Clients that do not exist are counted by the address alone.
func (l *clientLimits) failed(ctx context.Context, who caller, exists bool) {
	l.throttles.failed(ctx, who.byAddress())
	if exists {
		l.tries.note(who, false)
		l.throttles.failed(ctx, who.byClient())
	}
}

// authenticated counts a request of a client that proved to be it, or refuses one too many. A public client proves nothing,
// so that each address is counted for itself.
func (l *clientLimits) authenticated(who caller, public bool) error {
	paced := who
	if !public {
		l.tries.note(who, true)
		paced.network = "" // The same client, wherever it calls from.
	}
	if wait := l.pace.take(paced); wait > 0 {
		return tooManyRequests(wait)
	}
	return nil
}

func tooManyFailures(wait time.Duration) error {
	problem := tooMany(wait)
	problem.Protocol.DescriptionField = "Too many client authentications failed, for this client or from this address. Wait the seconds of Retry-After before the next try."
	return problem
}

func tooManyRequests(wait time.Duration) error {
	problem := tooMany(wait)
	problem.Protocol.DescriptionField = "This client sends more requests than it may. Wait the seconds of Retry-After."
	return problem
}
