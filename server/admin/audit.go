package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/storage"
)

// entry describes an audit entry.
type entry struct {
	directory string
	action    Act
	target    string
	// details name fields and states, never values that could be secret or personal.
	details map[string]string
	// before and after are the values of changed members, as far as the audit shows them.
	before, after map[string]string
}

// changed adds the members in which two records differ, unless the entry already describes the action. before is nil for a new
// record.
func (e entry) changed(before, after any) entry {
	if e.details != nil {
		return e
	}
	old, now := members(before), members(after)
	names, all := []string{}, []string{}
	e.before, e.after = map[string]string{}, map[string]string{}
	for name := range union(old, now) {
		if leaf := name[strings.LastIndex(name, ".")+1:]; slices.Contains(internalMembers(), leaf) || bytes.Equal(old[name], now[name]) {
			continue
		}
		all = append(all, name)
		top, _, _ := strings.Cut(name, ".")
		names = append(names, top)
	}
	for _, name := range all {
		if before != nil {
			e.before[name] = shownValue(before, name, old[name])
		}
		e.after[name] = shownValue(after, name, now[name])
	}
	if before != nil {
		slices.Sort(names)
		e.details = map[string]string{"changed": strings.Join(slices.Compact(names), " ")}
	}
	return e
}

// shownValue returns the text of a member's value for the audit. It shows the settings of clients, connections and directories, except
// secrets and what is large; of other records, such as users, only which members were set.
func shownValue(record any, name string, value json.RawMessage) string {
	if len(value) == 0 {
		return ""
	}
	shown := slices.Contains([]string{"status", "assignments"}, name)
	switch record.(type) {
	case storage.Client, storage.Connection, storage.Directory, storage.Resource:
		shown = !slices.Contains(hiddenMembers(), name)
	}
	if !shown {
		return "set"
	}
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// internalMembers are the members that the audit leaves out: they change with every act, or mean nothing to an operator.
func internalMembers() []string {
	return []string{"updated_at", "created_at", "incarnation", "directory_incarnation"}
}

// hiddenMembers are the members of clients, connections and directories whose values the audit does not show.
func hiddenMembers() []string {
	return []string{"secrets", "federation.app_secret", "federation.push_token", "federation.encoding_aes_key", "app_secret", "push_token", "encoding_aes_key", "jwks", "logo", "branding.logo"}
}

// record writes the entry of an act that is about to happen.
func (s *Service) record(ctx context.Context, e entry) (storage.AuditEntry, error) {
	written, err := s.config.Audit.Record(ctx, storage.AuditEntry{
		Directory: e.directory, Actor: s.config.Actor.Name, Action: string(e.action), Target: e.target,
		Details: e.details, Before: e.before, After: e.after, From: s.config.Actor.From, RequestID: s.config.Actor.RequestID,
	})
	if err != nil {
		return written, fmt.Errorf("admin: write the audit entry: %w", err)
	}
	return written, nil
}

// audit records what is about to be done.
func (s *Service) audit(ctx context.Context, e entry) error {
	_, err := s.record(ctx, e)
	return err
}

// failed records that the act of an entry did not happen, unless it may have happened. It returns err.
func (s *Service) failed(ctx context.Context, written storage.AuditEntry, err error) error {
	if err != nil && written.ID != "" && !errors.Is(err, storage.ErrUnavailable) {
		s.config.Audit.Fail(ctx, written)
	}
	return err
}

// AuditOrigin implements audit.Origin.
func (a Actor) AuditOrigin() (from, requestID string) { return a.From, a.RequestID }

// traced returns a context in which the entries of package identity name the origin of the actor.
func (s *Service) traced(ctx context.Context) context.Context {
	return audit.WithOrigin(ctx, s.config.Actor)
}

// AuditTrail returns one page of a directory's audit entries, newest first, and where the next page begins. See audit.List for
// pages that have fewer entries.
func (s *Service) AuditTrail(ctx context.Context, directory string, filter audit.Filter, page Page) ([]storage.AuditEntry, string, error) {
	if err := s.Allowed(directory, ActAuditRead); err != nil {
		return nil, "", err
	}
	return audit.List(ctx, s.config.Engine, directory, filter, page.After, page.Limit)
}

// ExportAudit visits the audit entries of a directory, oldest first. For the directory Everywhere it visits those of all
// directories, chain by chain.
func (s *Service) ExportAudit(ctx context.Context, directory string, filter audit.Filter, visit func(storage.AuditEntry) error) error {
	if err := s.Allowed(directory, ActAuditRead); err != nil {
		return err
	}
	if directory == storage.Everywhere {
		directory = ""
	}
	return audit.Each(ctx, s.config.Engine, directory, filter, visit)
}

// VerifyAudit verifies the audit of the installation. progress is called with the number of entries that were read.
func (s *Service) VerifyAudit(ctx context.Context, progress func(entries int)) (audit.Report, error) {
	if err := s.Allowed(storage.Everywhere, ActAuditRead); err != nil {
		return audit.Report{}, err
	}
	return s.config.Audit.Verify(ctx, progress)
}

// members returns the members of a record by name; those of an object within it are named "object.member".
func members(record any) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	body, err := json.Marshal(record)
	if record == nil || err != nil {
		return out
	}
	top := map[string]json.RawMessage{}
	if json.Unmarshal(body, &top) != nil {
		return out
	}
	for name, value := range top {
		nested := map[string]json.RawMessage{}
		if name == "jwks" || json.Unmarshal(value, &nested) != nil || len(nested) == 0 {
			out[name] = value
			continue
		}
		for member, inner := range nested {
			out[name+"."+member] = inner
		}
	}
	return out
}

func union(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
