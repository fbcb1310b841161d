package clientauth

import (
	"context"
	"time"

	"github.com/minifed/minifed/server/ratelimit"
)

// Limits bounds what clients can do to this server: how many requests an authenticated one makes, whatever address they
// come from, and how often secrets are guessed.
//
// A generated secret has 256 bits: failures are counted by address alone, and a right one is never refused. A chosen secret can
// be guessed, so its failures are counted by client too, and tries have to wait before it is verified. At an address where the
// client authenticated before they are counted apart: others' failures are not held against it.
type Limits struct {
	Lockout *ratelimit.Lockout
	Rate    *ratelimit.RateLimiter
	// History is what this instance knows of a client with a chosen secret at an address.
	History *ratelimit.AuthHistory
}

// mayGuess returns an error while a try at a chosen secret has to wait.
func (l *Limits) mayGuess(who ratelimit.Caller) error {
	known := l.History.Of(who)
	if known.Succeeded {
		return waitFor(l.Lockout.Wait(who.ByClientAtAddress()))
	}
	wait := l.Lockout.Wait(who.ClientKey())
	if known.Failed { // Otherwise the address can be that of many backends, of which another one is set up wrong.
		wait = max(wait, l.Lockout.Wait(who.AddressKey()))
	}
	return waitFor(wait)
}

// failed counts a wrong secret or key of what cannot be guessed. While the address has to wait it returns an error that says how
// long, and counts nothing.
func (l *Limits) failed(ctx context.Context, who ratelimit.Caller) error {
	if wait := l.Lockout.Wait(who.AddressKey()); wait > 0 {
		return tooManyFailures(wait)
	}
	l.Lockout.Failed(ctx, who.AddressKey())
	return nil
}

// guessed counts a wrong secret of a client whose secret was chosen.
func (l *Limits) guessed(ctx context.Context, who ratelimit.Caller) {
	count := who.ClientKey()
	if l.History.Of(who).Succeeded {
		count = who.ByClientAtAddress()
	}
	l.History.Note(who, false)
	l.Lockout.Failed(ctx, who.AddressKey())
	l.Lockout.Failed(ctx, count)
}

// proved remembers that a client with a chosen secret showed it from an address.
func (l *Limits) proved(who ratelimit.Caller) { l.History.Note(who, true) }

// authenticated counts a request of an authenticated client, or returns an error for one too many. A public client proves
// nothing, so that each address is counted for itself.
func (l *Limits) authenticated(who ratelimit.Caller, public bool) error {
	if !public {
		who.Network = "" // The same client, wherever it calls from.
	}
	if wait := l.Rate.Take(who); wait > 0 {
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
	problem := ratelimit.TooManyRequests(wait)
	problem.Protocol.DescriptionField = "Too many client authentications failed, for this client or from this address. Wait the seconds of Retry-After before the next try."
	return problem
}

func tooManyRequests(wait time.Duration) error {
	problem := ratelimit.TooManyRequests(wait)
	problem.Protocol.DescriptionField = "This client sends more requests than it may. Wait the seconds of Retry-After."
	return problem
}
