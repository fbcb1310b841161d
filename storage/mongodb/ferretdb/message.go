package ferretdb

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
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

const (
	headerLength = 16
	// A lead is what comes before the document of an OP_REPLY, and before the sections of an OP_MSG.
	leadOfReply = headerLength + 20
	leadOfMsg   = headerLength + 4

	opReply = 1
	opMsg   = 2013

	maxMessage = 48 << 20
)

func opcode(message []byte) uint32 { return binary.LittleEndian.Uint32(message[12:]) }

// parseCommand reads an OP_MSG.
func parseCommand(message []byte) (Command, bool) {
	from, to, ok := document(message)
	if !ok || opcode(message) != opMsg {
		return Command{}, false
	}
	body := bson.Raw(message[from:to])
	elements, err := body.Elements()
	if err != nil || len(elements) == 0 {
		return Command{}, false
	}
	command := Command{Name: elements[0].Key(), Body: body}
	command.Collection, _ = elements[0].Value().StringValueOK()
	return command, true
}

// document finds the document of an OP_MSG (its section of kind 0) or of an OP_REPLY.
func document(message []byte) (from, to int, ok bool) {
	switch opcode(message) {
	case opReply:
		return leadOfReply, len(message), len(message) > leadOfReply
	case opMsg:
	default:
		return 0, 0, false
	}
	for at := leadOfMsg; at+5 < len(message); {
		size := int(binary.LittleEndian.Uint32(message[at+1:]))
		if size < 5 || at+1+size > len(message) {
			return 0, 0, false
		}
		if message[at] == 0 {
			return at + 1, at + 1 + size, true
		}
		at += 1 + size
	}
	return 0, 0, false
}

// edited is a message with another document; one without a document stays as it is.
func edited(message []byte, edit func(bson.D) bson.D) []byte {
	from, to, ok := document(message)
	if !ok {
		return message
	}
	var body bson.D
	if bson.Unmarshal(message[from:to], &body) != nil {
		return message
	}
	raw, err := bson.Marshal(edit(body))
	if err != nil {
		return message
	}
	return withLength(slices.Concat(message[:from], raw, message[to:]))
}

// addressed is a copy of a reply with the request ID of request.
func addressed(reply, request []byte) []byte {
	reply = slices.Clone(reply)
	copy(reply[8:12], request[4:8])
	return reply
}

func withLength(message []byte) []byte {
	binary.LittleEndian.PutUint32(message, uint32(len(message)))
	return message
}

// notWritablePrimary returns the reply of a server that is no longer the primary.
func notWritablePrimary(request []byte) []byte {
	return failed(request, 10107, "NotWritablePrimary", bson.E{Key: "errorLabels", Value: bson.A{"RetryableWriteError"}})
}

// failed returns the reply of a server error.
func failed(request []byte, code int32, name string, more ...bson.E) []byte {
	raw, err := bson.Marshal(append(bson.D{
		{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: name}, {Key: "code", Value: code}, {Key: "codeName", Value: name},
	}, more...))
	if err != nil {
		raw = []byte{5, 0, 0, 0, 0}
	}
	message := make([]byte, leadOfMsg+1, leadOfMsg+1+len(raw))
	binary.LittleEndian.PutUint32(message[12:], opMsg)
	return addressed(withLength(append(message, raw...)), request)
}

func withWriteConcernError(body bson.D) bson.D {
	return append(body, bson.E{Key: "writeConcernError", Value: bson.D{
		{Key: "code", Value: int32(64)},
		{Key: "codeName", Value: "WriteConcernTimeout"},
		{Key: "errmsg", Value: "waiting for replication timed out"},
	}})
}

// setName is the name of the replica set behind a proxy.
const setName = "rs0"

// asPrimaryOf rewrites the reply to hello to that of the primary of a replica set with so many members.
func asPrimaryOf(members int) func(address string) func(bson.D) bson.D {
	return func(address string) func(bson.D) bson.D {
		hosts := bson.A{address}
		for n := 1; n < members; n++ {
			hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", n))
		}
		return func(body bson.D) bson.D {
			return append(without(alone(address)(body), "logicalSessionTimeoutMinutes"),
				bson.E{Key: "setName", Value: setName},
				bson.E{Key: "setVersion", Value: int32(1)},
				bson.E{Key: "hosts", Value: hosts},
				bson.E{Key: "me", Value: address},
				bson.E{Key: "primary", Value: address},
				bson.E{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
			)
		}
	}
}

// asMongos rewrites the reply to hello to that of the router of a sharded cluster.
func asMongos(address string) func(bson.D) bson.D {
	return func(body bson.D) bson.D {
		return append(alone(address)(body), bson.E{Key: "msg", Value: "isdbgrid"})
	}
}

// alone removes the members of a replica set and topologyVersion from a reply to hello. Without topologyVersion a driver polls.
// With it a server streams its state, which a proxy that waits for one reply to each message cannot pass.
func alone(string) func(bson.D) bson.D {
	return func(body bson.D) bson.D {
		return without(body, "setName", "setVersion", "electionId", "hosts", "passives", "arbiters", "me", "primary", "topologyVersion", "msg")
	}
}

// withoutSession leaves out what only replica sets understand.
func withoutSession(body bson.D) bson.D { return without(body, "lsid", "txnNumber", "$clusterTime") }

func without(body bson.D, names ...string) bson.D {
	return slices.DeleteFunc(body, func(e bson.E) bool { return slices.Contains(names, e.Key) })
}
