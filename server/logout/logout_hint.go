package logout

import (
	"context"
	"errors"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// endByHint ends the session of a request's ID token without its browser, for a client with that setting, and reports
// whether it did. The caller is then the client's backend, which has no cookie.
func (e *Endpoint) endByHint(ctx context.Context, issuer *oauth2.Issuer, request *logoutRequest) (bool, error) {
	if !request.Proven || !endpoint.IsRandomString(request.Session, authorize.SessionIDSize) {
		return false, nil
	}
	client, err := e.client(ctx, issuer, request.Client)
	if err != nil || client == nil || !client.BackendLogout || token.Pairwise(*client) {
		return false, err
	}
	entry, err := storage.Get[storage.Session](ctx, e.Sessions.Engine, storage.Key(issuer.Directory.ID, request.Session))
	if errors.Is(err, storage.ErrNotFound) || err == nil && !entry.Record.EndedAt.IsZero() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, e.Sessions.End(ctx, entry)
}
