package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// Key is a key for MACs.
type Key struct {
	// ID is the public ID of the master key that Secret derives from.
	ID     string
	Secret []byte
}

// message is the text that a MAC is computed of: every part with its length, so that no two records have the same one.
type message []byte

func (m *message) text(parts ...string) {
	for _, part := range parts {
		*m = binary.BigEndian.AppendUint32(*m, uint32(len(part)))
		*m = append(*m, part...)
	}
}

func (m *message) number(n int64) { *m = binary.BigEndian.AppendUint64(*m, uint64(n)) }

func (m *message) time(t time.Time) {
	if t.IsZero() {
		m.number(0)
		return
	}
	m.number(t.UnixMilli())
}

func (m *message) texts(values map[string]string) {
	m.number(int64(len(values)))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		m.text(name, values[name])
	}
}

func (m *message) head(head storage.AuditHead) {
	m.number(head.Sequence)
	m.text(head.MAC)
	m.time(head.At)
}

func entryMessage(e storage.AuditEntry) message {
	m := message{}
	m.text("minifed audit entry 1", e.Directory, e.ID, e.Actor, e.Action, e.Target, e.Outcome, e.From, e.RequestID)
	m.texts(e.Details)
	m.texts(e.Before)
	m.texts(e.After)
	m.number(int64(len(e.SignIns)))
	for _, s := range e.SignIns {
		m.time(s.At)
		m.text(s.User, s.Client, s.Method, s.Outcome, s.From, s.RequestID)
	}
	m.text(e.Chain, e.Previous, e.Key)
	m.number(e.Sequence)
	m.time(e.PreviousAt)
	m.time(e.CreatedAt)
	m.time(e.ExpiresAt)
	return m
}

func processMessage(p storage.AuditProcess) message {
	m := message{}
	m.text("minifed audit process 1", p.ID, p.Name, p.Key)
	m.time(p.StartedAt)
	m.time(p.EndedAt)
	m.head(p.Head)
	return m
}

func checkpointMessage(c storage.AuditCheckpoint) message {
	m := message{}
	m.text("minifed audit checkpoint 1", c.Process, c.Previous, c.Key)
	m.number(c.Sequence)
	m.time(c.PreviousAt)
	m.time(c.CreatedAt)
	m.number(int64(len(c.Heads)))
	for _, chain := range slices.Sorted(maps.Keys(c.Heads)) {
		m.text(chain)
		m.head(c.Heads[chain])
	}
	return m
}

func verificationMessage(v storage.AuditVerification) message {
	m := message{}
	m.text("minifed audit verification 1", v.Key)
	m.time(v.At)
	m.number(int64(v.Entries))
	m.number(int64(v.Found))
	return m
}

func horizonMessage(h storage.AuditHorizon) message {
	m := message{}
	m.text("minifed audit horizon 1", h.Key)
	m.time(h.Before)
	return m
}

// mac returns the MAC of a message.
func (k Key) mac(m message) string {
	hash := hmac.New(sha256.New, k.Secret)
	hash.Write(m)
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil))
}

// keyring are the known keys, by their IDs.
type keyring map[string]Key

// checked is the result of the check of a MAC.
type checked int

const (
	valid checked = iota
	forged
	// unknownKey means that the key of the MAC is not known.
	unknownKey
)

func (r keyring) check(id, mac string, m message) checked {
	key, ok := r[id]
	switch {
	case !ok:
		return unknownKey
	case !hmac.Equal([]byte(key.mac(m)), []byte(mac)):
		return forged
	default:
		return valid
	}
}

func (r keyring) entry(e storage.AuditEntry) checked { return r.check(e.Key, e.MAC, entryMessage(e)) }

func (r keyring) process(p storage.AuditProcess) checked {
	return r.check(p.Key, p.MAC, processMessage(p))
}

func (r keyring) checkpoint(c storage.AuditCheckpoint) checked {
	return r.check(c.Key, c.MAC, checkpointMessage(c))
}

func (r keyring) horizon(h storage.AuditHorizon) checked {
	return r.check(h.Key, h.MAC, horizonMessage(h))
}
