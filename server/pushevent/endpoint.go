package pushevent

import (
	"cmp"
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
	// Path is the push URL of a client or a connection, relative to the issuer, without the ID of the client or the AppID.
	Path = "/federation/wechat/events/"
	// maxResponseTime is the time within which WeChat gets a response. WeChat waits for five seconds.
	maxResponseTime = 4 * time.Second
)

// Endpoint is the push URL of each client and connection: GET is the check of WeChat's console, POST delivers an event.
type Endpoint struct {
	Engine      storage.Engine
	Clients     *endpoint.Catalog
	Connections *endpoint.Connections
	Master      *keys.Master
	Now         func() time.Time
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
	app, err := e.app(ctx, r)
	if err != nil {
		return err
	}
	receiver, err := e.receiver(r, app)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		echo, err := receiver.Echo(r.URL.Query())
		if err != nil {
			return rejected(app, err)
		}
		return respond(w, echo)
	}
	body, err := endpoint.ReadBody(r.Request)
	if err != nil {
		return err
	}
	event, err := receiver.Receive(r.URL.Query(), body)
	if err != nil {
		return rejected(app, err)
	}
	if err := e.store(ctx, app, event); err != nil {
		return err
	}
	return respond(w, "success")
}

// app is the owner of a push URL, with its sealed keys.
type app struct {
	directory, id, client    string
	token, key               string
	tokenBinding, keyBinding keys.Binding
	// name and command are for texts to the operator.
	name, command string
}

// app returns the owner of a push URL: a client by its ID, or a connection by its AppID, also a disabled one. Without push settings it
// has no push URL.
func (e *Endpoint) app(ctx context.Context, r *endpoint.Request) (app, error) {
	directory, named := r.Issuer.Directory.ID, strings.TrimPrefix(r.URL.Path, Path)
	found, err := e.Clients.Client(ctx, directory, named)
	switch {
	case err == nil && found.Record().Federation != nil && found.Record().Federation.PushToken != "":
		client := found.Record()
		r.ClientID = client.ID
		return app{
			directory: directory, id: client.Federation.AppID, client: client.ID, token: client.Federation.PushToken, key: client.Federation.EncodingAESKey,
			tokenBinding: keys.PushTokenBinding(directory, client.ID), keyBinding: keys.EncodingAESKeyBinding(directory, client.ID),
			name: "client " + client.ID, command: "client set-push-keys",
		}, nil
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return app{}, err
	}
	connection, err := e.Connections.Registered(ctx, r.Issuer, named)
	if err != nil || connection.PushToken == "" {
		return app{}, endpoint.AsNotFound(cmp.Or(err, storage.ErrNotFound))
	}
	return app{
		directory: directory, id: connection.AppID, token: connection.PushToken, key: connection.EncodingAESKey,
		tokenBinding: keys.ConnectionPushTokenBinding(directory, connection.AppID), keyBinding: keys.ConnectionEncodingAESKeyBinding(directory, connection.AppID),
		name: "connection " + connection.AppID, command: "connection set-push-keys",
	}, nil
}

// receiver returns the receiver of an app's pushes.
func (e *Endpoint) receiver(r *endpoint.Request, of app) (*wechat.PushReceiver, error) {
	token, err := e.Master.Open(of.token, of.tokenBinding)
	if err != nil {
		return nil, err
	}
	key, err := e.Master.Open(of.key, of.keyBinding)
	if err != nil {
		return nil, err
	}
	return wechat.NewPushReceiver(wechat.PushKey{
		AppID: wechat.AppID(of.id), Token: string(token), EncodingAESKey: string(key),
		AllowPlain: strings.HasPrefix(r.Issuer.URL, "http:"), // An issuer without https is on loopback.
	}, e.Now)
}

// store stores an event unless it is stored already. An event about no user, and one of another kind, needs no action.
func (e *Endpoint) store(ctx context.Context, of app, event wechat.Event) error {
	if event.OpenID == "" || !slices.Contains(Events(), event.Name) {
		return nil
	}
	now := storage.Instant(e.Now())
	_, err := storage.Insert(ctx, e.Engine, storage.PushEvent{
		Directory: of.directory, ID: event.ID(), Client: of.client, AppID: string(event.AppID), Name: event.Name,
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
func rejected(of app, cause error) error {
	switch {
	case errors.Is(cause, wechat.ErrPushPlain):
		return refuse(fosite.ErrInvalidRequest, "This URL accepts messages in safe mode only.",
			"the push of "+of.name+" is not encrypted: select safe mode (安全模式) in WeChat's console")
	case errors.Is(cause, wechat.ErrPushStale):
		return refuse(fosite.ErrAccessDenied, "The timestamp of this message is not current.",
			"the push of "+of.name+" is older than five minutes, or the clock of this server is wrong: it was replayed, or forwarded too late")
	case errors.Is(cause, wechat.ErrPushSignature):
		return refuse(fosite.ErrAccessDenied, "The signature of this message is invalid.",
			"the push of "+of.name+" has another signature: it is not from WeChat, or the token is not that of WeChat's console ("+of.command+")")
	default:
		return refuse(fosite.ErrInvalidRequest, "This message cannot be read.",
			"the push of "+of.name+" cannot be read: it is for another AppID, or the EncodingAESKey is not that of WeChat's console ("+of.command+")")
	}
}

func refuse(base *fosite.RFC6749Error, description, cause string) error {
	return endpoint.CausedBy(endpoint.NewError(base, description), endpoint.OperatorCause(cause))
}
