package server

import (
	"context"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/storage"
)

// sessionFull logs and counts a client that gets no logout token at the end of a session.
func (s *Server) sessionFull(ctx context.Context, client storage.Client) {
	s.metrics.logoutsLost.Inc()
	s.config.Logger.WarnContext(ctx, "a session has too many clients: this one gets no logout token when it ends",
		"directory", client.Directory, "client", client.ID, "most", authorize.MaxSessionClients)
}
