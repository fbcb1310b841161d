package token

import (
	"context"
	"fmt"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage/oauth2"
)

// Exchange configures the token exchange grant: how it finds the user of a wx.login code, and its timeouts.
type Exchange struct {
	Exchanger grants.CodeExchanger
	Resolver  grants.SubjectResolver
	// NativeApps proves the codes of mobile apps.
	NativeApps grants.CodeExchanger
	// Timeout bounds the work of one request. ReplayWait bounds the wait while another instance exchanges the same code.
	Timeout, ReplayWait time.Duration
	// SingleProcess means that no other instance uses the store.
	SingleProcess bool
	Now           func() time.Time
}

// Factory returns the factory of the token exchange grant (RFC 8693) of package grants, with the defaults of the client's record.
// It returns an error if a part that the grant requires is missing, so that the server does not start without it.
func (e Exchange) Factory(store, strategy any) (compose.Factory, error) {
	config := e.config()
	if err := config.Check(store, strategy, new(oauth2.Session)); err != nil {
		return nil, fmt.Errorf("token: token exchange: %w", err)
	}
	return grants.NewMiniProgramFactory(config), nil
}

func (e Exchange) config() grants.MiniProgramConfig {
	return grants.MiniProgramConfig{
		Exchanger:  e.Exchanger,
		NativeApps: e.NativeApps,
		Resolver:   e.Resolver,
		DefaultScopes: func(_ context.Context, client fosite.Client) []string {
			known, ok := client.(*oauth2.Client)
			if !ok {
				return nil
			}
			return known.DefaultScopes()
		},
		DefaultAudience: func(_ context.Context, client fosite.Client) []string {
			known, ok := client.(*oauth2.Client)
			if !ok {
				return nil
			}
			return known.DefaultAudience()
		},
		Timeout:       e.Timeout,
		ReplayWait:    e.ReplayWait,
		SingleProcess: e.SingleProcess,
		Now:           e.Now,
	}
}
