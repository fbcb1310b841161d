package wechattest

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Fault is the failure of one call. The zero value is no fault: queued, it lets one call pass. A fault that replaces the
// response also suppresses the call's effect (spending a code, creating a token), unless Spend is set. So a drop, a 502 or an
// errcode with Spend is a response lost after WeChat acted. Without Spend, WeChat never acted on the call.
type Fault struct {
	// User limits the fault to calls about this user; empty means any.
	User string
	// Times is how many calls it hits; 0 means one, negative means all until Heal.
	Times int
	// Spend lets the call take effect first, before the delay and the response.
	Spend bool
	// Gate holds the call until it is opened; nil means it is not held.
	Gate *Gate
	// Delay holds the call for some time.
	Delay time.Duration

	// Errcode is returned in place of the result; 0 means none.
	Errcode int
	// Quoted writes the errcode as a string, as one of WeChat's samples has it.
	Quoted bool
	// Status is returned as the HTTP status, with a page of HTML as gateways send; 0 means none.
	Status int
	// Drop closes the connection in place of a response.
	Drop Drop
	// Truncate sends only the first half of the response; with Drop, the connection is closed in the middle of it.
	Truncate bool
}

// Drop is how a connection is closed.
type Drop string

// The ways to close a connection.
const (
	FIN Drop = "fin"
	RST Drop = "rst"
)

// Gate holds calls until it is opened.
type Gate struct {
	arrived chan struct{}
	open    chan struct{}
	once    sync.Once
}

// NewGate returns a closed gate.
func NewGate() *Gate {
	return &Gate{arrived: make(chan struct{}, 4096), open: make(chan struct{})}
}

// Arrived receives a value for each call that reached the gate.
func (g *Gate) Arrived() <-chan struct{} { return g.arrived }

// Open lets the held calls go on, and later ones pass.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

// Gate returns the gate of a name, a closed one if it is new. The control API knows gates by name.
func (s *Server) Gate(name string) *Gate {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := s.gates[name]
	if gate == nil {
		gate = NewGate()
		s.gates[name] = gate
	}
	return gate
}

// Fail queues faults for a call of the app: the next call of it that the first of them fits takes that one, and so on.
func (a *App) Fail(api API, faults ...Fault) {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, fault := range faults {
		fault.Times = cmp.Or(fault.Times, 1)
		a.faults[api] = append(a.faults[api], &fault)
	}
}

// Heal drops the queued faults of all calls of the app.
func (a *App) Heal() {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	clear(a.faults)
}

// takeFault takes the first fault that fits the call from the queue.
func (s *Server) takeFault(in *incoming) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.app == nil {
		return Fault{}
	}
	queue := in.app.faults[in.API]
	for i, fault := range queue {
		if fault.User != "" && fault.User != in.User {
			continue
		}
		fault.Times--
		if fault.Times == 0 {
			in.app.faults[in.API] = append(queue[:i:i], queue[i+1:]...)
		}
		return *fault
	}
	return Fault{}
}

// respond handles a call as far as the fault lets it. A call whose client hung up meanwhile takes effect all the same, as
// it does at WeChat.
func (s *Server) respond(ctx context.Context, in *incoming, fault Fault) reply {
	var answer reply
	if fault.Spend {
		answer = s.handle(in)
	}
	fault.wait(ctx)
	switch {
	case fault.Errcode != 0 && fault.Quoted:
		answer = in.failureText(fault.Errcode, `"`+strconv.Itoa(fault.Errcode)+`"`)
	case fault.Errcode != 0:
		answer = in.failure(fault.Errcode)
	case fault.Status != 0:
		answer = reply{status: fault.Status, contentType: "text/html", body: []byte("<html><body><h1>" + strconv.Itoa(fault.Status) + " " + http.StatusText(fault.Status) + "</h1></body></html>")}
	case fault.Drop != "" && !fault.Truncate, fault.Spend:
	default:
		answer = s.handle(in)
	}
	answer.drop, answer.cut = fault.Drop, fault.Drop != "" && fault.Truncate
	if fault.Truncate && fault.Drop == "" {
		answer.body = answer.body[:len(answer.body)/2]
	}
	return answer
}

func (f Fault) wait(ctx context.Context) {
	if f.Gate != nil {
		f.Gate.arrive()
		select {
		case <-f.Gate.open:
		case <-ctx.Done():
		}
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

func (g *Gate) arrive() {
	select {
	case g.arrived <- struct{}{}:
	default:
	}
}
