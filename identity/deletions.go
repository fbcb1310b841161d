package identity

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// deletionInterval is the interval of the searches for users whose deletion is due.
	deletionInterval = 30 * time.Second
	// deletionPage bounds a page of due users.
	deletionPage = 64
	// eraseAgain is when the records of a deleted user are searched again: for records that a request in flight has added, and for
	// sessions whose clients are still to be notified.
	eraseAgain = 10 * time.Minute
	// deletionWorker is the actor of the deletions that are due, in the audit.
	deletionWorker = "system:deletion"
)

// Deletions deletes users when their time has come, and then the remaining records of deleted users. Any number of instances may
// run on one store: each step can be repeated, and a crash between any two writes delays the rest until the next search.
type Deletions struct{ *Service }

// Run works until ctx ends.
func (d Deletions) Run(ctx context.Context) {
	ticker := time.NewTicker(deletionInterval)
	defer ticker.Stop()
	for {
		if err := d.DeleteDue(ctx); err != nil && ctx.Err() == nil {
			d.logger.WarnContext(ctx, "not all users whose deletion is due could be deleted; it is tried again", "cause", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// DeleteDue deletes what is due. A user who cannot be deleted does not delay the others.
func (d Deletions) DeleteDue(ctx context.Context) error {
	query := storage.Query{Order: storage.ByDue, DueBefore: d.now(), Limit: deletionPage}
	var failed error
	for {
		entries, next, err := storage.List[storage.User](ctx, d.engine, query)
		if err != nil {
			return errors.Join(failed, wrap("list users", err))
		}
		for _, entry := range entries {
			failed = errors.Join(failed, d.deleteDue(ctx, entry))
		}
		if next == "" {
			return failed
		}
		query.After = next
	}
}

// deleteDue does the next step for a user, unless only the user's sessions are due.
func (d Deletions) deleteDue(ctx context.Context, user *storage.Entry[storage.User]) error {
	due := user.Record.DeletionDueAt
	switch {
	case due.IsZero() || due.After(d.now()):
		return nil
	case user.Record.Status == storage.UserDeleted:
		return d.erase(ctx, user)
	default:
		return d.deleteRequested(ctx, user)
	}
}

// deleteRequested deletes a user whose request for deletion is due. A request that was canceled since user was read remains canceled.
func (d Deletions) deleteRequested(ctx context.Context, user *storage.Entry[storage.User]) error {
	recorded := d.recording(deletionWorker, ActionDelete)
	if err := recorded.write(ctx, user.Record, nil, nil); err != nil {
		return err
	}
	err := d.tombstone(ctx, user)
	if lost(err) {
		return recorded.end(ctx, nil)
	}
	if err != nil {
		return recorded.end(ctx, err)
	}
	return d.tombstoneAll(ctx, user.Record.Directory, user.Record.ID)
}

// erase deletes the records of a tombstone when the clients of its sessions are notified. The write that ends the work comes last,
// after a search that found nothing.
func (d Deletions) erase(ctx context.Context, user *storage.Entry[storage.User]) error {
	if !user.Record.SessionsDueAt.IsZero() {
		return nil // The notifications of the clients go by the user's sessions and grants.
	}
	if err := d.tombstoneAll(ctx, user.Record.Directory, user.Record.ID); err != nil {
		return err
	}
	left, err := d.deleteRecords(ctx, user.Record)
	if err != nil {
		return err
	}
	next := user.Record
	next.DeletionDueAt = time.Time{}
	if left {
		next.DeletionDueAt = d.now().Add(eraseAgain)
	}
	_, err = user.Replace(ctx, d.engine, next)
	if lost(err) {
		return nil // Another instance does the same.
	}
	return wrap("replace user", err)
}

// deleteRecords deletes the grants, consents, sessions and merge candidates of a user. It reports whether there were any.
func (d Deletions) deleteRecords(ctx context.Context, user storage.User) (found bool, err error) {
	owner := storage.Key(user.Directory, user.ID)
	grants, err := deleteEach(ctx, d.engine, owner, func(storage.Grant) bool { return true })
	if err != nil {
		return false, err
	}
	consents, err := deleteEach(ctx, d.engine, owner, func(storage.Consent) bool { return true })
	if err != nil {
		return false, err
	}
	sessions, err := deleteEach(ctx, d.engine, owner, func(session storage.Session) bool { return session.DeliverAt.IsZero() })
	if err != nil {
		return false, err
	}
	candidates, err := deleteEach(ctx, d.engine, user.Directory, func(candidate storage.MergeCandidate) bool {
		return candidate.Users[0] == user.ID || candidate.Users[1] == user.ID
	})
	return grants || consents || sessions || candidates, err
}

// deleteEach deletes the records of an owner for which deletes is true. It reports whether any record can be there at the next search: one
// that was deleted now, or one of the owner that still waits.
func deleteEach[R storage.Record](ctx context.Context, engine storage.Engine, owner string, deletes func(R) bool) (found bool, err error) {
	query := storage.Query{Order: storage.ByCreated, Owner: owner, Limit: storage.MaxPage}
	for {
		entries, next, err := storage.List[R](ctx, engine, query)
		if err != nil {
			return false, wrap("list records", err)
		}
		for _, entry := range entries {
			doc := entry.Record.Document()
			if !deletes(entry.Record) {
				found = found || doc.Kind == storage.KindSession
				continue
			}
			found = true
			if err := engine.Delete(ctx, doc.Kind, doc.ID); err != nil {
				return false, wrap("delete records", err)
			}
		}
		if next == "" {
			return found, nil
		}
		query.After = next
	}
}
