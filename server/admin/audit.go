package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// auditRetention is how long an audit entry is stored.
const auditRetention = 400 * 24 * time.Hour

// entry describes an audit entry.
type entry struct {
	directory string
	action    Act
	target    string
	// details name fields and states, never values that could be secret or personal.
	details map[string]string
}

// changed adds the names of the members in which two records differ, unless the entry already describes the action.
func (e entry) changed(before, after any) entry {
	if e.details == nil {
		e.details = map[string]string{"changed": strings.Join(changedMembers(before, after), " ")}
	}
	return e
}

// audit records what is about to be done.
func (s *Service) audit(ctx context.Context, e entry) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	now := s.now()
	_, err = storage.Insert(ctx, s.config.Engine, storage.AuditEntry{
		Directory: e.directory, ID: id, Actor: s.config.Actor.Name, Action: string(e.action), Target: e.target, Details: e.details,
		CreatedAt: now, ExpiresAt: now.Add(auditRetention),
	})
	if err != nil {
		return fmt.Errorf("admin: write the audit entry: %w", err)
	}
	return nil
}

// AuditTrail returns one page of a directory's audit entries, newest first, and where the next page begins.
func (s *Service) AuditTrail(ctx context.Context, directory string, page Page) ([]storage.AuditEntry, string, error) {
	if err := s.Allowed(directory, ActAuditRead); err != nil {
		return nil, "", err
	}
	return list[storage.AuditEntry](ctx, s, page.query(directory, storage.ByCreatedDescending))
}

// changedMembers names the members in which the JSON of two records differs.
func changedMembers(before, after any) []string {
	old, now := members(before), members(after)
	names := []string{}
	for name := range union(old, now) {
		if name != "updated_at" && !bytes.Equal(old[name], now[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func members(record any) map[string]json.RawMessage {
	body, err := json.Marshal(record)
	if err != nil {
		return nil
	}
	out := map[string]json.RawMessage{}
	if json.Unmarshal(body, &out) != nil {
		return nil
	}
	return out
}

func union(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
