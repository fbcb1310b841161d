package sqlite

import "database/sql/driver"

// removalRows bounds the documents of a removal.
const removalRows = 1 << 16

// removal deletes expired documents from a table whose rows are indexed later, a few at a time. Their entries in the indexes are
// deleted first and in order, so that several are on each page that is written. An interrupted removal begins again: the entries of
// the expiry times, which it follows, are deleted last.
type removal struct {
	lookups *lookups
	until   int64
	// collected says that all expired documents are in entries.
	collected bool
	after     pair
	entries   [3][]pair // what is left to delete, by index
	done      bool
}

// remove executes and commits the next part of a removal. It returns how many entries it looked at.
func (w *writer) remove(r *removal) (seen int64, err error) {
	err = w.transact(func(c *connection) error {
		if !r.collected {
			seen, err = r.collect(c)
			return err
		}
		seen, err = r.delete(c)
		return err
	})
	if err == nil {
		w.checkpoints.committed(w.conn, int(seen))
	}
	return seen, err
}

// collect finds the next expired documents. An entry without its document is deleted, and one whose document expires later is moved.
func (r *removal) collect(c *connection) (seen int64, err error) {
	var row [5]driver.Value
	var stale, later []pair
	err = c.each(row[:], func() error {
		seen++
		at, okAt := row[0].(int64)
		seq, okSeq := row[1].(int64)
		if !okAt || !okSeq {
			return errDamagedRow
		}
		r.after = pair{at, seq}
		id, found := row[2].(string)
		owner, _ := row[3].(string)
		expires, ends := row[4].(int64)
		if !found || !ends || expires > r.until {
			stale = append(stale, r.after)
			if found && ends {
				later = append(later, pair{expires, seq})
			}
			return nil
		}
		r.entries[byID] = append(r.entries[byID], pair{hashOf(id), seq})
		r.entries[byOwner] = append(r.entries[byOwner], pair{hashOf(owner), seq})
		r.entries[byExpiry] = append(r.entries[byExpiry], r.after)
		return nil
	}, r.lookups.expired, r.after.key, r.after.seq, r.until, int64(sweepRows))
	if err != nil {
		return 0, err
	}
	if seen < sweepRows || len(r.entries[byID]) >= removalRows {
		r.collected, r.done = true, len(r.entries[byID]) == 0
		sortPairs(r.entries[byID])
		sortPairs(r.entries[byOwner])
	}
	return seen, r.correct(c, stale, later)
}

// correct replaces entries of expiry times.
func (r *removal) correct(c *connection, stale, later []pair) error {
	for _, entry := range stale {
		if _, err := c.exec(r.lookups.drop[byExpiry], entry.key, entry.seq); err != nil {
			return err
		}
	}
	return r.lookups.addAll(c, byExpiry, later)
}

// delete deletes the next entries, and the documents with the last ones.
func (r *removal) delete(c *connection) (deleted int64, err error) {
	for index := range r.entries {
		for len(r.entries[index]) > 0 && deleted < sweepRows {
			entry := r.entries[index][0]
			if _, err := c.exec(r.lookups.drop[index], entry.key, entry.seq); err != nil {
				return 0, err
			}
			if index == byExpiry {
				if _, err := c.exec(r.lookups.remove, entry.seq); err != nil {
					return 0, err
				}
			}
			r.entries[index] = r.entries[index][1:]
			deleted++
		}
	}
	r.done = len(r.entries[byExpiry]) == 0
	return deleted, nil
}
