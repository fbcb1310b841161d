package audit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// Problem is one place at which the audit is not what was written.
type Problem struct {
	Kind ProblemKind `json:"problem"`
	// Chain and Sequence are the place; Sequence is 0 where a whole chain is meant.
	Chain    string `json:"chain,omitempty"`
	Sequence int64  `json:"sequence,omitempty"`
	// Key is the ID of a key that is not known.
	Key string `json:"key,omitempty"`
}

// ProblemKind is what is wrong.
type ProblemKind string

// The kinds of problems.
const (
	// ProblemChanged is an entry, a checkpoint or an element of the list of chains whose MAC is wrong.
	ProblemChanged ProblemKind = "changed"
	// ProblemGap is a missing entry or checkpoint between two others, or before the first one.
	ProblemGap ProblemKind = "gap"
	// ProblemReordered is a document at the place of another one.
	ProblemReordered ProblemKind = "reordered"
	// ProblemMissingChain is a chain that a checkpoint names and that has no entry.
	ProblemMissingChain ProblemKind = "missing_chain"
	// ProblemUnlisted is a chain that is not in the list of chains.
	ProblemUnlisted ProblemKind = "unlisted_chain"
	// ProblemCutTail is a chain that ends before the entry that a checkpoint or the list of chains names.
	ProblemCutTail ProblemKind = "cut_tail"
	// ProblemUnchained is an entry without a chain that is younger than the first chain.
	ProblemUnchained ProblemKind = "unchained"
	// ProblemUnknownKey are entries whose MAC is of a master key that this process was not given.
	ProblemUnknownKey ProblemKind = "unknown_key"
)

// maxProblems bounds the problems of a report.
const maxProblems = 1000

// Report is the result of Verify.
type Report struct {
	Entries     int `json:"entries"`
	SignIns     int `json:"sign_ins"`
	Chains      int `json:"chains"`
	Checkpoints int `json:"checkpoints"`
	// Unchained are the entries of earlier versions, which nothing protects.
	Unchained int `json:"unchained"`
	// LastCheckpoint is the time of the last checkpoint: an end that was cut off is found up to there.
	LastCheckpoint time.Time `json:"last_checkpoint,omitzero"`
	// CompleteFrom is from when on the audit is complete; what is older may have been deleted.
	CompleteFrom time.Time `json:"complete_from,omitzero"`
	// Problems are the first problems, and Found the number of all.
	Problems []Problem `json:"problems"`
	Found    int       `json:"found"`
}

// verification is the state of one Verify.
type verification struct {
	*Trail
	Report
	progress func(entries int)
	// heads are the last heads that checkpoints name.
	heads map[string]storage.AuditHead
	// chains and series are the chains of entries and of checkpoints.
	chains, series map[string]*links
	// latestUnchained are the times of unchained entries.
	unchained []time.Time
	unknown   map[string]bool
}

// links is what was read of one chain.
type links struct {
	// first is the first link that the store has: its number, and the time of the one before it.
	first      int64
	previousAt time.Time
	last       storage.AuditHead
	// broken means that the next link cannot be compared with last, because that was reported.
	broken bool
}

// Verify reads the whole audit and reports what was changed, deleted, moved or added without the key. progress is called with the
// number of entries that were read. Servers may write at the same time. The result is stored, so that servers report it.
func (t *Trail) Verify(ctx context.Context, progress func(entries int)) (Report, error) {
	v := &verification{
		Trail: t, progress: progress, heads: map[string]storage.AuditHead{}, chains: map[string]*links{}, series: map[string]*links{},
		unknown: map[string]bool{}, Report: Report{Problems: []Problem{}},
	}
	// A checkpoint names entries, and entries name their process: this order misses nothing that is written meanwhile.
	for _, read := range []func(context.Context) error{v.readCheckpoints, v.readEntries, v.readProcesses} {
		if err := read(ctx); err != nil {
			return Report{}, err
		}
	}
	return v.Report, t.storeVerification(ctx, v.Report)
}

