package grants

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
)

// MiniProgramConfig configures how a server exchanges wx.login codes. Exchanger and Resolver are required; the zero value of
// every other field works.
type MiniProgramConfig struct {
	// Exchanger validates codes at WeChat.
	Exchanger CodeExchanger

	// NativeApps validates the codes that WeChat's SDK gave to mobile apps (NativeAppTokenType). Nil rejects them.
	NativeApps CodeExchanger

	// Resolver returns the subject of the tokens. When it is also a ReplayResolver, it is called before a code is spent and
	// returns the subject of an earlier exchange. Requests of this process with the same code then share one WeChat call.
	Resolver SubjectResolver

	// DefaultScopes are granted to a client that requests no scope; those that it may not use are left out. Nil grants openid
	// to the clients that may use it and nothing to the others.
	DefaultScopes func(ctx context.Context, client fosite.Client) []string

	// DefaultAudience is granted to a client that sends neither audience nor resource. Each value must be among the client's
	// GetAudience, because fosite checks that again at every refresh; if it is not, the request ends with server_error before
	// the code is spent. Nil grants no audience.
	DefaultAudience func(ctx context.Context, client fosite.Client) []string

	// Timeout bounds the work that continues after the caller has disconnected: once from the WeChat call to the resolved
	// subject, and once from the first token to the commit. Zero means 10 s.
	Timeout time.Duration

	// ReplayWait bounds how long a request whose code WeChat calls used waits for the request that used it. It should be
	// the total timeout of the Exchanger. Zero means 5 s. It has no effect without a ReplayResolver.
	ReplayWait time.Duration

	// SingleProcess means that no other process issues grants from this store. When WeChat reports a code as used and this
	// process did not spend it within ReplayWait, the request is rejected at once. Another backend of the same mini-program has
	// used the code.
	SingleProcess bool

	// Now is the clock for expiries. Nil means time.Now.
	Now func() time.Time
}

const (
	defaultTimeout    = 10 * time.Second
	defaultReplayWait = 5 * time.Second
)

// NewMiniProgramFactory returns the factory of the grant, for compose.Compose or for a server's own loop over factories.
// The storage must be an oauth2.AccessTokenStorage and an oauth2.RefreshTokenStorage, and is used as storage.Transactional
// when it is that too; the strategy must be an oauth2.AccessTokenStrategy, an oauth2.RefreshTokenStrategy and an
// openid.OpenIDConnectTokenStrategy, as compose.CommonStrategy is.
//
// The session must have SetSubject(string), and be an openid.Session when openid is granted: openid.DefaultSession works. The
// at_hash of ID tokens is right for every signing algorithm. A session that sets "alg" in IDTokenHeaders avoids a second
// signature for algorithms without SHA-256.
//
// A factory cannot return an error: call [MiniProgramConfig.Check] with the same values when the server starts. A handler that
// lacks something returns server_error for every token exchange, with the reason in the error's debug text; other grants work.
func NewMiniProgramFactory(cfg MiniProgramConfig) compose.Factory {
	return func(config fosite.Configurator, storage, strategy any) any {
		h := &MiniProgramHandler{
			exchanger:       cfg.Exchanger,
			nativeApps:      cfg.NativeApps,
			resolver:        cfg.Resolver,
			defaultScopes:   cfg.DefaultScopes,
			defaultAudience: cfg.DefaultAudience,
			timeout:         cmp.Or(cfg.Timeout, defaultTimeout),
			replayWait:      cmp.Or(cfg.ReplayWait, defaultReplayWait),
			singleProcess:   cfg.SingleProcess,
			now:             cfg.Now,
			config:          config,
			storage:         storage,
			flights:         flights{open: make(map[flightKey]*flight)},
		}
		if h.now == nil {
			h.now = time.Now
		}
		h.replays, _ = cfg.Resolver.(ReplayResolver)
		h.fault = h.assemble(storage, strategy)
		return h
	}
}

// Check returns what is missing for the grant to work, or nil: a field of the configuration, an interface of the storage or the
// strategy, or a method of the session. A server calls it at the start, with the values that it gives to compose.Compose and
// with a session as it gives it to NewAccessRequest, so that a wiring fault does not wait for the first request.
func (cfg MiniProgramConfig) Check(storage, strategy any, session fosite.Session) error {
	h := &MiniProgramHandler{exchanger: cfg.Exchanger, resolver: cfg.Resolver}
	if err := h.assemble(storage, strategy); err != nil {
		return err
	}
	_, err := sessionFor(session, Exchange{Scopes: []string{"openid"}})
	return err
}

// assemble takes the interfaces that the grant uses from storage and strategy. Its error names the first that is missing.
func (h *MiniProgramHandler) assemble(storage, strategy any) error {
	var ok bool
	if h.exchanger == nil {
		return fmt.Errorf("grants: MiniProgramConfig has no Exchanger")
	}
	if h.resolver == nil {
		return fmt.Errorf("grants: MiniProgramConfig has no Resolver")
	}
	if h.accessTokens, ok = storage.(oauth2.AccessTokenStorage); !ok {
		return fmt.Errorf("grants: storage %T is not an oauth2.AccessTokenStorage", storage)
	}
	if h.refreshTokens, ok = storage.(oauth2.RefreshTokenStorage); !ok {
		return fmt.Errorf("grants: storage %T is not an oauth2.RefreshTokenStorage", storage)
	}
	if h.accessStrategy, ok = strategy.(oauth2.AccessTokenStrategy); !ok {
		return fmt.Errorf("grants: strategy %T is not an oauth2.AccessTokenStrategy", strategy)
	}
	if h.refreshStrategy, ok = strategy.(oauth2.RefreshTokenStrategy); !ok {
		return fmt.Errorf("grants: strategy %T is not an oauth2.RefreshTokenStrategy", strategy)
	}
	if h.idStrategy, ok = strategy.(openid.OpenIDConnectTokenStrategy); !ok {
		return fmt.Errorf("grants: strategy %T is not an openid.OpenIDConnectTokenStrategy (compose.CommonStrategy is)", strategy)
	}
	return nil
}
