package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/minifed/minifed/storage"
)

// maxHeads is the maximum number of heads in one checkpoint, so that it fits in a document.
const maxHeads = 90

// checkpoints is the chain of this process's checkpoints.
type checkpoints struct {
	mu sync.Mutex
	// process is the chain of entries that the checkpoints belong to: a new one begins a new chain of checkpoints.
	process  string
	sequence int64
	previous storage.AuditHead
	// named are the heads that this process has named.
	named map[string]storage.AuditHead
	// ended are the named chains that have ended: their heads do not change.
	ended map[string]bool
}

// Checkpoint names the heads of all chains that changed since the last checkpoint of this process. A process without entries of
// its own writes none.
func (t *Trail) Checkpoint(ctx context.Context) error {
	t.checkpoints.mu.Lock()
	defer t.checkpoints.mu.Unlock()
	_, heads, err := t.ownHeads(ctx)
	if err != nil {
		return err
	}
	var ended []string
	err = t.eachProcess(ctx, func(process storage.AuditProcess) error {
		if _, mine := heads[process.ID]; mine || t.checkpoints.ended[process.ID] {
			return nil
		}
		head, err := t.findHead(ctx, process)
		if err == nil && head.Sequence > 0 {
			heads[process.ID] = head
		}
		if err == nil && !process.EndedAt.IsZero() {
			ended = append(ended, process.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	maps.DeleteFunc(heads, func(chain string, head storage.AuditHead) bool { return t.checkpoints.named[chain] == head })
	if err := t.nameHeads(ctx, heads); err != nil {
		return err
	}
	if t.checkpoints.ended == nil {
		t.checkpoints.ended = map[string]bool{}
	}
	for _, chain := range ended {
		t.checkpoints.ended[chain] = true
	}
	return nil
}

// nameHeads writes checkpoints with heads. A process without a chain opens one, because checkpoints belong to a chain.
func (t *Trail) nameHeads(ctx context.Context, heads map[string]storage.AuditHead) error {
	if len(heads) == 0 {
		return nil
	}
	own, err := t.openChain(ctx)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(heads)), maxHeads) {
		if err := t.writeCheckpoint(ctx, own, part, heads); err != nil {
			return err
		}
	}
	return nil
}

// openChain returns the chain of this process.
func (t *Trail) openChain(ctx context.Context) (string, error) {
	if err := t.lock(ctx); err != nil {
		return "", err
	}
	defer t.unlock()
	if err := t.open(ctx); err != nil {
		return "", err
	}
	return t.process.Record.ID, nil
}

// ownHeads returns the chain of this process, and the heads of all its chains.
func (t *Trail) ownHeads(ctx context.Context) (chain string, heads map[string]storage.AuditHead, err error) {
	if err := t.lock(ctx); err != nil {
		return "", nil, err
	}
	defer t.unlock()
	heads = maps.Clone(t.retired)
	if t.process != nil {
		chain = t.process.Record.ID
		if t.head.Sequence > 0 {
			heads[chain] = t.head
		}
	}
	return chain, heads, nil
}

// eachProcess visits the list of chains.
func (t *Trail) eachProcess(ctx context.Context, visit func(storage.AuditProcess) error) error {
	return each(ctx, t.config.Engine, storage.Query{Limit: storage.MaxPage}, visit)
}

// each visits the records of a list.
func each[R storage.Record](ctx context.Context, engine storage.Engine, query storage.Query, visit func(R) error) error {
	for {
		entries, next, err := storage.List[R](ctx, engine, query)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := visit(entry.Record); err != nil {
				return err
			}
		}
		if query.After = next; next == "" {
			return nil
		}
	}
}

// findHead returns the last entry of another process's chain: that of the list of chains if the process has ended, else the last
// one that the store has. A chain whose last entry is not valid has the head that was named before.
func (t *Trail) findHead(ctx context.Context, process storage.AuditProcess) (storage.AuditHead, error) {
	named := t.checkpoints.named[process.ID]
	if !process.EndedAt.IsZero() && t.keys.process(process) == valid {
		return process.Head, nil
	}
	known := named.Sequence
	if known == 0 {
		first, err := t.firstSequence(ctx, process.ID)
		if err != nil || first == 0 {
			return storage.AuditHead{}, err
		}
		known = first
	}
	last, err := t.lastSequence(ctx, process.ID, known)
	if err != nil {
		return named, err
	}
	entry, err := storage.Get[storage.AuditEntry](ctx, t.config.Engine, storage.AuditEntryID(process.ID, last))
	if errors.Is(err, storage.ErrNotFound) || err == nil && t.keys.entry(entry.Record) != valid {
		t.config.Logger.ErrorContext(ctx, "the audit was changed: run `minifed audit verify`", "chain", process.ID, "sequence", last)
		return named, nil
	}
	if err != nil {
		return named, err
	}
	return headOf(entry.Record), nil
}

// firstSequence returns the first entry of a chain that the store has, or 0.
func (t *Trail) firstSequence(ctx context.Context, chain string) (int64, error) {
	query := storage.Query{Limit: 1, After: storage.ByID.Cursor(storage.Position{ID: storage.AuditEntryID(chain, 0)})}
	entries, _, err := storage.List[storage.AuditEntry](ctx, t.config.Engine, query)
	if err != nil || len(entries) == 0 || entries[0].Record.Chain != chain {
		return 0, err
	}
	return entries[0].Record.Sequence, nil
}

// lastSequence returns the last entry of a chain, at or after known, with a number of reads that grows with its logarithm.
func (t *Trail) lastSequence(ctx context.Context, chain string, known int64) (int64, error) {
	exists := func(sequence int64) (bool, error) {
		_, err := t.config.Engine.Get(ctx, storage.KindAuditEntry, storage.AuditEntryID(chain, sequence))
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	step := int64(1)
	for ; ; step *= 2 {
		there, err := exists(known + step)
		if err != nil {
			return 0, err
		}
		if !there {
			break
		}
		known += step
	}
	for absent := known + step; absent-known > 1; {
		middle := known + (absent-known)/2
		there, err := exists(middle)
		if err != nil {
			return 0, err
		}
		if there {
			known = middle
		} else {
			absent = middle
		}
	}
	return known, nil
}

// writeCheckpoint writes one checkpoint. A place that is taken has a checkpoint of this process whose write had an unknown outcome.
func (t *Trail) writeCheckpoint(ctx context.Context, own string, chains []string, heads map[string]storage.AuditHead) error {
	c := &t.checkpoints
	if c.process != own {
		c.process, c.sequence, c.previous = own, 0, storage.AuditHead{}
	}
	for range attempts {
		record := storage.AuditCheckpoint{
			Process: own, Sequence: c.sequence + 1, Previous: c.previous.MAC, PreviousAt: c.previous.At, CreatedAt: t.now(),
			Key: t.signing().ID, Heads: map[string]storage.AuditHead{},
		}
		for _, chain := range chains {
			record.Heads[chain] = heads[chain]
		}
		record.MAC = t.signing().mac(checkpointMessage(record))
		_, err := storage.Insert(ctx, t.config.Engine, record)
		if errors.Is(err, storage.ErrExists) {
			var stored *storage.Entry[storage.AuditCheckpoint]
			if stored, err = storage.Get[storage.AuditCheckpoint](ctx, t.config.Engine, record.Document().ID); err == nil {
				t.named(stored.Record)
				continue
			}
		}
		if err == nil {
			t.named(record)
		}
		return err
	}
	return storage.ErrUnavailable
}

// named remembers what a stored checkpoint names.
func (t *Trail) named(record storage.AuditCheckpoint) {
	c := &t.checkpoints
	if c.named == nil {
		c.named = map[string]storage.AuditHead{}
	}
	c.sequence, c.previous = record.Sequence, storage.AuditHead{Sequence: record.Sequence, MAC: record.MAC, At: record.CreatedAt}
	maps.Copy(c.named, record.Heads)
}
