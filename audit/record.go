package audit

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/minifed/minifed/storage"
)

// The outcomes of entries.
const (
	// Done is the outcome of an act. The entry is written before the act: if the act then fails, another entry says so.
	Done = "done"
	// Failed means that the act of an earlier entry did not happen.
	Failed = "failed"
)

const (
	// attempts is the maximum number of places that one entry is tried at.
	attempts = 4
	// writeTimeout bounds the write of one entry.
	writeTimeout = 10 * time.Second
	// maxValue and maxValues bound the texts of an entry, in bytes.
	maxValue  = 512
	maxValues = 6 << 10
)

// Record writes an entry, and returns it with its place in the chain. Call it before the act: an act that cannot be recorded must
// not happen. Directory, Actor, Action and Target are the caller's; an empty Outcome becomes Done, and an empty From and
// RequestID become those of the context's Origin.
func (t *Trail) Record(ctx context.Context, entry storage.AuditEntry) (storage.AuditEntry, error) {
	if entry.From == "" && entry.RequestID == "" {
		entry.From, entry.RequestID = originOf(ctx)
	}
	if entry.Outcome == "" {
		entry.Outcome = Done
	}
	if err := t.lock(ctx); err != nil {
		return entry, err
	}
	defer t.unlock()
	return t.append(ctx, bounded(entry))
}

// Fail records that the act of an entry did not happen. It logs its own failure, because the caller already has an error.
func (t *Trail) Fail(ctx context.Context, entry storage.AuditEntry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if _, err := t.Record(ctx, failed(entry)); err != nil {
		t.config.Logger.WarnContext(ctx, "the audit does not say that an act failed", "entry", entry.ID, "cause", err.Error())
	}
}

// failed returns the entry which says that the act of another one did not happen.
func failed(entry storage.AuditEntry) storage.AuditEntry {
	return storage.AuditEntry{
		Directory: entry.Directory, Actor: entry.Actor, Action: entry.Action, Target: entry.Target, Outcome: Failed,
		From: entry.From, RequestID: entry.RequestID, Details: map[string]string{"entry": entry.ID},
	}
}

// lock waits for the turn.
func (t *Trail) lock(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("audit: %w: %w", storage.ErrUnavailable, ctx.Err())
	}
}

func (t *Trail) unlock() { <-t.turn }

// append writes the next entry of the chain. Only the holder of the turn may call it.
//
// A place that another entry has is that of an earlier call whose write had an unknown outcome. Its caller got an error, so the
// chain continues after it, and the next entry says that its act failed.
func (t *Trail) append(ctx context.Context, entry storage.AuditEntry) (storage.AuditEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := t.open(ctx); err != nil {
		t.failures.Add(1)
		return entry, fmt.Errorf("audit: begin a chain: %w", err)
	}
	for range attempts {
		signed := t.signed(entry)
		_, err := storage.Insert(ctx, t.config.Engine, signed)
		if err == nil {
			t.head = headOf(signed)
			t.entries.Add(1)
			return signed, nil
		}
		if errors.Is(err, storage.ErrExists) {
			err = t.adopt(ctx, signed.Document().ID)
		}
		if err != nil {
			t.failures.Add(1)
			return entry, fmt.Errorf("audit: write the entry: %w", err)
		}
	}
	t.failures.Add(1)
	return entry, fmt.Errorf("audit: write the entry: %w", storage.ErrUnavailable)
}

// signed returns the entry at the next place of the chain.
func (t *Trail) signed(entry storage.AuditEntry) storage.AuditEntry {
	entry.Chain, entry.Sequence = t.process.Record.ID, t.head.Sequence+1
	entry.ID = storage.AuditEntryID(entry.Chain, entry.Sequence)
	entry.Previous, entry.PreviousAt = t.head.MAC, t.head.At
	entry.CreatedAt, entry.ExpiresAt = t.now(), time.Time{}
	if entry.CreatedAt.Before(t.head.At) {
		entry.CreatedAt = t.head.At
	}
	entry.Key = t.signing().ID
	entry.MAC = t.signing().mac(entryMessage(entry))
	return entry
}

