package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/minifed/minifed/storage"
)

// AuditKey is the key of the MACs of audit entries that derives from a master key.
type AuditKey struct {
	// ID is the ID of the master key.
	ID     string
	Secret []byte
}

func auditKeyBinding(id string) Binding { return Binding{Purpose: "audit_key", ID: id} }

// AuditKeys returns the keys for audit entries: first the one for new entries, then those of the other master keys, and of master
// keys that Reseal has replaced.
func AuditKeys(ctx context.Context, engine storage.Engine, master *Master) ([]AuditKey, error) {
	var all []AuditKey
	for _, key := range master.keys {
		all = append(all, AuditKey{key.id, key.audit})
	}
	entry, err := storage.Get[storage.AuditKeys](ctx, engine, storage.AuditKeysID)
	if errors.Is(err, storage.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keys: audit keys: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(entry.Record.Keys)) {
		if master.find(id) != nil {
			continue
		}
		secret, err := master.Open(entry.Record.Keys[id], auditKeyBinding(id))
		if err != nil {
			return nil, fmt.Errorf("keys: audit key %s: %w", id, err)
		}
		all = append(all, AuditKey{id, secret})
	}
	return all, nil
}

// resealAuditKeys stores the audit keys of all master keys but the first, sealed by the first, and reseals those of earlier ones.
func resealAuditKeys(ctx context.Context, engine storage.Engine, master *Master) (int, error) {
	entry, err := storage.Get[storage.AuditKeys](ctx, engine, storage.AuditKeysID)
	if errors.Is(err, storage.ErrNotFound) {
		var record storage.AuditKeys
		if changed, err := master.resealAuditKeys(&record); err != nil || !changed {
			return 0, err
		}
		_, err = storage.Insert(ctx, engine, record)
		if !errors.Is(err, storage.ErrExists) {
			return 0, err // Nothing was sealed before.
		}
		entry, err = storage.Get[storage.AuditKeys](ctx, engine, storage.AuditKeysID)
	}
	if err != nil {
		return 0, err
	}
	done, err := resealEntry(ctx, engine, entry, master.resealAuditKeys)
	if done {
		return 1, err
	}
	return 0, err
}

func (m *Master) resealAuditKeys(record *storage.AuditKeys) (changed bool, err error) {
	record.Keys = maps.Clone(record.Keys)
	if record.Keys == nil {
		record.Keys = map[string]string{}
	}
	for id, sealed := range record.Keys {
		resealed, did, err := m.Reseal(sealed, auditKeyBinding(id))
		if err != nil {
			return false, err
		}
		record.Keys[id] = resealed
		changed = changed || did
	}
	for _, key := range m.keys[1:] {
		if record.Keys[key.id] != "" {
			continue
		}
		if record.Keys[key.id], err = m.Seal(key.audit, auditKeyBinding(key.id)); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}
