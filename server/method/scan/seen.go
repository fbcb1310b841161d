package scan

import (
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Seen is POST /federation/wechat/miniapp/scan/seen: a mini-program was opened with a scene. The response describes the sign-in for
// the user. The browser shows a number from now on, which is not in the response.
type Seen struct{ Backend }

// Mount implements endpoint.Endpoint.
func (e *Seen) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "scan_seen", Path: backendPath + "seen", Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

// seenResponse describes the sign-in.
type seenResponse struct {
	Method string     `json:"method"`
	Client seenClient `json:"client"`
	// Browser, System and Place are absent if unknown.
	Browser string `json:"browser,omitempty"`
	System  string `json:"system,omitempty"`
	Place   string `json:"place,omitempty"`
	// Differs means that browser and phone are in different countries, or that a country is unknown: the user has to confirm twice.
	Differs   bool  `json:"differs"`
	ExpiresIn int64 `json:"expires_in"`
}

// seenClient is the application that the user signs in to.
type seenClient struct {
	Name    string `json:"name"`
	LogoURI string `json:"logo_uri,omitempty"`
}

func (e *Seen) serve(w http.ResponseWriter, r *endpoint.Request) error {
	client, sent, err := e.authenticated(r)
	if err != nil {
		return err
	}
	if len(sent["attempt"]) > maxAttempt {
		return endpoint.NewError(fosite.ErrInvalidRequest, "attempt is too long.")
	}
	var attempt string
	if sent["attempt"] != "" {
		attempt = storage.Digest("scan attempt", sent["scene"], sent["attempt"])
	}
	for range changeAttempts {
		entry, err := e.Service.find(r.Context(), r.Issuer.Directory, client.Record(), sent["scene"])
		if err != nil {
			return err
		}
		seen, err := e.Service.seen(r, entry, attempt, endpoint.CountryCode(sent["country"]))
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return e.respond(w, r, seen)
	}
	return sceneUsed()
}

// seen records that a mini-program was opened with the scene. attempt recognizes the repeat of a request whose response was lost.
func (s *Service) seen(r *endpoint.Request, entry *storage.Entry[storage.Scan], attempt, phone string) (storage.Scan, error) {
	next := entry.Record
	switch {
	case s.isOver(next) && (next.State == storage.ScanShown || next.State == storage.ScanSeen):
		return storage.Scan{}, sceneExpired()
	case next.State == storage.ScanSeen && attempt != "" && next.Attempt == attempt:
		return next, nil
	case next.State != storage.ScanShown:
		return storage.Scan{}, sceneUsed()
	}
	next.State, next.Attempt = storage.ScanSeen, attempt
	next.Differs = phone == "" || next.Country == "" || phone != next.Country
	if next.Method == storage.SignInScan {
		number, err := twoDigits(s.Random)
		if err != nil {
			return storage.Scan{}, err
		}
		next.Number = number
	}
	changed, err := s.change(r.Context(), entry, next)
	if err != nil {
		return storage.Scan{}, err
	}
	return changed.Record, nil
}

func (e *Seen) respond(w http.ResponseWriter, r *endpoint.Request, seen storage.Scan) error {
	shown := seenClient{Name: r.Issuer.Directory.Name}
	if seen.Client != "" {
		client, err := e.Service.Clients.Client(r.Context(), seen.Directory, seen.Client)
		if errors.Is(err, storage.ErrNotFound) {
			return sceneUnknown()
		}
		if err != nil {
			return err
		}
		view := page.ViewClient(r, client.Record())
		shown.Name = view.Name
		if view.Logo != nil {
			shown.LogoURI = page.AbsoluteURL(r.Issuer, view.Logo.URL)
		}
	}
	return endpoint.WriteJSON(w, seenResponse{
		Method: seen.Method, Client: shown, Browser: seen.BrowserName, System: seen.System, Place: seen.Country, Differs: seen.Differs,
		ExpiresIn: int64(max(0, seen.EndsAt.Sub(e.Service.Now())) / time.Second),
	})
}
