package grants

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/wechat"
)

// subject returns the user of a code, from an earlier exchange or from WeChat. With a ReplayResolver, concurrent requests with
// the same code share one WeChat call and its result.
func (h *MiniProgramHandler) subject(ctx context.Context, exchange Exchange) (Subject, error) {
	if err := ctx.Err(); err != nil {
		return Subject{}, Retry(err) // No caller waits any more, and the code is unspent.
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

// lead spends the code for all requests that wait for flight.
func (h *MiniProgramHandler) lead(ctx context.Context, key flightKey, flight *flight, exchange Exchange) (_ Subject, err error) {
	err = serverError(errors.New("grants: the request that spent the code panicked"))
	defer func() { h.flights.finish(key, flight, err) }()
	return h.prove(ctx, exchange)
}

// follow waits for the flight and returns its result: the grant of its leader, or the leader's error.
func (h *MiniProgramHandler) follow(ctx context.Context, flight *flight, exchange Exchange) (Subject, error) {
	select {
	case <-flight.done:
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

// prove spends the code and resolves the WeChat user. From here on it continues even when the caller disconnects.
func (h *MiniProgramHandler) prove(ctx context.Context, exchange Exchange) (Subject, error) {
	ctx, cancel := h.detached(ctx)
	defer cancel()
	exchanger := h.exchanger
	if exchange.SubjectTokenType == NativeAppTokenType {
		exchanger = h.nativeApps
	}
	session, err := exchanger.ExchangeCode(ctx, exchange.Client, exchange.Code)
	if errors.Is(err, wechat.ErrCodeUsed) && h.replays != nil {
		return h.afterUse(ctx, exchange, err)
	}
	if err != nil {
		return Subject{}, exchange.failure(err)
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

// afterUse waits for the grant of a code that WeChat reports as used. It does not wait if only this process could issue the
// grant and did not spend the code.
func (h *MiniProgramHandler) afterUse(ctx context.Context, exchange Exchange, cause error) (Subject, error) {
	if h.singleProcess && !h.spent.within(h.key(ctx, exchange), h.now(), h.replayWait) {
		subject, found, err := h.repeat(ctx, exchange)
		if found || err != nil {
			return subject, err
		}
		return Subject{}, NewCode("The code was used before, and not at this server: perhaps another backend of this app exchanged it. "+
			"Call "+exchange.source()+" again and send the new code here alone.", cause)
	}
	return h.await(ctx, exchange, cause)
}

func (h *MiniProgramHandler) key(ctx context.Context, exchange Exchange) flightKey {
	return flightKey{h.config.GetIDTokenIssuer(ctx), exchange.Client.GetID(), exchange.SubjectTokenType, exchange.Code}
}

// failure maps the failure of a CodeExchanger to the response, and names the function that returns a new code.
func (e Exchange) failure(err error) *Error {
	problem := FromWeChat(err)
	if e.SubjectTokenType != NativeAppTokenType {
		return problem
	}
	switch problem.Reason {
	case ReasonNewCode:
		return NewCode("WeChat rejects the code: it is unknown, expired, already used or of another app, or the response was lost. Call SendAuth again and send the new code within ten minutes.", err)
	case ReasonMisconfigured:
		return newError(fosite.ErrServerError, ReasonMisconfigured,
			"WeChat rejects this mobile app. Repeating does not help: the operator of this server has to correct the AppID or AppSecret of the connection.", err)
	default:
		return problem
	}
}

const firstPoll = 20 * time.Millisecond

// await polls for the grant that another request issues from this code, until the wait time is over.
func (h *MiniProgramHandler) await(ctx context.Context, exchange Exchange, cause error) (Subject, error) {
	lost := NewCode("The code was used before, and its result is not known here. Call "+exchange.source()+" again and send the new code.", cause)
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

// flightKey identifies a code: another client may have the same code text, and another issuer the same client ID.
type flightKey struct{ issuer, client, kind, code string }

// flights lets requests of one process with the same code share one WeChat call.
type flights struct {
	mu   sync.Mutex
	open map[flightKey]*flight
}

// flight is one WeChat call in progress. Only its leader spends the code; the others wait until it has landed.
type flight struct {
	done chan struct{}
	err  error // why the leader has no subject; written before landed is closed
}

// join returns the flight of key, and whether the caller leads it and must call land.
func (f *flights) join(key flightKey) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if open, ok := f.open[key]; ok {
		return open, false
	}
	led := &flight{done: make(chan struct{})}
	f.open[key] = led
	return led, true
}

// land publishes the result of the flight to the waiting requests. The next request with this code leads its own.
func (f *flights) finish(key flightKey, led *flight, err error) {
	led.err = err
	f.mu.Lock()
	delete(f.open, key)
	f.mu.Unlock()
	close(led.done)
}
