package api

import (
	"net/http"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// auditRoutes are the operations on the audit trail.
func auditRoutes() []route {
	return []route{{
		id: "listAudit", method: http.MethodGet, path: "/directories/{directory}/audit", tag: "Audit", status: http.StatusOK,
		summary: "List the audit entries", text: "The newest come first. Entries have no secret, no phone number and no OpenID.",
		act: admin.ActAuditRead, query: pageParameters(), reply: typeOf[listOf[storage.AuditEntry]](),
		serve: func(c *call) (reply, error) {
			return listReply(c.service.AuditTrail(c.Context(), c.directory(), c.page()))
		},
	}}
}
