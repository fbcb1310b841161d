package server

import (
	"context"
	"time"

	"github.com/minifed/minifed/storage"
)

// clientLimits bounds what clients can do to this server: how many requests an authenticated one makes, whatever address they
// come from, and how many wrong secrets are tried, by the address they come from and by the client they are for.
type clientLimits struct {
	throttles *throttles
	pace      *pace
	// proven are the clients that authenticated from an address lately: those are not kept waiting for what others did.
	proven *lately
}

// byAddress counts the failed authentications from one network, whichever client they name. A network can be many callers.
func byAddress() throttle { return throttle{name: "client_address", free: 60, most: 5 * time.Minute} }

// byClient counts the failed authentications of one client.
func byClient() throttle { return throttle{name: "client", free: 20, most: time.Minute} }

// caller is one try to authenticate.
type caller struct {
	directory string
	client    string
	network   string
}

func (c caller) byAddress() subject { return subject{c.directory, byAddress(), c.network} }

func (c caller) byClient() subject { return subject{c.directory, byClient(), c.client} }

func (c caller) String() string { return storage.Key(c.directory, c.client) + " " + c.network }

// check refuses a try that has to wait. A client that authenticated from this address lately does not: otherwise anybody
// could lock it out by wrong secrets.
func (l *clientLimits) check(who caller) error {
	wait := max(l.throttles.waits(who.byAddress()), l.throttles.waits(who.byClient()))
	if wait == 0 || l.proven.has(who.String()) {
		return nil
	}
	return tooManyFailures(wait)
}

// failed counts a try that showed something wrong. Clients that do not exist are counted by the address alone.
func (l *clientLimits) failed(ctx context.Context, who caller, exists bool) {
	l.proven.remove(who.String())
	l.throttles.failed(ctx, who.byAddress())
	if exists {
		l.throttles.failed(ctx, who.byClient())
	}
}

// authenticated counts a request of a client that proved to be it, or refuses one too many. A public client proves nothing,
// so that each address is counted for itself.
func (l *clientLimits) authenticated(who caller, public bool) error {
	paced := storage.Key(who.directory, who.client)
	if public {
		paced = who.String()
	} else {
		l.proven.add(who.String())
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
