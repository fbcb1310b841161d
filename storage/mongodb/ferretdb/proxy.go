package ferretdb

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Fault is what the proxy does to a command instead of passing its reply on.
type Fault int

const (
	// Pass passes the command and its reply.
	Pass Fault = iota
	// DropReply executes the command and closes the connection instead of passing the reply.
	DropReply
	// DropCommand closes the connection without executing the command.
	DropCommand
	// NotWritablePrimary does not execute the command, and replies as a server that is no longer the primary.
	NotWritablePrimary
	// WriteConcernError executes the command and replies that the majority did not confirm it in time.
	WriteConcernError
	// Executed executes the command and replies NotWritablePrimary: a failover between the two.
	Executed
	// Stale replies to a find with the previous reply to the same find: the majority does not yet have the primary's latest
	// data.
	Stale
	// IndexInTheWay does not execute the command, and replies as a server whose collection has another index of that key.
	IndexInTheWay
)

// Command is one command on its way to the server.
type Command struct {
	// Name is the command's name, such as "update".
	Name string
	// Collection is its first argument, when that is text.
	Collection string
	// Body is the command document.
	Body bson.Raw
}

// IsWrite reports whether a command changes documents.
func IsWrite(command Command) bool {
	return slices.Contains([]string{"insert", "update", "delete", "findAndModify"}, command.Name)
}

// IsRead reports whether a command reads documents.
func IsRead(command Command) bool { return command.Name == "find" }

// Once is for Proxy.Decide: the fault befalls the first command that matches, and none after it.
func Once(fault Fault, matches func(Command) bool) func(Command) Fault {
	return Nth(0, 1, fault, matches)
}

// Nth is for Proxy.Decide: of the commands that match, the fault befalls count ones after the first skip.
func Nth(skip, count int, fault Fault, matches func(Command) bool) func(Command) Fault {
	var seen atomic.Int64
	return func(command Command) Fault {
		if !matches(command) {
			return Pass
		}
		if n := int(seen.Add(1)); n <= skip || n > skip+count {
			return Pass
		}
		return fault
	}
}

// Proxy passes wire messages between drivers and a server: FerretDB's one at a time among all proxies of the Server.
type Proxy struct {
	listener net.Listener
	server   *Server
	// looks rewrites the server's reply to hello, given the proxy's address.
	looks func(address string) func(bson.D) bson.D
	// replicaSet says that it looks like the primary of a replica set, so that drivers send retryable writes.
	replicaSet bool

	mu     sync.Mutex
	decide func(Command) Fault   // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
	down   bool                  // guarded by mu
	// found is the last reply to each find, by collection and filter; guarded by mu.
	found map[string][]byte
	// written is the reply to each retryable write, by session and number; guarded by mu.
	written map[string][]byte
}

// URI returns the connection string of a database behind the proxy, with more options if there are any.
func (p *Proxy) URI(database string, options ...string) string {
	return p.server.uri(p.listener.Addr().String(), database, p.replicaSet, options)
}

// Decide sets what happens to the commands from now on; nil passes all.
func (p *Proxy) Decide(decide func(Command) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// Down closes every connection and rejects new ones, until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for conn := range p.open {
		_ = conn.Close()
	}
}

// Up ends Down.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func startProxy(tb testing.TB, server *Server, looks func(address string) func(bson.D) bson.D) *Proxy {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		listener: listener, server: server, looks: looks,
		open: map[net.Conn]struct{}{}, found: map[string][]byte{}, written: map[string][]byte{},
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(client) })
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		p.Down()
		running.Wait()
	})
	return p
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	if !p.register(client) {
		return
	}
	defer p.forget(client)
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), "tcp", p.server.address)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		message, err := readMessage(client)
		if err != nil {
			return
		}
		reply, err := p.execute(server, message)
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

func (p *Proxy) register(client net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	p.open[client] = struct{}{}
	return true
}

func (p *Proxy) forget(client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, client)
}

var errDropped = errors.New("dropped")

// execute passes one message and waits for its reply, without another message in progress.
func (p *Proxy) execute(server net.Conn, message []byte) ([]byte, error) {
	command, _ := parseCommand(message)
	fault := p.fault(command)
	switch fault {
	case DropCommand:
		return nil, errDropped
	case NotWritablePrimary:
		return notWritablePrimary(message), nil
	case IndexInTheWay:
		return failed(message, 85, "IndexOptionsConflict"), nil
	case Stale:
		if stale, ok := p.lastFound(command); ok {
			return addressed(stale, message), nil
		}
	case Pass, DropReply, WriteConcernError, Executed:
	}
	answer, err := p.pass(server, command, message)
	switch {
	case err != nil:
		return nil, err
	case fault == DropReply:
		return nil, errDropped
	case fault == Executed:
		return notWritablePrimary(message), nil
	case fault == WriteConcernError:
		return edited(answer, withWriteConcernError), nil
	}
	p.keepFound(command, answer)
	return answer, nil
}

// pass sends a message to the server. FerretDB executes one at a time. A repeated retryable write gets the reply of the first,
// as in a replica set.
func (p *Proxy) pass(server net.Conn, command Command, message []byte) ([]byte, error) {
	number := ""
	if !p.server.IsMongoDB() {
		p.server.turn.Lock()
		defer p.server.turn.Unlock()
		if number = command.retryNumber(); number != "" {
			if answer, ok := p.lastWritten(number); ok {
				return addressed(answer, message), nil
			}
		}
		message = edited(message, withoutSession)
	}
	if _, err := server.Write(message); err != nil {
		return nil, err
	}
	answer, err := readMessage(server)
	if err != nil {
		return nil, err
	}
	p.keepWritten(number, answer)
	if command.isHello() || opcode(answer) == opReply {
		answer = edited(answer, p.looks(p.listener.Addr().String()))
	}
	return answer, nil
}

func (p *Proxy) fault(command Command) Fault {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide == nil || command.Name == "" {
		return Pass
	}
	return decide(command)
}

func (p *Proxy) lastFound(command Command) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, ok := p.found[command.question()]
	return answer, ok
}

func (p *Proxy) keepFound(command Command, answer []byte) {
	if !IsRead(command) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found[command.question()] = answer
}

func (p *Proxy) lastWritten(number string) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, ok := p.written[number]
	return answer, ok
}

func (p *Proxy) keepWritten(number string, answer []byte) {
	if number == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written[number] = answer
}

// question is what a find asks, without what differs from one time to the next.
func (c Command) question() string {
	return c.Collection + "\x00" + string(c.Body.Lookup("filter").Value)
}

// retryNumber is the session and the number of a retryable write; empty for anything else.
func (c Command) retryNumber() string {
	number, err := c.Body.LookupErr("txnNumber")
	if err != nil {
		return ""
	}
	return string(c.Body.Lookup("lsid").Value) + string(number.Value)
}

func (c Command) isHello() bool {
	return slices.Contains([]string{"hello", "isMaster", "ismaster"}, c.Name)
}
