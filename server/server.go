package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/clientauth"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/server/logout"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage/oauth2"
)

// Server is the OpenID Provider of all directories. It is an http.Handler, safe for concurrent use; http.Server.Shutdown drains
// it. Work without a request happens only in Run.
type Server struct {
	config      Config
	proxies     endpoint.TrustedProxies
	catalog     *endpoint.Catalog
	table       *endpoint.RouteTable
	metrics     *metrics
	headers     http.Header // of every response
	access      accessLog
	backchannel *logout.Backchannel
	store       *oauth2.Store
	mail        *mail.Queue
	// pageErrors is the page of errors.
	pageErrors endpoint.ErrorWriter
}

var _ http.Handler = (*Server)(nil)

// New puts a server together, or says what is wrong with its configuration.
func New(config Config) (*Server, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:  config,
		proxies: endpoint.TrustedProxies{Networks: config.TrustedProxies, Random: config.Rand},
		catalog: endpoint.NewCatalog(endpoint.CatalogConfig{PublicURL: config.PublicURL, DefaultDirectory: config.DefaultDirectory, Engine: config.Engine, Now: config.Now}),
		table:   endpoint.NewRouteTable(),
		headers: headersOf(config.PublicURL),
		access:  accessLog{config.Logger},
		mail:    mail.NewQueue(config.Mailer, config.Logger),
	}
	known := token.Subjects{Secrets: config.Secrets}
	s.store = &oauth2.Store{
		Engine: config.Engine, Clients: s.catalog, Secrets: config.Secrets, Now: config.Now, TokenNow: config.TokenNow, Rand: config.Rand, Subject: known.ForUser,
	}
	if s.metrics, err = newMetrics(config.Metrics); err != nil {
		return nil, fmt.Errorf("server: metrics: %w", err)
	}
	s.backchannel = logout.NewBackchannel(logout.BackchannelConfig{Engine: config.Engine, Secrets: config.Secrets, Keys: config.Keys, Fetch: config.Fetch, Now: config.Now, Rand: config.Rand, Logger: config.Logger}, s.catalog)
	endpoints, err := s.endpoints()
	if err != nil {
		return nil, err
	}
	for _, mounted := range endpoints {
		mounted.Mount(s.table)
	}
	return s, nil
}

// Run does the work without a request until ctx ends: it retries the delivery of logout tokens, and resolves the writes of this
// instance whose outcome is unknown. Any number of instances may run on one store.
func (s *Server) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { s.backchannel.Run(ctx) })
	loops.Go(func() { s.store.Run(ctx, s.config.Logger) })
	loops.Wait()
}

// dependencies is what endpoints share.
type dependencies struct {
	jwts           token.AccessTokens
	authentication clientauth.Authenticator
	users          *identity.Service
	subjects       token.Subjects
	views          *page.Renderer
	passwords      *account.Passwords
	proof          token.LinkProof
	letters        page.Notifications
	results        *federation.ResultCache
}

func (s *Server) newDependencies() (*dependencies, error) {
	c := s.config
	hashing := c.Hashing
	if hashing == nil {
		hashing = identity.NewHashing(0, 0)
	}
	secrets, err := clientauth.NewSecrets(c.Rand, hashing)
	if err != nil {
		return nil, err
	}
	people, err := identity.New(identity.Config{
		Suggested: func(reason string) { s.metrics.candidates.WithLabelValues(reason).Inc() },
		Engine:    c.Engine, Directories: s.catalog, Now: c.Now, Rand: c.Rand, Logger: c.Logger, Argon2: c.Argon2, Hashing: hashing, Breached: c.Breached,
	})
	if err != nil {
		return nil, err
	}
	views, err := s.newPages()
	if err != nil {
		return nil, err
	}
	throttles := ratelimit.NewLockout(c.Engine, c.Now)
	jwts := token.AccessTokens{Keys: c.Keys, Now: c.TokenNow}
	return &dependencies{
		jwts: jwts, authentication: s.authentication(s.store, secrets, throttles), users: people,
		subjects: token.Subjects{Secrets: c.Secrets}, views: views, passwords: s.newPasswords(people, throttles),
		proof:   token.LinkProof{Bearer: &token.Bearer{Tokens: jwts, Store: s.store}, Now: c.Now},
		letters: page.Notifications{Queue: s.mail, Locales: views.Locales}, results: federation.NewResultCache(c.Now),
	}, nil
}