func (v *verification) found(kind ProblemKind, chain string, sequence int64) {
	v.report(Problem{Kind: kind, Chain: chain, Sequence: sequence})
}

func (v *verification) report(p Problem) {
	v.Found++
	if len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, p)
	}
}

// trust reports whether a MAC is valid. A wrong one is a problem, an unknown key one for each chain.
func (v *verification) trust(result checked, chain string, sequence int64, key string) bool {
	switch {
	case result == forged:
		v.found(ProblemChanged, chain, sequence)
	case result == unknownKey && !v.unknown[chain+key]:
		v.unknown[chain+key] = true
		v.report(Problem{Kind: ProblemUnknownKey, Chain: chain, Sequence: sequence, Key: key})
	}
	return result == valid
}

// eachDocument visits the documents of a kind in the order of their IDs, which is that of their places.
func (v *verification) eachDocument(ctx context.Context, kind storage.Kind, visit func(storage.Document)) error {
	for query := (storage.Query{Kind: kind, Limit: storage.MaxPage}); ; {
		page, err := v.config.Engine.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			visit(doc)
		}
		if query.After = page.Next; page.Next == "" {
			return nil
		}
	}
}

// place returns the chain and the number that an ID names.
func place(id string) (chain string, sequence int64, ok bool) {
	chain, number, ok := strings.Cut(id, ".")
	sequence, err := strconv.ParseInt(number, 10, 64)
	return chain, sequence, ok && err == nil
}

// moved reports whether a document is not where its record says, or listed under other values.
func moved(doc storage.Document, record storage.Record) bool {
	want := record.Document()
	return doc.ID != want.ID || doc.Owner != want.Owner || !doc.CreatedAt.Equal(storage.Instant(want.CreatedAt)) || !doc.ExpiresAt.IsZero()
}

// link compares a link with the one before it.
func (v *verification) link(all map[string]*links, chain string, previous string, previousAt time.Time, now storage.AuditHead) {
	known := all[chain]
	if known == nil {
		all[chain] = &links{first: now.Sequence, previousAt: previousAt, last: now}
		return
	}
	if !known.broken && (now.Sequence != known.last.Sequence+1 || previous != known.last.MAC) {
		v.found(ProblemGap, chain, known.last.Sequence+1)
	}
	known.last, known.broken = now, false
}

// skip continues a chain after a document that was reported.
func (v *verification) skip(all map[string]*links, chain string, sequence int64) {
	if all[chain] == nil {
		all[chain] = &links{first: sequence, previousAt: time.Unix(0, 0)}
	}
	all[chain].last.Sequence, all[chain].broken = sequence, true
}

func (v *verification) readCheckpoints(ctx context.Context) error {
	return v.eachDocument(ctx, storage.KindAuditCheckpoint, func(doc storage.Document) {
		chain, sequence, _ := place(doc.ID)
		v.Checkpoints++
		var record storage.AuditCheckpoint
		if storage.Decode(doc.Body, &record) != nil || moved(doc, record) {
			v.found(ProblemReordered, chain, sequence)
			v.skip(v.series, chain, sequence)
			return
		}
		if !v.trust(v.keys.checkpoint(record), chain, sequence, record.Key) {
			v.skip(v.series, chain, sequence)
			return
		}
		v.link(v.series, chain, record.Previous, record.PreviousAt, storage.AuditHead{Sequence: sequence, MAC: record.MAC, At: record.CreatedAt})
		if record.CreatedAt.After(v.LastCheckpoint) {
			v.LastCheckpoint = record.CreatedAt
		}
		for named, head := range record.Heads {
			if head.Sequence > v.heads[named].Sequence {
				v.heads[named] = head
			}
		}
	})
}

