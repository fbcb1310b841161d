package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	flushEvery      = time.Second
	checkpointEvery = time.Minute
	sweepEvery      = time.Hour
	// sweepPage is the number of entries that are deleted before the sweep pauses.
	sweepPage = 200
	// horizonStep is the least advance of the horizon, so that it is not written every hour for nothing.
	horizonStep = time.Hour
)

// Run writes batches of sign-ins and checkpoints, and deletes old entries, until ctx ends. Close writes the rest.
func (t *Trail) Run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	checkpoint, sweep := t.config.Now().Add(checkpointEvery), t.config.Now().Add(checkpointEvery)
	t.report(ctx, "the last verification of the audit is not known", t.readVerification(ctx))
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		t.report(ctx, "the sign-ins of the audit wait for the store", t.Flush(ctx))
		if now := t.config.Now(); !now.Before(checkpoint) {
			checkpoint = now.Add(checkpointEvery)
			t.report(ctx, "the audit has no new checkpoint", t.Checkpoint(ctx))
			t.report(ctx, "the last verification of the audit is not known", t.readVerification(ctx))
		}
		if now := t.config.Now(); !now.Before(sweep) {
			sweep = now.Add(sweepEvery)
			_, err := t.Sweep(ctx)
			t.report(ctx, "old entries of the audit were not deleted", err)
		}
	}
}

// report logs an error of the work without a request.
func (t *Trail) report(ctx context.Context, message string, err error) {
	if err != nil && ctx.Err() == nil {
		t.config.Logger.WarnContext(ctx, message, "cause", err.Error())
	}
}

// Close writes the collected sign-ins, a checkpoint and the end of the chain. A trail without entries writes nothing.
func (t *Trail) Close(ctx context.Context) error {
	err := t.Flush(ctx)
	for err == nil && ctx.Err() == nil && t.waitingUsers() > 0 {
		err = t.flushUsers(ctx, usersPerFlush)
	}
	return errors.Join(err, t.checkpointOwn(ctx), t.finish(ctx))
}

func (t *Trail) waitingUsers() int {
	t.signIns.mu.Lock()
	defer t.signIns.mu.Unlock()
	return len(t.signIns.users)
}

// checkpointOwn names only the chains of this process: the last checkpoint of a command must not read the whole store.
func (t *Trail) checkpointOwn(ctx context.Context) error {
	t.checkpoints.mu.Lock()
	defer t.checkpoints.mu.Unlock()
	own, heads, err := t.ownHeads(ctx)
	if err != nil || own == "" || len(heads) == 0 {
		return err
	}
	chains := make([]string, 0, len(heads))
	for chain, head := range heads {
		if t.checkpoints.named[chain] != head {
			chains = append(chains, chain)
		}
	}
	if len(chains) == 0 {
		return nil
	}
	return t.writeCheckpoint(ctx, own, chains, heads)
}

func (t *Trail) finish(ctx context.Context) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer t.unlock()
	if t.process == nil {
		return nil
	}
	return t.end(ctx)
}

// Sweep deletes what is older than the retention, after it has signed from when on the audit is complete. It returns the number of
// deleted entries.
func (t *Trail) Sweep(ctx context.Context) (deleted int, err error) {
	before, err := t.advance(ctx, t.now().Add(-t.config.Retention))
	if err != nil {
		return 0, err
	}
	var old []storage.AuditProcess
	err = t.eachProcess(ctx, func(process storage.AuditProcess) error {
		if process.StartedAt.Before(before) {
			old = append(old, process)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, process := range old {
		count, err := t.sweepChain(ctx, process.ID, before)
		if deleted += count; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// advance moves the horizon to a later time, and returns where it is.
func (t *Trail) advance(ctx context.Context, before time.Time) (time.Time, error) {
	for range attempts {
		entry, err := storage.Get[storage.AuditHorizon](ctx, t.config.Engine, storage.AuditHorizonID)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return time.Time{}, err
		}
		next := storage.AuditHorizon{Before: before, Key: t.signing().ID}
		next.MAC = t.signing().mac(horizonMessage(next))
		switch {
		case entry == nil:
			_, err = storage.Insert(ctx, t.config.Engine, next)
		case t.keys.horizon(entry.Record) == valid && before.Sub(entry.Record.Before) < horizonStep:
			return entry.Record.Before, nil
		default:
			_, err = entry.Replace(ctx, t.config.Engine, next)
		}
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			return before, err
		}
	}
	return time.Time{}, storage.ErrUnavailable
}

// sweepChain deletes the entries and checkpoints of a chain from before a time, and the chain itself if nothing remains.
func (t *Trail) sweepChain(ctx context.Context, chain string, before time.Time) (deleted int, err error) {
	entries, empty, err := sweep[storage.AuditEntry](ctx, t.config.Engine, chain, before)
	if err != nil {
		return entries, err
	}
	_, noCheckpoints, err := sweep[storage.AuditCheckpoint](ctx, t.config.Engine, chain, before)
	if err != nil || !empty || !noCheckpoints {
		return entries, err
	}
	if err := t.config.Engine.Delete(ctx, storage.KindAuditDelivery, chain); err != nil {
		return entries, err
	}
	return entries, t.config.Engine.Delete(ctx, storage.KindAuditProcess, chain)
}

// sweep deletes the documents of a chain from before a time. empty reports whether none remains.
func sweep[R storage.Record](ctx context.Context, engine storage.Engine, chain string, before time.Time) (deleted int, empty bool, err error) {
	var zero R
	kind := zero.Document().Kind
	prefix := chain + "."
	for {
		page, err := engine.List(ctx, storage.Query{Kind: kind, Limit: sweepPage, After: storage.ByID.Cursor(storage.Position{ID: prefix})})
		if err != nil {
			return deleted, false, err
		}
		for _, doc := range page.Documents {
			if !strings.HasPrefix(doc.ID, prefix) {
				return deleted, true, nil
			}
			if !doc.CreatedAt.Before(before) {
				return deleted, false, nil
			}
			if err := engine.Delete(ctx, kind, doc.ID); err != nil {
				return deleted, false, err
			}
			deleted++
		}
		if page.Next == "" {
			return deleted, true, nil
		}
	}
}
