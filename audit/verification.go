package audit

import (
	"context"
	"errors"

	"github.com/minifed/minifed/storage"
)

// LastVerification returns the result of the last verification; zero before the first one. A stored result without a valid MAC was
// changed, and counts as one with a problem.
func (t *Trail) LastVerification(ctx context.Context) (storage.AuditVerification, error) {
	entry, err := storage.Get[storage.AuditVerification](ctx, t.config.Engine, storage.AuditVerificationID)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.AuditVerification{}, nil
	}
	if err != nil {
		return storage.AuditVerification{}, err
	}
	last := entry.Record
	if t.keys.check(last.Key, last.MAC, verificationMessage(last)) != valid {
		last.Found = max(1, last.Found)
	}
	return last, nil
}

// readVerification reads the last verification for State.
func (t *Trail) readVerification(ctx context.Context) error {
	last, err := t.LastVerification(ctx)
	if err == nil {
		t.verified.Store(&last)
	}
	return err
}

// storeVerification stores the result of a verification.
func (t *Trail) storeVerification(ctx context.Context, report Report) error {
	next := storage.AuditVerification{At: t.now(), Entries: report.Entries, Found: report.Found, Key: t.signing().ID}
	next.MAC = t.signing().mac(verificationMessage(next))
	for range attempts {
		entry, err := storage.Get[storage.AuditVerification](ctx, t.config.Engine, storage.AuditVerificationID)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			_, err = storage.Insert(ctx, t.config.Engine, next)
		case err == nil:
			_, err = entry.Replace(ctx, t.config.Engine, next)
		}
		if err == nil {
			t.verified.Store(&next)
			return nil
		}
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return storage.ErrUnavailable
}
