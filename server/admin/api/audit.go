package api

import (
	"net/http"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// auditRoutes are the operations on the audit trail.
func auditRoutes() []route {
	return []route{{
		id: "listAudit", method: http.MethodGet, path: "/directories/{directory}/audit", tag: "Audit", status: http.StatusOK,
		summary: "List the audit entries", text: "The newest come first. Entries have no secret, no phone number and no OpenID.",
		act: admin.ActAuditRead, query: append(pageParameters(), auditParameters()...), reply: typeOf[listOf[storage.AuditEntry]](),
		serve: func(c *call) (reply, error) {
			filter, err := c.auditFilter()
			if err != nil {
				return reply{}, err
			}
			return listReply(c.service.AuditTrail(c.Context(), c.directory(), filter, c.page()))
		},
	}}
}

// auditParameters select audit entries.
func auditParameters() []parameter {
	return []parameter{
		{name: "actor", text: "Only entries of this actor, such as operator:ID. user:ID also selects sign-ins."},
		{name: "action", text: "Only entries of this action, or of all actions that begin with it if it ends with a dot, such as client.update or client."},
		{name: "target", text: "Only entries about this target, such as client:ID. user:ID and client:ID also select sign-ins."},
		{name: "from", text: "Only entries from this time on, in RFC 3339."},
		{name: "until", text: "Only entries before this time, in RFC 3339."},
	}
}

// auditFilter returns the filter of the query.
func (c *call) auditFilter() (audit.Filter, error) {
	query := c.URL.Query()
	filter := audit.Filter{Actor: query.Get("actor"), Action: query.Get("action"), Target: query.Get("target")}
	for name, at := range map[string]*time.Time{"from": &filter.From, "until": &filter.Until} {
		if query.Get(name) == "" {
			continue
		}
		parsed, err := time.Parse(time.RFC3339, query.Get(name))
		if err != nil {
			return filter, parameterProblem(name, "must be a time in RFC 3339, such as 2026-01-31T08:00:00Z")
		}
		*at = parsed
	}
	return filter, nil
}
