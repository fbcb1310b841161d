package server

import (
	"context"
	"time"
)

// clientLimits bounds what clients can do to this server: how many requests an authenticated one makes, whatever address they
// come from, and how often secrets are guessed.
//
// A generated secret has 256 bits: failures are counted by address alone, and a right one is never refused. A chosen secret can
// be guessed, so its failures are counted by client too, and tries have to wait before it is verified. At an address where the
// client authenticated before they are counted apart: others' failures are not held against it.
type clientLimits struct {
	throttles *throttles
	pace      *pace
	// tries is what this instance knows of a client with a chosen secret at an address.
	tries *authHistory
}

// mayGuess returns an error while a try at a chosen secret has to wait.
func (l *clientLimits) mayGuess(who caller) error {
	known := l.tries.of(who)
	if known.succeeded {
		return waitFor(l.throttles.waits(who.byClientAtAddress()))
	}
	wait := l.throttles.waits(who.byClient())
	if known.failed { // Otherwise the address can be that of many backends, of which another one is set up wrong.
		wait = max(wait, l.throttles.waits(who.byAddress()))
	}
	return waitFor(wait)
}

// failed counts a wrong secret or key of what cannot be guessed. While the address has to wait it returns an error that says how
// long, and counts nothing.
func (l *clientLimits) failed(ctx context.Context, who caller) error {
	if wait := l.throttles.waits(who.byAddress()); wait > 0 {
		return tooManyFailures(wait)
	}
	l.throttles.failed(ctx, who.byAddress())
	return nil
}

// guessed counts a wrong secret of a client whose secret was chosen.
func (l *clientLimits) guessed(ctx context.Context, who caller) {
	count := who.byClient()
	if l.tries.of(who).succeeded {
		count = who.byClientAtAddress()
	}
	l.tries.note(who, false)
	l.throttles.failed(ctx, who.byAddress())
	l.throttles.failed(ctx, count)
}

// proved remembers that a client with a chosen secret showed it from an address.
func (l *clientLimits) proved(who caller) { l.tries.note(who, true) }

// authenticated counts a request of an authenticated client, or returns an error for one too many. A public client proves
// nothing, so that each address is counted for itself.
func (l *clientLimits) authenticated(who caller, public bool) error {
	if !public {
		who.network = "" // The same client, wherever it calls from.
	}
	if wait := l.pace.take(who); wait > 0 {
		return tooManyRequests(wait)
	}
	return nil
}

// waitFor is tooManyFailures, or nil without a wait.
func waitFor(wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	return tooManyFailures(wait)
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
