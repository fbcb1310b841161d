package account

import (
	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// reasonStartsNoSessions is the reason of a request to start a browser session by a client that may not do so.
const reasonStartsNoSessions = "starts_no_sessions"

// CheckStartsSessions rejects a client whose backend may not start browser sessions of its users.
func CheckStartsSessions(client storage.Client) error {
	if client.StartsSessions {
		return nil
	}
	problem := endpoint.NewError(fosite.ErrUnauthorizedClient, "This client may not start browser sessions. Its operator has to allow it with starts_sessions.")
	problem.Reason = reasonStartsNoSessions
	return problem
}
