package grants

import (
	"context"
	"fmt"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/wechat"
)

// Code2Session is the method of wechat.Client that validates a code.
type Code2Session interface {
	Code2Session(ctx context.Context, app wechat.App, code string) (wechat.Session, error)
}

// WeChatExchanger is the CodeExchanger that calls WeChat.
type WeChatExchanger struct {
	// Client is a *wechat.Client.
	Client Code2Session
	// App returns the mini-program that belongs to the client. A protocol error is returned to the client as it is, another
	// error as server_error; Misconfigured suits a client that has no mini-program.
	App func(ctx context.Context, client fosite.Client) (wechat.App, error)
}

// ExchangeCode spends code with the credential of the client's mini-program.
func (e WeChatExchanger) ExchangeCode(ctx context.Context, client fosite.Client, code string) (wechat.Session, error) {
	app, err := e.App(ctx, client)
	if err != nil {
		return wechat.Session{}, fmt.Errorf("grants: mini-program of client %s: %w", client.GetID(), err)
	}
	return e.Client.Code2Session(ctx, app, code)
}