// adopt takes a stored entry as the head of the chain.
func (t *Trail) adopt(ctx context.Context, id string) error {
	stored, err := storage.Get[storage.AuditEntry](ctx, t.config.Engine, id)
	if err != nil {
		return err
	}
	entry := stored.Record
	if t.keys.entry(entry) != valid || entry.Previous != t.head.MAC {
		return fmt.Errorf("%w: another writer has changed the chain of this process", storage.ErrConflict)
	}
	t.head = headOf(entry)
	if len(entry.SignIns) > 0 || entry.Outcome == Failed {
		return nil // It is no act.
	}
	signed := t.signed(failed(entry))
	if _, err := storage.Insert(ctx, t.config.Engine, signed); err != nil {
		return err
	}
	t.head = headOf(signed)
	return nil
}

// headOf returns the entry as the head of its chain.
func headOf(entry storage.AuditEntry) storage.AuditHead {
	return storage.AuditHead{Sequence: entry.Sequence, MAC: entry.MAC, At: entry.CreatedAt}
}

// open adds the chain to the list of chains before its first entry or checkpoint. A chain without entries for half of the retention is
// replaced, because its element of the list may be deleted.
func (t *Trail) open(ctx context.Context) error {
	if t.process != nil && t.now().Sub(t.lastUse()) > t.config.Retention/2 {
		if err := t.end(ctx); err != nil {
			return err
		}
	}
	if t.process != nil {
		return nil
	}
	id, err := t.newID()
	if err != nil {
		return err
	}
	record := storage.AuditProcess{ID: id, Name: clean(t.config.Process), StartedAt: t.now(), Key: t.signing().ID}
	record.MAC = t.signing().mac(processMessage(record))
	entry, err := storage.Insert(ctx, t.config.Engine, record)
	if err != nil {
		return err
	}
	t.process, t.head = entry, storage.AuditHead{}
	return nil
}

// lastUse returns the time of the chain's last entry, or of its begin if it has none.
func (t *Trail) lastUse() time.Time {
	if t.head.At.IsZero() {
		return t.process.Record.StartedAt
	}
	return t.head.At
}

// end writes the end of the chain to the list of chains.
func (t *Trail) end(ctx context.Context) error {
	record := t.process.Record
	record.EndedAt, record.Head, record.Key = t.now(), t.head, t.signing().ID
	record.MAC = t.signing().mac(processMessage(record))
	if _, err := t.process.Replace(ctx, t.config.Engine, record); err != nil {
		return err
	}
	if t.head.Sequence > 0 {
		t.retired[record.ID] = t.head
	}
	t.process, t.head = nil, storage.AuditHead{}
	return nil
}

// newID returns 128 random bits as 26 letters and digits.
func (t *Trail) newID() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(t.config.Random, raw[:]); err != nil {
		return "", fmt.Errorf("audit: randomness: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])), nil
}

// bounded returns the entry with texts of a bounded length that all engines store unchanged.
func bounded(e storage.AuditEntry) storage.AuditEntry {
	for _, text := range []*string{&e.Actor, &e.Action, &e.Target, &e.Outcome, &e.From, &e.RequestID} {
		*text = clean(*text)
	}
	rest := maxValues
	e.Details, rest = boundedTexts(e.Details, rest)
	e.After, rest = boundedTexts(e.After, rest)
	e.Before, _ = boundedTexts(e.Before, rest)
	return e
}

// boundedTexts returns the texts that fit, and the space that remains. What does not fit is named in "omitted".
func boundedTexts(texts map[string]string, space int) (map[string]string, int) {
	if len(texts) == 0 {
		return nil, space
	}
	kept, omitted := make(map[string]string, len(texts)), 0
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		value := clean(texts[name])
		if space -= len(name) + len(value) + 8; space < 0 {
			omitted++
			continue
		}
		kept[clean(name)] = value
	}
	if omitted > 0 {
		kept["omitted"] = strconv.Itoa(omitted)
	}
	return kept, max(0, space)
}

// clean returns a text without invalid UTF-8 and of at most maxValue bytes.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= maxValue {
		return text
	}
	end := maxValue
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