func (v *verification) readEntries(ctx context.Context) error {
	return v.eachDocument(ctx, storage.KindAuditEntry, func(doc storage.Document) {
		v.Entries++
		if v.progress != nil {
			v.progress(v.Entries)
		}
		chain, sequence, chained := place(doc.ID)
		var entry storage.AuditEntry
		if err := storage.Decode(doc.Body, &entry); err != nil {
			v.found(ProblemChanged, chain, sequence)
			v.skip(v.chains, chain, sequence)
			return
		}
		if !chained {
			v.Unchained++
			v.unchained = append(v.unchained, doc.CreatedAt)
			if entry.Chain != "" {
				v.found(ProblemReordered, entry.Chain, entry.Sequence)
			}
			return
		}
		if entry.Action == ActionSignIns {
			v.SignIns += len(entry.SignIns)
		}
		v.readEntry(doc, entry, chain, sequence)
	})
}

func (v *verification) readEntry(doc storage.Document, entry storage.AuditEntry, chain string, sequence int64) {
	result := v.keys.entry(entry)
	switch {
	case result == valid && moved(doc, entry):
		v.found(ProblemReordered, chain, sequence)
	case v.trust(result, chain, sequence, entry.Key):
		v.link(v.chains, chain, entry.Previous, entry.PreviousAt, headOf(entry))
		if head := v.heads[chain]; head.Sequence == sequence && head.MAC != entry.MAC {
			v.found(ProblemChanged, chain, sequence)
		}
		return
	}
	v.skip(v.chains, chain, sequence)
}

// readProcesses compares the list of chains with the chains.
func (v *verification) readProcesses(ctx context.Context) error {
	listed := map[string]bool{}
	var began time.Time
	err := v.eachDocument(ctx, storage.KindAuditProcess, func(doc storage.Document) {
		v.Chains++
		listed[doc.ID] = true
		var record storage.AuditProcess
		switch {
		case storage.Decode(doc.Body, &record) != nil || moved(doc, record):
			v.found(ProblemReordered, doc.ID, 0)
			return
		case !v.trust(v.keys.process(record), doc.ID, 0, record.Key):
			return
		}
		if began.IsZero() || record.StartedAt.Before(began) {
			began = record.StartedAt
		}
		if record.Head.Sequence > v.heads[doc.ID].Sequence {
			v.heads[doc.ID] = record.Head
		}
	})
	if err != nil {
		return err
	}
	if err := v.readHorizon(ctx); err != nil {
		return err
	}
	v.judge(listed, began)
	return nil
}

func (v *verification) readHorizon(ctx context.Context) error {
	entry, err := storage.Get[storage.AuditHorizon](ctx, v.config.Engine, storage.AuditHorizonID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if v.trust(v.keys.horizon(entry.Record), "", 0, entry.Record.Key) {
		v.CompleteFrom = entry.Record.Before
	}
	return nil
}

// judge reports what only the whole audit shows.
func (v *verification) judge(listed map[string]bool, began time.Time) {
	for _, all := range []map[string]*links{v.series, v.chains} {
		for chain, known := range all {
			if known.first > 1 && !known.previousAt.Before(v.CompleteFrom) {
				v.found(ProblemGap, chain, known.first-1)
			}
		}
	}
	for chain, known := range v.chains {
		if !listed[chain] && (known.broken || !known.last.At.Before(v.CompleteFrom)) {
			v.found(ProblemUnlisted, chain, 0)
		}
	}
	for chain, head := range v.heads {
		known := v.chains[chain]
		switch {
		case head.At.Before(v.CompleteFrom):
		case known == nil:
			v.found(ProblemMissingChain, chain, 0)
		case known.last.Sequence < head.Sequence:
			v.found(ProblemCutTail, chain, known.last.Sequence+1)
		}
	}
	for _, at := range v.unchained {
		if !began.IsZero() && at.After(began) {
			v.found(ProblemUnchained, "", 0)
		}
	}
	slices.SortFunc(v.Problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Chain, b.Chain), cmp.Compare(a.Sequence, b.Sequence), strings.Compare(string(a.Kind), string(b.Kind)))
	})
}