// newGrants is fosite with every grant.
func (s *Server) newGrants(p *dependencies) (*fosite.Fosite, *token.Dispatcher, error) {
	c := s.config
	strategy := &token.Strategy{Strategy: &oauth2.Strategy{Store: s.store, JWT: p.jwts}, IDTokens: token.IDTokens{Keys: c.Keys, Store: s.store, Now: c.TokenNow, Random: c.Rand}}
	configuration := &token.Configuration{Config: token.NewFositeConfig(p.authentication.Authenticate), TokenPath: endpoint.TokenPath}
	users := &federation.Service{
		Store: s.store, Users: p.users, WeChat: c.WeChat, Master: c.Master, Keys: c.Keys, Now: c.Now, Logger: c.Logger, Results: p.results,
		Linker: &federation.AccountLinker{Passwords: p.passwords, Proof: p.proof, Letters: p.letters, Engine: c.Engine},
	}
	codeFlow := token.NewCodeGrant(configuration, s.store, strategy)
	configuration.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{codeFlow}
	exchange, err := token.Exchange{
		Exchanger: users, Resolver: users, Timeout: c.RequestTimeout, ReplayWait: c.WeChatTimeout, SingleProcess: c.SingleProcess, Now: c.TokenNow,
	}.Factory(s.store, strategy)
	if err != nil {
		return nil, nil, err
	}
	return token.NewProvider(configuration, s.store, strategy, token.Grants{
		grants.GrantType: {exchange},
		string(fosite.GrantTypeAuthorizationCode): {codeFlow.Factory},
		string(fosite.GrantTypeRefreshToken):      {token.RefreshFactory(s.store, strategy)},
		string(fosite.GrantTypeClientCredentials): {token.ClientCredentials(s.store, strategy)},
	})
}

// endpoints returns all endpoints of the server.
func (s *Server) endpoints() ([]endpoint.Endpoint, error) {
	p, err := s.newDependencies()
	if err != nil {
		return nil, err
	}
	s.pageErrors = p.views.WriteError
	provider, dispatch, err := s.newGrants(p)
	if err != nil {
		return nil, err
	}
	c := s.config
	tokens := &token.Endpoint{
		Provider: provider, Timeout: c.RequestTimeout, Codes: token.NewKeyedMutex(), Begin: p.results.Begin,
	}
	flow := s.newAuthorize(authorize.Codes{Provider: provider, Store: s.store, Subjects: p.subjects, Now: c.Now}, p.views.WriteError)
	return append([]endpoint.Endpoint{ // in the order of how often they are asked: the routes are tried one after the other
		tokens,
		&token.Introspection{Clients: p.authentication, AccessTokens: p.jwts, Store: s.store},
		&token.UserInfo{Bearer: p.proof.Bearer},
		&federation.Profile{Handler: federation.Handler{Token: tokens, Results: p.results}},
		flow,
		&authorize.PAR{Clients: p.authentication, Reader: flow.Reader, Pushed: flow.Pushed},
		&discoveryEndpoint{
			grantTypes: dispatch.GrantTypes(), subjectTypes: p.subjects.Types(), authMethods: p.authentication.Methods(), authAlgorithms: keys.Algorithms(),
		},
		&jwksEndpoint{keys: c.Keys},
		openAPIEndpoint{},
		&account.SetPassword{Proof: p.proof, Users: p.users, Passwords: p.passwords, Letters: p.letters, Now: s.config.Now},
		&token.Revocation{Clients: p.authentication, AccessTokens: p.jwts, Store: s.store},
		&federation.BindUser{Handler: federation.Handler{Token: tokens, Results: p.results}},
	}, s.pageEndpoints(p.views, p.users, p.passwords, p.letters, flow)...), nil
}

// authentication authenticates the clients of every endpoint.
func (s *Server) authentication(store *oauth2.Store, secrets *clientauth.Secrets, throttles *ratelimit.Lockout) clientauth.Authenticator {
	c := s.config
	return clientauth.Authenticator{
		Clients: s.catalog,
		Secrets: secrets,
		Assertions: clientauth.Assertions{
			Keys: clientauth.NewKeySets(outbound.NewClient(c.Fetch), c.Now, c.Logger), Store: store, Now: c.TokenNow, ClockTrusted: c.ClockTrusted,
		},
		Limits: &clientauth.Limits{
			Lockout: throttles, Rate: ratelimit.NewRateLimiter(c.ClientRate, c.ClientBurst, c.Now), History: ratelimit.NewAuthHistory(c.Now),
		},
	}
}

// Wait returns when the mail is out that requests have caused. Call it after http.Server.Shutdown.
func (s *Server) Wait() { s.mail.Wait() }
