package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// listEvery is how often new chains are looked for. Those that began up to listOverlap before the last one are listed again,
	// because clocks of instances differ.
	listEvery   = 2 * time.Second
	listOverlap = 10 * time.Minute
)

// chain is a chain of which the receiver does not have everything.
type chain struct {
	id string
	// delivered is the last entry that the receiver has.
	delivered int64
	// stored is the record of that; nil before the first one.
	stored *storage.Entry[storage.AuditDelivery]
	// pollAt is when the chain is read again, and idle the wait before that.
	pollAt time.Time
	idle   time.Duration
}

// load reads how far the receiver has the chains.
func (s *Sender) load(ctx context.Context) error {
	s.forget()
	s.chains, s.known = map[string]*chain{}, map[string]bool{}
	for query := (storage.Query{Limit: storage.MaxPage}); ; {
		page, next, err := storage.List[storage.AuditDelivery](ctx, s.config.Engine, query)
		if err != nil {
			return err
		}
		for _, entry := range page {
			s.known[entry.Record.Chain] = true
			if !entry.Record.Complete {
				s.follow(&chain{id: entry.Record.Chain, delivered: entry.Record.Sequence, stored: entry})
			}
		}
		if query.After = next; next == "" {
			return nil
		}
	}
}

func (s *Sender) follow(c *chain) {
	s.known[c.id], s.chains[c.id] = true, c
	s.order = append(s.order, c.id)
}

// drop ends the work on a chain.
func (s *Sender) drop(c *chain) {
	delete(s.chains, c.id)
	s.order = slices.DeleteFunc(s.order, func(id string) bool { return id == c.id })
}

// list adds the chains that began since the last list.
func (s *Sender) list(ctx context.Context) error {
	now := s.now()
	if now.Before(s.listAt) {
		return nil
	}
	query := storage.Query{Order: storage.ByCreated, Limit: storage.MaxPage}
	if !s.listed.IsZero() {
		query.After = query.Order.Cursor(storage.Position{Time: s.listed.Add(-listOverlap)})
	}
	for {
		page, next, err := storage.List[storage.AuditProcess](ctx, s.config.Engine, query)
		if err != nil {
			return err
		}
		for _, entry := range page {
			if !s.known[entry.Record.ID] {
				s.follow(&chain{id: entry.Record.ID})
			}
			if entry.Record.StartedAt.After(s.listed) {
				s.listed = entry.Record.StartedAt
			}
		}
		if query.After = next; next == "" {
			s.listAt = now.Add(listEvery)
			return nil
		}
	}
}

// read adds the next entries of a chain to a batch.
func (s *Sender) read(ctx context.Context, c *chain, b *batch) error {
	_, err := s.config.Engine.Get(ctx, storage.KindAuditEntry, storage.AuditEntryID(c.id, c.delivered+1))
	if errors.Is(err, storage.ErrNotFound) {
		return s.rest(ctx, c, b)
	}
	if err != nil {
		return err
	}
	c.idle = 0
	return s.entries(ctx, c, b)
}

// entries adds stored entries after the delivered ones to a batch, as long as there is no gap.
func (s *Sender) entries(ctx context.Context, c *chain, b *batch) error {
	page, err := s.after(ctx, c, maxEntries-len(b.entries))
	if err != nil {
		return err
	}
	for i, entry := range page {
		if entry.Sequence != c.delivered+1+int64(i) {
			break
		}
		added, err := b.add(entry)
		if err != nil || !added {
			return err
		}
	}
	return nil
}

// after returns the entries of a chain after the delivered ones.
func (s *Sender) after(ctx context.Context, c *chain, limit int) ([]storage.AuditEntry, error) {
	query := storage.Query{Limit: limit, After: storage.ByID.Cursor(storage.Position{ID: storage.AuditEntryID(c.id, c.delivered)})}
	page, _, err := storage.List[storage.AuditEntry](ctx, s.config.Engine, query)
	if err != nil {
		return nil, err
	}
	entries := []storage.AuditEntry{}
	for _, entry := range page {
		if entry.Record.Chain != c.id {
			break
		}
		entries = append(entries, entry.Record)
	}
	return entries, nil
}

// rest looks at a chain that does not have the next entry: it has no new one, it has ended, or entries were deleted before they
// were sent.
func (s *Sender) rest(ctx context.Context, c *chain, b *batch) error {
	first := c.idle == 0
	c.idle = min(maxPoll, max(pollEvery, 2*c.idle))
	c.pollAt = s.now().Add(c.idle)
	if !first && c.idle < maxPoll {
		return nil
	}
	process, err := storage.Get[storage.AuditProcess](ctx, s.config.Engine, c.id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	gone := err != nil // The retention is over: the chain and what is stored about it are deleted.
	next, err := s.after(ctx, c, 1)
	if err != nil {
		return err
	}
	switch {
	case len(next) > 0 && next[0].Sequence == c.delivered+1: // It was written just now.
		c.pollAt = s.now()
	case len(next) > 0:
		return s.missed(ctx, c, b, next[0].Sequence-1)
	case gone:
		s.drop(c)
	case process.Record.EndedAt.IsZero():
	case process.Record.Head.Sequence > c.delivered:
		return s.missed(ctx, c, b, process.Record.Head.Sequence)
	default:
		return s.complete(ctx, c)
	}
	return nil
}

// missed adds deleted entries to a batch, after another look at the first one: a list can be older than a read.
func (s *Sender) missed(ctx context.Context, c *chain, b *batch, last int64) error {
	c.pollAt, c.idle = s.now(), 0
	_, err := s.config.Engine.Get(ctx, storage.KindAuditEntry, storage.AuditEntryID(c.id, c.delivered+1))
	if errors.Is(err, storage.ErrNotFound) {
		b.miss(c.id, c.delivered+1, last)
		return nil
	}
	return err
}

// complete stores that the receiver has all of a chain that has ended.
func (s *Sender) complete(ctx context.Context, c *chain) error {
	err := s.deliver(ctx, c, c.delivered, true)
	if err == nil {
		s.drop(c)
	}
	return err
}

// deliver stores how far the receiver has a chain.
func (s *Sender) deliver(ctx context.Context, c *chain, sequence int64, complete bool) (err error) {
	now := s.now()
	next := storage.AuditDelivery{Chain: c.id, Sequence: sequence, Complete: complete, CreatedAt: now, UpdatedAt: now}
	if c.stored == nil {
		c.stored, err = storage.Insert(ctx, s.config.Engine, next)
	} else {
		next.CreatedAt = c.stored.Record.CreatedAt
		var stored *storage.Entry[storage.AuditDelivery]
		if stored, err = c.stored.Replace(ctx, s.config.Engine, next); err == nil {
			c.stored = stored
		}
	}
	if err == nil {
		c.delivered = sequence
	}
	return err
}
