package main

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// pushTimeout is the time in which WeChat expects a response.
const pushTimeout = 5 * time.Second

// pushURL is the push URL of a client or a connection.
type pushURL struct {
	check, remedy locale.Message
	// id is the ID of the client, or the AppID of the connection.
	id string
	// token and key are sealed; both are empty without a message push.
	token, key               string
	tokenBinding, keyBinding keys.Binding
}

func pushURLOfClient(client storage.Client) pushURL {
	return pushURL{
		check: locale.Text("doctor.push", client.ID, client.Directory), remedy: locale.Text("doctor.push.keys.remedy", "client", client.ID, client.Directory),
		id: client.ID, token: client.Federation.PushToken, key: client.Federation.EncodingAESKey,
		tokenBinding: keys.PushTokenBinding(client.Directory, client.ID), keyBinding: keys.EncodingAESKeyBinding(client.Directory, client.ID),
	}
}

func pushURLOfConnection(connection storage.Connection) pushURL {
	directory, appID := connection.Directory, connection.AppID
	return pushURL{
		check: locale.Text("doctor.push.connection", appID, directory), remedy: locale.Text("doctor.push.keys.remedy", "connection", appID, directory),
		id: appID, token: connection.PushToken, key: connection.EncodingAESKey,
		tokenBinding: keys.ConnectionPushTokenBinding(directory, appID), keyBinding: keys.ConnectionEncodingAESKeyBinding(directory, appID),
	}
}

// checkPush checks a push URL, as WeChat's console does: it sends a signed request and expects its echostr.
func (e *examination) checkPush(ctx context.Context, opened *deployment.Deployment, directory storage.Directory, at pushURL) {
	if at.token == "" {
		e.ok(at.check, locale.Text("doctor.push.none"))
		return
	}
	token, err := opened.Master.Open(at.token, at.tokenBinding)
	if err == nil {
		_, err = opened.Master.Open(at.key, at.keyBinding)
	}
	if err != nil {
		e.fail(at.check, locale.Text("error", err), at.remedy)
		return
	}
	check, address := at.check, opened.Admin.IssuerOf(directory)+admin.PushPath(at.id)
	if err := e.askPushURL(ctx, address, string(token)); err != nil {
		e.warn(check, locale.Text("doctor.push.unreachable", address, err), locale.Text("doctor.push.remedy"))
		return
	}
	e.ok(check, locale.Text("doctor.push.ok", address))
}

// askPushURL sends the check of WeChat's console to a push URL.
func (e *examination) askPushURL(ctx context.Context, address, token string) error {
	timestamp, nonce, echo := strconv.FormatInt(e.Now().Unix(), 10), rand.Text(), rand.Text()
	query := url.Values{"timestamp": {timestamp}, "nonce": {nonce}, "echostr": {echo}, "signature": {wechat.PushSignature(token, timestamp, nonce)}}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(len(echo)+1)))
	if err == nil && (response.StatusCode != http.StatusOK || string(body) != echo) {
		err = &locale.Problem{What: locale.Text("doctor.push.status", response.StatusCode)}
	}
	return err
}

// checkPushEvents warns about events that could not be applied for a long time.
func (e *examination) checkPushEvents(ctx context.Context, opened *deployment.Deployment) {
	check := locale.Text("doctor.push_events")
	late, _, err := storage.List[storage.PushEvent](ctx, opened.Engine, storage.Query{
		Order: storage.ByDue, DueBefore: e.Now().Add(-overdue), Limit: storage.MaxPage,
	})
	switch {
	case err != nil:
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
	case len(late) > 0:
		e.warn(check, locale.Text("doctor.push_events.late", len(late), late[0].Record.CreatedAt.Format(time.RFC3339)), locale.Text("doctor.push_events.remedy"))
	}
}
