package scan

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Deny is POST /federation/wechat/miniapp/scan/deny: the user rejects a sign-in in the mini-program.
type Deny struct{ Backend }

// Mount implements endpoint.Endpoint.
func (e *Deny) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "scan_deny", Path: backendPath + "deny", Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

// stateResponse is the state of a sign-in.
type stateResponse struct {
	State storage.ScanState `json:"state"`
}

func (e *Deny) serve(w http.ResponseWriter, r *endpoint.Request) error {
	client, sent, err := e.authenticated(r)
	if err != nil {
		return err
	}
	for range changeAttempts {
		entry, err := e.Service.find(r.Context(), r.Issuer.Directory, client.Record(), sent["scene"])
		if err != nil {
			return err
		}
		next := entry.Record
		switch {
		case next.State == storage.ScanDenied:
			return endpoint.WriteJSON(w, stateResponse{storage.ScanDenied})
		case next.State == storage.ScanUsed:
			return sceneUsed()
		case e.Service.isOver(next):
			return sceneExpired()
		}
		next.State, next.DeniedBecause = storage.ScanDenied, deniedUser
		_, err = e.Service.change(r.Context(), entry, next)
		if err == nil {
			return endpoint.WriteJSON(w, stateResponse{storage.ScanDenied})
		}
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return sceneUsed()
}
