package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/minifed/minifed/storage"
)

// Reseal seals every secret in the store with the first master key, and returns how many records that changed. Master keys
// rotate one instance at a time, without a pause:
//
//  1. add the new key as the last line on every instance, and restart one after the other: all can open it now;
//  2. move it to the first line on every instance, and restart one after the other: all seal with it now;
//  3. Reseal, from any place that has both keys;
//  4. take the old key away.
//
// It may be stopped and run again. The record of CheckMaster goes last: it names the old key until nothing else needs it.
func Reseal(ctx context.Context, engine storage.Engine, master *Master) (changed int, err error) {
	passes := []func() (int, error){
		func() (int, error) { return resealKind(ctx, engine, master.resealSigningKeys) },
		func() (int, error) { return resealKind(ctx, engine, master.resealTokenSecrets) },
		func() (int, error) { return resealKind(ctx, engine, master.resealClient) },
		func() (int, error) { return resealKind(ctx, engine, master.resealConnection) },
		func() (int, error) { return resealKind(ctx, engine, master.resealDirectory) },
		func() (int, error) { return resealKind(ctx, engine, master.resealTOTP) },
		func() (int, error) { return resealKind(ctx, engine, master.resealResult) },
		func() (int, error) { return resealAuditKeys(ctx, engine, master) },
		func() (int, error) { return resealCheck(ctx, engine, master) },
	}
	for _, pass := range passes {
		count, err := pass()
		changed += count
		if err != nil {
			return changed, fmt.Errorf("keys: reseal: %w", err)
		}
	}
	return changed, nil
}

// resealKind applies reseal to every record of a kind.
func resealKind[R storage.Record](
	ctx context.Context, engine storage.Engine, reseal func(*R) (bool, error),
) (changed int, err error) {
	query := storage.Query{Limit: storage.MaxPage}
	for {
		entries, next, err := storage.List[R](ctx, engine, query)
		if err != nil {
			return changed, err
		}
		for _, entry := range entries {
			done, err := resealEntry(ctx, engine, entry, reseal)
			if err != nil {
				return changed, err
			}
			if done {
				changed++
			}
		}
		if next == "" {
			return changed, nil
		}
		query.After = next
	}
}

// resealEntry decides again from what it sees when it lost to another change.
func resealEntry[R storage.Record](
	ctx context.Context, engine storage.Engine, entry *storage.Entry[R], reseal func(*R) (bool, error),
) (bool, error) {
	for range maxAttempts {
		record := entry.Record
		changed, err := reseal(&record)
		if err != nil || !changed {
			return false, err
		}
		_, err = entry.Replace(ctx, engine, record)
		if err == nil || !errors.Is(err, storage.ErrConflict) {
			return err == nil, err
		}
		entry, err = storage.Get[R](ctx, engine, record.Document().ID)
		if err != nil {
			return false, err
		}
	}
	return false, storage.ErrConflict
}

func (m *Master) resealSigningKeys(record *storage.SigningKeys) (changed bool, err error) {
	record.Keys = maps.Clone(record.Keys)
	for kid, key := range record.Keys {
		if key.Private == "" {
			continue
		}
		resealed, did, err := m.Reseal(key.Private, signingKeyBinding(record.Directory, record.Algorithm, kid))
		if err != nil {
			return false, err
		}
		key.Private = resealed
		record.Keys[kid] = key
		changed = changed || did
	}
	return changed, nil
}

func (m *Master) resealTokenSecrets(record *storage.TokenSecrets) (changed bool, err error) {
	record.Generations = maps.Clone(record.Generations)
	for name, generation := range record.Generations {
		resealed, did, err := m.Reseal(generation.Secret, tokenSecretBinding(record.Directory, name))
		if err != nil {
			return false, err
		}
		generation.Secret = resealed
		record.Generations[name] = generation
		changed = changed || did
	}
	if record.Subjects == "" {
		return changed, nil
	}
	resealed, did, err := m.Reseal(record.Subjects, subjectSecretBinding(record.Directory))
	record.Subjects = resealed
	return changed || did, err
}

func (m *Master) resealClient(record *storage.Client) (changed bool, err error) {
	if record.Federation == nil {
		return false, nil
	}
	federation := *record.Federation
	changed, err = m.resealSecrets([]sealedSecret{
		{&federation.AppSecret, AppSecretBinding(record.Directory, record.ID)},
		{&federation.PushToken, PushTokenBinding(record.Directory, record.ID)},
		{&federation.EncodingAESKey, EncodingAESKeyBinding(record.Directory, record.ID)},
	})
	record.Federation = &federation
	return changed, err
}

func (m *Master) resealConnection(record *storage.Connection) (changed bool, err error) {
	return m.resealSecrets([]sealedSecret{
		{&record.AppSecret, ConnectionSecretBinding(record.Directory, record.AppID)},
		{&record.PushToken, ConnectionPushTokenBinding(record.Directory, record.AppID)},
		{&record.EncodingAESKey, ConnectionEncodingAESKeyBinding(record.Directory, record.AppID)},
	})
}

func (m *Master) resealDirectory(record *storage.Directory) (changed bool, err error) {
	return m.resealSecrets([]sealedSecret{
		{&record.SMSKey, SMSKeyBinding(record.ID)},
		{&record.CaptchaKey, CaptchaKeyBinding(record.ID)},
	})
}

// sealedSecret is a sealed member of a record; empty if it is not set.
type sealedSecret struct {
	sealed  *string
	binding Binding
}

func (m *Master) resealSecrets(secrets []sealedSecret) (changed bool, err error) {
	for _, secret := range secrets {
		if *secret.sealed == "" {
			continue
		}
		resealed, did, err := m.Reseal(*secret.sealed, secret.binding)
		if err != nil {
			return false, err
		}
		*secret.sealed, changed = resealed, changed || did
	}
	return changed, nil
}

func (m *Master) resealTOTP(record *storage.TOTP) (changed bool, err error) {
	record.Secret, changed, err = m.Reseal(record.Secret, TOTPBinding(record.Directory, record.User))
	return changed, err
}

func (m *Master) resealResult(record *storage.IdempotentRequest) (changed bool, err error) {
	if record.Result == "" {
		return false, nil
	}
	record.Result, changed, err = m.Reseal(record.Result, ResultBinding(record.ID))
	return changed, err
}

// resealCheck reseals the record of CheckMaster, which shares its kind with records that seal nothing.
func resealCheck(ctx context.Context, engine storage.Engine, master *Master) (int, error) {
	entry, err := storage.Get[storage.MasterCheck](ctx, engine, storage.MasterCheckID)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	done, err := resealEntry(ctx, engine, entry, func(record *storage.MasterCheck) (changed bool, err error) {
		record.Sealed, changed, err = master.Reseal(record.Sealed, checkBinding())
		return changed, err
	})
	if done {
		return 1, err
	}
	return 0, err
}
