package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// maxEntries and maxBytes bound a batch. An entry alone may be longer than the second one.
	maxEntries = 100
	maxBytes   = 256 << 10
)

// Missed are entries of a chain that were deleted before they were sent, because their retention was over.
type Missed struct {
	Chain string `json:"chain"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`
}

// batch is what one request sends.
type batch struct {
	entries []json.RawMessage
	missed  []Missed
	size    int
	// last are the last entries by chain.
	last map[string]int64
	// oldest is the time of the oldest entry.
	oldest time.Time
	// accepted means that the receiver has the batch.
	accepted bool
}

// add adds an entry. It reports false if the batch has no room for it.
func (b *batch) add(entry storage.AuditEntry) (bool, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(entry); err != nil {
		return false, err
	}
	if b.size > 0 && b.size+text.Len() > maxBytes {
		b.size = maxBytes // It is full.
		return false, nil
	}
	b.size += text.Len()
	b.entries = append(b.entries, bytes.TrimSpace(text.Bytes()))
	b.last[entry.Chain] = entry.Sequence
	if b.oldest.IsZero() || entry.CreatedAt.Before(b.oldest) {
		b.oldest = entry.CreatedAt
	}
	return true, nil
}

func (b *batch) miss(chain string, from, to int64) {
	b.missed = append(b.missed, Missed{chain, from, to})
	b.last[chain] = to
}

func (b *batch) full() bool { return len(b.entries)+len(b.missed) >= maxEntries || b.size >= maxBytes }

func (b *batch) empty() bool { return len(b.last) == 0 }

func (b *batch) missedEntries() (sum int64) {
	for _, missed := range b.missed {
		sum += missed.To - missed.From + 1
	}
	return sum
}

// body returns the batch as JSON: {"entries": […], "missed": […]}.
func (b *batch) body() []byte {
	var text bytes.Buffer
	text.WriteString(`{"entries":[`)
	text.Write(bytes.Join(asBytes(b.entries), []byte(",")))
	text.WriteString(`]`)
	if len(b.missed) > 0 {
		missed, err := json.Marshal(b.missed)
		if err == nil { // It is always nil for texts and numbers.
			text.WriteString(`,"missed":`)
			text.Write(missed)
		}
	}
	text.WriteString("}\n")
	return text.Bytes()
}

func asBytes(messages []json.RawMessage) [][]byte {
	all := make([][]byte, len(messages))
	for i, message := range messages {
		all[i] = message
	}
	return all
}

// collect reads the next batch; nil if there is nothing to send. Every batch begins with another chain.
func (s *Sender) collect(ctx context.Context) (*batch, error) {
	if err := s.list(ctx); err != nil {
		return nil, err
	}
	if len(s.order) > 0 {
		s.order = append(s.order[1:], s.order[0])
	}
	b := &batch{last: map[string]int64{}}
	for _, id := range slices.Clone(s.order) {
		c := s.chains[id]
		if s.now().Before(c.pollAt) {
			continue
		}
		err := s.read(ctx, c, b)
		if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrExists) {
			s.forget()
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if b.full() {
			break
		}
	}
	s.mu.Lock()
	s.state.WaitingSince = b.oldest
	s.mu.Unlock()
	if b.empty() {
		return nil, nil
	}
	return b, nil
}

// store stores how far the receiver has the chains of the accepted batch. A conflict means that another process sends.
func (s *Sender) store(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.waiting.last)) {
		err := s.deliver(ctx, s.chains[id], s.waiting.last[id], false)
		if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrExists) {
			s.forget()
			return nil
		}
		if err != nil {
			return err
		}
		delete(s.waiting.last, id)
	}
	s.waiting = nil
	return nil
}
