package ferretdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	// NotWritablePrimary answers, without executing the command, as a server that ceased to be the primary.
	NotWritablePrimary
	// WriteConcernError executes the command and answers that the majority did not confirm it in time.
	WriteConcernError
	// Executed executes the command and answers NotWritablePrimary: a failover between the two.
	Executed
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

// Once is for Proxy.Decide: the fault befalls the first command that matches, and none after it.
func Once(fault Fault, matches func(Command) bool) func(Command) Fault {
	var done atomic.Bool
	return func(command Command) Fault {
		if matches(command) && done.CompareAndSwap(false, true) {
			return fault
		}
		return Pass
	}
}

// Proxy passes wire messages between drivers and FerretDB, one at a time.
type Proxy struct {
	listener net.Listener
	backend  string
	turn     sync.Mutex // held from a command to its reply

	mu     sync.Mutex
	decide func(Command) Fault   // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
	down   bool                  // guarded by mu
}

// URI returns the connection string of a database behind the proxy.
func (p *Proxy) URI(database string) string {
	return fmt.Sprintf("mongodb://%s/%s?directConnection=true", p.listener.Addr(), database)
}

// Decide sets what happens to the commands from now on; nil passes all.
func (p *Proxy) Decide(decide func(Command) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// Down closes every connection and refuses new ones, until Up.
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

func startProxy(tb testing.TB, backend string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{listener: listener, backend: backend, open: map[net.Conn]struct{}{}}
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
	server, err := net.Dial("tcp", p.backend)
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

// execute passes one message and waits for its reply while nobody else's message is on its way.
func (p *Proxy) execute(server net.Conn, message []byte) ([]byte, error) {
	fault := p.fault(message)
	switch fault {
	case DropCommand:
		return nil, errDropped
	case NotWritablePrimary:
		return reply(message, notWritablePrimary()), nil
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	if _, err := server.Write(message); err != nil {
		return nil, err
	}
	answer, err := readMessage(server)
	switch {
	case err != nil:
		return nil, err
	case fault == DropReply:
		return nil, errDropped
	case fault == Executed:
		return reply(message, notWritablePrimary()), nil
	case fault == WriteConcernError:
		return reply(message, withWriteConcernError(answer)), nil
	}
	return answer, nil
}

func (p *Proxy) fault(message []byte) Fault {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	command, ok := parseCommand(message)
	if decide == nil || !ok {
		return Pass
	}
	return decide(command)
}

const (
	headerLength = 16
	opMsg        = 2013
	maxMessage   = 48 << 20
)

func readMessage(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n < headerLength || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := make([]byte, n)
	copy(message, length[:])
	_, err := io.ReadFull(from, message[4:])
	return message, err
}

// parseCommand reads the kind 0 section of an OP_MSG.
func parseCommand(message []byte) (Command, bool) {
	body, ok := commandBody(message)
	if !ok {
		return Command{}, false
	}
	elements, err := body.Elements()
	if err != nil || len(elements) == 0 {
		return Command{}, false
	}
	command := Command{Name: elements[0].Key(), Body: body}
	command.Collection, _ = elements[0].Value().StringValueOK()
	return command, true
}

func commandBody(message []byte) (bson.Raw, bool) {
	if binary.LittleEndian.Uint32(message[12:]) != opMsg || len(message) < headerLength+5 {
		return nil, false
	}
	for rest := message[headerLength+4:]; len(rest) > 5; {
		kind, size := rest[0], int(binary.LittleEndian.Uint32(rest[1:]))
		if size > len(rest)-1 {
			return nil, false
		}
		if kind == 0 {
			return bson.Raw(rest[1 : 1+size]), true
		}
		rest = rest[1+size:]
	}
	return nil, false
}

func notWritablePrimary() bson.D {
	return bson.D{
		{Key: "ok", Value: 0.0},
		{Key: "errmsg", Value: "not primary"},
		{Key: "code", Value: int32(10107)},
		{Key: "codeName", Value: "NotWritablePrimary"},
	}
}

func withWriteConcernError(answer []byte) bson.D {
	var body bson.D
	if raw, ok := commandBody(answer); ok {
		_ = bson.Unmarshal(raw, &body) // an answer that is none stays empty, and the driver refuses it
	}
	return append(body, bson.E{Key: "writeConcernError", Value: bson.D{
		{Key: "code", Value: int32(64)},
		{Key: "codeName", Value: "WriteConcernTimeout"},
		{Key: "errmsg", Value: "waiting for replication timed out"},
	}})
}

// reply builds the OP_MSG that answers request.
func reply(request []byte, body bson.D) []byte {
	raw, err := bson.Marshal(body)
	if err != nil {
		raw = []byte{5, 0, 0, 0, 0}
	}
	out := make([]byte, headerLength, headerLength+5+len(raw))
	binary.LittleEndian.PutUint32(out[0:], uint32(headerLength+5+len(raw)))
	copy(out[8:12], request[4:8])
	binary.LittleEndian.PutUint32(out[12:], opMsg)
	out = append(out, 0, 0, 0, 0, 0)
	return append(out, raw...)
}
