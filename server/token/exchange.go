package token

import (
	"context"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage/oauth2"
)

// Exchange is what the token exchange grant needs: who a code is for, and how long that may take.
type Exchange struct {
	Exchanger grants.CodeExchanger
	Resolver  grants.SubjectResolver
	// Timeout bounds the work of one request, ReplayWait the wait for the grant of a code that another instance exchanges.
	Timeout, ReplayWait time.Duration
	// SingleProcess says that there is no other instance.
	SingleProcess bool
	Now           func() time.Time
}

// Factory is the grant of package grants (RFC 8693), with the defaults of the client's record.
func (e Exchange) Factory() compose.Factory {
	return grants.NewMiniProgramFactory(grants.MiniProgramConfig{
		Exchanger: e.Exchanger,
		Resolver:  e.Resolver,
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
	})
}
