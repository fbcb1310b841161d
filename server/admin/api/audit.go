package api

import (
	"io"
	"net/http"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// auditRoutes are the operations on the audit trail.
func auditRoutes() []route {
	const tag = "Audit"
	export := func(id, path, summary, text string) route {
		return route{
			id: id, method: http.MethodGet, path: path, tag: tag, status: http.StatusOK, summary: summary, text: text,
			act: admin.ActAuditRead, query: auditParameters(), replyMedia: []string{mediaLines}, serve: exportAudit,
		}
	}
	return []route{
		{
			id: "listAudit", method: http.MethodGet, path: "/directories/{directory}/audit", tag: tag, status: http.StatusOK,
			summary: "List the audit entries", text: "The newest come first. Entries have no secret, no phone number and no OpenID. A page can have fewer entries than the limit before the last one.",
			act: admin.ActAuditRead, query: append(pageParameters(), auditParameters()...), reply: typeOf[listOf[storage.AuditEntry]](),
			serve: func(c *call) (reply, error) {
				filter, err := c.auditFilter()
				if err != nil {
					return reply{}, err
				}
				return listReply(c.service.AuditTrail(c.Context(), c.directory(), filter, c.page()))
			},
		},
		export("exportAudit", "/directories/{directory}/audit/export", "Export the audit entries of a directory", "The response has a line of JSON for each entry, the oldest first."),
		export("exportAllAudit", "/audit/export", "Export all audit entries", "The response has a line of JSON for each entry of all directories, chain by chain."),
		{
			id: "verifyAudit", method: http.MethodPost, path: "/audit/verify", tag: tag, status: http.StatusOK,
			summary: "Verify the audit", text: "Reads all entries and checkpoints, and reports what was changed, removed or reordered.",
			act: admin.ActAuditRead, reply: typeOf[audit.Report](), serve: verifyAudit,
		},
	}
}

func exportAudit(c *call) (reply, error) {
	filter, err := c.auditFilter()
	if err != nil {
		return reply{}, err
	}
	directory := c.directory()
	if directory == "" {
		directory = storage.Everywhere
	}
	c.extend()
	return reply{stream: func(out io.Writer) error {
		return c.service.ExportAudit(c.Context(), directory, filter, func(e storage.AuditEntry) error {
			line, err := c.api.encode(e)
			if err != nil {
				return err
			}
			_, err = out.Write(line)
			return err
		})
	}}, nil
}

func verifyAudit(c *call) (reply, error) {
	c.extend()
	report, err := c.service.VerifyAudit(c.Context(), func(int) {})
	return reply{body: report}, err
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
	if err := c.parseTime("from", &filter.From); err != nil {
		return filter, err
	}
	return filter, c.parseTime("until", &filter.Until)
}
