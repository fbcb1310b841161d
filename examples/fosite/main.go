// A token endpoint for a WeChat mini-program, built with fosite and package grants.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

func main() {
	fmt.Fprintln(os.Stderr, serve())
	os.Exit(1)
}

// serve returns only with an error.
func serve() error {
	app := wechat.App{ID: wechat.AppID(os.Getenv("WECHAT_APP_ID")), Secret: wechat.AppSecret(os.Getenv("WECHAT_APP_SECRET"))}
	clientSecret := os.Getenv("CLIENT_SECRET")
	if app.ID == "" || app.Secret == "" || clientSecret == "" {
		return errors.New("set WECHAT_APP_ID, WECHAT_APP_SECRET and CLIENT_SECRET")
	}
	// Without WECHAT_URL the client calls WeChat.
	endpoint, err := newTokenEndpoint(app, wechat.Config{BaseURL: os.Getenv("WECHAT_URL")}, []byte(clientSecret))
	if err != nil {
		return err
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: endpoint, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// newTokenEndpoint returns the token endpoint of one client, "shop", which is the backend of the mini-program app.
func newTokenEndpoint(app wechat.App, config wechat.Config, clientSecret []byte) (http.Handler, error) {
	// 1. The grant: it exchanges a code of wx.login at WeChat and resolves the user.
	client, err := wechat.New(config)
	if err != nil {
		return nil, err
	}
	grant := grants.MiniProgramConfig{
		Exchanger: grants.WeChatExchanger{
			Client: client,
			App:    func(context.Context, fosite.Client) (wechat.App, error) { return app, nil },
		},
		Resolver: &users{subjects: map[wechat.OpenID]string{}},
	}
	// 2. A fosite server as usual. In production load the signing key and the global secret, and store tokens in a database.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signingKey := func(context.Context) (any, error) { return key, nil }
	settings := &fosite.Config{
		GlobalSecret:  []byte(rand.Text() + rand.Text()),
		IDTokenIssuer: "https://id.example.com",
		ScopeStrategy: fosite.ExactScopeStrategy,
	}
	hash, err := (&fosite.BCrypt{Config: settings}).Hash(context.Background(), clientSecret)
	if err != nil {
		return nil, err
	}
	store := storage.NewMemoryStore()
	store.Clients["shop"] = &fosite.DefaultClient{
		ID: "shop", Secret: hash,
		GrantTypes: []string{grants.GrantType, "refresh_token"},
		Scopes:     []string{"openid", "offline_access"},
	}
	strategy := compose.CommonStrategy{ // The grant needs all of it: NewOAuth2HMACStrategy alone cannot sign ID tokens.
		CoreStrategy:               compose.NewOAuth2HMACStrategy(settings),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(signingKey, settings),
	}
	// 3. Check reports a missing part now, and not at the first request.
	if err := grant.Check(store, strategy, openid.NewDefaultSession()); err != nil {
		return nil, err
	}
	provider := compose.Compose(settings, store, strategy,
		grants.NewMiniProgramFactory(grant), compose.OAuth2RefreshTokenGrantFactory, compose.OpenIDConnectRefreshFactory)
	// 4. The endpoint. The session must be an openid.Session.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAccessRequest(r.Context(), r, openid.NewDefaultSession())
		if err != nil {
			reject(w, r, provider, request, err)
			return
		}
		response, err := provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			reject(w, r, provider, request, err)
			return
		}
		provider.WriteAccessResponse(r.Context(), w, request, response)
	}), nil
}

// reject sends the client its text, and logs the operator's text: it names the cause, and contains no code and no OpenID.
func reject(w http.ResponseWriter, r *http.Request, provider fosite.OAuth2Provider, request fosite.AccessRequester, err error) {
	slog.WarnContext(r.Context(), "token request rejected", "error", err)
	grants.WriteAccessError(r.Context(), provider, w, request, err)
}

// users maps WeChat users to subjects. In production it is your user table.
type users struct {
	mu       sync.Mutex
	subjects map[wechat.OpenID]string
}

// ResolveSubject implements grants.SubjectResolver: it returns the user of an OpenID, or creates one.
func (u *users) ResolveSubject(_ context.Context, _ grants.Exchange, session wechat.Session) (grants.Subject, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.subjects[session.OpenID] == "" {
		u.subjects[session.OpenID] = rand.Text()
	}
	return grants.Subject{ID: u.subjects[session.OpenID]}, nil
}
