package server

import (
	"cmp"
	"context"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// outcomeSuccess is the outcome of a sign-in that succeeded.
const outcomeSuccess = "success"

// recordSignIn counts a sign-in, and records it unless it failed for an unknown user. It does not wait for the store.
func (s *Server) recordSignIn(c *endpoint.Request) {
	if c.SignIn.Method == "" || c.Issuer == nil {
		return
	}
	outcome := ""
	if c.Failure != nil {
		outcome = cmp.Or(c.Failure.Reason, c.Failure.Protocol.ErrorField)
	}
	if outcome == "" && !c.SignIn.Done {
		return
	}
	if s.config.Statistics != nil {
		s.config.Statistics.Count(c.Issuer.Directory.ID, c.SignIn.Method, cmp.Or(outcome, outcomeSuccess))
	}
	if c.SignIn.User == "" {
		return
	}
	from, requestID := c.AuditOrigin()
	s.config.Audit.RecordSignIn(c.Issuer.Directory.ID, storage.SignIn{
		At: c.Started, User: c.SignIn.User, Client: c.ClientID, Method: c.SignIn.Method, Outcome: outcome, From: from, RequestID: requestID,
		Session: c.SignIn.Session, Browser: c.SignIn.Browser, Country: c.Country,
	})
}

// recordLockout returns the function that records the beginning of a lockout. The caller of the lockout gets its response even if
// the audit cannot be written.
func recordLockout(config Config) func(context.Context, ratelimit.Begun) {
	return func(ctx context.Context, begun ratelimit.Begun) {
		_, err := config.Audit.Record(ctx, storage.AuditEntry{
			Directory: begun.Directory, Actor: "system", Action: "lockout", Target: begun.Target, Details: map[string]string{"rule": begun.Rule},
		})
		if err != nil {
			config.Logger.WarnContext(ctx, "the audit does not have the beginning of a lockout", "rule", begun.Rule, "cause", err.Error())
		}
	}
}
