package console

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// auditPage is the number of entries on a page.
const auditPage = 50

// auditData is what the page of the audit shows.
type auditData struct {
	Search         []auditSearch
	Rows           []auditRow
	Next, Download string
}

// auditSearch is a field of the search form; Label is the key of its text.
type auditSearch struct{ Name, Label, Type, Value string }

// auditRow is an entry, or a sign-in or link of a batch.
type auditRow struct {
	ID                             string
	At                             time.Time
	Actor, Action, Target, Outcome string
	From, RequestID                string
	// Changes are the members that the act changed.
	Changes []auditChange
}

// auditChange is a member before and after an act.
type auditChange struct{ Name, Before, After string }

// audit shows the audit of a directory.
func (c *Console) audit(w http.ResponseWriter, r *request) error {
	entry, err := c.directoryOf(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	entries, next, err := r.service.AuditTrail(r.Context(), entry.Record.ID, r.auditFilter(), admin.Page{After: query.Get("after"), Limit: auditPage})
	if err != nil {
		return err
	}
	data := auditData{Next: nextPage(r, next), Search: []auditSearch{
		{"actor", "audit.actor", "search", query.Get("actor")},
		{"action", "audit.action", "search", query.Get("action")},
		{"target", "audit.target", "search", query.Get("target")},
		{"from", "audit.since", "date", query.Get("from")},
		{"until", "audit.until", "date", query.Get("until")},
	}}
	query.Del("after")
	data.Download = directoryPath(entry.Record.ID, "audit.jsonl") + "?" + query.Encode()
	for _, found := range entries {
		data.Rows = append(data.Rows, auditRows(found)...)
	}
	return c.render(w, r, page{Template: "audit", Title: text("nav.audit"), Directory: &entry.Record, Tab: "nav.audit", Data: data})
}

// auditFilter returns the filter of the search form. A malformed day is ignored.
func (r *request) auditFilter() audit.Filter {
	query := r.URL.Query()
	filter := audit.Filter{Actor: query.Get("actor"), Action: query.Get("action"), Target: query.Get("target")}
	if day, err := time.Parse(dateLayout, query.Get("from")); err == nil {
		filter.From = day
	}
	if day, err := time.Parse(dateLayout, query.Get("until")); err == nil {
		filter.Until = day.Add(24 * time.Hour)
	}
	return filter
}

// auditRows returns the rows of an entry, newest first.
func auditRows(entry storage.AuditEntry) []auditRow {
	if len(entry.SignIns) == 0 {
		row := auditRow{
			ID: entry.ID, At: entry.CreatedAt, Actor: entry.Actor, Action: entry.Action, Target: entry.Target, Outcome: entry.Outcome,
			From: entry.From, RequestID: entry.RequestID,
		}
		for _, name := range slices.Sorted(maps.Keys(entry.After)) {
			row.Changes = append(row.Changes, auditChange{name, entry.Before[name], entry.After[name]})
		}
		return []auditRow{row}
	}
	var rows []auditRow
	for _, s := range slices.Backward(entry.SignIns) {
		row := auditRow{
			ID: entry.ID, At: s.At, Actor: "user:" + s.User, Action: audit.MemberAction(entry, s), Outcome: s.Outcome, From: s.From, RequestID: s.RequestID,
		}
		if s.Client != "" {
			row.Target = "client:" + s.Client
		}
		if s.Outcome == "" {
			row.Outcome = audit.Done
		}
		rows = append(rows, row)
	}
	return rows
}

// downloadAudit sends the audit of a directory as JSON Lines, oldest first.
func (c *Console) downloadAudit(w http.ResponseWriter, r *request) error {
	directory := r.vars["directory"]
	if err := r.service.Allowed(directory, admin.ActAuditRead); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Disposition", `attachment; filename="audit-`+directory+`.jsonl"`)
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	return r.service.ExportAudit(r.Context(), directory, r.auditFilter(), func(entry storage.AuditEntry) error { return encoder.Encode(entry) })
}
