package pushevent

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

const (
	// Path is the push URL of a client, relative to the issuer, without the ID of the client.
	Path = "/federation/wechat/events/"
	// maxResponseTime is the time within which WeChat gets a response. WeChat waits for five seconds.
	maxResponseTime = 4 * time.Second
)

// Endpoint is the push URL of each client: GET is the check of WeChat's console, POST delivers an event.
type Endpoint struct {
	Engine  storage.Engine
	Clients *endpoint.Catalog
	Master  *keys.Master
	Now     func() time.Time
	// Timeout bounds the time of a response; at most maxResponseTime.
	Timeout time.Duration
	// Stored is called after an event was stored.
	Stored func()
}

// Mount implements endpoint.Endpoint.
func (e *Endpoint) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "wechat_events", Path: Path + "{client}", Methods: []string{http.MethodGet, http.MethodPost},
		Serve: e.serve, ErrorWriter: endpoint.OAuthErrors,
	})
}

func (e *Endpoint) serve(w http.ResponseWriter, r *endpoint.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), min(e.Timeout, maxResponseTime))
	defer cancel()
	client, receiver, err := e.receiver(ctx, r)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		echo, err := receiver.Echo(r.URL.Query())
		if err != nil {
			return rejected(client, err)
		}
		return respond(w, echo)
	}
	body, err := endpoint.ReadBody(r.Request)
	if err != nil {
		return err
	}
	event, err := receiver.Receive(r.URL.Query(), body)
	if err != nil {
		return rejected(client, err)
	}
	if err := e.store(ctx, client, event); err != nil {
		return err
	}
	return respond(w, "success")
}

// receiver returns the client of a push URL and the receiver of its pushes. A client without push settings has no push URL.
func (e *Endpoint) receiver(ctx context.Context, r *endpoint.Request) (storage.Client, *wechat.PushReceiver, error) {
	found, err := e.Clients.Client(ctx, r.Issuer.Directory.ID, strings.TrimPrefix(r.URL.Path, Path))
	if err != nil {
		return storage.Client{}, nil, endpoint.AsNotFound(err)
	}
	client := found.Record()
	if client.Federation == nil || client.Federation.PushToken == "" {
		return storage.Client{}, nil, endpoint.NotFound()
	}
	r.ClientID = client.ID
	token, err := e.Master.Open(client.Federation.PushToken, keys.PushTokenBinding(client.Directory, client.ID))
	if err != nil {
		return storage.Client{}, nil, err
	}
	key, err := e.Master.Open(client.Federation.EncodingAESKey, keys.EncodingAESKeyBinding(client.Directory, client.ID))
	if err != nil {
		return storage.Client{}, nil, err
	}
	receiver, err := wechat.NewPushReceiver(wechat.PushKey{
		AppID: wechat.AppID(client.Federation.AppID), Token: string(token), EncodingAESKey: string(key),
		AllowPlain: strings.HasPrefix(r.Issuer.URL, "http:"), // An issuer without https is on loopback.
	}, e.Now)
	return client, receiver, err
}

// store stores an event unless it is stored already. An event about no user, and one of another kind, needs no action.
func (e *Endpoint) store(ctx context.Context, client storage.Client, event wechat.Event) error {
	if event.OpenID == "" || !slices.Contains(Events(), event.Name) {
		return nil
	}
	now := storage.Instant(e.Now())
	_, err := storage.Insert(ctx, e.Engine, storage.PushEvent{
		Directory: client.Directory, ID: event.ID(), Client: client.ID, AppID: string(event.AppID), Name: event.Name,
		OpenID: string(event.OpenID), Revoked: event.Revoked, HappenedAt: event.Created, DueAt: now, CreatedAt: now,
	})
	if errors.Is(err, storage.ErrExists) {
		return nil
	}
	if err == nil {
		e.Stored()
	}
	return err
}

// respond writes the response that WeChat expects.
func respond(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, text) // The connection is gone when this fails.
	return nil
}

// rejected maps the error of a push to the error of the response, with the remedy for the log.
func rejected(client storage.Client, cause error) error {
	switch {
	case errors.Is(cause, wechat.ErrPushPlain):
		return refuse(fosite.ErrInvalidRequest, "This URL accepts messages in safe mode only.",
			"the push of client "+client.ID+" is not encrypted: select safe mode (安全模式) in WeChat's console")
	case errors.Is(cause, wechat.ErrPushStale):
		return refuse(fosite.ErrAccessDenied, "The timestamp of this message is not current.",
			"the push of client "+client.ID+" is older than five minutes, or the clock of this server is wrong: it was replayed, or forwarded too late")
	case errors.Is(cause, wechat.ErrPushSignature):
		return refuse(fosite.ErrAccessDenied, "The signature of this message is invalid.",
			"the push of client "+client.ID+" has another signature: it is not from WeChat, or the token is not that of WeChat's console (client set-push-keys)")
	default:
		return refuse(fosite.ErrInvalidRequest, "This message cannot be read.",
			"the push of client "+client.ID+" cannot be read: it is for another AppID, or the EncodingAESKey is not that of WeChat's console (client set-push-keys)")
	}
}

func refuse(base *fosite.RFC6749Error, description, cause string) error {
	return endpoint.CausedBy(endpoint.NewError(base, description), endpoint.OperatorCause(cause))
}
