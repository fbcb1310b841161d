package grants

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/minifed/minifed/wechat"
)

// subject says who the user is: whom this code named before, or whom WeChat names now. Requests that carry the same code at
// the same time share one WeChat call when there is a ReplayResolver, which then gives all of them the one answer.
func (h *MiniProgramHandler) subject(ctx context.Context, exchange Exchange) (Subject, error) {
	if err := ctx.Err(); err != nil {
		return Subject{}, Retry(err) // Nobody waits any more, and the code is still good.
	}
	if h.replays == nil {
		return h.prove(ctx, exchange)
	}
	subject, found, err := h.repeat(ctx, exchange)
	if found || err != nil {
		return subject, err
	}
	key := h.key(ctx, exchange)
	flight, leads := h.flights.join(key)
	if leads {
		return h.lead(ctx, key, flight, exchange)
	}
	return h.follow(ctx, flight, exchange)
}

// lead spends the code on behalf of all who wait for flight.
func (h *MiniProgramHandler) lead(ctx context.Context, key flightKey, flight *flight, exchange Exchange) (_ Subject, err error) {
	err = serverError(errors.New("grants: the request that spent the code panicked"))
	defer func() { h.flights.land(key, flight, err) }()
	return h.prove(ctx, exchange)
}

// follow waits for the flight and takes its answer: the grant that its leader makes, or else the error that it met.
func (h *MiniProgramHandler) follow(ctx context.Context, flight *flight, exchange Exchange) (Subject, error) {
	select {
	case <-flight.landed:
	case <-ctx.Done():
		return Subject{}, Retry(ctx.Err())
	}
	if flight.err == nil {
		return h.await(ctx, exchange, nil)
	}
	subject, found, err := h.repeat(ctx, exchange)
	if found || err != nil {
		return subject, err
	}
	return Subject{}, flight.err
}

// prove spends the code and resolves who WeChat says it is. From here on the caller's hanging up changes nothing.
func (h *MiniProgramHandler) prove(ctx context.Context, exchange Exchange) (Subject, error) {
	ctx, cancel := h.detached(ctx)
	defer cancel()
	session, err := h.exchanger.ExchangeCode(ctx, exchange.Client, exchange.Code)
	if errors.Is(err, wechat.ErrCodeUsed) && h.replays != nil {
		return h.afterUse(ctx, exchange, err)
	}
	if err != nil {
		return Subject{}, FromWeChat(err)
	}
	if h.singleProcess {
		h.spent.add(h.key(ctx, exchange), h.now())
	}
	subject, err := h.resolver.ResolveSubject(ctx, exchange, session)
	if err != nil {
		return Subject{}, protocolError(err)
	}
	return subject, nil
}

// afterUse waits for the grant of a code that WeChat calls used, unless only this process could make it and did not spend the
// code.
func (h *MiniProgramHandler) afterUse(ctx context.Context, exchange Exchange, cause error) (Subject, error) {
	if h.singleProcess && !h.spent.within(h.key(ctx, exchange), h.now(), h.replayWait) {
		subject, found, err := h.repeat(ctx, exchange)
		if found || err != nil {
			return subject, err
		}
		return Subject{}, NewCode("The code was used before, and not at this server: perhaps another backend of this mini-program exchanged it. "+
			"Call wx.login again and send the new code here alone.", cause)
	}
	return h.await(ctx, exchange, cause)
}

func (h *MiniProgramHandler) key(ctx context.Context, exchange Exchange) flightKey {
	return flightKey{h.config.GetIDTokenIssuer(ctx), exchange.Client.GetID(), exchange.Code}
}

const firstPoll = 20 * time.Millisecond

// await asks for the grant that another request makes from this code, until it is there or can be expected no longer.
func (h *MiniProgramHandler) await(ctx context.Context, exchange Exchange, cause error) (Subject, error) {
	lost := NewCode("The code was used before, and what came of it is not known here. Call wx.login again and send the new code.", cause)
	for pause, waited := firstPoll, time.Duration(0); ; pause, waited = 2*pause, waited+pause {
		subject, found, err := h.repeat(ctx, exchange)
		if found || err != nil {
			return subject, err
		}
		if pause = min(pause, h.replayWait-waited); pause <= 0 {
			return Subject{}, lost
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Subject{}, lost
		}
	}
}

func (h *MiniProgramHandler) repeat(ctx context.Context, exchange Exchange) (Subject, bool, error) {
	subject, found, err := h.replays.ResolveReplay(ctx, exchange)
	if err != nil {
		return Subject{}, false, protocolError(err)
	}
	return subject, found, nil
}

// flightKey tells codes apart: the same text may be another client's code, and the same client ID another issuer's client.
type flightKey struct{ issuer, client, code string }

// flights lets requests of one process that carry the same code share one WeChat call.
type flights struct {
	mu   sync.Mutex
	open map[flightKey]*flight
}

// flight is one code on its way. Only its leader spends the code; the others wait until it has landed.
type flight struct {
	landed chan struct{}
	err    error // why the leader has no subject; written before landed is closed
}

// join returns the flight of key, and whether the caller leads it and so has to land it.
func (f *flights) join(key flightKey) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if open, ok := f.open[key]; ok {
		return open, false
	}
	led := &flight{landed: make(chan struct{})}
	f.open[key] = led
	return led, true
}

// land tells those who wait how the flight ended, and lets the next request with this code lead its own.
func (f *flights) land(key flightKey, led *flight, err error) {
	led.err = err
	f.mu.Lock()
	delete(f.open, key)
	f.mu.Unlock()
	close(led.landed)
}
