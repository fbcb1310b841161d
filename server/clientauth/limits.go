package clientauth

import (
	"context"
	"time"

	"github.com/minifed/minifed/server/ratelimit"
)

// Limits bounds the requests of authenticated clients, from all their addresses together, and the guesses at secrets.
//
// A generated secret has 256 bits. Its failures are counted by address only, and the right one is always accepted. A chosen
// secret can be guessed: its failures are also counted by client, and attempts have to wait before it is verified. At an address
// where the client authenticated before they are counted separately, so that failures elsewhere do not block it.
type Limits struct {
	Lockout *ratelimit.Lockout
	Rate    *ratelimit.RateLimiter
	// History records where clients with a chosen secret authenticated, at this instance.
	History *ratelimit.AuthHistory
}

// checkGuess returns an error while an attempt at a chosen secret has to wait.
func (l *Limits) checkGuess(who ratelimit.Caller) error {
	known := l.History.Of(who)
	if known.Succeeded {
		return waitFor(l.Lockout.Wait(who.ByClientAtAddress()))
	}
	wait := l.Lockout.Wait(who.ClientKey())
	if known.Failed { // Otherwise the failures may be those of another backend at the same address.
		wait = max(wait, l.Lockout.Wait(who.AddressKey()))
	}
	return waitFor(wait)
}

// failed counts a wrong generated secret or key. While the address has to wait it counts nothing, and returns an error with
// the remaining time.
func (l *Limits) failed(ctx context.Context, who ratelimit.Caller) error {
	if wait := l.Lockout.Wait(who.AddressKey()); wait > 0 {
		return tooManyFailures(wait)
	}
	l.Lockout.Failed(ctx, who.AddressKey())
	return nil
}

// guessFailed counts a wrong secret of a client with a chosen secret.
func (l *Limits) guessFailed(ctx context.Context, who ratelimit.Caller) {
	count := who.ClientKey()
	if l.History.Of(who).Succeeded {
		count = who.ByClientAtAddress()
	}
	l.History.Note(who, false)
	l.Lockout.Failed(ctx, who.AddressKey())
	l.Lockout.Failed(ctx, count)
}

// guessSucceeded records that a client with a chosen secret authenticated from an address.
func (l *Limits) guessSucceeded(who ratelimit.Caller) { l.History.Note(who, true) }

// authenticated counts a request of an authenticated client, or returns an error above the limit. A public client is not
// authenticated, so that each address has its own limit.
func (l *Limits) authenticated(who ratelimit.Caller, public bool) error {
	if !public {
		who.Network = "" // One limit for all addresses of the client.
	}
	if wait := l.Rate.Take(who); wait > 0 {
		return tooManyRequests(wait)
	}
	return nil
}

// waitFor returns tooManyFailures, or nil without a wait.
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
